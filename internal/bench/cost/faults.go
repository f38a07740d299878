//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// rounds is how often each program runs: pages depend a little on where a process lands, and a
// median of so many does no more.
const rounds = 201

// subject is a way to run a program.
type subject struct {
	what, pkg string
	env       []string
	args      []string
	file      string
	prepare   func(subject) error
}

// faults writes how many pages of memory processes touch for the first time.
func faults(out io.Writer, dir string) error {
	address, stop, err := intake()
	if err != nil {
		return err
	}
	defer stop()
	off, on := filepath.Join(dir, "off"), filepath.Join(dir, "on")
	subjects := []subject{
		{what: "a cobra tool of one subcommand, which prints a line", pkg: "cost/plain"},
		{what: "the same with net/http linked, and not used", pkg: "cost/nethttp"},
		{what: "with telemetry and its commands, off (DO_NOT_TRACK)", pkg: "cost/wired", env: []string{"DO_NOT_TRACK=1"}},
		{what: "the same, undecided", pkg: "cost/wired"},
		{what: "the same, on: an event is recorded, and no upload is due", pkg: "cost/wired", env: []string{"XDG_STATE_HOME=" + on}, prepare: func(s subject) error { return enabled(s, on) }},
	}
	for i := range subjects {
		s := &subjects[i]
		s.args, s.env = []string{"world"}, append(s.env, "HOME="+off)
		if s.file, err = build(dir, filepath.Base(s.pkg), s.pkg, "-ldflags=-s -w -X main.endpoint=http://"+address+"/events"); err != nil {
			return err
		}
		if s.prepare != nil {
			if err := s.prepare(*s); err != nil {
				return err
			}
		}
	}
	all, over := make([][]int64, len(subjects)), make([][]int64, len(subjects))
	for round := range rounds {
		took := make([]int64, len(subjects))
		for i := range subjects {
			i = (round + i) % len(subjects) // each comes after each other as often
			if took[i], err = faultsOf(subjects[i]); err != nil {
				return err
			}
		}
		for i := range subjects {
			all[i], over[i] = append(all[i], took[i]), append(over[i], took[i]-took[0])
		}
	}
	fmt.Fprintf(out, `
## Page faults of a process

Minor ones, as the system counted them (ru_minflt): the median of %d runs each, in turn, and the median of the differences to
the first program in the same turn.

| Program | Faults | more |
|---|--:|--:|
`, rounds)
	for i, s := range subjects {
		fmt.Fprintf(out, "| %s | %d | %+d |\n", s.what, median(all[i]), median(over[i]))
	}
	return nil
}

func median(list []int64) int64 {
	slices.Sort(list)
	return list[len(list)/2]
}

func faultsOf(s subject) (int64, error) {
	cmd := exec.Command(s.file, s.args...)
	cmd.Env, cmd.Stderr = s.env, os.Stderr
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w", s.what, err)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, errors.New("this system does not say what a process used")
	}
	return int64(usage.Minflt), nil
}

// enabled says yes, and has the first upload done, which is due at once.
func enabled(s subject, home string) error {
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	yes := s
	yes.args = []string{"telemetry", "enable"}
	for _, s := range []subject{yes, s} {
		if _, err := faultsOf(s); err != nil {
			return err
		}
	}
	for range 3000 { // half a minute
		due, err := nextUpload(home)
		if err != nil {
			return err
		}
		// While the process in the background is at it, the next may be in a minute.
		if time.Until(due) > 5*time.Minute {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the first upload does not end")
}

func nextUpload(home string) (at time.Time, err error) {
	err = filepath.WalkDir(home, func(path string, entry fs.DirEntry, err error) error {
		if filepath.Base(path) != "next-upload" || err != nil {
			return nil // files come and go while the upload is under way
		}
		info, err := entry.Info()
		if err == nil {
			at = info.ModTime()
		}
		return nil
	})
	return at, err
}

// intake takes every event.
func intake() (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	})}
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), func() { server.Close() }, nil
}
