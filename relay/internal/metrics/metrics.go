//go:build !notelemetry

// Package metrics writes what the gateway counts in the text format of Prometheus.
// https://prometheus.io/docs/instrumenting/exposition_formats/
package metrics

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Counters count what happened since the process started. Labels are words of this program and
// names of the configuration, never anything that somebody sent, so there are few. It may be
// used by several goroutines at once.
type Counters struct {
	mu sync.Mutex
	n  map[string]uint64 // by rendered name and labels
}

// Add counts n more, with the names and values of labels in turn. Nothing is counted where n is
// not above zero.
func (c *Counters) Add(n int, name string, labels ...string) {
	if n <= 0 {
		return
	}
	metric := Labelled(name, labels...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]uint64{}
	}
	c.n[metric] += uint64(n)
}

// Write writes those that are named, each with its help, also where nothing was counted.
func (c *Counters) Write(w io.Writer, helps [][2]string) {
	c.mu.Lock()
	counts := maps.Clone(c.n)
	c.mu.Unlock()
	metrics := slices.Sorted(maps.Keys(counts))
	for _, of := range helps {
		Head(w, of[0], "counter", of[1])
		for _, metric := range metrics {
			if strings.HasPrefix(metric, of[0]+"{") {
				fmt.Fprintf(w, "%s %d\n", metric, counts[metric])
			}
		}
	}
}

// Head writes what stands before the values of a metric.
func Head(w io.Writer, name, kind, help string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// Labelled renders a metric's name with its labels.
func Labelled(name string, labels ...string) string {
	var b strings.Builder
	b.WriteString(name + "{")
	for i := 0; i < len(labels); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(labels[i] + `="` + escapes.Replace(labels[i+1]) + `"`)
	}
	b.WriteByte('}')
	return b.String()
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
