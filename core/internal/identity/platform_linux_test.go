package identity

import (
	"testing"
	"testing/fstest"
)

func TestTheMachineIDIsLookedForInTwoPlaces(t *testing.T) {
	t.Parallel()
	const first, second = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	for name, test := range map[string]struct {
		fsys fstest.MapFS
		want string
	}{
		"neither":                  {fstest.MapFS{}, ""},
		"the usual":                {fstest.MapFS{"etc/machine-id": {Data: []byte(first + "\n")}, "var/lib/dbus/machine-id": {Data: []byte(second)}}, first},
		"the older":                {fstest.MapFS{"var/lib/dbus/machine-id": {Data: []byte(second + "\n")}}, second},
		"an image not started yet": {fstest.MapFS{"etc/machine-id": {Data: []byte("uninitialized\n")}}, ""},
		"an empty file":            {fstest.MapFS{"etc/machine-id": {}, "var/lib/dbus/machine-id": {Data: []byte(second)}}, second},
	} {
		if got := linuxMachineID(test.fsys); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestTheUserIsFoundByNumber(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{"etc/passwd": {Data: []byte("root:x:0:0:root:/root:/bin/sh\n\n# note\nzoe:x:1000:1000:Zoë:/home/zoe:/bin/sh\n" +
		"zoe2:x:1000:1000::/:\nshort:x\nada:x:10001:1:::\nlast:x:7")}}
	for uid, want := range map[int]string{0: "root", 1000: "zoe", 10001: "ada", 100: "", 7: "", -1: ""} {
		if got := passwdName(fsys, uid); got != want {
			t.Errorf("%d is %q, want %q", uid, got, want)
		}
	}
	if got := passwdField(fsys, 1000, 4); got != "Zoë" {
		t.Errorf("the comment of 1000 is %q", got)
	}
	if got := passwdName(fstest.MapFS{}, 0); got != "" {
		t.Errorf("%q was found in no file", got)
	}
}
