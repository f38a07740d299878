package identity

import (
	"net"
	"strings"
	"testing"
	"testing/fstest"
)

// What this machine is does not matter here: only that nothing fails, that nothing
// changes between two calls, and that what is found has the right form.
func TestCollectingOnThisMachineNeverFails(t *testing.T) {
	t.Parallel()
	signals := Collect()
	if again := Collect(); again != signals {
		t.Errorf("%+v a moment ago, now %+v", signals, again)
	}
	if id := signals.MachineID; id != "" && cleanID(id) != id {
		t.Error("the machine ID is not in its one form")
	}
	if signals.MAC != "" {
		if _, err := net.ParseMAC(signals.MAC); err != nil {
			t.Error("the MAC address is none")
		}
	}
	if signals.User != UserName() {
		t.Error("two answers to who the user is")
	}
	mustBeFamily(t, OSVersion())
}

// t.Setenv rules out t.Parallel.
func TestTheEnvironmentDoesNotChangeTheUser(t *testing.T) {
	want := UserName()
	for _, name := range []string{"USER", "LOGNAME", "USERNAME", "HOME"} {
		t.Setenv(name, "canary")
	}
	if got := UserName(); got != want {
		t.Error("the user's name follows the environment")
	}
}

func TestTheMostLastingAddressIsChosen(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		interfaces []net.Interface
		want       string
	}{
		"none": {nil, ""},
		"only a loopback": {
			[]net.Interface{{Index: 1, Name: "lo", Flags: net.FlagLoopback, HardwareAddr: mac("00:00:00:00:00:00")}}, "",
		},
		"only one without an address":    {[]net.Interface{{Index: 1, Name: "tun0"}}, ""},
		"only one with a longer address": {[]net.Interface{{Index: 1, Name: "ib0", HardwareAddr: make([]byte, 20)}}, ""},
		"the lowest index": {
			[]net.Interface{named(3, "eth1", "00:11:22:00:00:03"), named(2, "eth0", "00:11:22:00:00:02")},
			"00:11:22:00:00:02",
		},
		"one that is down, all the same": {
			[]net.Interface{named(2, "eth0", "00:11:22:00:00:02"), {
				Index: 3, Name: "wlan0", Flags: net.FlagUp, HardwareAddr: mac("00:11:22:00:00:03"),
			}},
			"00:11:22:00:00:02",
		},
		"burned in before made up": {
			[]net.Interface{named(2, "wlan0", "72:11:22:00:00:02"), named(9, "eth0", "00:11:22:00:00:09")},
			"00:11:22:00:00:09",
		},
		"made up before none": {
			[]net.Interface{named(2, "eth0", "52:54:00:00:00:02")}, "52:54:00:00:00:02",
		},
		"nothing that comes and goes": {
			[]net.Interface{
				named(2, "docker0", "00:11:22:00:00:02"), named(3, "veth1a2b", "52:11:22:00:00:03"),
				named(4, "br-0a1b2c", "00:11:22:00:00:04"), named(5, "virbr0", "52:54:00:00:00:05"),
				named(6, "vEthernet (WSL)", "00:15:5d:00:00:06"), named(7, "ifb0", "4a:cb:d9:20:75:6f"),
				named(8, "eth0", "02:42:ac:11:00:02"), named(9, "x0", "01:11:22:00:00:09"),
				named(10, "x1", "00:00:00:00:00:00"), named(11, "awdl0", "00:11:22:00:00:11"),
			},
			"",
		},
	} {
		if got, _ := firstMAC(test.interfaces); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func named(index int, name, address string) net.Interface {
	return net.Interface{Index: index, Name: name, HardwareAddr: mac(address)}
}

func mac(s string) net.HardwareAddr {
	address, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return address
}

func TestAHostIsKnownByItsShortName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"":                     "",
		"build-7":              "build-7",
		"Build-7":              "build-7",
		"build-7.corp.example": "build-7",
		"zoes-mac.local":       "zoes-mac",
		"4f0a1b2c3d4e":         "", // A container's.
		"4f0a1b2c3d4":          "4f0a1b2c3d4",
		"facade-facad":         "facade-facad",
	} {
		if got := hostName(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

func TestAMachineIDOfTheSystemHasOneForm(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef0123456789abcdef"
	for text, want := range map[string]string{
		"":                                     "",
		id:                                     id,
		id + "\n":                              id,
		strings.ToUpper(id):                    id,
		"01234567-89ab-cdef-0123-456789abcdef": id,
		"01234567-89AB-CDEF-0123-456789ABCDEF\x00": id,
		"uninitialized\n":                          "",
		"00000000-0000-0000-0000-000000000000":     "",
		strings.Repeat("f", 32):                    "",
		id + "0":                                   "",
		id[:31] + "g":                              "",
		"canary":                                   "",
	} {
		if got := cleanID(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestAFamilyIsANameAndAMajorVersion(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, version, want string }{
		{"macos", "15.3.1", "macos 15"},
		{"macos", "", "macos"},
		{"freebsd", "14.1-RELEASE-p3", "freebsd 14"},
		{"openbsd", "7.6", "openbsd 7"},
		{"netbsd", "10.0_RC1", "netbsd 10"},
		{"x", "20240512", "x"}, // A date, not a family.
		{"x", "rolling", "x"},
		{"", "12", ""},
	} {
		if got := family(test.name, test.version); got != test.want {
			t.Errorf("%q %q is %q, want %q", test.name, test.version, got, test.want)
		}
	}
}

func TestAFileIsReadInPart(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{
		"etc/big":  {Data: make([]byte, 10<<20)},
		"etc/some": {Data: []byte("text")},
	}
	for name, want := range map[string]int{"etc/big": maxFile, "etc/some": 4, "etc/none": 0, "etc": 0, "../x": 0} {
		if got := len(readHead(fsys, name)); got != want {
			t.Errorf("%d bytes were read of %s, want %d", got, name, want)
		}
	}
}
