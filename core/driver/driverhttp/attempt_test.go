//go:build !plan9 && !notelemetry

package driverhttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

// retrier does what SDKs do: it posts with http.Client, tries three times until it is
// shown a 2xx, and tells what it was shown last.
func retrier(transport http.RoundTripper, body string) (status int, text string) {
	client := &http.Client{Transport: transport}
	for range 3 {
		resp, err := client.Post("https://sdk.example/batch", "application/json", strings.NewReader(body))
		if err != nil {
			continue
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if status, text = resp.StatusCode, string(b); status/100 == 2 {
			break
		}
	}
	return status, text
}

// attemptAt makes an attempt whose request goes to url, with what the SDK sent in brackets.
func attemptAt(ctx context.Context, t *testing.T, url string) *driverhttp.OneAttempt {
	return newClient(t, driver.Config{}).OneAttempt(ctx, func(r *http.Request) (driverhttp.Request, error) {
		b, err := io.ReadAll(r.Body)
		return driverhttp.Request{URL: url, Body: []byte("[" + string(b) + "]")}, err
	}, func(a driverhttp.Answer) error {
		if a.Status == 202 {
			return nil
		}
		return driver.Permanent(errors.New("not 202"))
	})
}

func TestAnAcceptedAttemptSendsOnceWhatWasPreparedAndShowsTheAnswer(t *testing.T) {
	t.Parallel()
	var got atomic.Value
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got.Store(string(b))
		w.WriteHeader(202)
		io.WriteString(w, `{"ok":true}`)
	})
	attempt := attemptAt(patient(t), t, s.URL)
	if status, text := retrier(attempt, "batch"); status != 202 || text != `{"ok":true}` {
		t.Errorf("the SDK was shown %d %q", status, text)
	}
	if err := attempt.Err(); err != nil || got.Load() != "[batch]" {
		t.Errorf("%v, sent %v", err, got.Load())
	}
}

func TestAnSDKHasNothingToRepeatWhateverTheVendorSays(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"a refusal": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) },
		"a wait":    func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "600"); w.WriteHeader(503) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
		},
		"a text":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); io.WriteString(w, canary) },
		"another friendly":  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "welcome") },
		"no answer but end": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			s := server(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				answer(w, r)
			})
			attempt := attemptAt(patient(t), t, s.URL)
			if status, text := retrier(attempt, "batch"); status != 200 || text != "" {
				t.Errorf("the SDK was shown %d %q", status, text)
			}
			if err := attempt.Err(); err == nil || requests.Load() != 1 {
				t.Errorf("%v after %d requests", err, requests.Load())
			}
		})
	}
}

func TestASecondRequestIsNotSentAndTheBatchNotAccepted(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s := server(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(202)
	})
	attempt := attemptAt(patient(t), t, s.URL)
	retrier(attempt, "half")
	retrier(attempt, "the other half")
	if err := attempt.Err(); driver.Classify(err) != driver.ClassUnknown || requests.Load() != 1 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

func TestWhatCannotBePreparedIsNotSent(t *testing.T) {
	t.Parallel()
	s := server(t, func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") })
	attempt := newClient(t, driver.Config{}).OneAttempt(patient(t), func(*http.Request) (driverhttp.Request, error) {
		return driverhttp.Request{URL: s.URL}, driver.TooLarge(errors.New("two requests"))
	}, func(driverhttp.Answer) error { return nil })
	retrier(attempt, "half")
	if err := attempt.Err(); driver.Classify(err) != driver.ClassTooLarge {
		t.Error(err)
	}
}

func TestAnSDKThatMakesNoRequestHasDeliveredNothing(t *testing.T) {
	t.Parallel()
	if err := attemptAt(patient(t), t, "https://unused.example").Err(); driver.Classify(err) != driver.ClassUnknown {
		t.Error(err)
	}
	attempt := attemptAt(patient(t), t, "https://unused.example")
	attempt.Fail(driver.Permanent(errors.New("the SDK finds it too large")))
	if err := attempt.Err(); driver.Classify(err) != driver.ClassPermanent {
		t.Error(err)
	}
}

func TestAFailureAfterTheRequestChangesNothing(t *testing.T) {
	t.Parallel()
	s := server(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) })
	attempt := attemptAt(patient(t), t, s.URL)
	retrier(attempt, "batch")
	attempt.Fail(driver.Permanent(errors.New("said too late")))
	if err := attempt.Err(); err != nil {
		t.Error(err)
	}
}

func TestAnAttemptEndsWithItsContextAndNothingIsSentAfterIt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(patient(t))
	defer cancel()
	arrived := make(chan struct{})
	var requests atomic.Int32
	s := server(t, func(_ http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.ReadAll(r.Body) // or the server does not see that the client has gone
		close(arrived)
		<-r.Context().Done()
	})
	attempt := attemptAt(ctx, t, s.URL)
	sdk := make(chan struct{})
	go func() { // an SDK whose Close does not wait for it
		defer close(sdk)
		retrier(attempt, "batch")
	}()
	<-arrived
	cancel()
	if err := attempt.Err(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-sdk
	retrier(attempt, "later")
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}
