//go:build linux

package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// mindsChange lets people and administrators change their minds while others record and send.
func mindsChange(w *world) {
	w.in.mood = []mood{isFine, moody}[w.random.IntN(2)]
	weather := anyWeather
	if w.mayRule() {
		for _, policy := range []string{policyOff, policyOn, policyLocal, policyBroken} {
			weather = append(weather, []string{policy}, []string{policy, inCI})
		}
	}
	var plans []plan
	for i, p := range w.crowd("c", 40, weather...) {
		for _, variable := range p.env {
			if policy, ok := strings.CutPrefix(variable, "POLICY="); ok {
				p.under = w.policy(policy)
			}
		}
		switch w.random.IntN(8) {
		case 0:
			p = w.flush(p.id)
		case 1, 2, 3:
			answers := [][]string{{"enable"}, {"enable"}, {"enable"}, {"enable", "--local"}, {"disable"}, {"reset"}}
			p = w.switching("s"+strconv.Itoa(i), answers[w.random.IntN(len(answers))]...)
		}
		plans = append(plans, p)
	}
	w.atOnce(5, plans...)
}

// mayRule reports whether a process may have an /etc of its own here.
func (w *world) mayRule() bool {
	out, err := w.command(os.Args[0], "x", nil, append(w.policy("on")[1:], "/bin/sh", "-c", "exit 0")...)
	if err != nil {
		w.t.Logf("no policies here: %v %s", err, out)
	}
	return err == nil
}

// policy is the command that runs another one where /etc holds that policy for the tool.
func (w *world) policy(content string) []string {
	etc := filepath.Join(w.root, "etc-"+strings.ReplaceAll(content, " ", "-"))
	folder := filepath.Join(etc, "sometool")
	err := os.MkdirAll(folder, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "telemetry-policy"), []byte(content+"\n"), 0o644)
	}
	for _, name := range []string{"machine-id", "os-release", "passwd"} {
		if content, err := os.ReadFile("/etc/" + name); err == nil {
			_ = os.WriteFile(filepath.Join(etc, name), content, 0o644)
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return []string{os.Args[0], "ruled", etc}
}

// ownMounts lets this process mount what nobody else sees, and what is gone when it ends. Only the
// thread that it locks has that until the process becomes another program.
func ownMounts() error {
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return err
	}
	return syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
}

// ruled becomes another program, with that directory in the place of /etc.
func ruled(etc string, args []string) {
	err := ownMounts()
	if err == nil {
		err = syscall.Mount(etc, "/etc", "", syscall.MS_BIND, "")
	}
	if err == nil {
		err = syscall.Exec(args[0], args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(notTraced)
}
