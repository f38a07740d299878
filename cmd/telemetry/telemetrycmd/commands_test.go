package telemetrycmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
)

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestStatusSaysWhatIsSo(t *testing.T) {
	for name, prepare := range map[string]func(h *home){
		"undecided": func(*home) {},
		"unanswered": func(h *home) {
			if err := h.manager().NoteUnanswered(); err != nil {
				h.t.Fatal(err)
			}
		},
		"unanswered_unreadable": func(h *home) {
			if err := h.manager().NoteUnanswered(); err != nil {
				h.t.Fatal(err)
			}
			replace(h, "unanswered", "noise")
		},
		"unanswered_newer_notice": func(h *home) {
			h.must("telemetry", "enable")
			h.tool.Telemetry.NoticeVersion = 2
			if err := h.manager().NoteUnanswered(); err != nil {
				h.t.Fatal(err)
			}
		},
		"answered_after_all": func(h *home) {
			if err := h.manager().NoteUnanswered(); err != nil {
				h.t.Fatal(err)
			}
			h.must("telemetry", "disable")
		},
		"on": func(h *home) {
			h.must("telemetry", "enable")
			h.record(2)
			h.must("telemetry", "flush")
			h.record(3)
		},
		"on_here": func(h *home) { h.must("telemetry", "enable", "--local") },
		"off":     func(h *home) { h.must("telemetry", "disable") },
		"off_by_variable": func(h *home) {
			h.must("telemetry", "enable")
			h.env["DO_NOT_TRACK"] = "1"
		},
		"on_by_variable": func(h *home) { h.env["TELEMETRY_ENABLED"] = "true" },
		"newer_notice": func(h *home) {
			h.must("telemetry", "enable")
			h.tool.Telemetry.NoticeVersion = 2
		},
		"no_receiver": func(h *home) {
			h.must("telemetry", "enable")
			h.tool.Telemetry.Endpoint, h.tool.Telemetry.Settings = "", nil
		},
		"wrong_declaration": func(h *home) {
			h.must("telemetry", "enable")
			h.tool.Telemetry.Backend = "posthog"
		},
		"unusable_state": func(h *home) {
			h.must("telemetry", "enable")
			replace(h, "consent", "noise")
		},
		"asked_to_wait": func(h *home) {
			h.must("telemetry", "enable")
			h.record(1)
			h.answers(http.StatusTooManyRequests, "Retry-After", "86400") // the cap, which no jitter moves
			h.run("telemetry", "flush")
		},
		"calls_wait": func(h *home) {
			h.must("telemetry", "enable")
			h.record(1)
			midnight := time.Date(2026, 2, 4, 0, 0, 0, 0, time.UTC) // of the day that the clock shows
			replace(h, "next-folds", "")
			if err := os.Chtimes(filepath.Join(h.dir, "next-folds"), midnight, midnight); err != nil {
				h.t.Fatal(err)
			}
		},
		"deletion_pending": func(h *home) {
			h.sendOne()
			h.answers(http.StatusInternalServerError)
			h.run("telemetry", "reset")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			prepare(h)
			golden(t, "status_"+name, h.transcript("telemetry", "status"))
		})
	}
}

func TestStatusTellsProgramsWhyNobodyHasDecided(t *testing.T) {
	h := newHome(t)
	says := func(because string, beyond bool) {
		t.Helper()
		var got struct {
			Because string `json:"undecided_because"`
			Beyond  []string
		}
		if err := json.Unmarshal([]byte(h.must("telemetry", "status", "-o", "json")), &got); err != nil {
			t.Fatal(err)
		}
		if got.Because != because || (len(got.Beyond) > 0) != beyond {
			t.Errorf("%+v, want %q", got, because)
		}
	}
	says("not_asked", false)
	if err := h.manager().NoteUnanswered(); err != nil {
		t.Fatal(err)
	}
	says("unanswered", false)
	h.must("telemetry", "enable")
	says("", false)
	h.tool.Telemetry.NoticeVersion = 2
	says("changed", true)
	h.must("telemetry", "disable")
	says("", false)
}

func TestWhatWaitsForAnotherControllerIsSaidWithBothNames(t *testing.T) {
	h := newHome(t)
	h.tool.Telemetry.Controller = "Acme"
	h.must("telemetry", "enable")
	h.record(1)
	h.tool.Telemetry.Controller = "NewCo"
	off := h.must("telemetry", "status")
	if !strings.Contains(off, " of Acme, because telemetry is off and this run of mytool would send to ") || !strings.Contains(off, " of NewCo: ") {
		t.Errorf("undecided:\n%s", off)
	}
	if waits := h.must("telemetry", "inspect", "-o", "json"); !strings.Contains(waits, "this run of mytool would send to ") {
		t.Errorf("undecided:\n%s", waits)
	}
	h.must("telemetry", "enable")
	on := h.must("telemetry", "status")
	if !strings.Contains(on, " of Acme, because this run of mytool sends to ") || !strings.Contains(on, " of NewCo: ") {
		t.Errorf("after a yes to it:\n%s", on)
	}
}

func TestWhatAYesOfTheNewReceiverMeansIsNotSaidOfWhatTheOldOneGot(t *testing.T) {
	const means = "Which means: the server at this address"
	h := newHome(t)
	h.sendOne()
	if out := h.must("telemetry", "status"); !strings.Contains(out, means) || strings.Contains(out, "Delivered: to") {
		t.Errorf("to one receiver:\n%s", out)
	}
	old := strings.TrimPrefix(h.server.URL, "http://")
	company := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(company.Close)
	policy := filepath.Join(filepath.Dir(h.dir), "policy")
	if err := os.WriteFile(policy, []byte("on\nreceiver http "+company.URL+"/v1/events\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := h.must("telemetry", "status"); strings.Contains(out, "Which means") || !strings.Contains(out, "Delivered: to http ("+old+")") {
		t.Errorf("before anything went to the new one:\n%s", out)
	}
	h.record(1)
	h.must("telemetry", "flush")
	if out := h.must("telemetry", "status"); strings.Contains(out, means) || !strings.Contains(out, "Which means: of what went to http ("+strings.TrimPrefix(company.URL, "http://")) ||
		!strings.Contains(out, "Delivered: to one or more of: ") || !strings.Contains(out, "http ("+old+")") {
		t.Errorf("to both:\n%s", out)
	}
}

func replace(h *home, file, content string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, file), []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func TestStatusExplainsEveryLayer(t *testing.T) {
	h := newHome(t)
	h.must("telemetry", "enable")
	h.env["TELEMETRY_LOCAL"] = "1"
	golden(t, "explain_on", h.transcript("telemetry", "status", "--explain"))
	h.env["MYTOOL_TELEMETRY"] = "maybe"
	golden(t, "explain_off", h.transcript("telemetry", "status", "--explain"))
}

func TestStatusSpeaksJSON(t *testing.T) {
	h := newHome(t)
	golden(t, "status_json_undecided", h.transcript("telemetry", "status", "--output", "json"))
	if err := h.manager().NoteUnanswered(); err != nil {
		t.Fatal(err)
	}
	unanswered := h.transcript("telemetry", "status", "--output", "json")
	if !strings.Contains(unanswered, `"unanswered": "2026-02-03T14:05:06Z"`) {
		t.Errorf("it does not say that the question was put:\n%s", unanswered)
	}
	h.must("telemetry", "enable")
	h.record(2)
	h.must("telemetry", "flush")
	golden(t, "status_json_on", h.transcript("telemetry", "status", "--output", "json", "--explain"))
}

func TestStatusMakesAndTouchesNothing(t *testing.T) {
	h := newHome(t)
	h.must("telemetry", "status", "--explain")
	if _, err := os.Stat(h.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the state directory: %v", err)
	}
	h.must("telemetry", "enable")
	h.record(3)
	before := snapshot(t, h.dir)
	h.must("telemetry", "status", "--explain")
	h.must("telemetry", "status", "--output", "json")
	if after := snapshot(t, h.dir); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	if len(h.sent()) != 0 {
		t.Error("status contacted the server")
	}
}

// snapshot lists every file with its size and times.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			b.WriteString(path + " " + info.Mode().String() + " " + info.ModTime().String() + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEnableSaysWhatIsCollectedAndWhetherItIsOn(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(h *home)
		args    []string
	}{
		"on":    {nil, nil},
		"local": {nil, []string{"--local"}},
		"json":  {nil, []string{"--output", "json"}},
		"blocked": {func(h *home) {
			h.env["DO_NOT_TRACK"] = "1"
		}, nil},
		"restricted": {func(h *home) {
			h.env["TELEMETRY_LOCAL"] = "1"
		}, nil},
		"no_receiver": {func(h *home) {
			h.tool.Telemetry.Endpoint, h.tool.Telemetry.Settings = "", nil
		}, nil},
		"plain_http": {func(h *home) {
			h.tool.Telemetry.Endpoint = "http://telemetry.example/events"
		}, nil},
		"unusable_policy": {func(h *home) {
			h.policy("receiver http http://corp.example/events")
		}, nil},
		"extended": {func(h *home) {
			h.tool.Telemetry.ExtendedCollection = true
			h.tool.Telemetry.MetadataKeys = []string{"shell", "format"}
			h.tool.Telemetry.Metadata = map[string]string{"channel": "stable"}
		}, nil},
		"own_notice": {func(h *home) {
			h.tool.Telemetry.Notice = "We count how often each command runs, to drop what nobody uses.\n"
		}, nil},
		"impossible": {func(h *home) {
			h.dir = filepath.Join(h.dir, "below a file")
			if err := os.WriteFile(filepath.Dir(h.dir), nil, 0o600); err != nil {
				h.t.Fatal(err)
			}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			if test.prepare != nil {
				test.prepare(h)
			}
			golden(t, "enable_"+name, h.transcript(append([]string{"telemetry", "enable"}, test.args...)...))
		})
	}
}

// policy writes the administrator's policy.
func (h *home) policy(text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(h.dir), "policy"), []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func TestAYesToAReceiverThatCannotBeUsedIsToNobodyAndAskedForAgain(t *testing.T) {
	h := newHome(t)
	mended := h.tool.Telemetry.Endpoint
	h.tool.Telemetry.Endpoint = "http://telemetry.example/events"
	h.run("telemetry", "enable")
	h.tool.Telemetry.Endpoint = mended
	if d := h.manager().Decision(); !d.Undecided || len(d.Beyond) != 1 || !strings.HasSuffix(d.Beyond[0], ", not nobody") {
		t.Errorf("%+v", d)
	}
}

func TestDisableSaysWhatItErased(t *testing.T) {
	h := newHome(t)
	golden(t, "disable_never_on", h.transcript("telemetry", "disable"))

	h = newHome(t)
	h.must("telemetry", "enable")
	h.record(1)
	golden(t, "disable_one_waiting", h.transcript("telemetry", "disable"))
	if out := h.must("telemetry", "status", "-o", "json"); !strings.Contains(out, `"events": 0`) {
		t.Errorf("something still waits:\n%s", out)
	}

	h = newHome(t)
	h.must("telemetry", "enable")
	h.record(1)
	h.must("telemetry", "flush")
	h.record(3)
	golden(t, "disable_after_sending", h.transcript("telemetry", "disable"))

	h = newHome(t)
	golden(t, "disable_json", h.transcript("telemetry", "disable", "--output", "json"))

	h = newHome(t)
	h.dir = filepath.Join(h.dir, "below a file")
	if err := os.WriteFile(filepath.Dir(h.dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	golden(t, "disable_impossible", h.transcript("telemetry", "disable"))
}

func TestDisableCallsNothingSentThatANoKept(t *testing.T) {
	kept := 0
	for step := 1; kept == 0 && step < 100; step++ { // a no at each reading of the clock by a flush, until one comes right before the request
		h := newHome(t)
		h.must("telemetry", "enable")
		h.record(1)
		other, readings := h.manager(), 0
		m := core.NewManager(h.tool, append(h.core(), core.WithClock(func() time.Time {
			if readings++; readings == step {
				if err := other.Answer(consent.AnswerNo, other.Stored(), ""); err != nil {
					t.Error(err)
				}
			}
			return h.now
		}))...)
		_, _ = m.Flush(t.Context(), nil)
		log, err := other.Sent(time.Time{})
		if err != nil || len(log.Deliveries) == 0 || !log.Deliveries[0].Unsent {
			continue
		}
		kept++
		out := h.must("telemetry", "disable")
		if strings.Contains(out, "What was sent is still in the log") || !strings.Contains(out, "A request that did not go out any more is in the log") || len(h.sent()) > 0 {
			t.Errorf("disable: %s", out)
		}
	}
	if kept == 0 {
		t.Error("no no came right before the request")
	}
}

func TestResetTellsThePlainTruth(t *testing.T) {
	receipt := func(state deletion.State, id, detail string) deletion.Requestor {
		return deletion.Func(func(context.Context, deletion.Request) (deletion.Receipt, error) {
			return deletion.Receipt{State: state, ID: id, Detail: detail}, nil
		})
	}
	for name, test := range map[string]struct {
		prepare func(h *home)
		args    []string
	}{
		"nothing_stored": {func(*home) {}, nil},
		"on_by_variable": {func(h *home) { h.env["TELEMETRY_ENABLED"] = "1" }, nil},
		"only_a_no":      {func(h *home) { h.must("telemetry", "disable") }, nil},
		"delivered": {func(h *home) {
			h.sendOne()
			h.record(2)
		}, nil},
		"yes_and_no_more": {func(h *home) { h.must("telemetry", "enable") }, nil},
		"delivered_json":  {func(h *home) { h.sendOne() }, []string{"-o", "json"}},
		"refused": {func(h *home) {
			h.sendOne()
			h.answers(http.StatusInternalServerError)
		}, nil},
		"refused_json": {func(h *home) {
			h.sendOne()
			h.answers(http.StatusInternalServerError)
		}, []string{"-o", "json"}},
		"unreachable": {func(h *home) {
			h.sendOne()
			h.server.Close()
		}, nil},
		"wrong_declaration": {func(h *home) {
			h.sendOne()
			h.tool.Telemetry.Backend = "posthog"
		}, nil},
		"local": {func(h *home) {
			h.tool.Telemetry.Backend, h.tool.Telemetry.Settings = "file", nil
			h.must("telemetry", "enable")
		}, nil},
		"acknowledged": {func(h *home) {
			h.tool.Telemetry.DeletionRequestor = receipt(deletion.Acknowledged, "R-17", "It takes up to 30 days.")
			h.sendOne()
		}, nil},
		"verified": {func(h *home) {
			h.tool.Telemetry.DeletionRequestor = receipt(deletion.Verified, "", "")
			h.sendOne()
		}, nil},
		"manual": {func(h *home) {
			h.tool.Telemetry.DeletionRequestor = receipt(deletion.Manual, "", "Write to privacy@example.com.\x1b[2J")
			h.sendOne()
		}, nil},
		"requestor_fails": {func(h *home) {
			h.tool.Telemetry.DeletionRequestor = deletion.Func(func(context.Context, deletion.Request) (deletion.Receipt, error) {
				return deletion.Receipt{}, errors.New("the office is closed")
			})
			h.sendOne()
		}, nil},
		"unreadable_identity": {func(h *home) {
			h.sendOne()
			replace(h, "identity", "noise")
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			test.prepare(h)
			golden(t, "reset_"+name, masked(h.transcript(append([]string{"telemetry", "reset"}, test.args...)...)))
			if v := h.manager().Status(); v.Recording {
				t.Error("telemetry is still on")
			}
		})
	}
}

// sentToTwo sends an event to the tool's receiver, and another to the one that the administrator
// names after that.
func (h *home) sentToTwo() (company *httptest.Server) {
	h.t.Helper()
	h.sendOne()
	company = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	h.t.Cleanup(company.Close)
	policy := filepath.Join(filepath.Dir(h.dir), "policy")
	if err := os.WriteFile(policy, []byte("on\nreceiver http "+company.URL+"/v1/events\n"), 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.record(1)
	h.must("telemetry", "flush")
	return company
}

func TestEveryScreenTellsOfARequestWhoHasItAndWhoDoesNotYet(t *testing.T) {
	h := newHome(t)
	company := h.sentToTwo()
	has := "handed over to http (" + strings.TrimPrefix(company.URL, "http://") + "), set by the administrator's policy"
	hasNot := "data went to http (" + strings.TrimPrefix(h.server.URL, "http://") + ")"
	out, errs, code := h.run("telemetry", "reset")
	if !strings.Contains(out, has) || !strings.Contains(out, hasNot) || strings.Contains(out, "NOT handed over yet") {
		t.Errorf("reset:\n%s", out)
	}
	if code != 1 || !strings.Contains(errs, "not handed over to everybody") {
		t.Errorf("code %d, %s", code, errs)
	}
	if out := h.must("telemetry", "reset", "--status"); !strings.Contains(out, has) || !strings.Contains(out, hasNot) {
		t.Errorf("reset --status:\n%s", out)
	}
	if out := h.must("telemetry", "status"); !strings.Contains(out, "Deletion request: requested, handed over in part, on") {
		t.Errorf("status:\n%s", out)
	}
	for _, command := range [][]string{{"status"}, {"reset", "--status"}, {"export"}} {
		args := append([]string{"telemetry"}, command...)
		if command[0] != "export" {
			args = append(args, "--output", "json")
		}
		if out := h.must(args...); !strings.Contains(out, `"handed_over_in_part": true`) || !strings.Contains(out, `"receiver": "http (`+strings.TrimPrefix(company.URL, "http://")) {
			t.Errorf("%v:\n%s", command, out)
		}
	}
}

// Of several whom the author names one may have the request and another not.
func TestARequestToSeveralOfWhomOneFailedNamesWhoHasIt(t *testing.T) {
	h := newHome(t)
	answer := func(receipt deletion.Receipt, err error) deletion.Requestor {
		return deletion.Func(func(context.Context, deletion.Request) (deletion.Receipt, error) { return receipt, err })
	}
	h.tool.Telemetry.DeletionRequestor = deletion.Several{
		answer(deletion.Receipt{State: deletion.Acknowledged, ID: "R-17"}, nil),
		answer(deletion.Receipt{}, errors.New("the office is closed")),
	}
	h.sendOne()
	out, _, _ := h.run("telemetry", "reset")
	if !strings.Contains(out, "1. acknowledged\n") || !strings.Contains(out, "R-17") || !strings.Contains(out, "2. requested\n") || !strings.Contains(out, "the office is closed") {
		t.Errorf("reset:\n%s", out)
	}
}

func TestResetNamesTheLogAndTheHistoryThatItErases(t *testing.T) {
	h := newHome(t)
	h.sendOne()
	out := h.must("telemetry", "reset")
	for _, want := range []string{"The log of what was sent is erased.", "The history of decisions is erased"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	h = newHome(t)
	h.sendOne()
	if out := h.must("telemetry", "reset", "-o", "json"); !strings.Contains(out, `"log_entries_erased": 1`) || !strings.Contains(out, `"decisions_erased": 1`) {
		t.Errorf("in JSON:\n%s", out)
	}
	h = newHome(t)
	if out := h.must("telemetry", "reset"); strings.Contains(out, "is erased") {
		t.Errorf("nothing was there:\n%s", out)
	}
}

func TestARequestThatWasNotHandedOverIsTakenUpAgain(t *testing.T) {
	h := newHome(t)
	h.sendOne()
	id := h.manager().Status().MachineID
	h.answers(http.StatusServiceUnavailable)
	if _, _, code := h.run("telemetry", "reset"); code != 1 {
		t.Errorf("exit code %d", code)
	}
	golden(t, "reset_status_requested", masked(h.transcript("telemetry", "reset", "--status")))
	h.answers(http.StatusOK)
	if out := h.must("telemetry", "reset", "--resume", "-o", "json"); !strings.Contains(out, id) || !strings.Contains(out, `"state": "delivered"`) {
		t.Errorf("reset --resume said\n%s", out)
	}
	golden(t, "reset_status_delivered", masked(h.transcript("telemetry", "reset", "--status")))
	h.must("telemetry", "enable")
	if again := h.manager().Status().MachineID; again == id || again == "" {
		t.Errorf("the machine ID after reset and a new yes is %q, before it was %q", again, id)
	}
}

func TestAnOrdinaryCommandMakesTheRequestWhileTelemetryIsOff(t *testing.T) {
	h := newHome(t)
	h.inline = true
	h.sendOne()
	h.answers(http.StatusServiceUnavailable)
	h.run("telemetry", "reset")
	h.answers(http.StatusOK)
	sent := len(h.sent())
	h.must("build")
	if n := len(h.sent()) - sent; n != 0 {
		t.Errorf("%d requests right after a failure, want none: it is not time", n)
	}
	h.now = h.now.Add(2 * time.Minute)
	h.run("fail")
	if n := len(h.sent()) - sent; n != 1 {
		t.Errorf("%d requests when it was time, want 1", n)
	}
	if all, err := h.manager().Deletions(); err != nil || len(all) != 1 || all[0].State != deletion.Delivered {
		t.Errorf("%+v, %v", all, err)
	}
	h.now = h.now.Add(48 * time.Hour)
	h.must("build")
	if n := len(h.sent()) - sent; n != 1 {
		t.Errorf("%d requests in the end, want 1", n)
	}
}

// masked hides the moment of the next look, which is spread at random.
func masked(text string) string {
	return regexp.MustCompile(`(next look: with the first command after |"next_at": ).*`).ReplaceAllString(text, "${1}TIME")
}

func TestAPreparedMailIsPrintedInAPipeAndPartsAreTold(t *testing.T) {
	h := newHome(t)
	h.tool.Telemetry.DeletionRequestor = deletion.Several{
		deletion.Email{To: "privacy@example.com"},
		deletion.Func(func(context.Context, deletion.Request) (deletion.Receipt, error) {
			return deletion.Receipt{State: deletion.Acknowledged, ID: "R-17", CancelUntil: h.now.AddDate(0, 0, 10)}, nil
		}),
	}
	h.sendOne()
	text := h.transcript("telemetry", "reset", "--yes")
	key := regexp.MustCompile(`Deletion key: [0-9a-f]{64}`)
	if !key.MatchString(text) {
		t.Error("the mail holds no proof")
	}
	golden(t, "reset_mail", masked(key.ReplaceAllString(text, "Deletion key: KEY")))
	text = key.ReplaceAllString(h.transcript("telemetry", "reset", "--status", "-o", "json"), "KEY")
	golden(t, "reset_status_parts_json", masked(regexp.MustCompile(`"url": "mailto:.*"`).ReplaceAllString(text, `"url": "MAILTO"`)))
}

func TestWithoutARequestThereIsNothingToShowOrResume(t *testing.T) {
	h := newHome(t)
	golden(t, "reset_status_none", h.transcript("telemetry", "reset", "--status"))
	golden(t, "reset_status_none_json", h.transcript("telemetry", "reset", "--status", "-o", "json"))
	golden(t, "reset_resume_none", h.transcript("telemetry", "reset", "--resume"))
	if _, err := os.Stat(h.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking left something behind: %v", err)
	}
	if _, _, code := h.run("telemetry", "reset", "--status", "--resume"); code != 2 {
		t.Errorf("both at once: exit code %d, want 2", code)
	}
}

// The order of the reference was: drop, then record the command that dropped.
func TestTheTelemetryCommandsRecordNothing(t *testing.T) {
	h := newHome(t)
	h.must("telemetry", "enable")
	for _, args := range [][]string{{"status"}, {"enable"}, {"flush"}} {
		h.must(append([]string{"telemetry"}, args...)...)
		if n := h.manager().Status().Queue.Events; n != 0 {
			t.Errorf("after %v %d events wait", args, n)
		}
	}
	h.record(2)
	h.must("telemetry", "disable")
	h.must("build")
	if v := h.manager().Status(); v.Queue.Events != 0 || v.Queue.Bytes != 0 {
		t.Errorf("after disable %d events wait", v.Queue.Events)
	}
	if sent := h.sent(); len(sent) != 0 {
		t.Errorf("sent %q", sent)
	}
	h.sendOne()
	h.record(2)
	h.must("telemetry", "reset")
	h.must("build")
	if v := h.manager().Status(); v.Queue.Events != 0 || v.MachineID != "" {
		t.Errorf("after reset %d events wait, machine ID %q", v.Queue.Events, v.MachineID)
	}
	sent := h.sent()
	if len(sent) != 2 || strings.Count(sent[1], `"type":`) != 1 || !strings.Contains(sent[1], "data.deletion_request") {
		t.Errorf("sent %q, want an event and one deletion request", sent)
	}
}

func TestFlushSaysWhatBecameOfTheEvents(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(h *home)
		args    []string
	}{
		"sent": {func(h *home) {
			h.must("telemetry", "enable")
			h.record(3)
		}, nil},
		"sent_json": {func(h *home) {
			h.must("telemetry", "enable")
			h.record(3)
		}, []string{"-o", "json"}},
		"nothing":      {func(h *home) { h.must("telemetry", "enable") }, nil},
		"nothing_ever": {func(h *home) { h.env["CI"], h.env["TELEMETRY_ENABLED"] = "1", "1" }, []string{"--timeout", "5s"}},
		"off":          {func(*home) {}, nil},
		"newer_notice": {func(h *home) {
			h.must("telemetry", "enable")
			h.tool.Telemetry.NoticeVersion = 2
		}, nil},
		"off_json": {func(*home) {
		}, []string{"-o", "json"}},
		"off_with_a_backlog": {func(h *home) {
			h.must("telemetry", "enable")
			h.record(3)
			h.env["DO_NOT_TRACK"] = "1"
		}, nil},
		"server_fails": {func(h *home) {
			h.must("telemetry", "enable")
			h.record(3)
			h.answers(http.StatusInternalServerError)
		}, nil},
		"server_fails_json": {func(h *home) {
			h.must("telemetry", "enable")
			h.record(1)
			h.answers(http.StatusInternalServerError)
		}, []string{"-o", "json"}},
		"asked_to_wait": {func(h *home) {
			h.must("telemetry", "enable")
			h.record(2)
			h.answers(http.StatusTooManyRequests, "Retry-After", "3600")
			h.run("telemetry", "flush")
		}, nil},
		"refuses_everything": {func(h *home) {
			h.must("telemetry", "enable")
			h.record(2)
			h.answers(http.StatusBadRequest)
		}, nil},
		"server_fails_at_most_once": {func(h *home) {
			h.must("telemetry", "enable")
			h.record(1)
			h.tool.Telemetry.DeliveryMode = props.DeliveryAtMostOnce
			h.answers(http.StatusInternalServerError)
		}, nil},
		"server_fails_at_most_once_json": {func(h *home) {
			h.must("telemetry", "enable")
			h.record(1)
			h.tool.Telemetry.DeliveryMode = props.DeliveryAtMostOnce
			h.answers(http.StatusInternalServerError)
		}, []string{"-o", "json"}},
		"wrong_declaration": {func(h *home) {
			h.must("telemetry", "enable")
			h.tool.Telemetry.Backend = "posthog"
		}, nil},
		"bad_timeout": {func(*home) {}, []string{"--timeout", "0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			test.prepare(h)
			golden(t, "flush_"+name, h.transcript(append([]string{"telemetry", "flush"}, test.args...)...))
		})
	}
}

func TestAFlushThatHangsEndsAtItsTimeoutAndAnotherIsToldToWait(t *testing.T) {
	h := newHome(t)
	h.must("telemetry", "enable")
	h.record(1)
	arrived, release := make(chan struct{}, 9), make(chan struct{})
	h.mu.Lock()
	h.answer = func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}
	h.mu.Unlock()
	defer close(release)
	done := make(chan string, 1)
	go func() {
		_, errs, _ := h.run("telemetry", "flush", "--timeout", "3s")
		done <- errs
	}()
	select {
	case <-arrived:
	case <-time.After(10 * time.Second):
		t.Fatal("the server was not called")
	}
	if _, errs, code := h.run("telemetry", "flush", "--timeout", "50ms"); code != 1 || !strings.Contains(errs, "another process is at work and sends what waits") {
		t.Errorf("the second flush: code %d, %q", code, errs)
	}
	select {
	case errs := <-done:
		if !strings.Contains(errs, "not done within 3s (see --timeout); 1 event is kept and sent later") {
			t.Errorf("the first flush: %q", errs)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the first flush did not end")
	}
}

func TestUploadIsQuietAndSends(t *testing.T) {
	h := newHome(t)
	h.must("telemetry", "enable")
	h.record(2)
	if out := h.must("telemetry", "upload"); out != "" {
		t.Errorf("upload printed %q", out)
	}
	if sent := h.sent(); len(sent) != 1 || strings.Count(sent[0], `"command.invocation"`) != 2 {
		t.Errorf("sent %q", sent)
	}
	if out := h.must("telemetry", "--help"); strings.Contains(out, "upload") {
		t.Errorf("upload is not hidden:\n%s", out)
	}
}

func TestWrongUseIsExitCodeTwoAndNamesTheMistake(t *testing.T) {
	h := newHome(t)
	for want, args := range map[string][]string{
		`unknown command "enabel"; did you mean enable?`:                       {"telemetry", "enabel"},
		`mytool telemetry status takes no arguments, but was given "now"`:      {"telemetry", "status", "now"},
		`invalid argument "xml" for "-o, --output" flag: must be text or json`: {"telemetry", "status", "-o", "xml"},
		`unknown flag: --force`: {"telemetry", "reset", "--force"},
		`unknown command "foo"; there are enable, disable, status`: {"telemetry", "foo"},
		`unknown command "show"; did you mean status or inspect?`:  {"telemetry", "show"},
		`unknown command "erase"; did you mean reset?`:             {"telemetry", "erase"},
		`unknown command "start"; did you mean enable?`:            {"telemetry", "start"},
	} {
		out, errs, code := h.run(args...)
		if code != 2 || !strings.Contains(errs, want) {
			t.Errorf("%v: code %d, %q", args, code, errs)
		}
		if strings.Contains(errs, "foo") && strings.Contains(errs, "did you mean") {
			t.Errorf("%v: %q", args, errs)
		}
		if out == "" && !strings.Contains(errs, "Usage:") {
			t.Errorf("%v: no usage was shown", args)
		}
	}
	if _, err := os.Stat(h.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("wrong use made the state directory")
	}
}

func TestOnAndOffAreEnableAndDisable(t *testing.T) {
	h := newHome(t)
	for word, said := range map[string]string{"on": "Telemetry of mytool is on.", "off": "Telemetry of mytool is off."} {
		if out := h.must("telemetry", word); !strings.Contains(out, said) {
			t.Errorf("%s printed\n%s", word, out)
		}
	}
	if help := h.must("telemetry", "off", "--help"); !strings.Contains(help, "Aliases:\n  disable, off\n") {
		t.Errorf("off --help printed\n%s", help)
	}
}

func TestHelpIsThereForEveryCommand(t *testing.T) {
	h := newHome(t)
	golden(t, "help", h.transcript("telemetry"))
	for _, cmd := range h.root().Commands() {
		if cmd.Name() != "telemetry" {
			continue
		}
		for _, c := range cmd.Commands() {
			if c.Short == "" || !c.Hidden && (c.Long == "" || !strings.Contains(c.Example, "mytool telemetry "+c.Name())) {
				t.Errorf("%s lacks help", c.Name())
			}
		}
	}
}

func TestTheShellCompletesCommandsAndFormats(t *testing.T) {
	h := newHome(t)
	for line, want := range map[string]string{
		"telemetry ":                 "disable\t",
		"telemetry status --output ": "json\tfor programs",
		"telemetry schema --output ": "jsonschema\tto check events with",
		"telemetry reset ":           ":4", // no file names
	} {
		args := strings.Split(line, " ")
		if out, _, _ := h.run(append([]string{"__complete"}, args...)...); !strings.Contains(out, want) {
			t.Errorf("%q completes to %q", line, out)
		}
	}
}

func TestNoTimeOfAnUploadIsNamedWhereNoneIsToCome(t *testing.T) {
	named := func(h *home) string {
		var got struct {
			NextUpload       *time.Time `json:"next_upload"`
			NextFoldedUpload *time.Time `json:"next_folded_upload"`
		}
		out := h.must("telemetry", "status", "-o", "json")
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(got.NextUpload != nil, got.NextFoldedUpload != nil)
	}
	h := newHome(t)
	h.must("telemetry", "enable")
	h.sendOne()
	h.setTime("next-folds", h.now.Add(time.Hour))
	if got := named(h); got != "true true" {
		t.Errorf("while it is on: %s", got)
	}
	h.env["TELEMETRY_LOCAL"] = "1"
	if got := named(h); got != "false false" {
		t.Errorf("while everything stays here: %s", got)
	}
	delete(h.env, "TELEMETRY_LOCAL")
	h.env["DO_NOT_TRACK"] = "1"
	if got := named(h); got != "false false" {
		t.Errorf("while a variable says no: %s", got)
	}
	delete(h.env, "DO_NOT_TRACK")
	h.must("telemetry", "disable")
	if got := named(h); got != "false false" {
		t.Errorf("after a no: %s", got)
	}
}

// The names are what scripts depend on. They are written out here: changing one is a
// change of what we promised.
func TestTheNamesInJSONAreStable(t *testing.T) {
	h := newHome(t)
	h.must("telemetry", "enable")
	h.record(1)
	h.must("telemetry", "flush")
	for _, test := range []struct{ command, want string }{
		{"status --explain", "backend decided_by deletion_requests delivered faults kept_here last_attempt last_delivered layers lost machine_id next_upload queue schema_version sent_to since state state_dir tool"},
		{"flush", "decided_by held_by_running_commands kept kept_here lost sent schema_version state tool"},
		{"enable", "backend decided_by machine_id schema_version state tool"},
		{"disable", "decided_by erased log_entries_kept schema_version state tool"},
		{"reset", "decided_by decisions_erased erased local_erased log_entries_erased requests schema_version state tool"},
	} {
		command, want := test.command, test.want
		if command == "disable" || command == "reset" {
			h.must("telemetry", "enable")
		}
		out := h.must(append(append([]string{"telemetry"}, strings.Fields(command)...), "-o", "json")...)
		wantNames(t, command, out, want)
	}
	h, _ = newStubbornHome(t)
	h.record(2)
	wantNames(t, "flush", h.must("telemetry", "flush", "-o", "json"), "decided_by held_by_running_commands kept kept_here lost refusal sent schema_version state tool")
	wantNames(t, "flush", h.must("telemetry", "flush", "-o", "json"), "decided_by held_by_running_commands kept kept_here loss_reports_refused lost refusal sent schema_version state tool")
	wantNames(t, "status", h.must("telemetry", "status", "-o", "json"),
		"backend decided_by deletion_requests delivered faults kept_here last_attempt lost lost_by machine_id next_upload queue refusal refused_at schema_version sent_to since state state_dir tool")
	h = newVendorHome(t)
	checked := h.check("-o", "json")
	wantNames(t, "check", checked, "answer backend decided_by event_id event_type schema_version state took_ms tool warned warnings")
	var parts struct{ Backend json.RawMessage }
	if err := json.Unmarshal([]byte(checked), &parts); err != nil {
		t.Fatal(err)
	}
	wantNames(t, "backend", string(parts.Backend), "hosts local name")
	h.env["DO_NOT_TRACK"] = "1"
	object, _, _ := strings.Cut(h.check("-o", "json"), "\n}")
	wantNames(t, "check", object+"}", "backend decided_by problem schema_version state tool warnings")
}

// wantNames compares the names in a JSON object.
func wantNames(t *testing.T, command, out, want string) {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out), &fields); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	for _, name := range strings.Fields(want) {
		if _, ok := fields[name]; !ok {
			t.Errorf("%s has no %s", command, name)
		}
		delete(fields, name)
	}
	if len(fields) > 0 {
		t.Errorf("%s has also %v", command, fields)
	}
}

func TestANoIsStoredEvenIfTheToolItselfCannotStart(t *testing.T) {
	h := newHome(t)
	h.must("telemetry", "enable")
	root := h.root()
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return errors.New("the configuration is broken") }
	root.SetArgs([]string{"telemetry", "disable"})
	root.SetOut(new(strings.Builder))
	if err := root.Execute(); err != nil {
		t.Error(err)
	}
	if v := h.manager().Status(); v.Recording || v.Decision.Undecided {
		t.Errorf("telemetry is not off: %+v", v.Decision)
	}
}

func TestTheFeatureOffLeavesNoCommand(t *testing.T) {
	h := newHome(t)
	h.tool.Features = props.Features{}
	if c := child(h.root(), "telemetry"); c != nil {
		t.Error("there is a telemetry command")
	}
}

func TestAnEntryIsFoundByTheNumberOfItsAnswerAndADecisionByTheBeginningOfItsReceipt(t *testing.T) {
	h := newHome(t)
	h.sendOne()
	if request, answer := h.must("telemetry", "log", "1"), h.must("telemetry", "log", "2"); request != answer || !strings.Contains(request, "Entry: 1\n") {
		t.Errorf("%s\n%s", request, answer)
	}
	if _, errs, code := h.run("telemetry", "log", "3"); code != 1 || !strings.Contains(errs, "no request with the number 3") {
		t.Errorf("code %d, %q", code, errs)
	}
	for range 3 { // some of which begin with a digit
		h.must("telemetry", "disable")
		h.must("telemetry", "enable")
	}
	all, err := h.manager().Decisions()
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range all.List {
		if d.Receipt == "" {
			continue
		}
		unlike := 8 // characters are in the list, and tell it from the others
		for _, other := range all.List {
			for other.Receipt != d.Receipt && strings.HasPrefix(other.Receipt, d.Receipt[:unlike]) {
				unlike++
			}
		}
		for digits := unlike; digits <= len(d.Receipt); digits++ {
			if out := h.must("telemetry", "receipts", d.Receipt[:digits]); !strings.HasPrefix(out, fmt.Sprintf("Decision: %d\n", i+1)) {
				t.Errorf("%s: %s", d.Receipt[:digits], out)
			}
		}
	}
}
