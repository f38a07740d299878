package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
)

// The variables make the test binary the tool, with what an author or a caller of its own
// would have chosen otherwise; see TestMain.
const (
	asTool     = "PLAIN_AS_TOOL" // the state directory
	asEndpoint = "PLAIN_ENDPOINT"
	asPatience = "PLAIN_PATIENCE"
	asDeadline = "PLAIN_DEADLINE" // of the command's context; "0s" is over
	asJob      = "PLAIN_JOB"      // start the tool as a job in the background
	asBusy     = "PLAIN_BUSY"     // say so and wait for descriptor 3 first
	asUnasked  = "PLAIN_UNASKED"  // console.WithoutQuestion
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asTool) == "":
		os.Exit(m.Run())
	case os.Getenv(asJob) != "":
		os.Exit(background())
	}
	if value, set := os.LookupEnv(asEndpoint); set {
		endpoint = value
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if limit, err := time.ParseDuration(os.Getenv(asDeadline)); err == nil {
		ctx, stop = context.WithTimeout(ctx, limit)
		defer stop()
	}
	var options []console.Option
	if patience, err := time.ParseDuration(os.Getenv(asPatience)); err == nil {
		options = append(options, console.WithPatience(patience))
	}
	if os.Getenv(asUnasked) != "" {
		options = append(options, console.WithoutQuestion())
	}
	if os.Getenv(asBusy) != "" {
		fmt.Println("busy")
		_, _ = os.NewFile(3, "gate").Read(make([]byte, 1))
	}
	manager := core.NewManager(tool(), core.WithStateDir(os.Getenv(asTool)),
		core.WithPolicyFile(filepath.Join(os.Getenv(asTool), "no such policy")), core.WithUploadCommand("-test.run=^$"))
	err := run(ctx, manager, os.Args[1:], options...)
	if err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
	}
	os.Exit(core.ExitCode(err))
}

// background runs the tool in a process group of its own, as a shell does with "plain &".
func background() int {
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), asJob+"=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	inOwnGroup(cmd)
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode()
}

func TestTheExampleRunsHelpsAndRefusesAsToolsDo(t *testing.T) {
	t.Parallel()
	binary := built(t)
	for args, want := range map[string]struct {
		code        int
		out, errors string
	}{
		"greet world":                     {0, "Hello world!\n", ""},
		"greet -loud world":               {0, "HELLO WORLD!\n", ""},
		"greet -h":                        {0, "-loud", ""},
		"":                                {2, "", "greet and telemetry"},
		"greet":                           {2, "", "whom?"},
		"greet -soft":                     {2, "", "-soft"},
		"grete":                           {2, "", `unknown command "grete"`},
		"telemetry":                       {0, "plain telemetry COMMAND", ""},
		"telemetry --help":                {0, "enable ", ""},
		"telemetry status":                {0, "off (not asked yet)", ""},
		"telemetry status -o json":        {0, `"undecided"`, ""},
		"telemetry statsu":                {2, "", `unknown command "statsu"`},
		"telemetry status --output xml":   {2, "", "text or json"},
		"telemetry flush --timeout=never": {2, "", "-timeout"},
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(binary, strings.Fields(args)...)
			cmd.Env = environment(t.TempDir())
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != want.code {
				t.Errorf("exit code %d, want %d", code, want.code)
			}
			if !strings.Contains(out.String(), want.out) || !strings.Contains(errs.String(), want.errors) ||
				(want.out == "") != (out.Len() == 0) || (want.errors == "") != (errs.Len() == 0) {
				t.Errorf("printed %q and %q", out.String(), errs.String())
			}
		})
	}
}

// built returns the example as its users get it.
func built(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "plain.exe") // which Windows needs
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// environment is that of a person whose home is empty.
func environment(home string, more ...string) []string {
	return append([]string{
		"HOME=" + home, "XDG_STATE_HOME=" + filepath.Join(home, "state"), "LocalAppData=" + home, "USERPROFILE=" + home,
		"PATH=" + os.Getenv("PATH"), "SystemRoot=" + os.Getenv("SystemRoot"), "TERM=xterm",
		"GORACE=atexit_sleep_ms=0", // with -race every process would sleep for a second
	}, more...)
}
