package deletion

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

// idDigits is the length of a machine ID. 128 bits: two installations never share one by
// chance, and it fits wherever a UUID does.
const idDigits = 32

// KeyBytes is the length of a deletion key, which is written as twice as many
// hexadecimal digits.
const KeyBytes = sha256.Size

// MachineID returns the pseudonym that belongs to a deletion key: the first half of the
// key's SHA-256. So an ID can be shown to everyone, and the key proves whose it is.
func MachineID(key [KeyBytes]byte) string {
	sum := sha256.Sum256(key[:])
	return hex.EncodeToString(sum[:idDigits/2])
}

// Proves reports whether deletionKey, in hexadecimal, is the key of machineID: a caller who
// shows it may have the ID deleted, and no other. The time it takes does not depend on
// how much of the ID is right.
func Proves(deletionKey, machineID string) bool {
	var key [KeyBytes]byte
	if len(deletionKey) != hex.EncodedLen(len(key)) {
		return false
	}
	if _, err := hex.Decode(key[:], []byte(deletionKey)); err != nil {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(MachineID(key)), []byte(machineID)) == 1
}

func validID(id string) bool {
	return len(id) == idDigits && strings.Trim(id, "0123456789abcdef") == ""
}
