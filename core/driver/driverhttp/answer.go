//go:build !notelemetry

package driverhttp

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// maxWait bounds what a Retry-After may ask for. Longer than a day is a mistake of a
// server's or of a clock's more often than a wish; the collector caps it once more.
const maxWait = 24 * time.Hour

// RetryAfter reads the Retry-After header (RFC 9110, section 10.2.3) in both its
// forms, seconds and date. The wait is between 0 and 24 h: a date that has passed is
// 0, what is longer or overflows is 24 h. It reports false where the header is missing
// or says neither.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0, false
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseUint(value, 10, 64)
		if err != nil || seconds > uint64(maxWait/time.Second) {
			return maxWait, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	// Sub saturates, so that no date overflows.
	return min(max(at.Sub(now), 0), maxWait), true
}

// RepairWait is how long a wrong key or address is left alone, as the least for [Later]: it takes a new
// release of the tool to repair, or an hour of a person's work at the receiver.
const RepairWait = time.Hour

// Later is err for a batch that is to be sent again: after what the answer asks for, and not before
// least has passed. It is err itself, for the collector to decide, where the answer asks for nothing and
// least is 0.
func Later(a Answer, now time.Time, least time.Duration, err error) error {
	wait, asked := RetryAfter(a.Header, now)
	if !asked && least == 0 {
		return err
	}
	return driver.Throttled(err, max(wait, least))
}

// LooksLikeHTML reports whether an answer is a web page: a content type of HTML, or
// a body that begins with <, behind white space and byte-order marks. An API that speaks JSON or protobuf never sends one, so
// it comes from something in between (the login page of a hotel's network answers 200
// to everything) or from a web site at the wrong address. Nothing was delivered then. The
// challenge of AWS's firewall, a 202, counts too: it has a header of its own, and a page only
// for a client that asks for HTML.
func LooksLikeHTML(a Answer) bool {
	if a.Header.Get("X-Amzn-Waf-Action") != "" {
		return true
	}
	mediaType := a.Header.Get("Content-Type")
	if end := strings.IndexAny(mediaType, ";,"); end >= 0 { // a proxy may have made one of two headers
		mediaType = mediaType[:end]
	}
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	if mediaType == "text/html" || mediaType == "application/xhtml+xml" {
		return true
	}
	// Byte-order marks stand anywhere before the first tag where a page is put together of
	// several files.
	body := bytes.TrimLeft(a.Body, "\ufeff \t\r\n\f")
	for _, start := range []string{"<", "\xff\xfe<\x00", "\xfe\xff\x00<"} { // the others in UTF-16
		if bytes.HasPrefix(body, []byte(start)) {
			return true
		}
	}
	return false
}
