package conformance

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// childEnv holds the orders of a child process.
const childEnv = "CONFORMANCE_CHILD"

// orders are what a child is to do. It is this executable, brought back to the same Run.
type orders struct {
	// Name is the test whose Run is meant.
	Name string
	// Role is one of roles.
	Role string
	// Server and Sockets are where the vendor listens, Roots whose certificates are to be
	// trusted.
	Server, Sockets, Roots string
	// Dir is for files, Result the file for the child's account.
	Dir, Result string
	// Base is the time of the sample events, First and Count which of them.
	Base         time.Time
	First, Count int
	// MachineID and Hostname are planted, in a process that was isolated for that.
	MachineID, Hostname string
	// Network gives that process a network of its own, in which nobody is.
	Network bool
	// Checks are to be made, Canaries looked for, and the directories Quiet stay empty.
	Checks   []string
	Canaries []canary
	Quiet    []string
	Seed     uint64
	// State is the collector's directory.
	State string
	// Limits are those of a driver that learns them from its program.
	Limits driver.Limits
}

// account is what a child tells of its work.
type account struct {
	Errors []string
	// Classes of the Sends.
	Classes []driver.Class
	Stdout  []byte
	// Files are how many were open before and after, Open what is still open.
	FilesBefore, FilesAfter int
	Open                    []string
	// Planted are the things that could be planted beyond the environment.
	Planted []string
	// Found are the findings of checks, by ID.
	Found map[string][]Finding
	Notes []string
	// Said are what errors said.
	Said []string
	// Requests are what a requestor sent, Changed what it changed of its process.
	Requests [][]byte
	Changed  []string
	Problem  string
}

// plantedNetwork is among the things planted where nothing but the suite is on the network.
const plantedNetwork = "network"

func playing() bool { return os.Getenv(childEnv) != "" }

// roles are what children do.
func roles() map[string]func(*orders, *Subject) account {
	return map[string]func(*orders, *Subject) account{
		"send":      childSends,
		"track":     childTracks,
		"stranded":  childIsStranded,
		roleShipped: childAsShipped,
	}
}

// playChild carries out the orders, if they are for name, and ends the process.
func playChild(name string, s *Subject) {
	play(name, func(o *orders) account {
		if s.program != nil {
			s.Driver.Limits = o.Limits
		}
		return roles()[o.Role](o, s)
	})
}

// play has the orders carried out and ends the process, if they are for name.
func play(name string, do func(*orders) account) {
	var o orders
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &o); err != nil {
		fmt.Fprintln(os.Stderr, "conformance: the orders cannot be read:", err)
		os.Exit(2)
	}
	if o.Name != name {
		return
	}
	result := do(&o)
	text, err := json.Marshal(result)
	if err == nil {
		err = os.WriteFile(o.Result, text, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance: the account cannot be written:", err)
		os.Exit(2)
	}
	if o.Role == roleShipped && name != "" {
		return // a test has to end by itself, or what it read is not written down
	}
	os.Exit(0)
}

// child is a started process.
type child struct {
	cmd            *exec.Cmd
	result         string
	stdout, stderr bytes.Buffer
}

// start starts a child with the orders, in the given environment.
func (p *probe) start(o orders, env []string, dir string, args ...string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a, err := trusted()
	if err != nil {
		return nil, err
	}
	results, err := p.tempDir()
	if err != nil {
		return nil, err
	}
	o.Name, o.Server, o.Sockets, o.Base = p.options.name, p.server.addr(), p.server.sockets.Addr().String(), p.base
	o.Roots = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
	o.Result, o.Limits = filepath.Join(results, "account"), p.subject.Driver.Limits
	c := &child{result: o.Result}
	try := func(o orders) error {
		text, err := json.Marshal(o)
		if err != nil {
			return err
		}
		c.cmd = exec.CommandContext(p.options.context(), exe, slices.Concat(p.options.reach, args)...)
		// So that it can end what it has started itself.
		c.cmd.Cancel = func() error { return c.cmd.Process.Signal(os.Interrupt) }
		c.cmd.WaitDelay = slack()
		c.cmd.Env = append(slices.Clone(env), childEnv+"="+string(text))
		c.cmd.Dir = dir
		c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.stderr
		if o.Role == roleShipped {
			// Files have a size, by which the child knows who has printed.
			for i, w := range []*io.Writer{&c.cmd.Stdout, &c.cmd.Stderr} {
				f, err := os.Create(filepath.Join(results, fmt.Sprint("printed", i)))
				if err != nil {
					return err
				}
				defer f.Close()
				*w = f
			}
		}
		if o.Hostname != "" {
			isolate(c.cmd, o.Network)
		}
		return c.cmd.Start()
	}
	if o.Hostname != "" {
		if try(o) == nil {
			return c, nil
		}
		if o.Network = false; try(o) == nil {
			return c, nil
		}
		// Or a privileged child would rename the machine that it runs on.
		o.Hostname, o.MachineID = "", ""
	}
	return c, try(o)
}

// wait returns the account of a child that ends by itself.
func (c *child) wait(limit time.Duration) (account, error) {
	var a account
	timer := time.AfterFunc(limit, func() { _ = c.cmd.Process.Kill() })
	err := c.cmd.Wait()
	if !timer.Stop() {
		return a, fmt.Errorf("the child process had not ended after %v\n%s%s", limit, c.stdout.String(), c.stderr.String())
	}
	text, readErr := os.ReadFile(c.result)
	if errors.Is(readErr, os.ErrNotExist) {
		return a, fmt.Errorf("the child process did not come back to conformance.Run (%v); Run belongs first in a test\n%s%s", err, c.stdout.String(), c.stderr.String())
	}
	if readErr != nil {
		return a, readErr
	}
	return a, json.Unmarshal(text, &a)
}

// wire is the child's way to the vendor.
func (o *orders) wire() (*wire, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(o.Roots)) {
		return nil, errors.New("no certificate")
	}
	return newWire(o.Server, o.Sockets, roots), nil
}

// childSends sends three batches with a backend, several times over.
func childSends(o *orders, s *Subject) (a account) {
	a.Planted = plant(o)
	w, err := o.wire()
	if err != nil {
		a.Problem = err.Error()
		return a
	}
	stdout := &output{}
	settings, err := s.Driver.Resolve(s.settings(endpoint))
	if err != nil {
		a.Problem = err.Error()
		return a
	}
	round := func(note bool) {
		config := driver.Config{Settings: settings, Headers: s.Headers, Tool: toolName, Version: toolVersion, Stdout: stdout, Dir: o.Dir}
		w.setIn(&config)
		b, err := s.Driver.Open(config)
		if err != nil {
			a.Problem = err.Error()
			return
		}
		for i := range childBatches {
			ctx, cancel := context.WithTimeout(context.Background(), longTime())
			err := b.Send(ctx, childBatch(o.Base, i))
			cancel()
			if note {
				a.Classes = append(a.Classes, driver.Classify(err))
				a.Errors = append(a.Errors, fmt.Sprint(err))
			}
		}
		if err := b.Close(); err != nil && note {
			a.Errors = append(a.Errors, err.Error())
		}
		w.base.CloseIdleConnections()
	}
	round(true)
	a.Stdout = stdout.bytes() // of the round whose events the suite knows
	before := openFiles()
	a.FilesBefore = len(before)
	for range 3 {
		round(false)
	}
	// net/http gives its last connection back in the background.
	for range 100 {
		a.Open = openFiles()
		if a.FilesAfter = len(a.Open); a.FilesAfter <= a.FilesBefore {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	runtime.KeepAlive(w) // or what was left open would be closed as garbage
	return a
}

// childBatches is how many batches a child sends in a round.
const childBatches = 3

// childBatch has an event in its middle that leaves room for what surroundings could say.
func childBatch(base time.Time, i int) []driver.Event {
	batch := sampleEvents(base, 10*i, 3)
	lean(&batch[1])
	batch[1].Interactive, batch[1].RunID = false, ""
	return batch
}

// openFiles names what this process has open, nothing where the system does not tell.
func openFiles() []string {
	const dir = "/dev/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			target = "?"
		}
		names = append(names, e.Name()+" → "+target)
	}
	return names
}
