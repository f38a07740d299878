package core

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/identity"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

const (
	identityName = "identity"
	identityLock = "identity.lock"
	// damagedIdentity keeps what could not be read: the keys in it may be all that can
	// still have something erased.
	damagedIdentity = "identity.damaged"
	identityWait    = 2 * time.Second
)

// identities is the pseudonym in use and every one used before that has not been
// erased yet.
type identities struct {
	salt    identity.Salt
	hasSalt bool
	// keys belong to the salt: the one in use, and those from before the signals of the
	// machine drifted.
	keys []identity.Key
	// retired are those whose deletion was asked for and could not be handed over.
	retired []identity.Key
}

const keyField, retiredField = "key", "retired"

func (in *installation) loadIdentities() (identities, error) {
	var ids identities
	r, err := in.dir.ReadRecord(identityName)
	if errors.Is(err, fs.ErrNotExist) {
		return ids, nil
	}
	if err != nil {
		return ids, err
	}
	if salt := r["salt"]; salt != "" {
		if ids.salt, err = identity.ParseSalt(salt); err != nil {
			return identities{}, state.ErrCorrupt
		}
		ids.hasSalt = true
	}
	var errs [2]error
	ids.keys, errs[0] = keysIn(r, keyField)
	ids.retired, errs[1] = keysIn(r, retiredField)
	if errors.Join(errs[:]...) != nil {
		return identities{}, state.ErrCorrupt
	}
	return ids, nil
}

func keysIn(r state.Record, field string) (keys []identity.Key, err error) {
	for i := 0; r[field+strconv.Itoa(i)] != ""; i++ {
		key, err := identity.ParseKey(r[field+strconv.Itoa(i)])
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (in *installation) saveIdentities(ids identities) error {
	r := state.Record{}
	if ids.hasSalt {
		r["salt"] = ids.salt.Hex()
	}
	for i, key := range ids.keys {
		r[keyField+strconv.Itoa(i)] = key.Hex()
	}
	for i, key := range ids.retired {
		r[retiredField+strconv.Itoa(i)] = key.Hex()
	}
	if len(r) == 0 {
		return in.dir.Remove(identityName)
	}
	return in.dir.WriteRecord(identityName, r)
}

// identify returns the pseudonym in use, making one if there is none, and sees to it
// that its key is kept before anything is sent under it.
func (in *installation) identify() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), identityWait)
	defer cancel()
	lock, err := in.dir.WaitLock(ctx, identityLock)
	if err != nil {
		return "", err
	}
	defer lock.Unlock()
	ids, err := in.loadIdentities()
	if errors.Is(err, state.ErrCorrupt) {
		if err := in.dir.Rename(identityName, damagedIdentity); err != nil {
			return "", err
		}
	} else if err != nil {
		return "", err
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
