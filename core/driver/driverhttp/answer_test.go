//go:build !plan9 && !notelemetry

package driverhttp_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

var noon = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

func TestRetryAfterReadsBothFormsAndNeverOverflows(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, tt := range []struct {
		value string
		want  time.Duration
		ok    bool
	}{
		{"", 0, false},
		{"0", 0, true},
		{"120", 2 * time.Minute, true},
		{" 120\t", 2 * time.Minute, true},
		{"007", 7 * time.Second, true},
		{"86400", day, true},
		{"86401", day, true},
		{"9223372036854775807", day, true},
		{"18446744073709551616", day, true},
		{"99999999999999999999999999999999999999", day, true},
		{"-1", 0, false},
		{"+1", 0, false},
		{"1.5", 0, false},
		{"1e3", 0, false},
		{"0x10", 0, false},
		{"soon", 0, false},
		{"120, 60", 0, false},
		{"١٢٠", 0, false},
		{"Tue, 03 Feb 2026 12:01:30 GMT", 90 * time.Second, true},
		{"Tuesday, 03-Feb-26 12:01:30 GMT", 90 * time.Second, true},
		{"Tue Feb  3 12:01:30 2026", 90 * time.Second, true},
		{"Tue, 03 Feb 2026 12:00:00 GMT", 0, true},
		{"Tue, 03 Feb 2026 11:00:00 GMT", 0, true},
		{"Fri, 31 Dec 9999 23:59:59 GMT", day, true},
		{"Sat, 01 Jan 0000 00:00:00 GMT", 0, true},
		{"Tue, 03 Feb 2026 12:01:30", 0, false},
	} {
		h := http.Header{}
		if tt.value != "" {
			h.Set("Retry-After", tt.value)
		}
		if got, ok := driverhttp.RetryAfter(h, noon); got != tt.want || ok != tt.ok {
			t.Errorf("%q: got %v, %v, want %v, %v", tt.value, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", int64(0))
	f.Add("-9223372036854775808", int64(-1<<63))
	f.Add("Fri, 31 Dec 9999 23:59:59 GMT", int64(1<<62))
	f.Add("Tue, 03 Feb 2026 12:01:30 GMT", int64(1770120000))
	f.Fuzz(func(t *testing.T, value string, now int64) {
		header := http.Header{"Retry-After": {value}}
		// What is no time is an error for each form of a date, which repeats the value.
		fuzzing.Allocs(t, len(value), 2<<10, 32, func() { driverhttp.RetryAfter(header, time.Unix(now, 0)) })
		got, ok := driverhttp.RetryAfter(header, time.Unix(now, 0))
		if got < 0 || got > 24*time.Hour || !ok && got != 0 {
			t.Errorf("%q at %d: got %v, %v", value, now, got, ok)
		}
	})
}

// AWS leaves the page out of its challenge, a 202, where the client did not ask for HTML.
func TestLooksLikeHTMLKnowsAChallengeWithoutItsPage(t *testing.T) {
	t.Parallel()
	if a := (driverhttp.Answer{Status: 202, Header: http.Header{"X-Amzn-Waf-Action": {"challenge"}}}); !driverhttp.LooksLikeHTML(a) {
		t.Error("the challenge of a firewall passes as the server's answer")
	}
}

func TestLooksLikeHTMLKnowsAWebPage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		contentType, body string
		want              bool
	}{
		{"text/html", "", true},
		{"text/html; charset=utf-8", "{}", true},
		{" TEXT/HTML ;charset=x", "", true},
		{"application/xhtml+xml", "", true},
		{"", "<!doctype html><title>Log in</title>", true},
		{"application/json", "\ufeff \r\n\t<html>", true},
		{"text/plain", "<?xml version='1.0'?>", true},
		{"text/html,text/html", "", true},
		{"text/plain", "\n\ufeff \f<html>", true},
		{"", "\ufeff\ufeff<!-- proxy7 --><html>", true},
		{"", "\xff\xfe<\x00h\x00", true},
		{"", "\xfe\xff\x00<\x00h", true},
		{"", "\xff\xfeo\x00k\x00", false},
		{"", "\ufeff", false},
		{"", "\xef\xbb<", false},
		{"", "", false},
		{"application/json", `{"ok":"<html>"}`, false},
		{"text/plain", "ok", false},
		{"text/html5", "ok", false},
		{"application/x-protobuf", "\x0a\x02\x08\x01", false},
	} {
		a := driverhttp.Answer{Header: http.Header{}, Body: []byte(tt.body)}
		if tt.contentType != "" {
			a.Header.Set("Content-Type", tt.contentType)
		}
		if got := driverhttp.LooksLikeHTML(a); got != tt.want {
			t.Errorf("%q %q: got %v", tt.contentType, tt.body, got)
		}
	}
}
