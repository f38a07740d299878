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
	header := func(name, value string) {
		if value != "" {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	header("Date", time.Now().UTC().Format(http.TimeFormat))
	header("Connection", "close")
	header("Content-Length", strconv.Itoa(len(a.body)))
	if a.kind != "" {
		header("Content-Type", a.kind+"; charset=utf-8")
	}
	if a.status == http.StatusMethodNotAllowed {
		header("Allow", "GET, HEAD")
	}
	header("Location", a.location)
	header("Set-Cookie", a.cookie)
	if a.again > 0 {
		header("Refresh", strconv.Itoa(int(a.again/time.Second)))
	}
	header("Content-Security-Policy", policy(a.frame))
	if a.frame {
		header("X-Frame-Options", "SAMEORIGIN")
	} else {
		header("X-Frame-Options", "DENY")
	}
	header("Cross-Origin-Opener-Policy", "same-origin")
	header("Cross-Origin-Resource-Policy", "same-origin")
	header("X-Content-Type-Options", "nosniff")
	header("Referrer-Policy", "no-referrer")
	header("Cache-Control", "no-store")
	b.WriteString("\r\n")
	if !head {
		b.WriteString(a.body)
	}
	io.WriteString(w, b.String())
}
