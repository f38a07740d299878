//go:build !notelemetry

// Package pgtest runs a real PostgreSQL for tests: a server of the test's own, in a temporary
// directory, that can be killed and started again.
package pgtest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that is called "pgx"
)

// Required, as the value of TELEMETRY_TEST_POSTGRES, makes a test fail where there is no
// PostgreSQL. Otherwise it is skipped.
const Required = "required"

// startTime is far above what a start takes, also after a kill and on a machine that is busy.
const startTime = time.Minute

// Server is a PostgreSQL that belongs to a test.
type Server struct {
	t         testing.TB
	dir       string // of the socket, and above that of the data
	postgres  string
	settings  []string
	output    bytes.Buffer // of the process that runs, to be read when it has ended
	process   *exec.Cmd
	ended     chan struct{}
	databases atomic.Int64
}

// Start runs a server until the test is over. Settings are some of postgresql.conf's, such as
// "fsync=on": it is off without, since what is killed in a test is the server and never the
// machine.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := &Server{t: t, postgres: find(t, "postgres"), settings: append([]string{"fsync=off", "dynamic_shared_memory_type=mmap"}, settings...)}
	initdb := find(t, "initdb")
	// Not t.TempDir: a socket's path has to be shorter than some tests' names.
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	s.dir = dir
	t.Cleanup(func() {
		s.Kill()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := own(dir); err != nil {
		t.Fatal(err)
	}
	cmd := s.command(initdb, "--pgdata", s.data(), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.Start()
	return s
}

// find returns the path of one of PostgreSQL's programs: Debian keeps them out of PATH.
func find(t testing.TB, program string) string {
	t.Helper()
	if path, err := exec.LookPath(program); err == nil && program != "postgres" {
		return path
	}
	if all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program); len(all) > 0 {
		return all[len(all)-1]
	}
	path, err := exec.LookPath(program)
	if err == nil && supported {
		return path
	}
	const says = "there is no PostgreSQL here (initdb and postgres), so what it does is not tested"
	if os.Getenv("TELEMETRY_TEST_POSTGRES") == Required {
		t.Fatal(says)
	}
	t.Skip(says)
	return ""
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// command is one that runs as a user whom PostgreSQL does not refuse.
func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	asPostgres(cmd)
	return cmd
}

// Start runs the server again after Stop or Kill, with the data that it had.
func (s *Server) Start() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	// It refuses to start while a process of one that was killed is still ending.
	for !s.start(ctx) {
		if ctx.Err() != nil {
			s.t.Fatalf("the server does not start: %s", &s.output)
		}
	}
}

// start reports whether the server answers, and not if it ended instead.
func (s *Server) start(ctx context.Context) bool {
	s.t.Helper()
	args := []string{"-D", s.data(), "-k", s.dir, "-c", "listen_addresses="}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	cmd := s.command(s.postgres, args...)
	s.output.Reset()
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.process, s.ended = cmd, make(chan struct{})
	go func() {
		defer close(s.ended)
		_ = cmd.Wait() // how it ends is the test's wish
	}()
	for {
		err := s.sql(ctx, "SELECT 1")
		if err == nil {
			return true
		}
		select {
		case <-s.ended:
			return false
		case <-ctx.Done():
			s.t.Fatal(errors.Join(ctx.Err(), err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the server as an administrator does who waits for nobody: connections are cut,
// and what was committed is kept.
func (s *Server) Stop() { s.end(os.Interrupt) }

// Kill ends the server in the middle of whatever it does.
func (s *Server) Kill() { s.end(os.Kill) }

func (s *Server) end(signal os.Signal) {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(signal) // it may have ended
	<-s.ended
	s.process = nil
}

// URL names a database of that server, for store.Open and pgx.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: url.Values{"host": {s.dir}, "user": {"postgres"}}.Encode()}
	return u.String()
}

// Database makes a new, empty database and returns its URL.
func (s *Server) Database() string {
	s.t.Helper()
	name := "test" + strconv.FormatInt(s.databases.Add(1), 10)
	s.Exec("CREATE DATABASE " + name)
	return s.URL(name)
}

// Exec runs a statement in the server's first database, as its superuser.
func (s *Server) Exec(statement string) {
	s.t.Helper()
	if err := s.sql(context.Background(), statement); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) sql(ctx context.Context, statement string) (err error) {
	db, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, statement)
	return err
}
