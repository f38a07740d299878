package coretest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
)

// goldenVariable, set to "update", has Golden write its files. It is a variable for the same
// reason as updateVariable, and another one: who takes over what a command sends has not yet
// said that people were told.
const goldenVariable = "TELEMETRY_GOLDEN"

// Golden fails the test unless events are those in file, which is checked in: one JSON object
// a line, as they are sent. Whatever differs from run to run or from machine to machine has a
// placeholder in its place: "<timestamp>", "<os>", "<duration_ms>". Of IDs it is seen which
// are the same: "<run_id 1>" is that of one run. What only some machines have, such as the name
// of an agent, is left out.
//
// One thing depends on the machine all the same: a value that is the name of the machine or of the
// account is masked, as "<host>" or "<user>", in a test as for the person who runs the tool. That cannot
// be turned off, or a tool could do so too; so tests record values that nothing is called by, such as
// "json" and not "main" or "test". A failure says where that may be why.
//
// A failure shows the lines that are different. TELEMETRY_GOLDEN=update go test writes the
// file.
func Golden(t testing.TB, file string, events []driver.Event) {
	t.Helper()
	got, err := golden(events)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) == 0 {
		t.Fatalf("nothing was recorded; that this is so is Events.None's to say, and not %s", file)
	}
	if os.Getenv(goldenVariable) == "update" {
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o666); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s is made anew; read the difference before you commit it", file)
		return
	}
	test, _, _ := strings.Cut(t.Name(), "/")
	remedy := goldenVariable + "=update go test -count=1 -run '^" + test + "$'"
	want, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is no %s. To make it: %s", file, remedy)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	// Git may have checked it out with the line ends of Windows.
	want = bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))
	if !bytes.Equal(got, want) {
		t.Errorf("what is sent is not what %s says:\n%s%sTo take it over: %s", file, compared(string(want), string(got)), aboutNames(want, got), remedy)
	}
}

// aboutNames is a line about the names that are masked, where more of them are on one side.
func aboutNames(want, got []byte) string {
	for _, mask := range []string{"<user>", "<host>"} {
		if bytes.Count(want, []byte(mask)) != bytes.Count(got, []byte(mask)) {
			return "A value that is a name of the machine or of the account is masked here, and not where these are called otherwise: record another one.\n"
		}
	}
	return ""
}

// varying are the fields that say when and where it was, optional those of them that not every
// machine has, and identities those of which it matters whether two are the same.
var (
	varying = []string{
		"timestamp", "duration_ms", "durations", "tool_version", "os", "arch", "go_version", "ci", "interactive", "container",
	}
	optional   = []string{"os_version", "ci_provider", "agent"}
	identities = []string{"id", "run_id", "machine_id", "consent_id"}
)

// golden encodes events with the placeholders.
func golden(events []driver.Event) ([]byte, error) {
	known := map[string]map[string]int{}
	var out bytes.Buffer
	for i := range events {
		fields, err := members(events[i].AppendJSON(nil))
		if err != nil {
			return nil, err
		}
		separator := "{"
		for _, f := range fields {
			switch {
			case slices.Contains(optional, f.name):
				continue
			case slices.Contains(varying, f.name):
				f.value = `"<` + f.name + `>"`
			case slices.Contains(identities, f.name):
				if known[f.name] == nil {
					known[f.name] = map[string]int{}
				}
				n, seen := known[f.name][f.value]
				if !seen {
					n = len(known[f.name]) + 1
					known[f.name][f.value] = n
				}
				f.value = fmt.Sprintf(`"<%s %d>"`, f.name, n)
			}
			fmt.Fprintf(&out, "%s%q:%s", separator, f.name, f.value)
			separator = ","
		}
		out.WriteString("}\n")
	}
	return out.Bytes(), nil
}

type member struct{ name, value string }

// members returns the members of a JSON object in their order, values as they stand there.
func members(object []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var list []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		list = append(list, member{fmt.Sprint(name), string(value)})
	}
	return list, nil
}

// compared shows which lines are only in want, with a minus, and which only in got, with a
// plus. Lines that both have are not shown, except by their numbers.
func compared(want, got string) string {
	was, is := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
	var out strings.Builder
	for n := range max(len(was), len(is)) {
		before, after := at(was, n), at(is, n)
		if before == after {
			continue
		}
		for _, side := range []struct{ sign, text string }{{"-", before}, {"+", after}} {
			if side.text != "" {
				fmt.Fprintf(&out, "%4d %s %s\n", n+1, side.sign, strings.TrimSuffix(side.text, "\n"))
			}
		}
	}
	return out.String()
}

func at(lines []string, n int) string {
	if n < len(lines) {
		return lines[n]
	}
	return ""
}
