//go:build !notelemetry && unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A run is a matter of seconds with some hundred processes, which nobody wants to look for.
func TestCtrlCLeavesNeitherProcessesNorFiles(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"before it has opened": `echo $$ >>"$0.pids"; while :; do sleep 1; done`,
		"while it is asked": `echo $$ >>"$0.pids"; read -r first
			echo '{"opened":{"concurrent":false}}'; while :; do sleep 1; done`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program, temporary := filepath.Join(dir, "deaf.sh"), filepath.Join(dir, "tmp")
			if err := errors.Join(os.WriteFile(program, []byte(script), 0o600), os.Mkdir(temporary, 0o700)); err != nil {
				t.Fatal(err)
			}
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(exe, "--vendor", acme, "--", "/bin/sh", program)
			cmd.Env = append(os.Environ(), asCommand+"=1", "TMPDIR="+temporary)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			started := func() []string {
				text, _ := os.ReadFile(program + ".pids")
				return strings.Fields(string(text))
			}
			for end := time.Now().Add(30 * time.Second); len(started()) == 0; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the program was not started")
				}
			}
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
			_ = cmd.Wait()
			const interrupted = 130 // as shells have it
			if code := cmd.ProcessState.ExitCode(); code != interrupted || !strings.Contains(out.String(), "interrupted") {
				t.Errorf("exit code %d: %s", code, &out)
			}
			for _, text := range started() {
				if pid, err := strconv.Atoi(text); err != nil || syscall.Kill(pid, 0) == nil {
					t.Errorf("process %s of the program still runs", text)
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			if left, err := filepath.Glob(filepath.Join(temporary, "*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// Node before its 24th version, for one, reads no HTTPS_PROXY.
func TestAProgramThatDoesNotFindTheVendorIsToldSoOnce(t *testing.T) {
	t.Parallel()
	const script = `read -r opening; echo '{"opened":{"concurrent":false}}'
		read -r batch; echo '{"sent":{"id":1,"class":"again","error":"acme: no such host"}}'
		read -r end; echo '{"closed":true}'`
	out, errs, code := command("--vendor", acme, "--", "/bin/sh", "-c", script)
	const want = "no request came through the proxy that HTTPS_PROXY names; to one event the program says: acme: no such host"
	if code != exitUsage || !strings.Contains(errs, want) || out != "" {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
}
