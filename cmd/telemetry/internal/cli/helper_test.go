package cli

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"
)

// helperSwitch makes the test binary a command for exec to run; see TestMain.
const helperSwitch = "EXEC_HELPER"

// helper does what the variable says:
//
//	exit N           ends
//	cat N            copies stdin to stdout, prints its arguments to stderr and ends
//	count DURATION   says "ready", then counts the signals that come, one "got NAME" a
//	                 line, and ends once none came for that long after the first
//	wait             says "ready" and waits to be ended
func helper() int {
	verb, argument, _ := strings.Cut(os.Getenv(helperSwitch), " ")
	code := 0
	_, _ = fmt.Sscan(argument, &code)
	switch verb {
	case "exit":
		return code
	case "cat":
		_, _ = io.Copy(os.Stdout, os.Stdin)
		fmt.Fprintln(os.Stderr, strings.Join(os.Args[1:], " "))
		return code
	case "count":
		quiet, err := time.ParseDuration(argument)
		if err != nil {
			panic(err)
		}
		signals := make(chan os.Signal, 16)
		signal.Notify(signals, forwardedInTest...)
		fmt.Println("ready")
		limit := time.After(patience)
		for {
			select {
			case s := <-signals:
				fmt.Println("got", s)
				limit = time.After(quiet)
			case <-limit:
				return 0
			}
		}
	case "wait":
		fmt.Println("ready")
		time.Sleep(patience)
	}
	return 99
}
