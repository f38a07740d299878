//go:build linux

package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
	"time"
)

// The chart's measures, in its own units.
const (
	labelWidth = 232
	cellWidth  = 98
	barWidth   = 86
	rowHeight  = 34
	headHeight = 88
	footHeight = 40
)

// chart is docs/measurements/peers.svg: what an end costs by weather, a row a peer, on a scale where each
// step is ten times the one before. Colours say what became of the event, and words do too.
func (r report) chart() string {
	type row struct {
		label string
		peer  int
		ci    bool
	}
	var rows []row
	for i, p := range peers {
		rows = append(rows, row{strings.Trim(p.name, "*"), i, false})
	}
	for i, p := range peers {
		if p.ours && p.state != unasked {
			rows = append(rows, row{strings.Trim(p.name, "*") + ", in CI", i, true})
		}
	}
	width, height := labelWidth+cellWidth*len(weathers)+12, headHeight+rowHeight*len(rows)+footHeight
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="12">`, width, height, width, height)
	say(`<title id="title">What telemetry adds to the end of a command, by weather of the network</title>`)
	say(`<desc id="desc">A row for each way to report events, a column for each of %d weathers. Each cell has the milliseconds that a process takes more than one that reports nothing, a bar of them on a logarithmic scale, and what became of the event. Written by make peers on %s, seed %d; the same figures are in peers.md.</desc>`,
		len(weathers), r.machine.started.UTC().Format(time.DateOnly), r.lab.seed)
	say(`<style>
.back { fill: #ffffff } .text { fill: #1f2328 } .dim { fill: #59636e } .line { stroke: #d1d9e0 }
.delivered { fill: #1a7f37 } .kept { fill: #0969da } .file { fill: #8c959f } .lost { fill: #cf222e } .none { fill: #d1d9e0 }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117 } .text { fill: #f0f6fc } .dim { fill: #9198a1 } .line { stroke: #3d444d }
.delivered { fill: #3fb950 } .kept { fill: #4493f8 } .file { fill: #6e7681 } .lost { fill: #f85149 } .none { fill: #3d444d }
}
</style>`)
	say(`<rect class="back" width="%d" height="%d"/>`, width, height)
	say(`<text class="text" x="12" y="24" font-size="15" font-weight="600">Milliseconds that telemetry adds to a command, by weather of the network</text>`)
	x := 12
	for _, c := range []struct{ class, word string }{{"delivered", "delivered"}, {"kept", "kept, delivered later"}, {"file", "on file, never sent"}, {"lost", "lost"}, {"none", "nothing recorded"}} {
		say(`<rect class="%s" x="%d" y="37" width="10" height="10"/><text class="dim" x="%d" y="46">%s</text>`, c.class, x, x+15, c.word)
		x += 32 + 7*len(c.word)
	}
	for i, w := range weathers {
		say(`<text class="text" x="%d" y="76" font-weight="600">%s</text>`, labelWidth+i*cellWidth, escape(w.short))
	}
	for n, row := range rows {
		y := headHeight + n*rowHeight
		say(`<line class="line" x1="12" x2="%d" y1="%d" y2="%d"/>`, width-12, y, y)
		weight := ""
		if peers[row.peer].ours {
			weight = ` font-weight="600"`
		}
		say(`<text class="text" x="12" y="%d"%s>%s</text>`, y+21, weight, escape(row.label))
		for w := range weathers {
			k := key{row.peer, w, row.ci}
			f, found := r.fates[k]
			x := labelWidth + w*cellWidth
			if !found {
				say(`<text class="dim" x="%d" y="%d">not measured</text>`, x, y+16)
				continue
			}
			class, word := become(f)
			say(`<text class="text" x="%d" y="%d">%s <tspan class="dim">%s</tspan></text>`, x, y+16, cost(r.added[k]), word)
			say(`<rect class="%s" x="%d" y="%d" width="%.1f" height="7" rx="1"/>`, class, x, y+21, bar(r.added[k]))
		}
	}
	foot := headHeight + rowHeight*len(rows)
	say(`<line class="line" x1="12" x2="%d" y1="%d" y2="%d"/>`, width-12, foot, foot)
	say(`<text class="dim" x="12" y="%d">Bars are logarithmic: from 0.1 ms, where there is none, to 30 s, where one fills its cell. Plain HTTP on one machine; %s, load average %s.</text>`,
		foot+24, escape(line("/proc/cpuinfo", "model name")), r.machine.before)
	say(`</svg>`)
	return b.String()
}

// bar is how long a duration is drawn.
func bar(d time.Duration) float64 {
	const shortest, longest = 100 * time.Microsecond, 30 * time.Second
	if d <= shortest {
		return 1
	}
	return min(1, math.Log(float64(d)/float64(shortest))/math.Log(float64(longest)/float64(shortest)))*(barWidth-1) + 1
}

// become is the colour and the word for what became of an event.
func become(f fate) (class, word string) {
	switch f.letter()[:1] {
	case "D":
		return "delivered", "delivered"
	case "K":
		return "kept", "kept"
	case "F":
		return "file", "on file"
	case "L":
		return "lost", "lost"
	}
	return "none", ""
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // which a Builder never fails
	return b.String()
}
