package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gotoolbase/telemetry/internal/tty"
)

const width = 96

// story prints what happens, and stops at the first claim that does not hold.
type story struct {
	out     io.Writer
	colour  bool
	chapter int
	claims  int
}

func newStory() *story {
	out := os.Stdout
	return &story{out: out, colour: tty.Is(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	normal = ""
)

func (s *story) paint(style, text string) string {
	if !s.colour || style == normal {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// title begins a chapter.
func (s *story) title(text string) {
	s.chapter++
	fmt.Fprintf(s.out, "\n%s\n", s.paint(bold, fmt.Sprintf("%d. %s", s.chapter, text)))
}

// say prints a paragraph.
func (s *story) say(format string, args ...any) {
	for _, line := range wrap(fmt.Sprintf(format, args...), width-3) {
		fmt.Fprintf(s.out, "   %s\n", line)
	}
}

// show prints what a command or a request looks like, as it is.
func (s *story) show(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		for _, part := range wrap(strings.TrimRight(line, "\n"), width-7) {
			fmt.Fprintf(s.out, "     %s %s\n", s.paint(dim, "|"), part)
		}
	}
}

// command prints a command line and what it printed.
func (s *story) command(line, output string) {
	fmt.Fprintf(s.out, "     %s\n", s.paint(bold, "$ "+line))
	if output != "" {
		s.show(output)
	}
}

// json prints an event, indented.
func (s *story) json(raw []byte) {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		b.Reset()
		b.Write(raw)
	}
	s.show(b.String())
}

// broken ends the story; main recovers it.
type broken struct{ error }

// claim prints a statement if it holds, and otherwise ends the story with it.
func (s *story) claim(holds bool, statement string, whatIs ...any) {
	s.claims++
	mark, style := "✓", green
	if !holds {
		mark, style = "✗", red
	}
	fmt.Fprintf(s.out, "   %s %s\n", s.paint(style, mark), strings.Join(wrap(statement, width-5), "\n     "))
	if holds {
		return
	}
	err := fmt.Errorf("claim %d does not hold: %s", s.claims, statement)
	if len(whatIs) > 0 {
		err = fmt.Errorf("%w\nwhat is: %s", err, strings.TrimSpace(fmt.Sprintln(whatIs...)))
	}
	panic(broken{err})
}

// must ends the story where something that is no claim went wrong.
func must(err error) {
	if err != nil {
		panic(broken{err})
	}
}

func got[T any](value T, err error) T {
	must(err)
	return value
}

// wrap breaks text at spaces. What is indented stays so; what has no space is not broken.
func wrap(text string, width int) []string {
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	var lines []string
	line := indent
	for i, word := range strings.Split(text[len(indent):], " ") {
		if i > 0 && len([]rune(line))+1+len([]rune(word)) > width && strings.TrimSpace(line) != "" {
			lines = append(lines, strings.TrimRight(line, " "))
			line = indent + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	return append(lines, strings.TrimRight(line, " "))
}
