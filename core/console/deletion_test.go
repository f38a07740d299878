package console

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/screen"
)

func TestAPreparedMailIsOpenedOnceForSomebodyInFrontOfATerminal(t *testing.T) {
	m := core.NewManager(aTool(), core.WithStateDir(t.TempDir()))
	mail := deletion.Receipt{State: deletion.Manual, URL: "mailto:privacy@example.com?subject=x"}
	of := func(receipts ...deletion.Receipt) (all []core.Deletion) {
		for _, r := range receipts {
			all = append(all, core.Deletion{State: r.State, Receipt: r})
		}
		return all
	}
	for name, test := range map[string]struct {
		terminal bool
		format   outputFormat
		all      []core.Deletion
		fails    error
		want     int
		said     string
	}{
		"on a terminal":             {true, formatText, of(mail, mail), nil, 1, "was opened"},
		"as one of several":         {true, formatText, of(deletion.Receipt{State: deletion.Manual, Parts: []deletion.Receipt{mail}}), nil, 1, "was opened"},
		"without a desktop":         {true, formatText, of(mail), errNoDesktop, 1, ""},
		"in a pipe":                 {false, formatText, of(mail), nil, 0, ""},
		"for a program":             {true, formatJSON, of(mail), nil, 0, ""},
		"where it is not manual":    {true, formatText, of(deletion.Receipt{State: deletion.Verified, URL: mail.URL}), nil, 0, ""},
		"where it is another link":  {true, formatText, of(deletion.Receipt{State: deletion.Manual, URL: "https://example.com"}), nil, 0, ""},
		"where there is no request": {true, formatText, nil, nil, 0, ""},
	} {
		var opened []string
		set := gather([]Option{WithOpener(func(_ func(string) (string, bool), link string) error {
			opened = append(opened, link)
			return test.fails
		})})
		var out bytes.Buffer
		c := &call{settings: set, m: m, out: screen.Screen{Writer: &out, Terminal: test.terminal}}
		c.openMail(test.format, test.all)
		if len(opened) != test.want || (test.said == "") != (out.Len() == 0) || !strings.Contains(out.String(), test.said) {
			t.Errorf("%s: opened %q and said %q", name, opened, &out)
		}
		if len(opened) > 0 && opened[0] != mail.URL {
			t.Errorf("%s: opened %q", name, opened[0])
		}
	}
}

func TestNothingIsOpenedWhereNobodyWouldSeeIt(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"over ssh":           {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22", "DISPLAY": ":0"},
		"in CI":              {"CI": "true", "DISPLAY": ":0"},
		"without a display":  {},
		"with an empty name": {"DISPLAY": ""},
	} {
		if env["SSH_CONNECTION"]+env["CI"] == "" && (runtime.GOOS == "windows" || runtime.GOOS == "darwin") {
			continue // there is a desktop
		}
		lookup := func(name string) (string, bool) { value, set := env[name]; return value, set }
		if err := openOnDesktop(lookup, "mailto:privacy@example.com"); !errors.Is(err, errNoDesktop) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
