package coretest_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/coretest"
)

// planted makes the test binary a program of that kind.
const planted = "CORETEST_PLANTED"

func TestMain(m *testing.M) {
	on := os.Getenv("TELEMETRY_ENABLED") == "1"
	switch kind := os.Getenv(planted); {
	case kind == "":
		os.Exit(coretest.RunWithoutNetwork(m))
	case kind == "stuck" && on, kind == "never ends":
		time.Sleep(time.Hour) // it is killed before
	case kind == "posts" && on:
		answer, err := http.Post("http://receiver.invalid/events", "application/json", nil)
		if err != nil || answer.StatusCode != http.StatusInternalServerError {
			os.Exit(1)
		}
	case kind == "misspelt":
		os.Exit(2)
	case kind == "fails" && on:
		os.Exit(3)
	case kind == "holds" && on:
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), planted+"=lingers")
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case kind == "lingers":
		time.Sleep(time.Minute) // far longer than anything waits for it, and no longer than that
	}
}
