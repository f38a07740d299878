package identity

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// Whatever is in the files: what is loaded is what would be saved, no key is lost in between,
// and no error shows one.
func FuzzLoad(f *testing.F) {
	dir := state.At(f.TempDir())
	s := NewStore(dir)
	salt := Salt{1, 2, 3}
	ids := Identities{salt: salt, hasSalt: true, keys: []Key{Derive(salt, here), {7}}, current: "a", bound: "b", Used: true}
	if err := s.Save(ids); err != nil {
		f.Fatal(err)
	}
	written, err := os.ReadFile(dir.Join(usedName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(written, []byte{})
	f.Add(written, written)
	f.Add([]byte("format=1\nsalt="+strings.Repeat("0", 64)+"\n.\n"), []byte("format=1\n"+keyField+"0="+strings.Repeat("F", 64)+"\n.\n"))
	f.Add([]byte("format=1\nsalt=x\n.\n"), []byte("x"))
	f.Fuzz(func(t *testing.T, used, history []byte) {
		dir := state.At(t.TempDir())
		s := NewStore(dir)
		for name, content := range map[string][]byte{usedName: used, historyName + "0": history} {
			if len(content) > 0 {
				if err := os.WriteFile(dir.Join(name), content, 0o600); err != nil { // and wait for no disk
					t.Fatal(err)
				}
			}
		}
		var ids Identities
		var err error
		// A file is read whole, cut into lines and made a map, twice; reading a directory takes
		// some KiB.
		fuzzing.Allocs(t, len(used)+len(history), 128<<10, 128, func() { ids, err = s.Load() })
		if err != nil {
			if !errors.Is(err, state.ErrCorrupt) && !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), "=") {
				t.Errorf("%v", err)
			}
			return
		}
		all := append(slices.Clone(ids.keys), ids.history...)
		if err := s.Save(ids); err != nil {
			t.Fatal(err)
		}
		again, err := s.Load()
		if err != nil {
			t.Fatalf("what was loaded and saved cannot be loaded: %v", err)
		}
		for _, key := range all {
			if !slices.Contains(again.keys, key) && !slices.Contains(again.history, key) {
				t.Error("a key is lost, and with it the proof of a deletion")
			}
		}
		if again.salt != ids.salt || again.current != ids.current && ids.bound != "" {
			t.Error("the salt or the current key is another one")
		}
	})
}

// Whatever the text is: what is read as a key is written as the same.
func FuzzParseKey(f *testing.F) {
	for _, text := range []string{strings.Repeat("5c", 32), strings.Repeat("5C", 32), strings.Repeat("5c", 31) + "5", "", "\x00", strings.Repeat("ö", 32)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParseKey(text)
		salt, saltErr := ParseSalt(text)
		if (err == nil) != (saltErr == nil) || salt != Salt(key) {
			t.Errorf("a key is %v, and a salt %v", err, saltErr)
		}
		if err != nil {
			if key != (Key{}) || len(text) >= 8 && strings.Contains(err.Error(), text) {
				t.Errorf("half a key, or shown: %v", err)
			}
			return
		}
		if key.Hex() != strings.ToLower(text) {
			t.Error("it is written as another one")
		}
	})
}
