package page

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// answer is what goes back for a request.
type answer struct {
	status int
	kind   string
	body   string
	// message is a refusal, in the words of Texts; detail is added to it.
	message, detail string
	// location and cookie are those of the way in.
	location, cookie string
	// frame says that the document is one that our own page may frame.
	frame bool
	// again is after how long the browser is to load it again.
	again time.Duration
}

// refusal is an answer of one sentence.
func refusal(status int, message string) answer { return answer{status: status, message: message} }

// beat is the document of the frame: empty, and loaded again and again as long as the page
// around it is open. A header says so, which no reader of the page is told of.
func beat() answer {
	return answer{status: http.StatusOK, kind: "text/html", frame: true, again: beatEvery,
		body: "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>beat</title></head><body></body></html>\n"}
}

// policy allows the one style sheet, which its digest names, and frames and forms of our own;
// no script, no picture but the one in the document, and nobody to frame it.
func policy(frame bool) string {
	ancestors := "'none'"
	if frame {
		ancestors = "'self'"
	}
	digest := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'; img-src data:; " +
		"frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors " + ancestors
}

// write sends the answer, without its body to a HEAD. What goes wrong is the reader's
// matter: they see it, or have gone.
func (a answer) write(w io.Writer, translate func(string) string, head bool) {
	if a.message != "" {
		a.kind, a.body = "text/plain", translate(a.message)
		if a.detail != "" {
			a.body += " " + plaintext.Line(a.detail, maxValue)
		}
		a.body += "\n"
	}
	var b strings.Builder
	b.WriteString("HTTP/1.1 " + strconv.Itoa(a.status) + " " + http.StatusText(a.status) + "\r\n")
	for _, h := range a.headers() {
		if h.value != "" {
			b.WriteString(h.name + ": " + h.value + "\r\n")
		}
	}
	b.WriteString("\r\n")
	if !head {
		b.WriteString(a.body)
	}
	io.WriteString(w, b.String())
}

type header struct{ name, value string }

// headers are those of the answer; one without a value is not sent.
func (a answer) headers() []header {
	kind, allow, again, frames := "", "", "", "DENY"
	if a.kind != "" {
		kind = a.kind + "; charset=utf-8"
	}
	if a.status == http.StatusMethodNotAllowed {
		allow = "GET, HEAD"
	}
	if a.again > 0 {
		again = strconv.Itoa(int(a.again / time.Second))
	}
	if a.frame {
		frames = "SAMEORIGIN"
	}
	return []header{
		{"Date", time.Now().UTC().Format(http.TimeFormat)},
		{"Connection", "close"},
		{"Content-Length", strconv.Itoa(len(a.body))},
		{"Content-Type", kind},
		{"Allow", allow},
		{"Location", a.location},
		{"Set-Cookie", a.cookie},
		{"Refresh", again},
		{"Content-Security-Policy", policy(a.frame)},
		{"X-Frame-Options", frames}, // for browsers that do not know frame-ancestors
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"X-Content-Type-Options", "nosniff"},
		{"Referrer-Policy", "no-referrer"},
		{"Cache-Control", "no-store"},
	}
}
