package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/identity"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

const (
	identityName = "identity"
	// unusedIdentity is the same file as long as nothing was sent under it.
	unusedIdentity = "identity.unused"
	identityLock   = "identity.lock"
	// damagedIdentity keeps what could not be read: the keys in it may be all that can
	// still have something erased.
	damagedIdentity = "identity.damaged"
	identityWait    = 2 * time.Second
)

// identities is the pseudonym in use, and those from before the signals of the machine
// drifted. After a reset there is none: what was sent under them is the outbox's.
type identities struct {
	salt    identity.Salt
	hasSalt bool
	keys    []identity.Key // they belong to the salt
	// used says that something was sent under the keys, or may have been: only then is
	// there anything to have erased. It is the file's name, so that noting it needs no
	// space on a full disk.
	used bool
}

const keyField = "key"

func (in *installation) loadIdentities() (identities, error) {
	ids := identities{used: true}
	r, err := in.dir.ReadRecord(identityName)
	if errors.Is(err, fs.ErrNotExist) {
		ids.used = false
		r, err = in.dir.ReadRecord(unusedIdentity)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return ids, nil
	}
	if err != nil {
		return ids, err
	}
	if salt := r["salt"]; salt != "" {
		if ids.salt, err = identity.ParseSalt(salt); err != nil {
			return ids, state.ErrCorrupt
		}
		ids.hasSalt = true
	}
	for i := 0; r[keyField+strconv.Itoa(i)] != ""; i++ {
		key, err := identity.ParseKey(r[keyField+strconv.Itoa(i)])
		if err != nil {
			return ids, state.ErrCorrupt
		}
		ids.keys = append(ids.keys, key)
	}
	return ids, nil
}

// file is where ids are stored.
func (ids identities) file() string {
	if ids.used {
		return identityName
	}
	return unusedIdentity
}

func (in *installation) saveIdentities(ids identities) error {
	r := state.Record{"salt": ids.salt.Hex()}
	for i, key := range ids.keys {
		r[keyField+strconv.Itoa(i)] = key.Hex()
	}
	return in.dir.WriteRecord(ids.file(), r)
}

// lockIdentities keeps other processes from changing them until the lock is given back.
func (in *installation) lockIdentities() (*state.Lock, error) {
	ctx, cancel := context.WithTimeout(context.Background(), identityWait)
	defer cancel()
	return in.dir.WaitLock(ctx, identityLock)
}

// identify returns the pseudonym in use, making one if there is none, and sees to it
// that its key is kept before anything is sent under it.
func (in *installation) identify() (string, error) {
	lock, err := in.lockIdentities()
	if err != nil {
		return "", err
	}
	defer lock.Unlock()
	ids, err := in.loadIdentities()
	if errors.Is(err, state.ErrCorrupt) {
		if err := in.dir.Rename(ids.file(), damagedIdentity); err != nil {
			return "", err
		}
		ids = identities{}
	} else if err != nil {
		return "", err
	}
	if slices.ContainsFunc(ids.keys, func(k identity.Key) bool { return in.outbox().Has(k.MachineID()) }) {
		// A reset was killed before it could forget them. Under an ID that is being erased
		// nothing more may be sent.
		if err := in.hand(ids); err != nil {
			return "", err
		}
		ids = identities{}
	}
	changed := false
	if !ids.hasSalt {
		if ids.salt, err = identity.NewSalt(); err != nil {
			return "", err
		}
		ids.hasSalt, changed = true, true
	}
	key := identity.Derive(ids.salt, identity.Collect())
	known := false
	for _, k := range ids.keys {
		known = known || k == key
	}
	if !known {
		ids.keys, changed = append(ids.keys, key), true
	}
	if changed {
		if err := in.saveIdentities(ids); err != nil {
			return "", err
		}
	}
	return key.MachineID(), nil
}

// noteSending writes down that something is about to be sent under a machine ID. It
// returns an error where that could not be written, or where the ID was retired meanwhile:
// nothing must go out under an ID that nobody would have erased.
func (in *installation) noteSending(machineID string) error {
	lock, err := in.lockIdentities()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	ids, err := in.loadIdentities()
	if err != nil {
		return err
	}
	for _, key := range ids.keys {
		if key.MachineID() != machineID {
			continue
		}
		if ids.used {
			return nil
		}
		return in.dir.Rename(unusedIdentity, identityName)
	}
	return delivery.ErrNotAllowed
}

// hand moves the keys of an identity into the outbox, if anything was sent under them, and
// forgets it. It is called with the identities locked.
func (in *installation) hand(ids identities) error {
	if ids.used && len(ids.keys) > 0 {
		keys := map[string]string{}
		for _, key := range ids.keys {
			keys[key.MachineID()] = key.Hex()
		}
		if err := in.outbox().Put(keys); err != nil {
			return fmt.Errorf("storing the deletion request: %w", err)
		}
	}
	if err := in.dir.Remove(ids.file()); err != nil {
		return fmt.Errorf("retiring the identity: %w", err)
	}
	return nil
}
