//go:build linux && !notelemetry

package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// Sizes in the units of the picture. A sign is as wide as in the common monospaced fonts, and each
// line is told its length, so that another font does not move anything.
const (
	signWidth, lineHeight, margin, top = 8, 18, 16, 40
	seconds                            = 6 // each screen is shown
)

// picture returns the scenes as one SVG: a screen after the other, without a script, which forges
// do not run. Where a reader wants no motion, the first screen stays.
func picture(scenes []scene) []byte {
	var screens [][]string
	most := 0
	for _, s := range scenes {
		text := "$ " + s.command + "\n" + s.shown + s.answer
		if s.answer != "" {
			text += "\n" + s.after
		}
		lines := strings.Split(strings.TrimRight(strings.ReplaceAll(text, "\r", ""), "\n"), "\n")
		screens = append(screens, lines)
		most = max(most, len(lines))
	}
	width, height := columns*signWidth+2*margin, top+most*lineHeight+margin
	var w bytes.Buffer
	fmt.Fprintf(&w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title desc">`+"\n", width, height)
	w.WriteString("<title id=\"title\">Telemetry that asks first</title>\n<desc id=\"desc\">")
	escape(&w, "A terminal. "+strings.Join(commands(scenes), "; then ")+".")
	w.WriteString("</desc>\n<style>\n")
	w.WriteString("text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #e6e6e6; white-space: pre }\n")
	w.WriteString(".typed { fill: #8bd5a0 }\n")
	fmt.Fprintf(&w, ".screen { opacity: 0; animation: turn %ds step-end infinite }\n", seconds*len(screens))
	fmt.Fprintf(&w, "@keyframes turn { 0%% { opacity: 1 } %.4g%% { opacity: 0 } }\n", 100/float64(len(screens)))
	for i := range screens {
		fmt.Fprintf(&w, "#screen%d { animation-delay: %ds }\n", i, i*seconds)
	}
	w.WriteString("@media (prefers-reduced-motion: reduce) { .screen { animation: none } #screen0 { opacity: 1 } }\n</style>\n")
	fmt.Fprintf(&w, `<rect width="%d" height="%d" rx="8" fill="#1d2021"/>`+"\n", width, height)
	for i, colour := range []string{"#ec6a5e", "#f4bf4f", "#61c554"} {
		fmt.Fprintf(&w, `<circle cx="%d" cy="18" r="6" fill="%s"/>`+"\n", margin+6+20*i, colour)
	}
	for i, lines := range screens {
		fmt.Fprintf(&w, `<g class="screen" id="screen%d">`+"\n", i)
		for n, line := range lines {
			if line == "" {
				continue
			}
			class := ""
			if n == 0 {
				class = ` class="typed"`
			}
			fmt.Fprintf(&w, `<text x="%d" y="%d" textLength="%d" xml:space="preserve"%s>`, margin, top+(n+1)*lineHeight-4, len([]rune(line))*signWidth, class)
			escape(&w, line)
			w.WriteString("</text>\n")
		}
		w.WriteString("</g>\n")
	}
	w.WriteString("</svg>\n")
	return w.Bytes()
}

func commands(scenes []scene) (all []string) {
	for _, s := range scenes {
		all = append(all, s.command)
	}
	return all
}

func escape(w *bytes.Buffer, text string) { _ = xml.EscapeText(w, []byte(text)) } // a bytes.Buffer takes everything
