// Package identity makes the pseudonym of an installation. Read it to know how a
// machine ID comes about and who can have it deleted; the collector is its only
// caller, and no other package needs it.
//
//	salt     32 random bytes, made with the yes, kept with the tool's state
//	signals  what tells this machine and account from others, never stored or sent:
//	         those that last as long as the machine does
//	key      SHA-256(salt ‖ signals)                a secret: who shows it may delete
//	ID       hex(SHA-256(key)), first 32 digits     public: it is in every event
//
// The salt makes the ID differ from tool to tool, keeps it from anyone who knows the
// machine, and lets reset end it. The signals keep it from following a home directory
// that is copied or mounted elsewhere. Each arrow is one way, so the ID gives away
// neither the key nor a signal, and knowing an ID is not enough to delete it.
package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/gotoolbase/telemetry/deletion"
)

// Salt is what sets one tool's installation apart. A person who has it and knows the
// machine can compute the key, so it is as secret as the key and prints like one.
type Salt [32]byte

// NewSalt returns a random salt.
func NewSalt() (Salt, error) {
	var s Salt
	_, err := rand.Read(s[:])
	return s, err
}

// ParseSalt reads what [Salt.Hex] wrote. The error does not repeat the text.
func ParseSalt(text string) (Salt, error) {
	b, err := parseHex(text)
	if err != nil {
		return Salt{}, fmt.Errorf("salt: %w", err)
	}
	return b, nil
}

// Hex returns the salt in hexadecimal, for the tool's state file.
func (s Salt) Hex() string { return hex.EncodeToString(s[:]) }

// Format prints a placeholder for every verb.
func (s Salt) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[salt]")) }

// MarshalText fails: a salt is written by Hex, on purpose.
func (s Salt) MarshalText() ([]byte, error) { return nil, errNotByAccident }

// Signals tell a machine and an account from others. Each is optional: an empty one
// is one that could not be read.
type Signals struct {
	// MachineID is the operating system's own.
	MachineID string
	// MAC is the address of the first network interface that is likely to stay. MadeUpMAC
	// says that software made it up, so that it may be another one tomorrow.
	MAC       string
	MadeUpMAC bool
	// Host is the host's name without its domain.
	Host string
	// User is the account's name.
	User string
}

// lasting returns the signals that stay the same as long as the machine and the account do.
// The system's own machine ID is enough where there is one, since addresses change with
// docks, Wi-Fi privacy and container runtimes, and names with networks. Without one it is
// an address that is burned in, and without that the host's name.
func (s Signals) lasting() Signals {
	switch {
	case s.MachineID != "":
		return Signals{MachineID: s.MachineID, User: s.User}
	case s.MAC != "" && !s.MadeUpMAC:
		return Signals{MAC: s.MAC, User: s.User}
	}
	return Signals{Host: s.Host, User: s.User}
}

// Format prints which signals there are, not what they say.
func (s Signals) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "[signals: machine-id %t, mac %t, host %t, user %t]",
		s.MachineID != "", s.MAC != "", s.Host != "", s.User != "")
}

// MarshalText fails: signals are neither stored nor sent.
func (s Signals) MarshalText() ([]byte, error) { return nil, errNotByAccident }

// Key proves that an installation owns its machine ID. It is a secret, and prints as
// a placeholder. fmt does not ask a value in a struct's unexported field how it
// wants to be printed: never print a struct that holds a Key there.
type Key [32]byte

// Derive makes the key. Signals that are present are framed as
//
//	name, a zero byte, the length as 4 bytes big-endian, the value
//
// so that no two sets of signals give the same bytes, whatever they say.
func Derive(salt Salt, signals Signals) Key {
	b := make([]byte, 0, 512)
	b = append(b, salt[:]...)
	b = appendSignal(b, "machine-id", signals.MachineID)
	b = appendSignal(b, "mac", signals.MAC)
	b = appendSignal(b, "host", signals.Host)
	b = appendSignal(b, "user", signals.User)
	return sha256.Sum256(b)
}

func appendSignal(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, name...)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	return append(b, value...)
}

// ParseKey reads what [Key.Hex] wrote. The error does not repeat the text.
func ParseKey(text string) (Key, error) {
	b, err := parseHex(text)
	if err != nil {
		return Key{}, fmt.Errorf("deletion key: %w", err)
	}
	return b, nil
}

// MachineID returns the pseudonym that belongs to the key: 32 lower-case digits.
func (k Key) MachineID() string {
	return deletion.MachineID(k)
}

// Hex returns the key in hexadecimal, for the state file and for a request to delete.
func (k Key) Hex() string { return hex.EncodeToString(k[:]) }

// Format prints a placeholder for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[deletion key]")) }

// MarshalText fails: a key is written by Hex, on purpose.
func (k Key) MarshalText() ([]byte, error) { return nil, errNotByAccident }

var (
	errNotByAccident = errors.New("identity: a secret is encoded by Hex or not at all")
	errNotHex        = errors.New("want 64 hexadecimal digits")
)

func parseHex(text string) (b [32]byte, err error) {
	if len(text) != hex.EncodedLen(len(b)) {
		return b, errNotHex
	}
	if _, err := hex.Decode(b[:], []byte(text)); err != nil {
		// Not err itself, which names a character of the secret.
		return [32]byte{}, errNotHex
	}
	return b, nil
}
