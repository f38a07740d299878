package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

const (
	usedName = "identity"
	// unusedName is the same file as long as nothing was sent under it: the name says so,
	// because a rename needs no space on a full disk.
	unusedName = "identity.unused"
	// historyName is followed by the start of a machine ID. Such a file holds keys that were in use long ago.
	historyName = "identity.history-"
	lockName    = "identity.lock"
	lockWait    = 2 * time.Second

	keyField = "key"
	// maxKeys is how many keys the file holds before the older half moves into a history:
	// a home directory that hundreds of machines share needs one each.
	maxKeys = 200
)

// Store keeps the pseudonym of an installation in its state directory. It is a path and no
// more; a process that reads and then writes holds the lock in between.
type Store struct{ dir state.Dir }

// NewStore returns the store in dir.
func NewStore(dir state.Dir) Store { return Store{dir} }

// Identities are the pseudonym in use, and those from before the machine became another.
// After a reset there is none: what was sent under them is the outbox's.
type Identities struct {
	salt    Salt
	hasSalt bool
	keys    []Key // they belong to the salt
	history []Key // more of them, in files of their own
	// current and bound say which key belongs to which machine, where it is not the one that
	// Derive gives: versions before 2026-12 derived it from more signals.
	current, bound string
	// Used says that something was sent under the keys, or may have been: only then is there
	// anything to have deleted.
	Used bool
}

// Lock keeps other processes from changing the identities until it is given back. Where
// there are no locks, nothing is recorded, and what was sent before can still be deleted.
func (s Store) Lock() (*state.Lock, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	return s.dir.WaitLockIfAny(ctx, lockName)
}

// Load returns what is stored, nothing if there is nothing. The error is state.ErrCorrupt
// where what is there cannot be read.
func (s Store) Load() (Identities, error) {
	ids := Identities{Used: true}
	r, err := s.dir.ReadRecord(usedName)
	if errors.Is(err, fs.ErrNotExist) {
		ids.Used = false
		r, err = s.dir.ReadRecord(unusedName)
	}
	none := errors.Is(err, fs.ErrNotExist)
	if err != nil && !none {
		return ids, err
	}
	if salt := r["salt"]; salt != "" {
		if ids.salt, err = ParseSalt(salt); err != nil {
			return ids, state.ErrCorrupt
		}
		ids.hasSalt = true
	}
	ids.current, ids.bound = r["current"], r["bound"]
	if ids.keys, err = keysIn(r); err != nil {
		return ids, err
	}
	for _, name := range s.histories() {
		r, err := s.dir.ReadRecord(name)
		if err != nil {
			return ids, err
		}
		keys, err := keysIn(r)
		if err != nil {
			return ids, err
		}
		ids.history = append(ids.history, keys...)
	}
	if none && len(ids.history) > 0 {
		ids.Used = true // the file that would tell was damaged
	}
	return ids, nil
}

// histories names the files of older keys.
func (s Store) histories() (names []string) {
	entries, _ := os.ReadDir(s.dir.Path())
	for _, entry := range entries {
		if digits, is := strings.CutPrefix(entry.Name(), historyName); is && strings.Trim(digits, "0123456789abcdef") == "" {
			names = append(names, entry.Name())
		}
	}
	return names
}

func keysIn(r state.Record) (keys []Key, err error) {
	for i := 0; r[keyField+strconv.Itoa(i)] != ""; i++ {
		key, err := ParseKey(r[keyField+strconv.Itoa(i)])
		if err != nil {
			return nil, state.ErrCorrupt
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func putKeys(r state.Record, keys []Key) {
	for i, key := range keys {
		r[keyField+strconv.Itoa(i)] = key.Hex()
	}
}

// Save stores the identities. No key is dropped: where there are too many for one file,
// the older ones get a file of their own first.
func (s Store) Save(ids Identities) error {
	if len(ids.keys) > maxKeys {
		old := ids.keys[:maxKeys/2]
		r := state.Record{}
		putKeys(r, old)
		if err := s.dir.WriteRecord(historyName+old[0].MachineID()[:8], r); err != nil {
			return err
		}
		ids.keys = ids.keys[maxKeys/2:]
	}
	r := state.Record{"salt": ids.salt.Hex()}
	if ids.bound != "" {
		r["current"], r["bound"] = ids.current, ids.bound
	}
	putKeys(r, ids.keys)
	return s.dir.WriteRecord(ids.name(), r)
}

func (ids Identities) name() string {
	if ids.Used {
		return usedName
	}
	return unusedName
}

// MarkUsed notes that something is about to be sent under the identities.
func (s Store) MarkUsed() error { return s.dir.Rename(unusedName, usedName) }

// NoteReceiver notes that something is about to be sent to a receiver, so that a request for
// deletion goes there and nowhere else. It is a file, named after the receiver: on a full disk
// it stays empty, and is still known to whom it names.
func (s Store) NoteReceiver(receiver string) error {
	name := receiverName(receiver)
	if !s.dir.Time(name).IsZero() {
		return nil
	}
	if s.dir.WriteRecord(name, state.Record{"receiver": receiver}) == nil {
		return nil
	}
	return s.dir.Empty(name)
}

// Sent reports whether something was sent, or may have been, whatever became of the identity.
func (s Store) Sent() bool { return len(s.receiverNames()) > 0 }

// Receivers lists the receivers that something was sent to, or may have been. own is the one
// that the caller knows, which may be noted without its name.
func (s Store) Receivers(own string) (list []string) {
	for _, name := range s.receiverNames() {
		r, err := s.dir.ReadRecord(name)
		switch {
		case err == nil && r["receiver"] != "":
			list = append(list, r["receiver"])
		case name == receiverName(own):
			list = append(list, own)
		default:
			list = append(list, "a receiver whose name could not be stored")
		}
	}
	return list
}

const (
	receiverPrefix = "sent-"
	receiverDigits = 16
)

func receiverName(receiver string) string {
	sum := sha256.Sum256([]byte(receiver))
	return receiverPrefix + hex.EncodeToString(sum[:])[:receiverDigits]
}

// receiverNames lists the files of receivers. One with another name, such as a copy that an editor
// or a synchronising program made, tells of no receiver: that one would have to be asked as well,
// and no version of the tool could.
func (s Store) receiverNames() (names []string) {
	entries, _ := os.ReadDir(s.dir.Path())
	for _, entry := range entries {
		digits, is := strings.CutPrefix(entry.Name(), receiverPrefix)
		if is && len(digits) == receiverDigits && strings.Trim(digits, "0123456789abcdef") == "" {
			names = append(names, entry.Name())
		}
	}
	return names
}

// Forget removes the identities.
func (s Store) Forget(ids Identities) error {
	for _, name := range append(s.receiverNames(), s.histories()...) {
		if err := s.dir.Remove(name); err != nil {
			return err
		}
	}
	return s.dir.Remove(ids.name())
}

// SetAside puts identities that cannot be read where a person can look at them: the keys
// in them may be all that can still have something deleted.
func (s Store) SetAside() error {
	for _, name := range append(s.histories(), usedName, unusedName) {
		r, err := s.dir.ReadRecord(name)
		if err == nil {
			_, err = keysIn(r)
		}
		if err == nil && r["salt"] != "" {
			_, err = ParseSalt(r["salt"])
		}
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			continue // what is whole is still of use
		}
		if _, err := s.dir.SetAside(name); err != nil {
			return err
		}
	}
	return nil
}

// Lost lists the files with identities that could not be read.
func (s Store) Lost() []string {
	return slices.DeleteFunc(s.dir.Damaged(), func(name string) bool { return !strings.HasPrefix(name, usedName) })
}

// Keys returns every key.
func (ids Identities) Keys() []Key { return append(slices.Clone(ids.history), ids.keys...) }

// Has reports whether a machine ID is among them.
func (ids Identities) Has(machineID string) bool {
	return slices.ContainsFunc(ids.Keys(), func(k Key) bool { return k.MachineID() == machineID })
}

// Current returns the key that is in use on a machine, if there is one.
func (ids Identities) Current(signals Signals) (Key, bool) {
	if !ids.hasSalt {
		return Key{}, false
	}
	here := Derive(ids.salt, signals.lasting())
	if slices.Contains(ids.Keys(), here) {
		return here, true
	}
	before := Derive(ids.salt, signals) // as versions before 2026-12 did
	for _, key := range ids.Keys() {
		if key == before || key.MachineID() == ids.current && ids.bound == here.MachineID() {
			return key, true
		}
	}
	return Key{}, false
}

// Take returns the key in use on a machine, making one if there is none. changed says that
// ids are to be saved.
func (ids *Identities) Take(signals Signals) (key Key, changed bool, err error) {
	if !ids.hasSalt {
		if ids.salt, err = NewSalt(); err != nil {
			return Key{}, false, err
		}
		ids.hasSalt = true
	}
	here := Derive(ids.salt, signals.lasting())
	key, known := ids.Current(signals)
	if !known {
		ids.keys = append(ids.keys, here)
		return here, true, nil
	}
	if key != here && ids.bound == "" { // it stays, whatever becomes of the other signals
		ids.current, ids.bound = key.MachineID(), here.MachineID()
		return key, true, nil
	}
	return key, false, nil
}

// Adopt makes a key from elsewhere one of these, and reports whether ids are to be saved.
func (ids *Identities) Adopt(key Key) (changed bool, err error) {
	if !ids.hasSalt {
		if ids.salt, err = NewSalt(); err != nil {
			return false, err
		}
		ids.hasSalt = true
	}
	if slices.Contains(ids.Keys(), key) {
		return false, nil
	}
	ids.keys = append(ids.keys, key)
	return true, nil
}
