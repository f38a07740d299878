//go:build linux

package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// state is how far telemetry has come in the home that a program runs in.
type state int

const (
	fresh   state = iota // nothing was run there
	agreed               // somebody said yes, and nothing was recorded yet
	used                 // and a command has just recorded and tried to send
	unasked              // nobody was asked
)

// peer is a row of the tables.
type peer struct {
	name, program string
	modules       []string // whose versions are shown
	where         string   // where an event is when the call returns
	use           string   // how it is used, and by whose word
	better        string   // what a setting would change
	floor         bool
	ours          bool
	state         state
	sendsLater    bool // a later run may send what this one kept
	noOwn         bool // it does not send at all
}

var peers = []peer{
	{name: "*floor: append*", program: "append", where: "on file", floor: true, noOwn: true,
		use:    "each event is one write to a file that stays open",
		better: "nothing sends it"},
	{name: "*floor: net/http*", program: "nethttp", where: "in memory", floor: true,
		use:    "one POST of all events at the end, for at most 2 s",
		better: "without its timeout it would wait for ever where a server hangs"},
	{name: "posthog-go", program: "posthog", where: "in memory", modules: []string{"github.com/posthog/posthog-go"},
		use:    "`NewWithConfig`, `Enqueue`, `Close`, as PostHog's page for Go says; all defaults",
		better: "`ShutdownTimeout`, 0 by default, bounds `Close`; `Logger` keeps it from printing. Neither keeps an event"},
	{name: "OpenTelemetry", program: "otel", where: "in memory", modules: []string{"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp", "go.opentelemetry.io/otel/sdk/log"},
		use:    "`otlploghttp.New`, `NewBatchProcessor`, `Emit`, `Shutdown`, as the exporter's example does; all defaults",
		better: "a deadline in `Shutdown`'s context, or `OTEL_BLRP_EXPORT_TIMEOUT`, bounds the wait. Neither keeps an event"},
	{name: "segment", program: "segment", where: "in memory", modules: []string{"github.com/segmentio/analytics-go/v3"},
		use:    "`NewWithConfig`, `Enqueue`, `Close`, as its Readme does; all defaults",
		better: "a `Transport` with timeouts bounds `Close`; `Logger` keeps it from printing. Neither keeps an event"},
	{name: "x/telemetry", program: "xtelemetry", where: "a count in a mapped file", modules: []string{"golang.org/x/telemetry"}, noOwn: true,
		use:    "`counter.Open`, `counter.Inc`, as package counter says for command-line tools; it counts, and keeps no events",
		better: "`telemetry.Start` with `Upload` uploads once a week, what telemetry.go.dev has approved; its README says that it is for the Go team's tools only"},
	{name: "**this module, upload due**", program: "telemetry", ours: true, where: "on file", state: agreed, sendsLater: true,
		use:    "core, the http backend and core/console, as docs/how-to/without-cobra.md says; a yes, and an upload due at each measured end: the worst case",
		better: "`Fold` makes fewer records"},
	{name: "**this module, none due**", program: "telemetry", ours: true, state: used, sendsLater: true,
		use:    "the same within the 10 minutes after: the common case",
		better: ""},
	{name: "**this module, nobody asked**", program: "telemetry", ours: true, where: "nowhere", state: unasked,
		use:    "the same where nobody has said yes: nothing is recorded, and nothing can be lost",
		better: ""},
}

// hello is what all are compared with, and core is ours without what no other has.
const (
	hello = "hello"
	core  = "telemetrycore"
)

// programs are the files that were built.
type programs struct {
	dir      string
	versions map[string]string // of the modules
	built    []built
}

// built is a program, and what it weighs.
type built struct {
	name    string
	kib     int64
	modules int
	pkgs    int
}

// eager is ours with a second between two uploads in place of ten minutes.
const eager = "-eager"

func (p *programs) file(name string) string { return filepath.Join(p.dir, name) }

// build builds every program in the same way.
func build(dir string) (*programs, error) {
	p := &programs{dir: dir, versions: map[string]string{}}
	names := []string{hello, core}
	for _, peer := range peers {
		if peer.state != used && peer.state != unasked {
			names = append(names, peer.program)
		}
	}
	for _, name := range names {
		if err := p.compile(name, p.file(name), ""); err != nil {
			return nil, err
		}
		info, err := os.Stat(p.file(name))
		if err != nil {
			return nil, err
		}
		content, err := buildinfo.ReadFile(p.file(name))
		if err != nil {
			return nil, fmt.Errorf("reading what %s is made of: %w", name, err)
		}
		weighed := built{name: name, kib: info.Size() >> 10, modules: len(content.Deps)}
		for _, module := range content.Deps {
			p.versions[module.Path] = module.Version
		}
		list, err := exec.Command("go", "list", "-deps", "./programs/"+name).Output()
		if err != nil {
			return nil, fmt.Errorf("listing the packages of %s: %w", name, err)
		}
		weighed.pkgs = bytes.Count(list, []byte{'\n'})
		p.built = append(p.built, weighed)
	}
	return p, p.compile("telemetry", p.file("telemetry"+eager), " -X main.interval=1s")
}

func (p *programs) compile(name, file, more string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w"+more, "-o", file, "./programs/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	return nil
}

// eventkit is the peer that is not in the tables, and why, in the proxy's words.
func eventkit() string {
	const module = "github.com/dolthub/eventkit"
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "list", "-m", module+"@latest").CombinedOutput()
	if err == nil {
		return "There is a " + strings.TrimSpace(string(out)) + " now, and no program here that uses it."
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return "`" + module + "`, which like this module writes to files and sends from a process of its own, could not be had: the Go module proxy said “" +
		strings.Trim(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(lines[len(lines)-1]), "server response:")), ".") + "”."
}
