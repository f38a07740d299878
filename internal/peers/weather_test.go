//go:build linux

package main

import (
	"errors"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A weather that is not what it is called would be a false column of the page.
func TestEveryWeatherIsWhatItIsCalledAndClears(t *testing.T) {
	t.Parallel()
	for i, w := range weathers {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			in, err := newIntake(w)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(in.close)
			endpoint := "http://127.0.0.1:" + strconv.Itoa(in.port)
			post := func(id string, patience time.Duration) (*http.Response, error) {
				client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
				answer, err := client.Post(endpoint, "application/json", strings.NewReader(`{"n":"`+id+`"}`))
				if err == nil {
					answer.Body.Close()
				}
				return answer, err
			}
			const long, short = time.Minute, 200 * time.Millisecond
			id := "7000000000000" + strconv.Itoa(i)
			var timeout net.Error
			switch {
			case w.answer == nil && !w.hole:
				if _, err := post(id, long); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("a request came to %v", err)
				}
			case w.hole:
				var dialing *net.OpError
				if _, err := post(id, short); !errors.As(err, &timeout) || !timeout.Timeout() || errors.As(err, &dialing) && dialing.Op != "dial" {
					t.Errorf("a request came to %v", err)
				}
			case strings.Contains(w.name, "hangs"):
				if _, err := post(id, short); !errors.As(err, &timeout) || !timeout.Timeout() {
					t.Errorf("a request came to %v", err)
				}
			default:
				answer, err := post(id, long)
				if err != nil {
					t.Fatal(err)
				}
				status, named := strings.CutPrefix(w.name, strconv.Itoa(answer.StatusCode))
				if !named && !w.silent {
					t.Errorf("the answer is %d", answer.StatusCode)
				}
				if after := answer.Header.Get("Retry-After"); after != "" && !strings.HasSuffix(status, "Retry-After "+after) {
					t.Errorf("the answer says to come back after %s", after)
				}
			}
			if got, want := in.arrived(id) > 0, strings.HasPrefix(w.name, "200") || w.silent; got != want {
				t.Errorf("the event counts as arrived: %v", got)
			}
			if err := in.clear(); err != nil {
				t.Fatal(err)
			}
			later := "7100000000000" + strconv.Itoa(i)
			if answer, err := post(later, long); err != nil || answer.StatusCode != http.StatusOK || in.arrived(later) != 1 {
				t.Errorf("later a request came to %v, and %d arrived", err, in.arrived(later))
			}
		})
	}
}

func TestAVerdictIsTheWorstThatBecameOfAnEvent(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]fate{
		"–":  {},
		"D":  {events: 1, delivered: 1},
		"K":  {events: 2, delivered: 1, later: 1},
		"F":  {events: 2, later: 1, onFile: 1},
		"L✉": {events: 3, delivered: 1, onFile: 1, lost: 1, prints: true},
	} {
		if got := f.letter(); got != want {
			t.Errorf("%+v is %s, not %s", f, got, want)
		}
	}
}

func TestAHomeFindsItsEventsAndItsProcesses(t *testing.T) {
	t.Parallel()
	h := &home{dir: t.TempDir()}
	if err := os.WriteFile(h.dir+"/queue", []byte(`{"n":70000000000001}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if held := h.holds([]string{"70000000000001", "70000000000002"}); len(held) != 1 || !held["70000000000001"] {
		t.Errorf("it holds %v", held)
	}
	cmd := h.command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if left := h.left(); len(left) != 1 || left[0] != cmd.Process.Pid {
		t.Errorf("processes %v are left, not %d", left, cmd.Process.Pid)
	}
	if other := (&home{dir: h.dir + "0"}); len(other.left()) != 0 || other.settle(time.Minute) != true {
		t.Error("another home has its process too")
	}
}
