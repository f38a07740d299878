package driverhttp

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
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

// LooksLikeHTML reports whether an answer is a web page: a content type of HTML, or
// a body that begins with <. An API that speaks JSON or protobuf never sends one, so
// it comes from something in between (the login page of a hotel's network answers 200
// to everything) or from a web site at the wrong address. Nothing was delivered then.
func LooksLikeHTML(a Answer) bool {
	mediaType, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	if mediaType == "text/html" || mediaType == "application/xhtml+xml" {
		return true
	}
	body := bytes.TrimPrefix(a.Body, []byte("\ufeff"))
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("<"))
}
