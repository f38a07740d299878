package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// zeroToThirtyOne is the salt of the golden vectors.
func zeroToThirtyOne() (s Salt) {
	for i := range s {
		s[i] = byte(i)
	}
	return s
}

// The ID of an installation must not change between releases: every ID that drifts is
// one more to erase. The framing is written out here, not computed.
func TestAKeyIsDerivedAsDocumentedAndStaysThatWay(t *testing.T) {
	t.Parallel()
	const salt = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f" +
		"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
	for name, test := range map[string]struct {
		signals Signals
		framed  string
		id      string
	}{
		"every signal": {
			Signals{
				MachineID: "0123456789abcdef0123456789abcdef", MAC: "00:11:22:33:44:55",
				Host: "build-7", User: "zoë",
			},
			"machine-id\x00\x00\x00\x00\x200123456789abcdef0123456789abcdef" +
				"mac\x00\x00\x00\x00\x1100:11:22:33:44:55" +
				"host\x00\x00\x00\x00\x07build-7" +
				"user\x00\x00\x00\x00\x04zo\xc3\xab",
			"d051dff0f222a32dc5ce266aa0ea7802",
		},
		"some signals": {
			Signals{Host: "build-7", User: "zoe"},
			"host\x00\x00\x00\x00\x07build-7" + "user\x00\x00\x00\x00\x03zoe",
			"5f9dd994323c0d9f9424e8f398760e11",
		},
		"no signal": {Signals{}, "", "2f287b4d3d4910f6cada9e1bd1b46480"},
	} {
		key := Derive(zeroToThirtyOne(), test.signals)
		want := sha256.Sum256([]byte(salt + test.framed))
		if key.Hex() != hex.EncodeToString(want[:]) {
			t.Errorf("%s: the key is %s, want %x", name, key.Hex(), want)
		}
		id := sha256.Sum256(want[:])
		if got := key.MachineID(); got != hex.EncodeToString(id[:])[:32] || got != test.id {
			t.Errorf("%s: the ID is %q, want %x cut to 32 digits, and %q", name, got, id, test.id)
		}
	}
}

func TestEverySignalAndTheSaltChangeTheID(t *testing.T) {
	t.Parallel()
	base := Signals{MachineID: "m", MAC: "c", Host: "h", User: "u"}
	ids := map[string]string{}
	add := func(what string, salt Salt, signals Signals) {
		id := Derive(salt, signals).MachineID()
		if other, taken := ids[id]; taken {
			t.Errorf("%s and %s have the same ID", what, other)
		}
		ids[id] = what
	}
	salt := zeroToThirtyOne()
	add("the base", salt, base)
	add("another machine ID", salt, Signals{MachineID: "x", MAC: "c", Host: "h", User: "u"})
	add("another MAC", salt, Signals{MachineID: "m", MAC: "x", Host: "h", User: "u"})
	add("another host", salt, Signals{MachineID: "m", MAC: "c", Host: "x", User: "u"})
	add("another user", salt, Signals{MachineID: "m", MAC: "c", Host: "h", User: "x"})
	add("no machine ID", salt, Signals{MachineID: "", MAC: "c", Host: "h", User: "u"})
	add("no MAC", salt, Signals{MachineID: "m", MAC: "", Host: "h", User: "u"})
	add("no host", salt, Signals{MachineID: "m", MAC: "c", Host: "", User: "u"})
	add("no user", salt, Signals{MachineID: "m", MAC: "c", Host: "h", User: ""})
	salt[31]++
	add("another salt", salt, base)
}

func TestNoSignalCanPassForAnother(t *testing.T) {
	t.Parallel()
	// Each row would be one ID if values were joined, joined by a separator, or framed
	// without a name.
	ids := map[string]Signals{}
	for _, signals := range []Signals{
		{},
		{MachineID: "a"},
		{MAC: "a"},
		{Host: "a"},
		{User: "a"},
		{Host: "ab"},
		{Host: "a", User: "b"},
		{User: "ab"},
		{Host: "a:b"},
		{Host: "a\x00b"},
		{Host: "auser\x00\x00\x00\x00\x01b"},
		{MachineID: "a", MAC: "b"},
		{MachineID: "ab"},
		{MachineID: "a", Host: "b"},
	} {
		id := Derive(Salt{}, signals).MachineID()
		if other, taken := ids[id]; taken {
			t.Errorf("%q and %q have the same ID", values(signals), values(other))
		}
		ids[id] = signals
	}
}

func values(s Signals) []string { return []string{s.MachineID, s.MAC, s.Host, s.User} }

func TestSaltsAreRandom(t *testing.T) {
	t.Parallel()
	a, err := NewSalt()
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewSalt()
	if err != nil {
		t.Fatal(err)
	}
	if a == b || a == (Salt{}) {
		t.Error("two salts are the same, or zero")
	}
	if Derive(a, Signals{User: "zoe"}) == Derive(b, Signals{User: "zoe"}) {
		t.Error("two salts make the same key")
	}
}

func TestAMachineIDIs32LowerCaseDigits(t *testing.T) {
	t.Parallel()
	for i := range 100 {
		id := Derive(Salt{byte(i)}, Signals{}).MachineID()
		if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
			t.Fatalf("%q is no machine ID", id)
		}
	}
}

func TestWhatHexWritesIsReadBackAndNothingElse(t *testing.T) {
	t.Parallel()
	salt := zeroToThirtyOne()
	key := Derive(salt, Signals{})
	if got, err := ParseKey(key.Hex()); err != nil || got != key {
		t.Errorf("the key came back different, or with %v", err)
	}
	if got, err := ParseSalt(salt.Hex()); err != nil || got != salt {
		t.Errorf("the salt came back different, or with %v", err)
	}
	for _, text := range []string{
		"", "0", strings.Repeat("0", 63), strings.Repeat("0", 65), strings.Repeat("0", 62) + "zz",
		strings.Repeat("0", 63) + "\n", " " + strings.Repeat("0", 63), strings.Repeat("0", 5<<20),
	} {
		shown := text[:min(len(text), 70)]
		if _, err := ParseKey(text); err == nil {
			t.Errorf("%q was read as a key", shown)
		}
		if _, err := ParseSalt(text); err == nil {
			t.Errorf("%q was read as a salt", shown)
		}
	}
}

func TestAnErrorDoesNotRepeatTheSecret(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"canary", strings.Repeat("0", 60) + "Ωxx", strings.Repeat("0", 63) + "Q"} {
		for _, parse := range []func(string) error{
			func(s string) error { _, err := ParseKey(s); return err },
			func(s string) error { _, err := ParseSalt(s); return err },
		} {
			err := parse(text)
			if err == nil || strings.ContainsAny(err.Error(), "ΩQ") || strings.Contains(err.Error(), "canary") {
				t.Errorf("the error is %v", err)
			}
		}
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	salt := zeroToThirtyOne()
	key := Derive(salt, Signals{})
	signals := Signals{MachineID: "canary-1", MAC: "canary-2", Host: "canary-3", User: "canary-4"}
	type state struct {
		Key     Key
		Salt    Salt
		Signals Signals
	}
	for _, value := range []any{
		key, &key, salt, &salt, signals, &signals,
		state{key, salt, signals}, &state{key, salt, signals}, []Key{key}, map[string]Key{"k": key},
		fmt.Errorf("wrapped: %v", key),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%b"} {
			mustHide(t, fmt.Sprintf(verb, value), key, salt)
		}
		mustHide(t, fmt.Sprint(value), key, salt)
		encoded, _ := json.Marshal(value)
		mustHide(t, string(encoded), key, salt)
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "value", value)
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "value", value)
		mustHide(t, log.String(), key, salt)
	}
	for _, value := range []any{key, salt, signals} {
		if _, err := json.Marshal(value); err == nil {
			t.Errorf("%T can be marshalled", value)
		}
	}
}

// mustHide fails if text shows a key, a salt or a signal in any of the ways that fmt
// and encoding/json print bytes.
func mustHide(t *testing.T, text string, key Key, salt Salt) {
	t.Helper()
	for _, secret := range [][]byte{key[:8], salt[:8]} {
		for _, form := range []string{
			string(secret), fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret),
			fmt.Sprintf("%#v", secret)[len("[]byte{"):30],
			strings.Trim(fmt.Sprint(secret), "[]"), strings.ReplaceAll(strings.Trim(fmt.Sprint(secret), "[]"), " ", ","),
			strings.Trim(fmt.Sprintf("%b", secret), "[]"), strings.Trim(fmt.Sprintf("%o", secret), "[]"),
		} {
			if strings.Contains(text, form) {
				t.Errorf("%q shows %q", text, form)
			}
		}
	}
	if strings.Contains(text, "canary") || strings.Contains(text, "63616e617279") || strings.Contains(text, "63616E617279") {
		t.Errorf("%q shows a signal", text)
	}
}

func BenchmarkDerive(b *testing.B) {
	signals := Signals{MachineID: strings.Repeat("a", 32), MAC: "00:11:22:33:44:55", Host: "build-7", User: "zoe"}
	b.ReportAllocs()
	for b.Loop() {
		_ = Derive(Salt{}, signals).MachineID()
	}
}
