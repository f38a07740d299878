package identity

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

func TestOSReleaseGivesAFamily(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"ID=debian\nVERSION_ID=\"12\"\n", "debian 12"},
		{"PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n", "ubuntu 24"},
		{"ID=arch\nBUILD_ID=rolling\n", "arch"},
		{"ID=\"rocky\"\r\nVERSION_ID='9.4'\r\n", "rocky 9"},
		{"ID=opensuse-tumbleweed\nVERSION_ID=20240512\n", "opensuse-tumbleweed"},
		{"ID=nixos\nVERSION_ID=24.05\n", "nixos 24"},
		{"ID=amzn\nVERSION_ID=2023\n", "amzn 2023"},
		{"ID=alpine\nVERSION_ID=3.20.3\n", "alpine 3"},
		{"  ID=debian  \n# ID=other\n", "debian"},
		{"ID=debian\nID=ubuntu\n", "ubuntu"},
		{"ID=Red_Hat\n", "red-hat"},
		{"ID=\"deb\\ian\"\n", "debian"},
		{"ID=\"debian\nVERSION_ID=12\n", ""},
		{"ID=\n", ""},
		{"ID\n=\n==\n\n", ""},
		{"VERSION_ID=12\n", ""},
		{"ID=zoë\n", ""},
		{"ID=zoe's machine\nVERSION_ID=1\n", ""},
		{"ID=../../etc\n", ""},
		{"ID=acmecorp-linux\nVERSION_ID=7\n", "other 7"}, // whose system it is would say whose machine
		{"ID=" + strings.Repeat("a", 28) + "\n", ""},
		{"VERSION_ID=6.18.44-generic\nID=debian\n", "debian 6"},
		{"\x00\xff\xfeID=debian", ""},
	} {
		if got := parseOSRelease(test.text); got != test.want {
			t.Errorf("%q is %q, want %q", test.text, got, test.want)
		}
	}
}

func TestOSReleaseIsLookedForInTwoPlaces(t *testing.T) {
	t.Parallel()
	debian, arch := []byte("ID=debian\nVERSION_ID=12"), []byte("ID=arch")
	for name, test := range map[string]struct {
		fsys fstest.MapFS
		want string
	}{
		"neither":   {fstest.MapFS{}, ""},
		"the usual": {fstest.MapFS{"etc/os-release": {Data: debian}, "usr/lib/os-release": {Data: arch}}, "debian 12"},
		"the other": {fstest.MapFS{"usr/lib/os-release": {Data: arch}}, "arch"},
	} {
		if got := linuxFamily(test.fsys); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestAnEnormousOSReleaseIsReadInPart(t *testing.T) {
	t.Parallel()
	text := append([]byte("ID=debian\n"), make([]byte, 10<<20)...)
	copy(text[5<<20:], "\nVERSION_ID=12\n")
	fsys := fstest.MapFS{"etc/os-release": {Data: text}}
	if got := linuxFamily(fsys); got != "debian" {
		t.Errorf("%q, want what its first bytes say", got)
	}
}

func FuzzOSRelease(f *testing.F) {
	for _, text := range []string{
		"ID=debian\nVERSION_ID=\"12\"", "ID='x", "ID=\\", "VERSION_ID=6.18.44-generic", "=\n\"", "ID=a b", "\xff",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// Lines are cut where they stand; a value is copied where it is quoted, or in lower case.
		fuzzing.Allocs(t, len(text), 1<<10, 16, func() { parseOSRelease(text) })
		mustBeFamily(t, parseOSRelease(text))
	})
}

// mustBeFamily fails for what could be more than a family: a kernel's release, text of
// somebody's own.
func mustBeFamily(t *testing.T, got string) {
	t.Helper()
	name, number, spaced := strings.Cut(got, " ")
	if len(got) > 32 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" ||
		strings.Trim(number, "0123456789") != "" || len(number) > 4 || (spaced && (name == "" || number == "")) {
		t.Errorf("%q is no family", got)
	}
}
