//go:build linux

package torture

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// calm is a stage with an intake that takes everything.
func calm(t *testing.T) (*stage, *intake) {
	random := rand.New(rand.NewPCG(1, 1))
	in := newIntake(t, random)
	in.behave()
	return newStage(t, in, random), in
}

// ended fails the test for what the processes of a stage could not do.
func (s *stage) ended(t *testing.T) {
	t.Helper()
	for _, problem := range s.problems {
		t.Error(problem)
	}
}

// disk is a file system of that size for the state directory of a stage.
func (s *stage) disk(t *testing.T, options string) (path string) {
	t.Helper()
	path = t.TempDir()
	if err := syscall.Mount("none", path, "tmpfs", 0, options); err != nil {
		t.Skip("needs to be allowed to mount: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s.dir = filepath.Join(path, "telemetry")
	return path
}

// fill writes to a file until nothing more fits and returns what makes room again.
func fill(t *testing.T, disk string) (empty func()) {
	t.Helper()
	path := filepath.Join(disk, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); errors.Is(err, syscall.ENOSPC) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatAFullDiskDoesNotTakeIsCounted(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]string{"by a command that closes": "END=9", "by a command that exits": "END=0", "by a command that is killed": "END=2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, in := calm(t)
			disk := s.disk(t, "size=1m")
			s.h.capped = true // not everything has to arrive
			s.mustEnable(t, false)
			s.run(abandoning("before", 20))
			empty := fill(t, disk)
			s.run(plan{role: "record", id: "full", env: []string{"EVENTS=50", end}})
			s.awaitEnd()
			if status := s.manager("last").Status(); status.Recording && !status.Unstored && status.NotAllStored == "" || len(status.Faults) == 0 || status.TotalLost() == 0 {
				t.Errorf("status: recording %v, faults %q, lost %v", status.Recording, status.Faults, status.Lost)
			}
			empty()
			s.run(abandoning("after", 20))
			o, err := s.settle(t, in)
			if err != nil {
				t.Fatal(err)
			}
			s.ended(t)
			everyEventIsCounted(t, s, o)
		})
	}
}

func TestANoIsStoredOnAFullDisk(t *testing.T) {
	t.Parallel()
	s, in := calm(t)
	disk := s.disk(t, "size=1m")
	s.mustEnable(t, false)
	s.run(abandoning("before", 20))
	empty := fill(t, disk)
	s.run(plan{role: "switch", id: "no", env: []string{"SWITCHES=no", "TIMES=1"}})
	s.run(abandoning("off", 5))
	empty()
	o, err := s.settle(t, in)
	if err != nil {
		t.Fatal(err)
	}
	s.ended(t)
	for _, sentence := range s.h.check(o) {
		t.Error(sentence)
	}
	if len(o.requests) > 0 {
		t.Errorf("%d requests arrived", len(o.requests))
	}
}

func TestADirectoryThatBecomesReadOnlyIsTold(t *testing.T) {
	t.Parallel()
	s, in := calm(t)
	disk := s.disk(t, "size=1m")
	s.mustEnable(t, false)
	s.run(abandoning("before", 5))
	remount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("none", disk, "tmpfs", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	s.run(plan{role: "record", id: "lost", env: []string{"EVENTS=5", "END=9"}})
	s.run(plan{role: "record", id: "ci", env: []string{"EVENTS=5", "END=9", inCI}})
	if status := s.manager("last").Status(); status.Recording && !status.Unstored && status.NotAllStored == "" || len(status.Faults) == 0 {
		t.Errorf("status: recording %v, faults %q", status.Recording, status.Faults)
	}
	s.ended(t)
	s.run(plan{role: "switch", id: "no", env: []string{"SWITCHES=no", "TIMES=1"}})
	if len(s.problems) != 1 || !strings.Contains(s.problems[0], "failed:") {
		t.Errorf("a no that could not be stored: %q", s.problems)
	}
	remount(0)
	s.h.capped = true
	o, err := s.settle(t, in)
	if err != nil {
		t.Fatal(err)
	}
	arrived := 0
	for _, r := range o.requests {
		for _, event := range r.events {
			if strings.HasPrefix(event.Metadata[callKey], "cie") {
				arrived++
			}
		}
	}
	if arrived != 5 {
		t.Errorf("%d of 5 events arrived from the command that sends by itself", arrived)
	}
}

func TestTheCapIsACap(t *testing.T) {
	t.Parallel()
	processes, events := 50, 1000
	if testing.Short() {
		processes, events = 10, 3000
	}
	const limit = 8 << 20
	s, in := calm(t)
	s.h.capped = true
	s.mustEnable(t, false)
	s.noneIsDue(t)
	var all sync.WaitGroup
	turns := make(chan struct{}, 25)
	for i := range processes {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			s.run(plan{role: "record", id: "r" + strconv.Itoa(i) + "-", env: []string{"EVENTS=" + strconv.Itoa(events), "END=9", "HURRY=1", "CAP=" + strconv.Itoa(limit)}})
			if size := sizeOf(t, filepath.Join(s.dir, "queue")); size > limit {
				t.Errorf("%d bytes wait, %d above the cap", size, size-limit)
			}
		})
	}
	all.Wait()
	o, err := s.settle(t, in)
	if err != nil {
		t.Fatal(err)
	}
	s.ended(t)
	everyEventIsCounted(t, s, o)
}

// noneIsDue keeps commands from starting uploads.
func (s *stage) noneIsDue(t *testing.T) {
	t.Helper()
	path := filepath.Join(s.dir, "next-upload")
	err := os.WriteFile(path, nil, 0o600)
	if err == nil {
		err = os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func sizeOf(t *testing.T, dir string) (size int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			size += info.Size()
		}
	}
	return size
}

// injected is the command that runs another one with something wrong in those of its calls.
func injected(t *testing.T, calls, what string) []string {
	t.Helper()
	under := []string{"strace", "-f", "-o", os.DevNull, "-e", "trace=" + calls, "-e", "inject=" + calls + ":" + what}
	if err := exec.Command("strace", "-f", "-o", os.DevNull, "true").Run(); err != nil {
		if os.Getenv("TELEMETRY_TEST_STRACE") == "required" {
			t.Fatal("strace is to be there, and to be allowed: ", err)
		}
		t.Skip("needs strace, and to be allowed to use it: ", err)
	}
	return under
}

func TestSlowLocksCostACommandNoTimeAndNoEvents(t *testing.T) {
	t.Parallel()
	slow := injected(t, "flock", "delay_enter=2000000")
	s, in := calm(t)
	s.mustEnable(t, false)
	s.noneIsDue(t)
	s.run(plan{role: "record", id: "fast", under: []string{"strace", "-f", "-o", os.DevNull, "-e", "trace=flock"}, env: []string{"EVENTS=5", "END=9"}})
	s.run(plan{role: "record", id: "slow", under: slow, env: []string{"EVENTS=5", "END=9"}})
	s.ended(t)
	if more := s.took["slow"] - s.took["fast"]; more > 300*time.Millisecond {
		t.Errorf("slow locks cost a command %v", more)
	}
	s.run(plan{role: "record", id: "patient", under: slow, env: []string{"EVENTS=5", "END=9", "PAUSE=700ms"}})
	s.awaitEnd()
	s.h.capped = true
	o, err := s.settle(t, in)
	if err != nil {
		t.Fatal(err)
	}
	everyEventIsCounted(t, s, o)
}

func TestANoIsStoredWhereLocksAreSlowOrMissing(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"delay_enter=2000000", "error=ENOLCK"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			under := injected(t, "flock", what)
			s, in := calm(t)
			s.mustEnable(t, false)
			s.run(abandoning("before", 5))
			s.run(plan{role: "switch", id: "no", under: under, env: []string{"SWITCHES=no", "TIMES=1"}})
			s.ended(t)
			s.run(abandoning("off", 5))
			o, err := s.settle(t, in)
			if err != nil {
				t.Fatal(err)
			}
			for _, sentence := range s.h.check(o) {
				t.Error(sentence)
			}
			if len(o.requests) > 0 {
				t.Errorf("%d requests arrived", len(o.requests))
			}
		})
	}
}

func TestEventsThatNoLockCouldBeHadForAreTold(t *testing.T) {
	t.Parallel()
	none := injected(t, "flock", "error=ENOLCK")
	s, in := calm(t)
	s.mustEnable(t, false)
	s.run(plan{role: "record", id: "r", under: none, env: []string{"EVENTS=5", "END=9"}})
	s.ended(t)
	if status := s.manager("last").Status(); status.TotalLost() != 5 {
		t.Errorf("status tells of %v lost", status.Lost)
	}
	cmd := exec.Command(none[0], append(none[1:], os.Args[0], "actor", "status", "x", s.dir, s.endpoint, "1")...)
	cmd.Env = []string{}
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "recording false") {
		t.Errorf("without locks status says %q, %v", out, err)
	}
	s.h.capped = true
	o, err := s.settle(t, in)
	if err != nil {
		t.Fatal(err)
	}
	everyEventIsCounted(t, s, o)
}
