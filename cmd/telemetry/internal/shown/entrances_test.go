package shown

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// classes are what a text from elsewhere must not bring to a terminal or into a file.
var classes = map[string]string{
	"C0":                  "\x1b[31m",
	"carriage return":     "\r",
	"DEL":                 "\x7f",
	"C1":                  "\u009b31m",
	"line separator":      "\u2028",
	"paragraph separator": "\u2029",
	"embedding":           "\u202a\u202b\u202c\u202d\u202e",
	"isolate":             "\u2066\u2067\u2068\u2069",
	"Arabic letter mark":  "\u061c",
	"direction marks":     "\u200e\u200f",
	"byte order mark":     "\ufeff",
	"no UTF-8":            "\xff\xfe",
}

// entrance is a way in. Its run puts text there and returns what reaches the terminal.
type entrance struct {
	name string
	// silent says that what was put there is never repeated.
	silent bool
	run    func(h *home, text string) (terminal string)
}

// A new way in is a line here.
var entrances = []entrance{
	{name: "a key of a tool file", run: func(h *home, text string) string {
		h.declare("  " + yaml(text) + ": x\n")
		return h.telemetry("status") + h.telemetry("track", "feature.used", "x")
	}},
	{name: "the name of a tool", silent: true, run: func(h *home, text string) string {
		h.write("tool.yaml", "Name: "+yaml(text)+"\n")
		return h.telemetry("status") + h.telemetry("enable")
	}},
	{name: "the name of a backend", run: func(h *home, text string) string {
		h.write("tool.yaml", "Name: acme\nTelemetry: {Backend: "+yaml(text)+"}\n")
		return h.telemetry("enable") + h.telemetry("track", "feature.used", "x")
	}},
	{name: "a setting, and its name", run: func(h *home, text string) string {
		h.write("tool.yaml", "Name: acme\nTelemetry: {Backend: posthog, Settings: {project_key: phc_k, instance: "+yaml(text)+"}}\n")
		shown := h.telemetry("enable") + h.telemetry("track", "feature.used", "x")
		h.write("tool.yaml", "Name: acme\nTelemetry: {Backend: posthog, Settings: {"+yaml(text)+": x}}\n")
		return shown + h.telemetry("enable") + h.telemetry("track", "feature.used", "x")
	}},
	{name: "a header", silent: true, run: func(h *home, text string) string {
		h.declare("  Headers: {" + yaml(text) + ": x}\n")
		shown := h.telemetry("enable")
		h.declare("  Headers: {Key: " + yaml(text) + "}\n")
		return shown + h.telemetry("enable") + h.telemetry("check")
	}},
	{name: "an endpoint", silent: true, run: func(h *home, text string) string {
		h.write("tool.yaml", "Name: acme\nTelemetry: {Endpoint: "+yaml("http://"+text+".example/")+", Insecure: true}\n")
		return h.telemetry("enable") + h.telemetry("status")
	}},
	{name: "notice, policy, version and keys", run: func(h *home, text string) string {
		h.write("tool.yaml", "Name: acme\nVersion: "+yaml(text)+"\nTelemetry:\n  Backend: file\n  Notice: "+yaml(text)+"\n  PrivacyURL: "+yaml("https://acme.example/"+text)+
			"\n  MetadataKeys: ["+yaml(text)+"]\n  Metadata: {"+yaml(text+"2")+": "+yaml(text)+"}\n")
		return everything(h)
	}},
	{name: "a declaration of events", silent: true, run: func(h *home, text string) string {
		shown := ""
		for _, part := range []string{
			"  Events: [{Type: " + yaml(text) + "}]\n",
			"  Events: [{Type: own.event, Purpose: " + yaml(text) + "}]\n",
			"  Events: [{Type: own.event, Names: [" + yaml(text) + "]}]\n",
			"  Fields: [{Name: " + yaml(text) + ", Type: Bool}]\n",
			"  Fields: [{Name: format, Type: {OneOf: [" + yaml(text) + "]}}]\n",
			"  ErrorClasses: [" + yaml(text) + "]\n",
		} {
			h.declare(part)
			shown += everything(h)
		}
		return shown
	}},
	{name: "an address for mail", silent: true, run: func(h *home, text string) string {
		h.declare("  DeletionRequestor: {Email: " + yaml(text+"@acme.example") + "}\n")
		return everything(h) + h.telemetry("reset")
	}},
	{name: "a relay's file", run: func(h *home, text string) string {
		h.write("relay.yaml", yaml(text)+": x\n")
		shown := h.operator("serve", "--config", "relay.yaml", "--check")
		h.write("relay.yaml", "listen: 127.0.0.1:0\ndatabase: sqlite:data/l.db\ntools: {"+yaml(text)+": []}\n")
		shown += h.operator("serve", "--config", "relay.yaml", "--check")
		h.write("relay.yaml", "listen: 127.0.0.1:0\ndatabase: sqlite:data/l.db\ntools: {acme: {deletions: [{vendor: posthog, instance: "+yaml(text)+", project: "+yaml(text)+", key_env: "+yaml(text)+"}]}}\n")
		return shown + h.operator("serve", "--config", "relay.yaml", "--check")
	}},
	{name: "a policy", silent: true, run: func(h *home, text string) string {
		return h.inside(props.TelemetryConfig{}, core.WithPolicyFile(h.write("policy", text)))
	}},
	{name: "a stored answer", run: func(h *home, text string) string {
		h.telemetry("enable")
		h.spoil("state/acme/telemetry/consent", "tool=", text)
		h.spoil("state/acme/telemetry/consent", "backend=", text)
		return h.telemetry("status", "--explain") + h.telemetry("status", "--output", "json") + everything(h)
	}},
	{name: "notes of deliveries", run: func(h *home, text string) string {
		h.telemetry("enable")
		h.spoiled = true
		h.write("state/acme/telemetry/delivery", "format=1\nfailures=2\nlost=1\nlost_"+text+"=1\nlast_attempt=2026-01-02T03:04:05Z\nproblem="+text+"\nleft="+text+
			"\nrefusal="+text+"\nrefused_at=2026-01-02T03:04:05Z\nwarned_"+text+"=1\n.\n")
		h.write("state/acme/telemetry/background", "format=1\nfailures=3\nproblem="+text+"\n.\n")
		return everything(h)
	}},
	{name: "a deletion request", run: func(h *home, text string) string {
		h.declare("  DeletionRequestor: {Email: privacy@acme.example}\n")
		for _, args := range [][]string{{"enable"}, {"track", "feature.used", "x"}, {"flush"}, {"reset"}} {
			h.telemetry(args...)
		}
		requests, _ := filepath.Glob(h.path("state/acme/telemetry/deletion-*"))
		for _, request := range requests {
			for _, field := range []string{"problem=", "receipt_detail=", "receipt_id=", "receipt_url=", "receiver_0=", "taken_by="} {
				h.spoil(strings.TrimPrefix(request, h.dir), field, text)
			}
		}
		return h.telemetry("reset", "--status") + h.telemetry("reset", "--status", "--output", "json") + h.telemetry("status")
	}},
	{name: "a line of the queue", run: func(h *home, text string) string {
		h.write("tool.yaml", "Name: acme\nTelemetry: {Endpoint: '"+h.serve("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")+"'}\n")
		h.telemetry("enable")
		h.telemetry("track", "feature.used", "x") // which is not taken
		slots, _ := filepath.Glob(h.path("state/acme/telemetry/queue/*.events2"))
		for _, slot := range slots {
			if old, err := os.ReadFile(slot); err == nil && len(old) > 0 {
				h.write(strings.TrimPrefix(slot, h.dir), string(old)+text+"\n")
				h.spoiled = true
			}
		}
		return h.telemetry("flush") + h.telemetry("status")
	}},
	{name: "the logs of what was sent and decided", run: func(h *home, text string) string {
		h.write("tool.yaml", "Name: acme\nTelemetry: {Endpoint: '"+h.serve("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")+"'}\n")
		for _, args := range [][]string{{"enable"}, {"track", "feature.used", "x"}, {"flush"}} {
			h.telemetry(args...)
		}
		for _, name := range []string{"sent.log", "decisions"} {
			path := "state/acme/telemetry/" + name
			old, err := os.ReadFile(h.path(path))
			if err != nil {
				h.Fatal(err)
			}
			fields := regexp.MustCompile(`\t(method|backend|url|header|class|reason|answer|decided|by|decider|tool|hosts|fields|shown|ids|receipts)="[^"]*"`)
			h.write(path, fields.ReplaceAllStringFunc(string(old), func(field string) string {
				key, _, _ := strings.Cut(field, "=")
				return key + "=" + strconv.Quote(text+"x")
			}))
			h.spoiled = true
		}
		return h.telemetry("log") + h.telemetry("log", "1") + h.telemetry("log", "--verify") + h.telemetry("receipts") + h.telemetry("receipts", "1") +
			h.telemetry("log", "--output", "json") + h.telemetry("receipts", "--output", "json") + h.telemetry("export")
	}},
	{name: "words of an event", run: func(h *home, text string) string {
		h.telemetry("enable", "--local")
		args := []string{"--config", "tool.yaml", "track", text, text, "--meta", text + "=" + text}
		_, shown, _ := h.with([]string{debugging}, "telemetry", args...)
		h.run("telemetry", args...)
		return shown + h.telemetry("exec", "--name", text, "--", "telemetry", "--version") + everything(h)
	}},
	{name: "variables", silent: true, run: func(h *home, text string) string {
		h.telemetry("enable", "--local")
		env := []string{debugging, "CI=" + text, "GITHUB_ACTIONS=" + text, "TF_BUILD=" + text, "AI_AGENT=" + text, "TERM=" + text, "LANG=" + text,
			"ACME_TELEMETRY_RUN=" + text, "ACME_RUN=" + text, "ACME_TELEMETRY_IDENTITY=" + text, "USER=" + text, "container=" + text}
		_, shown, _ := h.with(env, "telemetry", "--config", "tool.yaml", "track", "feature.used", "x")
		for _, args := range [][]string{{"track", "feature.used", "x"}, {"flush"}, {"status", "--explain"}, {"share"}, {"reset"}} {
			out, errs, _ := h.with(env[1:], "telemetry", append([]string{"--config", "tool.yaml"}, args...)...)
			shown += out + errs
		}
		for _, name := range []string{"ACME_TELEMETRY", "TELEMETRY_ENABLED", "DO_NOT_TRACK", "TELEMETRY_LOCAL"} {
			out, errs, _ := h.with([]string{name + "=" + text}, "telemetry", "--config", "tool.yaml", "status", "--explain")
			shown += out + errs
		}
		return shown
	}},
	{name: "a command line", run: func(h *home, text string) string {
		shown := ""
		for _, args := range [][]string{
			{text}, {"--" + text}, {"-" + text}, {"track", "--" + text}, {"track", text + "@", text, "--duration", text}, {"status", text}, {"status", "--output", text},
			{"exec", "--" + text, "x"}, {"--config", text, "status"}, {"--config", text, "enable"}, {"relay", text},
		} {
			out, errs, _ := h.run("telemetry", args...)
			shown += out + errs
		}
		for _, args := range [][]string{
			{text}, {"--" + text}, {"deletions", text}, {"deletions", "list", "--ledger", text}, {"deletions", "list", "--state", text},
			{"deletions", "show", text, "--ledger", "none"}, {"erase", text}, {"erase", "--vendor", text}, {"serve", "--config", text}, {"serve", text},
		} {
			shown += h.operator(args...)
		}
		for _, args := range [][]string{{"exec", "--", text}, {"exec", "--", "./" + text}, {"exec", "--meta", text, text}, {"track", text}, {"track", "feature.used", text, text}} {
			shown += h.telemetry(args...)
		}
		for _, args := range [][]string{{"telemetry", text}, {"telemetry", "status", text}, {"telemetry", "status", "--" + text}, {"telemetry", "status", "--output", text}} {
			out, errs, _ := h.run("mytool", args...)
			shown += out + errs
		}
		return shown
	}},
	{name: "a server's answer", silent: true, run: func(h *home, text string) string {
		answers := []string{
			"HTTP/1.1 403 " + text + "\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			"HTTP/1.1 429 x\r\nRetry-After: " + text + "\r\nContent-Length: %d\r\n\r\n%s",
			"HTTP/1.1 302 x\r\nLocation: http://" + text + "/" + text + "\r\nContent-Length: %d\r\n\r\n%s",
			"HTTP/1.1 " + text + " x\r\nContent-Length: %d\r\n\r\n%s", text + " %d\r\n%s",
		}
		body := `{"error":` + quoted(text) + `,"detail":` + quoted(text) + `}`
		shown := ""
		for _, answer := range answers {
			server := h.serve(fmt.Sprintf(answer, len(body), body))
			// Two drivers are enough: all speak through one client.
			for _, config := range []string{"OTelEndpoint: " + server, "Backend: posthog\n  Settings: {project_key: phc_x, endpoint: '" + server + "'}"} {
				h.write("tool.yaml", "Name: acme\nTelemetry:\n  "+config+"\n")
				h.telemetry("enable")
				shown += h.telemetry("check") + h.telemetry("track", "feature.used", "x") + h.telemetry("status", "--output", "json")
			}
		}
		return shown
	}},
	{name: "a receipt of a deletion", run: func(h *home, text string) string {
		body := `{"id":` + quoted(text) + `,"state":` + quoted(text) + `,"detail":` + quoted(text) + `,"url":` + quoted(text) + `}`
		relay := h.serve(fmt.Sprintf("HTTP/1.1 202 x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		h.declare("  DeletionRequestor: {Endpoint: '" + relay + "'}\n")
		h.telemetry("enable")
		h.telemetry("track", "feature.used", "x")
		h.telemetry("flush")
		return h.telemetry("reset") + h.telemetry("reset", "--status") + h.telemetry("reset", "--resume") + everything(h)
	}},
	{name: "an error of a driver", run: func(h *home, text string) string {
		return h.inside(props.TelemetryConfig{Backend: "odd", Drivers: []driver.Driver{{
			Name: "odd", Hosts: func(map[string]string) []string { return []string{"odd.example"} },
			Open: func(driver.Config) (driver.Backend, error) { return failing{errors.New(text)}, nil },
		}}})
	}},
}

func TestNothingFromElsewhereCommandsATerminalOrBreaksALine(t *testing.T) {
	t.Parallel()
	for _, e := range entrances {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			seen := false
			for class, bad := range classes {
				h := newHome(t, nil)
				terminal := e.run(h, "plan"+bad+"ted")
				if at := dirty(terminal); at != "" {
					t.Errorf("%s: the terminal gets %q", class, at)
				}
				files := h.state()
				if at := dirty(files); at != "" {
					t.Errorf("%s: a file gets %q", class, at)
				}
				seen = seen || strings.Contains(terminal+files, "plan")
			}
			if !e.silent && !seen {
				t.Error("nothing of what was put there is to be seen, so nothing was tested")
			}
		})
	}
}

// dirty returns the surroundings of the first thing that is not text, "" if there is none.
func dirty(text string) string {
	for line := range strings.Lines(text) {
		line = strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", " ") // between columns, in a pipe
		for i := 0; i < len(line); {
			_, size := utf8.DecodeRuneInString(line[i:])
			if plaintext.Clean(line[i:i+size]) != line[i:i+size] {
				return line[max(0, i-60):min(len(line), i+20)]
			}
			i += size
		}
	}
	return ""
}

// everything returns what a person can look at, in all forms.
func everything(h *home) string {
	shown := ""
	for _, args := range [][]string{
		{"enable"}, {"status"}, {"status", "--explain"}, {"status", "--output", "json"}, {"schema"}, {"schema", "--output", "markdown"},
		{"schema", "--output", "json"}, {"schema", "--output", "jsonschema"}, {"track", "feature.used", "x"}, {"inspect"}, {"inspect", "--next"}, {"flush"}, {"status"}, {"status", "--output", "json"},
		{"log"}, {"receipts"}, {"receipts", "--output", "json"}, {"export"},
		{"disable"}, {"reset", "--status"}, {"reset", "--status", "--output", "json"},
	} {
		shown += h.telemetry(args...)
	}
	return shown
}

func (h *home) operator(args ...string) string {
	h.Helper()
	out, errs, _ := h.run("telemetry-relay", args...)
	return out + errs
}

// state returns what is in the files that telemetry writes.
func (h *home) state() string {
	h.Helper()
	var all strings.Builder
	err := filepath.WalkDir(h.path("state"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		// What a row wrote itself stays until the file is written again.
		if name := filepath.Base(path); h.spoiled && (slices.ContainsFunc([]string{"consent", "deletion-", "delivery", "background"},
			func(ours string) bool { return strings.HasPrefix(name, ours) }) || filepath.Base(filepath.Dir(path)) == "queue") {
			return nil
		}
		all.WriteString(path + "\n")
		all.Write(text)
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	return all.String()
}

// spoil replaces a value in a file of ours, which then has no checksum, as those of older
// versions.
func (h *home) spoil(name, field, text string) {
	h.Helper()
	h.spoiled = true
	found := false
	old, err := os.ReadFile(h.path(name))
	if err != nil {
		h.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(old)) {
		switch {
		case strings.HasPrefix(line, "checksum"):
			continue
		case strings.HasPrefix(line, field):
			line, found = field+text+"\n", true
		case line == ".\n" && !found:
			line = field + text + "\n.\n"
		}
		lines = append(lines, line)
	}
	h.write(name, strings.Join(lines, ""))
}

// serve answers every request with the same bytes.
func (h *home) serve(answer string) (url string) {
	h.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := conn.Read(make([]byte, 64<<10)); err == nil {
					_, _ = io.WriteString(conn, answer)
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// inside records and sends an event in this process, and returns what a person can look at.
func (h *home) inside(config props.TelemetryConfig, options ...core.Option) string {
	h.Helper()
	tool := props.Tool{Name: "acme", Features: props.SetFeatures(props.Enable(props.TelemetryCmd)), Telemetry: config}
	none := func(string) (string, bool) { return "", false }
	options = append(options, core.WithStateDir(h.path("state")), core.WithEnv(none))
	m := core.NewManager(tool, options...)
	if err := m.Enable(false, ""); err != nil {
		return err.Error()
	}
	c, err := core.Open(tool, options...)
	if err != nil {
		h.Fatal(err)
	}
	c.Track("feature.used", "x", nil)
	_ = c.Close(context.Background())
	text, err := json.Marshal(m.Status()) // which is where what is printed comes from
	if err != nil {
		h.Fatal(err)
	}
	return string(text)
}

type failing struct{ err error }

func (f failing) Send(context.Context, []driver.Event) error { return f.err }
func (failing) Close() error                                 { return nil }

// yaml and quoted put a text between quotation marks, with what is no UTF-8 as it is.
func yaml(text string) string { return quoted(text) }

func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && size == 1 {
			b.WriteByte(text[0])
		} else if plaintext.Clean(string(r)) != string(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
		text = text[size:]
	}
	b.WriteByte('"')
	return b.String()
}
