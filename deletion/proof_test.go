package deletion_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/deletion"
)

func TestOnlyTheKeyProvesItsID(t *testing.T) {
	t.Parallel()
	key := [deletion.KeyBytes]byte{1, 2, 3}
	keyHex, other := hex.EncodeToString(key[:]), strings.Repeat("5c", deletion.KeyBytes)
	id := deletion.MachineID(key)
	if sum := sha256.Sum256(key[:]); id != hex.EncodeToString(sum[:])[:32] {
		t.Fatalf("the ID is %q, not the first half of the key's hash", id)
	}
	if !deletion.Proves(keyHex, id) {
		t.Fatal("a key does not prove its own ID")
	}
	if !deletion.Proves(strings.ToUpper(keyHex), id) {
		t.Error("a key typed in capitals does not prove its ID")
	}
	for name, claim := range map[string][2]string{
		"another's key":    {other, id},
		"another's ID":     {keyHex, strings.Repeat("0dd5a1ad", 4)},
		"no key":           {"", id},
		"no ID":            {keyHex, ""},
		"nothing":          {"", ""},
		"the ID as a key":  {id, id},
		"the ID twice":     {id + id, id},
		"part of the ID":   {keyHex, id[:31]},
		"more than the ID": {keyHex, id + "0"},
		"capitals":         {keyHex, strings.ToUpper(id)},
		"a key with noise": {keyHex + " ", id},
		"a zero key":       {strings.Repeat("00", deletion.KeyBytes), id},
	} {
		if deletion.Proves(claim[0], claim[1]) {
			t.Errorf("%s proved the ID", name)
		}
	}
}
