// Package program is what the measured programs have in common, so that they differ in
// nothing but the way in which they record.
package program

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

// Peer is a way to record events, set up as its documentation says.
type Peer struct {
	// Track records one event that holds this number.
	Track func(id string)
	// Again records the same event once more, for what counts and keeps no events apart. nil
	// where Track is to be used.
	Again func()
	// Close does what the documentation asks for at the end of a program. What it returns is
	// ignored: what is printed is what the peer itself prints.
	Close func()
}

// Main runs a program. Its arguments, which only internal/peers gives, are
//
//	PROGRAM                               does nothing: the time before main
//	PROGRAM idle ENDPOINT                 says hello, sets the peer up, closes it
//	PROGRAM record ENDPOINT FIRST N       records N events with the numbers from FIRST on
//	PROGRAM slowly ENDPOINT FIRST N PAUSE the same with pauses, and writes a byte to file 3 after each
//	PROGRAM bench ENDPOINT FIRST N        the same without pauses, and prints what one cost
func Main(open func(endpoint string) (Peer, error)) {
	if len(os.Args) < 2 {
		return
	}
	if err := run(os.Args[1], os.Args[2:], open); err != nil {
		fmt.Fprintln(os.Stderr, "program:", err)
		os.Exit(1)
	}
}

func run(mode string, args []string, open func(endpoint string) (Peer, error)) error {
	var first, n int64
	var pause time.Duration
	var err error
	if len(args) >= 3 {
		if first, err = strconv.ParseInt(args[1], 10, 64); err == nil {
			n, err = strconv.ParseInt(args[2], 10, 64)
		}
	}
	if err == nil && len(args) == 4 {
		pause, err = time.ParseDuration(args[3])
	}
	if err != nil {
		return fmt.Errorf("reading the arguments: %w", err)
	}
	fmt.Println("hello")
	peer, err := open(args[0])
	if err != nil {
		return fmt.Errorf("setting up: %w", err)
	}
	switch mode {
	case "bench":
		bench(peer, first, n)
	case "slowly":
		returned := os.NewFile(3, "returned")
		for id := first; id < first+n; id++ {
			peer.Track(strconv.FormatInt(id, 10))
			if _, err := returned.Write([]byte{'.'}); err != nil {
				return err
			}
			time.Sleep(pause)
		}
	default:
		for id := first; id < first+n; id++ {
			peer.Track(strconv.FormatInt(id, 10))
		}
	}
	peer.Close()
	return nil
}

// bench prints the nanoseconds, allocations and bytes of one event. What a peer does in the
// background meanwhile is in it, as it is in a tool.
func bench(peer Peer, first, n int64) {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = strconv.FormatInt(first+int64(i), 10)
	}
	track := peer.Track
	if peer.Again != nil {
		track = func(string) { peer.Again() }
	}
	// The first opens files and starts goroutines, and is in the exit's figures.
	track(ids[0])
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	for _, id := range ids[1:] {
		track(id)
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	n--
	fmt.Println(took.Nanoseconds()/n, int64(after.Mallocs-before.Mallocs)/n, int64(after.TotalAlloc-before.TotalAlloc)/n)
}
