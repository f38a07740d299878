package consent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

const pinLine = "receiver http https://collector.corp.example/v1/events"

// oldPolicy is how versions read a policy that knew no receivers.
func oldPolicy(data string) Verdict {
	const enough = 64
	if len(data) > enough {
		return No
	}
	switch strings.ToLower(strings.TrimSpace(strings.TrimPrefix(data, "\ufeff"))) {
	case "off":
		return No
	case "on":
		return Yes
	case "local":
		return Silent
	}
	return No
}

func TestAPolicyNamesAReceiverOrCountsAsNo(t *testing.T) {
	t.Parallel()
	corp := Receiver{Backend: "http", Endpoint: "https://collector.corp.example/v1/events"}
	for content, want := range map[string]Policy{
		pinLine:                              {Pinned: true, Receiver: corp},
		"on\n" + pinLine:                     {Verdict: Yes, Pinned: true, Receiver: corp},
		"off\n" + pinLine:                    {Verdict: No, Pinned: true, Receiver: corp},
		"\ufeffLocal\r\n" + pinLine + "\r\n": {Local: true, Pinned: true, Receiver: corp},
		"on\n \t receiver\thttp  " + corp.Endpoint: {Verdict: Yes, Pinned: true, Receiver: corp},
		// What follows cannot be understood.
		"receiver":                                        {Verdict: No, Unknown: true, Pinned: true},
		"on\nreceiver http":                               {Verdict: No, Unknown: true, Pinned: true},
		"on\nReceiver http " + corp.Endpoint:              {Verdict: No, Unknown: true, Pinned: true},
		"on\n" + pinLine + " more":                        {Verdict: No, Unknown: true, Pinned: true},
		"on\n" + pinLine + "\n" + pinLine:                 {Verdict: No, Unknown: true, Pinned: true},
		pinLine + "\non":                                  {Verdict: No, Unknown: true, Pinned: true},
		"on\n\n" + pinLine:                                {Verdict: No, Unknown: true, Pinned: true},
		"on\n# our collector\n" + pinLine:                 {Verdict: No, Unknown: true, Pinned: true},
		"on\nreceiver HTTP " + corp.Endpoint:              {Verdict: No, Unknown: true, Pinned: true},
		"on\nreceiver http https://größe.example":         {Verdict: No, Unknown: true, Pinned: true},
		"on\nheader X-Key: secret":                        {Verdict: No, Unknown: true},
		"on\non":                                          {Verdict: No, Unknown: true},
		"on " + pinLine:                                   {Verdict: No, Unknown: true, Pinned: true},
		"maybe\n" + pinLine:                               {Verdict: No, Unknown: true, Pinned: true},
		"on\n" + pinLine + strings.Repeat("x", maxPolicy): {Verdict: No, Unknown: true, Pinned: true},
	} {
		path := filepath.Join(t.TempDir(), "policy")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got := ReadPolicies(path)
		if got.Detail == "" {
			t.Errorf("%.60q: no words", content)
		}
		if got.Detail = ""; got != want {
			t.Errorf("%.60q: %+v, want %+v", content, got, want)
		}
		if oldPolicy(content) != No {
			t.Errorf("%.60q: a version that knows no receivers does not take it for a no", content)
		}
	}
}

func TestTheToolsPolicyNamesTheReceiverAndAnyNoDecides(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const other = "receiver otlp https://all.corp.example"
	for _, c := range []struct {
		tool, all string
		want      Policy
		host      string
	}{
		{"on\n" + pinLine, other, Policy{Verdict: Yes, Pinned: true}, "collector.corp"},
		{"on", other, Policy{Verdict: Yes, Pinned: true}, "all.corp"},
		{pinLine, "on\n" + other, Policy{Verdict: Yes, Pinned: true}, "collector.corp"},
		{pinLine, "off", Policy{Verdict: No, Pinned: true}, "collector.corp"},
		{"off", other, Policy{Verdict: No, Pinned: true}, "all.corp"},
		{"local", "on\n" + other, Policy{Verdict: Yes, Local: true, Pinned: true}, "all.corp"},
		{"receiver", other, Policy{Verdict: No, Pinned: true}, ""},
	} {
		for name, content := range map[string]string{"tool": c.tool, "all": c.all} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got := ReadPolicies(filepath.Join(dir, "tool"), filepath.Join(dir, "all"))
		if got.Verdict != c.want.Verdict || got.Local != c.want.Local || got.Pinned != c.want.Pinned ||
			!strings.Contains(got.Receiver.Endpoint, c.host) || c.host == "" && got.Receiver != (Receiver{}) {
			t.Errorf("%q and %q: %+v", c.tool, c.all, got)
		}
	}
}

// FuzzPolicy reads anything as a policy. Only what says so, word for word, is a yes or names
// a receiver, and older versions take nothing for a yes that is none.
func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{"on", "off\n", "local", pinLine, "on\n" + pinLine, "\ufeffon\r\n" + pinLine + "\r\n", "receiver", "on\n" + pinLine + "\n" + pinLine, ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// A file of two lines, in lower case and in words of one byte, which have headers of 16.
		fuzzing.Allocs(t, len(text), 4<<10, 64, func() { parsePolicy(text) })
		p := parsePolicy(text)
		lower := strings.ToLower(text)
		if p.Verdict == Yes && !strings.Contains(lower, "on") || p.Local && !strings.Contains(lower, "local") || p.Verdict == Silent && !p.Local && !p.Pinned {
			t.Errorf("%q says %+v", text, p)
		}
		if strings.ContainsFunc(p.Detail, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q is told as %q", text, p.Detail)
		}
		if p.Receiver == (Receiver{}) {
			if len(text) <= 64 && p.Verdict != oldPolicy(text) {
				t.Errorf("%q says %+v, and to an older version %q", text, p, oldPolicy(text))
			}
			return
		}
		if oldPolicy(text) != No || !p.Pinned {
			t.Errorf("%q says %+v, and to an older version %q", text, p, oldPolicy(text))
		}
		again := parsePolicy(receiverWord + " " + p.Receiver.Backend + " " + p.Receiver.Endpoint)
		if again.Receiver != p.Receiver || again.Verdict != Silent {
			t.Errorf("%q names %+v, which reads as %+v", text, p.Receiver, again)
		}
	})
}

func TestAFolderThatIsALinkToNowhereForbids(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "mytool")); err != nil {
		t.Skip(err)
	}
	if p := ReadPolicies(filepath.Join(dir, "mytool", "telemetry-policy")); p.Verdict != No || !p.Unknown {
		t.Errorf("%+v", p)
	}
	if p := ReadPolicies(filepath.Join(dir, "none", "telemetry-policy")); p.Verdict != Silent {
		t.Errorf("without a folder: %+v", p)
	}
}
