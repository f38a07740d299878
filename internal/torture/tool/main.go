//go:build linux

// Sometool is the tool that is tortured: an ordinary tool with cobra and one line of telemetry,
// which says on its standard output what it did, so that whoever kills it knows how far it came.
// It is also built from older commits of this repository, so it uses little.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core/props"
)

func main() {
	working := len(os.Args) > 1 && os.Args[1] == "work"
	if working {
		say("ready")
		say("open", time.Now().UnixNano())
	}
	ctx := context.Background()
	if os.Getenv("CATCH") != "" {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGHUP)
		defer stop()
	}
	p := props.New(declared())
	root := &cobra.Command{Use: "sometool", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(newWork(p))
	if err := telemetrycmd.Wire(root, p); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	root.SetContext(ctx)
	code := execute(root)
	if working {
		say("closed", time.Now().UnixNano())
	}
	os.Exit(code)
}

// declared is what the author declares; the header tells the receiver which process sends. A
// background process has both from the command that started it.
func declared() props.Tool {
	most, _ := strconv.ParseInt(os.Getenv("CAP"), 10, 64)
	return props.Tool{
		Name:     "sometool",
		Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{
			Endpoint:       os.Getenv("ENDPOINT"),
			Headers:        map[string]string{"X-Actor": os.Getenv("ACTOR")},
			UploadInterval: time.Millisecond,
			MaxQueueBytes:  most,
		},
	}
}

// say prints one line with writev(2), by which Go writes nothing but to the network: errors are
// put into the calls that the product makes, and not into what it is measured by.
func say(words ...any) {
	line := fmt.Appendln(nil, words...)
	vector := syscall.Iovec{Base: &line[0]}
	vector.SetLen(len(line))
	_, _, _ = syscall.Syscall(syscall.SYS_WRITEV, os.Stdout.Fd(), uintptr(unsafe.Pointer(&vector)), 1)
}

func newWork(p *props.Props) *cobra.Command {
	var events int
	var pause time.Duration
	var end string
	cmd := &cobra.Command{
		Use:  "work ID",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for i := range events {
				before := time.Now().UnixNano()
				p.Collector.Track(props.EventFeatureUsed, "x", map[string]string{"call": args[0] + "e" + strconv.Itoa(i)})
				say("track", i, before, time.Now().UnixNano())
				time.Sleep(pause)
			}
			return finish(cmd.Context(), end)
		},
	}
	cmd.Flags().IntVar(&events, "events", 1, "how many to track")
	cmd.Flags().DurationVar(&pause, "pause", 0, "after each of them")
	cmd.Flags().StringVar(&end, "end", "close", "how to end")
	return cmd
}

// finish ends the command in one of the ways in which commands end.
func finish(ctx context.Context, end string) error {
	switch end {
	case "close":
		return nil
	case "fail":
		return failed(3)
	case "exit":
		os.Exit(9)
	case "panic":
		panic("a command that fails")
	case "goroutine":
		go panic("something beside a command that fails")
		select {}
	case "exec":
		return syscall.Exec("/bin/sh", []string{"sh", "-c", "exit 9"}, os.Environ())
	case "wait":
		say("waiting")
		<-ctx.Done() // for ever, where signals are not caught: one ends the process
		return ctx.Err()
	}
	return errors.New("no such end: " + strings.TrimSpace(end))
}

type failed int

func (f failed) Error() string { return "failed as it was told to" }
func (f failed) ExitCode() int { return int(f) }
