//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// intakeName is the intake's name where a name server is to be asked for it, and silentServer
// the address of one that says nothing: both of this machine.
const (
	intakeName   = "intake.peers.test"
	silentServer = "127.0.0.153"
)

// thread is a thread whose mounts are its own. What it starts has them too, with no program in
// between that would take time of its own.
type thread struct{ jobs chan func() }

// newThread returns a thread on which each file is seen in place of another.
func newThread(inPlaceOf map[string]string) (*thread, error) {
	t := &thread{make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: nobody else may get this thread
		err := syscall.Unshare(syscall.CLONE_FS | syscall.CLONE_NEWNS)
		if err == nil {
			err = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		}
		for old, file := range inPlaceOf {
			if err == nil {
				err = syscall.Mount(file, old, "", syscall.MS_BIND, "")
			}
		}
		ready <- err
		for job := range t.jobs {
			job()
		}
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("making mounts of a thread's own: %w", err)
	}
	return t, nil
}

// start starts a program, on the thread if there is one.
func (t *thread) start(cmd *exec.Cmd) error {
	if t == nil {
		return cmd.Start()
	}
	done := make(chan error)
	t.jobs <- func() { done <- cmd.Start() }
	return <-done
}

// names is what a program learns of a name: nothing, or where the intake is.
type names struct {
	silent, known *thread
	// missing says why there is neither.
	missing string
}

func newNames(dir string) (*names, error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a name server: %w", err)
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 153}, Port: 53}); err != nil {
		return nil, fmt.Errorf("making a name server: %w", err)
	}
	silent, known := filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "hosts")
	err = errors.Join(os.WriteFile(silent, []byte("nameserver "+silentServer+"\n"), 0o644), //nolint:gosec // every program reads it
		os.WriteFile(known, []byte("127.0.0.1 "+intakeName+"\n"), 0o644)) //nolint:gosec // the same
	if err != nil {
		return nil, err
	}
	n := &names{}
	if n.silent, err = newThread(map[string]string{"/etc/resolv.conf": silent}); err == nil {
		n.known, err = newThread(map[string]string{"/etc/hosts": known})
	}
	return n, err
}

// home is a person's home directory, and what runs in it.
type home struct {
	dir    string
	ci     bool
	thread *thread
	nobody bool // programs run as a user who may write nothing here
}

func (h *home) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"HOME=" + h.dir, "PATH=/usr/bin:/bin"}
	if h.ci {
		cmd.Env = append(cmd.Env, "CI=true")
	}
	cmd.Dir = "/"
	if h.nobody && os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

// nobody is the user whom the administrator's right to write everywhere is not lent to.
const nobody = 65534

// outcome is what a run came to.
type outcome struct {
	took   time.Duration
	prints bool // anything to stderr
	said   string
	err    error
}

// tooLong ends a run that nothing else ends: three times what the slowest peer waits by default.
const tooLong = 100 * time.Second

// run runs a program and waits for its end, not for what it leaves in the background.
func (h *home) run(program string, args ...string) outcome {
	cmd := h.command(program, args...)
	said, err := os.CreateTemp("", "stderr") // a pipe would be held open by what stays behind
	if err != nil {
		return outcome{err: err}
	}
	defer os.Remove(said.Name())
	defer said.Close()
	cmd.Stderr = said
	start := time.Now()
	if err := h.thread.start(cmd); err != nil {
		return outcome{err: err}
	}
	alarm := time.AfterFunc(tooLong, func() { _ = cmd.Process.Kill() })
	err = cmd.Wait()
	took := time.Since(start)
	alarm.Stop()
	text, readErr := os.ReadFile(said.Name())
	return outcome{took: took, prints: len(text) > 0, said: string(text), err: errors.Join(err, readErr)}
}

// left returns the processes that were started in this home and still run.
func (h *home) left() (pids []int) {
	variable := []byte("HOME=" + h.dir + "\x00")
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if environ, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ")); err == nil && bytes.Contains(append([]byte{0}, environ...), append([]byte{0}, variable...)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// settle waits until nothing runs in the home, and says whether it came to that.
func (h *home) settle(most time.Duration) bool {
	for end := time.Now().Add(most); ; time.Sleep(20 * time.Millisecond) {
		if len(h.left()) == 0 {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// end ends what still runs in the home.
func (h *home) end() {
	for _, pid := range h.left() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	h.settle(10 * time.Second)
}

// holds says which of the events are in some file of the home.
func (h *home) holds(ids []string) map[string]bool {
	found := map[string]bool{}
	_ = filepath.WalkDir(h.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		if content, err := os.ReadFile(path); err == nil { //nolint:gosec // of a home made here
			for _, id := range number.FindAll(content, -1) {
				found[string(id)] = true
			}
		}
		return nil
	})
	held := map[string]bool{}
	for _, id := range ids {
		if found[id] {
			held[id] = true
		}
	}
	return held
}

// size is what the home's files take.
func (h *home) size() (bytes int64) {
	_ = filepath.WalkDir(h.dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}

// numbers gives every event a number that is found again in any encoding: fourteen digits,
// which no clock shows and a declared number may have.
type numbers struct{ next atomic.Int64 }

func newNumbers() *numbers {
	n := &numbers{}
	n.next.Store(70_000_000_000_000)
	return n
}

func (n *numbers) take(count int) (first string, all []string) {
	end := n.next.Add(int64(count))
	for id := end - int64(count); id < end; id++ {
		all = append(all, strconv.FormatInt(id, 10))
	}
	return all[0], all
}

// copyDir copies a home, with the times of its files, which may say when something is due.
func copyDir(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		info, err := e.Info()
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return os.MkdirAll(target, info.Mode().Perm())
		case !e.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path) //nolint:gosec // of a home made here
		if err == nil {
			err = os.WriteFile(target, content, info.Mode().Perm())
		}
		if err == nil {
			err = os.Chtimes(target, info.ModTime(), info.ModTime())
		}
		return err
	})
}
