//go:build !notelemetry

package report_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
	"github.com/gotoolbase/telemetry/relay/report"
	"github.com/gotoolbase/telemetry/relay/report/internal/samples"
)

const good = `{"id":"1","type":"feature.used","name":"","timestamp":"2026-11-25T10:00:00Z","tool_name":"x","os":"linux","arch":"amd64","ci":false,"interactive":true,"container":false,"machine_id":"c0ffee00c0ffee00c0ffee00c0ffee01"}`

func TestALineThatIsNoEventIsNamedByItsNumberAndNotRepeated(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`{"id":"c0ffee`:                      "no JSON at byte",
		`c0ffee`:                             "no JSON at byte 1",
		`["c0ffee"]`:                         "no event: it is no JSON object",
		good + `"c0ffee"`:                    "no JSON at byte",
		strings.Replace(good, `"x"`, `7`, 1): "no event: tool_name is of the wrong kind",
		strings.Replace(good, `"2026-11-25T10:00:00Z"`, `"c0ffee"`, 1):    "no event: its timestamp is no time",
		strings.Replace(good, `"tool_name":"x"`, `"tool":"c0ffee"`, 1):    "no event: it has no tool_name",
		strings.Replace(good, `"type":"feature.used"`, `"kind":"b"`, 1):   "no event: it has no type",
		strings.Replace(good, `"timestamp"`, `"time"`, 1):                 "no event: it has no timestamp",
		`{"c0ffee":"` + strings.Repeat("c0ffee", 1<<18) + `"}`:            "longer than 1 MiB",
		strings.Replace(good, `"ci":false`, `"ci":"c0ffee"`, 1):           "no event: ci is of the wrong kind",
		strings.Replace(good, `"os":"linux"`, `"count":1e99,"os":"l"`, 1): "no event: count is of the wrong kind",
	} {
		text := good + "\n\n" + line + "\n" + strings.Replace(good, `"1"`, `"2"`, 1) + "\n"
		c := report.NewCounter(report.Query{Now: samples.Now})
		err := c.Read("events.ndjson", strings.NewReader(text))
		var wrong *report.LineError
		if !errors.As(err, &wrong) || wrong.Line != 3 || !strings.Contains(wrong.Problem, want) {
			t.Errorf("%.60s: %v, want line 3 and %q", line, err, want)
			continue
		}
		if strings.Contains(err.Error(), "c0ffee") {
			t.Errorf("%.60s: the error repeats it: %v", line, err)
		}
		if c.Events != 1 {
			t.Errorf("%.60s: %d events before it", line, c.Events)
		}
		c = report.NewCounter(report.Query{Now: samples.Now})
		c.SkipDamaged = true
		if err := c.Read("events.ndjson", strings.NewReader(text)); err != nil || c.Events != 2 || c.Damaged != 1 {
			t.Errorf("%.60s: left out: %v, %d events and %d damaged", line, err, c.Events, c.Damaged)
		}
	}
}

func TestTheLastLineMayLackItsEnd(t *testing.T) {
	t.Parallel()
	c := report.NewCounter(report.Query{Now: samples.Now})
	if err := c.Read("x", strings.NewReader(good)); err != nil || c.Events != 1 {
		t.Errorf("%v, %d events", err, c.Events)
	}
	err := c.Read("x", strings.NewReader(good+"\n"+good[:40]))
	if err == nil || !strings.Contains(err.Error(), "x: line 2: ") || !strings.Contains(err.Error(), "the file ends in the middle of it") {
		t.Errorf("%v", err)
	}
}

func TestAFileThatCannotBeReadToItsEndIsAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	err := report.NewCounter(report.Query{Now: samples.Now}).Read("x", io.MultiReader(strings.NewReader(good+"\n"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "x: after line 1") {
		t.Errorf("%v", err)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, strings.Repeat(good+"\n", 100)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := report.NewCounter(report.Query{Now: samples.Now}).Read("x", bytes.NewReader(b.Bytes()[:b.Len()-9])); err == nil {
		t.Error("half a file is taken for a whole one")
	}
}

func TestOfSeveralToolsOneHasToBeChosen(t *testing.T) {
	t.Parallel()
	text := good + "\n" + strings.Replace(strings.Replace(good, `"x"`, `"y"`, 1), `"id":"1"`, `"id":"2"`, 1) + "\n"
	for tool, want := range map[string]string{"x": "x", "y": "y", "": "", "z": ""} {
		c := report.NewCounter(report.Query{Tool: tool, Now: samples.Now})
		if err := c.Read("x", strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		d, err := c.Data()
		var many *report.TooManyError
		switch tool {
		case "":
			if !errors.As(err, &many) || !slices.Equal(many.Tools, []string{"x", "y"}) {
				t.Errorf("%v", err)
			}
		case "z":
			if !errors.Is(err, report.ErrNoTool) {
				t.Errorf("%v", err)
			}
		default:
			if err != nil || d.Tool != want {
				t.Errorf("%q, %v", d.Tool, err)
			}
		}
	}
}

// Whatever a file holds: each of its lines is an event, empty, or told.
func FuzzReadingLosesNoLine(f *testing.F) {
	f.Add([]byte(good + "\n" + good))
	f.Add([]byte(good + "\r\n\n" + good[:50] + "\n"))
	f.Add([]byte(strings.Replace(good, `"x"`, `"x","count":5,"failures":2,"durations":[1,2],"sample_rate":9,"exit_code":1`, 1)))
	f.Add([]byte("{}\nnull\n[]\n\x00\xff\n\"\n{\"tool_name\":\"\"}"))
	e := driver.Event{}
	f.Add(e.AppendJSON(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.HasPrefix(text, []byte{0x1f, 0x8b}) {
			t.Skip("compressed: what is in it is not so easily counted")
		}
		lines, empty := bytes.Split(text, []byte("\n")), int64(0)
		for _, line := range lines {
			if len(bytes.TrimSpace(line)) == 0 {
				empty++
			}
		}
		// A reader has a buffer of a MiB, for the longest line, and counts have maps; a line that is
		// an event takes a hundred bytes and more, and makes entries of some KiB.
		fuzzing.Allocs(t, len(text), 2<<20, 512, func() {
			c := report.NewCounter(report.Query{Now: samples.Now})
			c.SkipDamaged = true
			_ = c.Read("f", bytes.NewReader(text))
		})
		c := report.NewCounter(report.Query{Now: samples.Now})
		c.SkipDamaged = true
		if err := c.Read("f", bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if got := c.Events + c.Damaged + empty; got != int64(len(lines)) {
			t.Errorf("%d events, %d damaged and %d empty of %d lines", c.Events, c.Damaged, empty, len(lines))
		}
		strict := report.NewCounter(report.Query{Now: samples.Now})
		err := strict.Read("f", bytes.NewReader(text))
		var wrong *report.LineError
		if (err != nil) != (c.Damaged > 0) || err != nil && (!errors.As(err, &wrong) || wrong.Line < 1 || wrong.Line > len(lines)) {
			t.Errorf("%d damaged, and %v", c.Damaged, err)
		}
		if err == nil && strict.Events != c.Events {
			t.Errorf("%d events, then %d", c.Events, strict.Events)
		}
		d, err := c.Data()
		if err == nil {
			for _, k := range []int{1, 5} {
				_ = tables(t, d.Page(report.PageOptions{K: k}))
				_ = pageOf(t, d.Page(report.PageOptions{K: k}))
			}
		}
	})
}
