package conformance

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

func TestTheDeskKeepsTheContract(t *testing.T) {
	t.Parallel()
	RunDeletion(t, deskSubject(func(*desk) {}))
}

// deletionMutant is a requestor with one thing wrong with it, and the checks of group
// deletion that must say so: all of them, and no other.
type deletionMutant struct {
	name    string
	subject DeletionSubject
	fails   string
}

func TestEveryDeletionMutantFailsExactlyItsChecks(t *testing.T) {
	t.Parallel()
	proven := map[string]bool{}
	ran := 0
	list := slices.Concat(requestorMutants(), deskMutants(), clerkMutants())
	if testing.Short() { // as of the others, one of the kind
		list = list[:1]
	}
	const mutantsAtOnce = 5 // they wait more than they work
	turn := make(chan struct{}, mutantsAtOnce)
	reports := make([]func() Report, len(list))
	for i, m := range list {
		name := t.Name() + "/" + m.name
		reports[i] = sync.OnceValue(func() Report {
			turn <- struct{}{}
			defer func() { <-turn }()
			return verifyDeletion(&m.subject, options{reach: reachTest(name), name: name})
		})
		if !playing() && selected(name) {
			go reports[i]()
		}
	}
	for i, m := range list {
		t.Run(m.name, func(t *testing.T) {
			if playing() {
				play(t.Name(), func(o *orders) account { return childDeletes(o, &m.subject) })
				return
			}
			report := reports[i]()
			var want []string
			for _, id := range strings.Fields(m.fails) {
				want = append(want, "deletion/"+id)
			}
			slices.Sort(want)
			got := slices.Sorted(slices.Values(report.Failures()))
			if !slices.Equal(got, want) || len(report.Problems) > 0 {
				t.Errorf("fails %q in %v, want %q\n%s", got, report.Took, want, report)
			}
			for _, id := range got {
				proven[id] = true
			}
			ran++
		})
	}
	if ran < len(list) || testing.Short() {
		return // some were left out on the command line
	}
	for _, c := range DeletionChecks() {
		if !proven[c.ID] {
			t.Errorf("%s is unproven: no mutant fails it; add one", c.ID)
		}
	}
}

// deskMemory is what mutants keep that should keep nothing.
type deskMemory struct {
	mu       sync.Mutex
	last     deletion.Request
	receipts map[string]deletion.Receipt
}

// deskMutants are mistakes of authors who meant well.
func deskMutants() []deletionMutant {
	return slices.Concat(deskPrivacyMutants(), deskAttemptMutants(), deskIDMutants(), deskClassMutants(), deskReceiptMutants(), deskStatusMutants())
}

func deskWith(name string, change func(*desk), fails string) deletionMutant {
	return deletionMutant{name: name, subject: deskSubject(change), fails: fails}
}

func deskPrivacyMutants() []deletionMutant {
	list := []deletionMutant{
		deskWith("host-name-in-the-user-agent", func(d *desk) {
			host, _ := os.Hostname()
			d.prepare = func(r *http.Request) { r.Header.Set("User-Agent", "desk ("+host+")") }
		}, "no-planted-value"),
		deskWith("trusts-any-certificate-in-production", func(d *desk) {
			if d.client.Transport == nil {
				own := http.DefaultTransport.(*http.Transport).Clone()
				own.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
				d.client.Transport = own
			}
		}, "as-shipped"),
		deskWith("user-agent-as-sdks-have-it", func(d *desk) {
			d.prepare = func(r *http.Request) {
				r.Header.Set("User-Agent", "desk/1.2 ("+runtime.GOOS+"; "+runtime.GOARCH+"; "+runtime.Version()+")")
			}
		}, "user-agent-names-no-system"),
		deskWith("says-which-job-of-ci-it-was", func(d *desk) { // only where it was not accepted
			d.exchange = func(d *desk, ctx context.Context, method, path string, body []byte) (deskAnswer, error) {
				a, err := d.once(ctx, method, path, body)
				if err == nil && a.status == 418 {
					_, _ = d.once(ctx, http.MethodGet, "/people?problem="+url.QueryEscape(os.Getenv("GITHUB_ACTOR")), nil)
				}
				return a, err
			}
		}, "no-planted-value"),
		deskWith("a-hash-of-the-host-as-client", func(d *desk) {
			host, _ := os.Hostname()
			sum := sha256.Sum256([]byte(host))
			d.prepare = func(r *http.Request) { r.Header.Set("X-Client", hex.EncodeToString(sum[:8])) }
		}, "no-digest-of-planted-value"),
		deskWith("logs-what-failed", func(d *desk) {
			d.judge = func(a deskAnswer, want int) error {
				err := judgeDesk(a, want)
				if a.status == 504 && playing() { // or the test would print it
					log.Print(err)
				}
				return err
			}
		}, "prints-nothing"),
		deskWith("keeps-cookies", func(d *desk) { d.client.Jar, _ = cookiejar.New(nil) }, "no-cookies"),
		deskWith("any-scheme", func(d *desk) {
			d.endpoint = strings.Replace(d.endpoint, "http://", "https://plain.", 1)
			d.prepare = func(r *http.Request) {
				if host, plain := strings.CutPrefix(r.URL.Host, "plain."); plain {
					r.URL.Scheme, r.URL.Host = "http", host
				}
			}
		}, "plain-text-refused"),
		deskWith("counts-requests-elsewhere", func(d *desk) {
			d.request = func(d *desk, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				receipt, err := d.ask(ctx, req)
				if err == nil {
					stats := *d
					stats.endpoint = "https://stats.vendor.test"
					_, _ = stats.once(ctx, http.MethodGet, "/people?asked=1", nil)
				}
				return receipt, err
			}
		}, "declared-hosts-only"),
		deskWith("key-in-the-look-up", func(d *desk) {
			d.request = func(d *desk, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				one := *d // or requests at once would have each other's
				one.prepare = func(r *http.Request) { r.Header.Set("X-Deletion-Key", req.DeletionKey) }
				return one.ask(ctx, req)
			}
		}, "erasure-key-where-taken"),
		deskWith("one-request-at-a-time", func(d *desk) {
			var turn sync.Mutex
			d.request = func(d *desk, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				turn.Lock()
				defer turn.Unlock()
				return d.ask(ctx, req)
			}
		}, "each-its-own-deadline"),
		deskWith("keeps-the-deadline-and-forgets-the-cancel", func(d *desk) {
			d.request = func(d *desk, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				if ctx.Err() != nil {
					return deletion.Receipt{}, ctx.Err()
				}
				deadline, ok := ctx.Deadline()
				if !ok {
					deadline = time.Now().Add(longTime())
				}
				own, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
				defer cancel()
				return d.ask(own, req)
			}
		}, "cancelled-during"),
		deskWith("forgets-the-key", func(d *desk) {
			body := d.body
			d.body = func(req deletion.Request) map[string]any {
				m := body(req)
				delete(m, "deletion_key")
				return m
			}
		}, "erasure-key-where-taken"),
		deskWith("another-client-for-what-failed", func(d *desk) {
			d.judge = func(a deskAnswer, want int) error {
				if a.status == 507 {
					if resp, err := http.Get("http://127.0.0.1:9/full"); err == nil {
						resp.Body.Close()
					}
				}
				return judgeDesk(a, want)
			}
		}, "process-untouched"),
		deskWith("remembers-in-a-file", func(d *desk) {
			d.request = func(d *desk, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				_ = os.WriteFile(filepath.Join(os.TempDir(), "conformance-desk-asked"), nil, 0o600)
				return d.ask(ctx, req)
			}
		}, "process-untouched"),
		deskWith("leaves-a-file-open", func(d *desk) {
			d.judge = func(a deskAnswer, want int) error {
				if a.status == 451 {
					if f, err := os.Open(os.DevNull); err == nil {
						leakedFiles.Store(f, true)
					}
				}
				return judgeDesk(a, want)
			}
		}, "no-file-left-open"),
	}
	return list
}

// leakedFiles keeps files from being closed by the collector of garbage.
var leakedFiles sync.Map

func deskAttemptMutants() []deletionMutant {
	again := func(when func(deskAnswer, error) bool) func(*desk) {
		return func(d *desk) {
			d.exchange = func(d *desk, ctx context.Context, method, path string, body []byte) (deskAnswer, error) {
				a, err := d.once(ctx, method, path, body)
				if when(a, err) {
					return d.once(ctx, method, path, body)
				}
				return a, err
			}
		}
	}
	return []deletionMutant{
		deskWith("tries-twice-on-503", again(func(a deskAnswer, err error) bool { return a.status == 503 }), "one-attempt"),
		deskWith("tries-twice-without-an-answer", again(func(a deskAnswer, err error) bool { return err != nil }), "one-attempt"),
		deskWith("tries-twice-with-another-number", func(d *desk) {
			d.request = func(d *desk, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				body := d.body
				own := *d
				attempt := 0
				own.body = func(req deletion.Request) map[string]any {
					attempt++
					m := body(req)
					m["attempt"] = attempt
					return m
				}
				own.exchange = func(o *desk, ctx context.Context, method, path string, text []byte) (deskAnswer, error) {
					a, err := o.once(ctx, method, path, text)
					if a.status == 502 && method == http.MethodPost {
						text, _ = json.Marshal(own.body(req))
						return o.once(ctx, method, path, text)
					}
					return a, err
				}
				return own.ask(ctx, req)
			}
		}, "one-attempt"),
		deskWith("waits-for-the-other-side", func(d *desk) {
			d.request = func(d *desk, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				receipt, err := d.ask(ctx, req)
				for range 3 {
					if err != nil {
						break
					}
					time.Sleep(time.Millisecond)
					receipt, err = d.follow(ctx, receipt)
				}
				return receipt, err
			}
		}, "one-attempt"),
		deskWith("tries-again-in-the-background", func(d *desk) {
			d.request = func(d *desk, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				receipt, err := d.ask(ctx, req)
				if err != nil && ctx.Err() != nil {
					time.AfterFunc(time.Second, func() {
						_, _ = d.ask(context.WithoutCancel(ctx), req)
					})
				}
				return receipt, err
			}
		}, "nothing-after-return"),
		deskWith("leaves-a-goroutine-after-a-deadline", func(d *desk) {
			d.request = func(d *desk, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				receipt, err := d.ask(ctx, req)
				if errors.Is(ctx.Err(), context.DeadlineExceeded) {
					ended := make(chan struct{})
					go func() { <-ended }()
				}
				return receipt, err
			}
		}, "no-goroutine-left"),
		deskWith("does-not-read-what-broke", func(d *desk) {
			transport := d.client.Transport
			d.client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				resp, err := transport.RoundTrip(r)
				if err == nil && resp.StatusCode >= 500 {
					resp.Body = http.NoBody
				}
				return resp, err
			})
		}, "no-connection-left"),
		deskWith("looks-whether-the-key-works", func(d *desk) {
			// Where that costs no connection: over one it would slow down all else.
			if _, cheap := d.client.Transport.(*script); cheap {
				_, _ = d.once(context.Background(), http.MethodGet, "/people?ping=1", nil)
			}
		}, "open-contacts-nobody"),
		deskWith("reads-all-of-it", func(d *desk) {
			d.exchange = func(d *desk, ctx context.Context, method, path string, body []byte) (deskAnswer, error) {
				return d.read(ctx, method, path, body, 1<<62)
			}
		}, "endless-answer"),
		deskWith("no-answer-is-on-its-way", func(d *desk) { // but where it was looked up
			d.exchange = func(d *desk, ctx context.Context, method, path string, body []byte) (deskAnswer, error) {
				a, err := d.once(ctx, method, path, body)
				if err != nil && method == http.MethodPost && ctx.Err() == nil {
					return deskAnswer{202, http.Header{}, []byte(`{"id":"r0","state":"sent"}`)}, nil
				}
				return a, err
			}
		}, "never-without-acknowledgement"),
	}
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func deskIDMutants() []deletionMutant {
	remember := func(key func(deletion.Request) string) func(*desk) {
		return func(d *desk) {
			d.remembered.receipts = map[string]deletion.Receipt{}
			d.request = func(d *desk, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				if err := errors.Join(req.Validate(), ctx.Err()); err != nil {
					return deletion.Receipt{}, err
				}
				d.remembered.mu.Lock()
				defer d.remembered.mu.Unlock()
				if receipt, known := d.remembered.receipts[key(req)]; known {
					return receipt, nil
				}
				receipt, err := d.ask(ctx, req)
				if err == nil {
					d.remembered.receipts[key(req)] = receipt
				}
				return receipt, err
			}
		}
	}
	return []deletionMutant{
		deskWith("remembers-by-half-of-the-id", remember(func(r deletion.Request) string { return r.MachineID[:16] }),
			"each-its-own-deadline many-in-a-row many-at-once status-of-its-own-receipt"),
		deskWith("remembers-by-tool", remember(func(r deletion.Request) string { return r.Tool }),
			"each-its-own-deadline many-in-a-row many-at-once status-of-its-own-receipt"),
		deskWith("one-request-for-all-goroutines", func(d *desk) {
			d.request = func(d *desk, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				d.remembered.mu.Lock()
				d.remembered.last = req
				d.remembered.mu.Unlock()
				return d.ask(ctx, req)
			}
			body := d.body
			d.body = func(deletion.Request) map[string]any {
				time.Sleep(time.Millisecond)
				d.remembered.mu.Lock()
				defer d.remembered.mu.Unlock()
				return body(d.remembered.last)
			}
		}, "many-at-once"),
		deskWith("asks-for-both-of-two", func(d *desk) {
			body := d.body
			d.body = func(req deletion.Request) map[string]any {
				m := body(req)
				d.remembered.mu.Lock()
				m["previous"] = d.remembered.last.MachineID
				d.remembered.last = req
				d.remembered.mu.Unlock()
				return m
			}
		}, "many-in-a-row many-at-once status-of-its-own-receipt"),
		deskWith("asked-for-now", func(d *desk) {
			body := d.body
			d.body = func(req deletion.Request) map[string]any {
				req.RequestedAt = time.Now()
				return body(req)
			}
		}, "requested-at"),
		deskWith("asked-for-at-the-persons-time", func(d *desk) {
			body := d.body
			d.body = func(req deletion.Request) map[string]any {
				m := body(req)
				m["requested_at"] = req.RequestedAt.Format(time.RFC3339)
				return m
			}
		}, "requested-at"),
	}
}

func deskClassMutants() []deletionMutant {
	return []deletionMutant{
		deskWith("whatever-is-no-success-is-a-refusal", func(d *desk) {
			d.judge = func(a deskAnswer, want int) error { return driver.Permanent(judgeDesk(a, want)) }
		}, "failure-is-no-refusal classes retry-after"),
		deskWith("any-403-is-a-refusal", func(d *desk) {
			d.judge = func(a deskAnswer, want int) error {
				err := judgeDesk(a, want)
				if a.status == 403 {
					return driver.Permanent(err)
				}
				return err
			}
		}, "failure-is-no-refusal"),
		deskWith("never-a-refusal", func(d *desk) {
			d.judge = func(a deskAnswer, want int) error {
				if a.status == 403 {
					return errors.New("desk: answered 403")
				}
				return judgeDesk(a, want)
			}
		}, "classes"),
		deskWith("a-pause-of-its-own", func(d *desk) {
			d.judge = func(a deskAnswer, want int) error {
				a.header = http.Header{}
				if err := judgeDesk(a, want); a.status != 429 && a.status != 503 {
					return err
				}
				return driver.Throttled(errors.New("desk: busy"), 10*time.Second)
			}
		}, "retry-after classes"),
		deskWith("seconds-as-nanoseconds", func(d *desk) {
			d.judge = func(a deskAnswer, want int) error {
				if n, err := strconv.ParseInt(a.header.Get("Retry-After"), 10, 64); err == nil {
					return driver.Throttled(errors.New("desk: busy"), time.Duration(n))
				}
				return judgeDesk(a, want)
			}
		}, "retry-after"),
	}
}

func deskReceiptMutants() []deletionMutant {
	receipt := func(change func(*deletion.Receipt, deletion.Request, deskAnswer, deskSaid)) func(*desk) {
		return func(d *desk) {
			d.receipt = func(req deletion.Request, a deskAnswer) deletion.Receipt {
				r := deskReceipt(req, a)
				var said deskSaid
				_ = json.Unmarshal(a.text, &said)
				if r.State != "" {
					change(&r, req, a, said)
				}
				return r
			}
		}
	}
	reading := func(limit int64, change func(*desk)) func(*desk) {
		return func(d *desk) {
			change(d)
			d.exchange = func(d *desk, ctx context.Context, method, path string, body []byte) (deskAnswer, error) {
				return d.read(ctx, method, path, body, limit)
			}
		}
	}
	return []deletionMutant{
		deskWith("the-answer-as-detail", receipt(func(r *deletion.Receipt, _ deletion.Request, a deskAnswer, _ deskSaid) {
			r.Detail = plaintext.Line(string(a.text), 500)
		}), "receipt-free-of-raw-answers receipt-free-of-keys"),
		deskWith("the-key-as-detail", receipt(func(r *deletion.Receipt, req deletion.Request, _ deskAnswer, _ deskSaid) {
			r.Detail = "You can prove it with " + req.DeletionKey
		}), "receipt-free-of-keys"),
		deskWith("the-id-as-it-comes", receipt(func(r *deletion.Receipt, _ deletion.Request, _ deskAnswer, said deskSaid) { r.ID = said.ID }), "receipt-is-clean"),
		deskWith("the-note-at-any-length", reading(4<<20, receipt(func(r *deletion.Receipt, _ deletion.Request, _ deskAnswer, said deskSaid) {
			r.Detail = plaintext.Clean(said.Note)
		})), "receipt-is-bounded"),
		deskWith("nothing-said-is-done", receipt(func(r *deletion.Receipt, _ deletion.Request, _ deskAnswer, said deskSaid) {
			if said.State == "" {
				r.State = deletion.Verified
			}
		}), "never-better-than-the-answer"),
		deskWith("believes-in-a-map", func(d *desk) {
			d.receipt = func(req deletion.Request, a deskAnswer) deletion.Receipt {
				var said map[string]any
				_ = json.Unmarshal(a.text, &said)
				r := deskReceipt(req, a)
				if said["id"] != nil {
					r.ID = plaintext.Line(said["id"].(string), 64)
				}
				return r
			}
		}, "no-panic"),
	}
}

func deskStatusMutants() []deletionMutant {
	status := func(read func(d *desk, given, now deletion.Receipt, said deskSaid) deletion.Receipt) func(*desk) {
		return func(d *desk) {
			d.status = func(d *desk, ctx context.Context, given deletion.Receipt) (deletion.Receipt, error) {
				own := *d
				own.receipt = func(req deletion.Request, a deskAnswer) deletion.Receipt {
					var said deskSaid
					_ = json.Unmarshal(a.text, &said)
					return read(d, given, deskReceipt(req, a), said)
				}
				return own.follow(ctx, given)
			}
		}
	}
	counting := func(records func([]byte) (int, error)) func(*desk) {
		return func(d *desk) {
			d.status = func(d *desk, ctx context.Context, given deletion.Receipt) (deletion.Receipt, error) {
				own := *d
				own.records = records
				return own.follow(ctx, given)
			}
		}
	}
	return []deletionMutant{
		deskWith("what-is-no-word-of-ours-is-done", func(d *desk) {
			d.status = func(d *desk, ctx context.Context, given deletion.Receipt) (deletion.Receipt, error) {
				now, err := d.follow(ctx, given)
				if now.State == deletion.Delivered {
					now.State = deletion.Verified
				}
				return now, err
			}
		}, "status-as-documented status-never-better-than-the-answer verified-needs-zero"),
		deskWith("rejected-is-over", status(func(_ *desk, _, now deletion.Receipt, said deskSaid) deletion.Receipt {
			if now.State == deletion.Refused {
				now.State = deletion.Acknowledged
			}
			return now
		}), "status-as-documented"),
		deskWith("anybodys-answer", status(func(_ *desk, given, now deletion.Receipt, said deskSaid) deletion.Receipt {
			now.ID = given.ID
			return now
		}), "status-as-documented"),
		deskWith("unknown-is-an-error-like-any", func(d *desk) {
			d.status = func(d *desk, ctx context.Context, given deletion.Receipt) (deletion.Receipt, error) {
				now, err := d.follow(ctx, given)
				if errors.Is(err, deletion.ErrUnknownReceipt) {
					err = errors.New("desk: not found")
				}
				return now, err
			}
		}, "status-as-documented"),
		deskWith("no-count-is-zero", counting(func(text []byte) (int, error) {
			var said struct{ Records int }
			err := json.Unmarshal(text, &said)
			return max(said.Records, 0), err
		}), "verified-needs-zero"),
		deskWith("does-not-count", counting(func([]byte) (int, error) { return 0, nil }), "verified-needs-zero"),
		deskWith("counts-only-what-it-can-read", counting(func(text []byte) (int, error) {
			n, err := deskRecords(text)
			if err != nil {
				return 0, nil
			}
			return n, nil
		}), "verified-needs-zero"),
		deskWith("follows-the-last-one", func(d *desk) {
			d.status = func(d *desk, ctx context.Context, given deletion.Receipt) (deletion.Receipt, error) {
				d.remembered.mu.Lock()
				last := d.remembered.last.MachineID
				d.remembered.mu.Unlock()
				own := *d
				own.prepare = func(r *http.Request) { r.URL.RawQuery = url.Values{"id": {last}}.Encode() }
				return own.follow(ctx, given)
			}
			d.request = func(d *desk, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				d.remembered.mu.Lock()
				d.remembered.last = req
				d.remembered.mu.Unlock()
				return d.ask(ctx, req)
			}
		}, "status-of-its-own-receipt"),
		deskWith("writes-into-the-receipt", func(d *desk) {
			d.receipt = func(req deletion.Request, a deskAnswer) deletion.Receipt {
				r := deskReceipt(req, a)
				r.Parts = []deletion.Receipt{{State: r.State}}
				return r
			}
			d.status = func(d *desk, ctx context.Context, given deletion.Receipt) (deletion.Receipt, error) {
				now, err := d.follow(ctx, given)
				if err == nil {
					given.Parts[0].Detail = "looked at"
				}
				return now, err
			}
		}, "status-of-its-own-receipt"),
	}
}
