//go:build linux && !notelemetry

package main

import (
	"bytes"
	"encoding/json"
	"math"
	"time"
)

// How long a reader sees what. It is chosen for reading, and says nothing of how fast the tool is.
const (
	keystroke = 40 * time.Millisecond
	pause     = 700 * time.Millisecond
	reading   = 5 * time.Second
)

// cast returns an asciicast, version 2: a line of JSON for the header and one for each output.
func cast(scenes []scene) []byte {
	var w bytes.Buffer
	encoder := json.NewEncoder(&w)
	encoder.SetEscapeHTML(false)
	line := func(v any) { _ = encoder.Encode(v) } // a bytes.Buffer takes everything
	line(struct {
		Version int    `json:"version"`
		Width   int    `json:"width"`
		Height  int    `json:"height"`
		Title   string `json:"title"`
	}{2, columns, rows, "Telemetry that asks first"})
	var at time.Duration
	show := func(text string) { line([]any{math.Round(at.Seconds()*100) / 100, "o", text}) }
	typed := func(text string) {
		for _, r := range text {
			at += keystroke
			show(string(r))
		}
	}
	for _, s := range scenes {
		show("$ ")
		at += pause
		typed(s.command)
		at += pause
		show("\r\n" + s.shown)
		if s.answer != "" {
			at += reading
			typed(s.answer)
			at += pause
			show("\r\n" + s.after)
		}
		at += reading
	}
	return w.Bytes()
}
