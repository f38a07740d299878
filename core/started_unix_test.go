//go:build unix

package core_test

import (
	"os"
	"syscall"
	"testing"
)

var systemEndings = map[string]func(){
	"SIGTERM": func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			panic(err)
		}
		select {}
	},
	"another program that lives on in its place": func() {
		panic(syscall.Exec(os.Args[0], []string{os.Args[0], "command", os.Args[2], os.Args[3], lingers}, nil))
	},
}

func TestTheProgramThatTakesTheCommandsPlaceDoesNotHoldItsStart(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	notDue(t, dir)
	r := starts(t, dir, in.URL, "another program that lives on in its place")
	r.goes()
	r.says(lingering)
	mustFlush(t, manager(processTool(in.URL), dir, nil))
	if got := in.received(); len(got) != 1 || !isUnrecorded(got[0]) {
		t.Errorf("%+v", got)
	}
	r.dies()
}
