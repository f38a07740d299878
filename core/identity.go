package core

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/identity"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

// identifier tells under which pseudonym an installation sends.
type identifier struct{ *installation }

func (i identifier) stored() identity.Store { return identity.NewStore(i.dir) }

// identityVariable is the variable that hands the identity of one installation to another:
// to the containers of the same person, say.
func (i identifier) variable() string {
	return strings.TrimSuffix(consent.EnvName(i.name()), "_TELEMETRY") + "_TELEMETRY_IDENTITY"
}

// given returns the key that the variable holds, if it is set.
func (i identifier) given() (key identity.Key, set bool, err error) {
	text, _ := i.lookup(i.variable())
	if text == "" {
		return key, false, nil
	}
	if key, err = identity.ParseKey(strings.TrimSpace(text)); err != nil {
		return key, true, fmt.Errorf("%s holds no identity: %w", i.variable(), err)
	}
	return key, true, nil
}

// identify returns the pseudonym in use, making one if there is none. Its key is stored
// before anything is sent under it.
func (i identifier) identify() (string, error) {
	given, isGiven, err := i.given()
	if err != nil {
		return "", err
	}
	lock, err := i.stored().Lock()
	if err != nil {
		return "", err
	}
	defer lock.Unlock()
	ids, err := i.stored().Load()
	if errors.Is(err, state.ErrCorrupt) {
		if err := i.stored().SetAside(); err != nil {
			return "", err
		}
		ids, err = i.stored().Load() // what is whole of it
	}
	if err != nil {
		return "", err
	}
	for _, key := range ids.Keys() {
		if !i.outbox().Has(key.MachineID()) {
			continue
		}
		// A reset was killed before it could forget them. Under an ID that is being deleted
		// nothing more may be sent.
		if _, err := i.handOver(ids); err != nil {
			return "", err
		}
		ids = identity.Identities{}
		break
	}
	var key identity.Key
	var changed bool
	if isGiven && i.outbox().Has(given.MachineID()) {
		return "", fmt.Errorf("%s holds an identity that is being deleted: unset it", i.variable())
	}
	if isGiven {
		key = given
		changed, err = ids.Adopt(given)
	} else {
		key, changed, err = ids.Take(identity.Collect())
	}
	if err != nil {
		return "", err
	}
	if changed {
		if err := i.stored().Save(ids); err != nil {
			return "", err
		}
		i.makeCountable()
	}
	return key.MachineID(), nil
}

// current returns the pseudonym in use and its key, changing nothing.
func (i identifier) current() (key identity.Key, used bool, err error) {
	ids, err := i.stored().Load()
	if err != nil {
		return key, false, err
	}
	if given, set, err := i.given(); set {
		return given, i.used(ids) && ids.Has(given.MachineID()), err
	}
	key, known := ids.Current(identity.Collect())
	if !known {
		return key, false, errNoIdentity
	}
	return key, i.used(ids), nil
}

// used reports whether something was sent under identities, or may have been: a file of the receivers
// tells it also where that of the identity has the name of an unused one.
func (i identifier) used(ids identity.Identities) bool { return ids.Used || i.stored().Sent() }

// lost reports whether something was sent under an identity that is not here any more, so that nobody
// can be asked to delete it. machineIDs are those that the log of what was sent names.
func (i identifier) lost(sent []Delivery) (machineIDs []string, lost bool) {
	ids, err := i.stored().Load()
	if err != nil && !state.Unusable(err) {
		return nil, false // which is told
	}
	for _, d := range sent { // with an identity that is damaged, all that it does not name
		for _, id := range d.MachineIDs {
			if !d.Unsent && !ids.Has(id) && !i.outbox().Has(id) && !slices.Contains(machineIDs, id) {
				machineIDs = append(machineIDs, id)
			}
		}
	}
	return machineIDs, err == nil && (len(machineIDs) > 0 || len(ids.Keys()) == 0 && i.stored().Sent())
}

// errNoIdentity says that there is no pseudonym yet.
var errNoIdentity = errors.New("there is no machine ID yet")

// errLost says that there was one.
var errLost = errors.New("the identity under which something was sent is gone, and with it the key that proves a request for its deletion: " +
	"a reset names the machine IDs that the log of what was sent holds, for a person to ask")

// noteSending writes down that something is about to be sent under a machine ID, and to
// whom. It
// returns an error where that could not be written, or where the ID was retired meanwhile:
// nothing must go out under an ID that no request would have deleted.
func (i identifier) noteSending(machineID, receiver string) error {
	lock, err := i.stored().Lock()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	ids, err := i.stored().Load()
	if err != nil {
		return err
	}
	if !ids.Has(machineID) {
		return delivery.ErrNotAllowed
	}
	if err := i.stored().NoteReceiver(receiver); err != nil {
		return err
	}
	if ids.Used {
		return nil
	}
	return i.stored().MarkUsed()
}

// retire hands the identity over to the outbox. Killed in between, the next reset or yes
// does the same again. One that cannot be read is set aside.
func (i identifier) retire() (delivered int, err error) {
	lock, err := i.stored().Lock()
	if err != nil {
		return 0, fmt.Errorf("retiring the identity: %w", err)
	}
	defer lock.Unlock()
	ids, err := i.stored().Load()
	if errors.Is(err, state.ErrCorrupt) {
		if err := i.stored().SetAside(); err != nil { // see ResetReport.Unknown
			return 0, fmt.Errorf("retiring the identity: %w", err)
		}
		ids, err = i.stored().Load() // what is whole of it can still be asked for
	}
	if err != nil {
		return 0, fmt.Errorf("retiring the identity: %w", err)
	}
	return i.handOver(ids)
}

// handOver moves the keys of an identity into the outbox, if anything was sent under them,
// and forgets it with the notes of its deliveries. It returns how many of those there were. It
// is called with the identities locked.
func (i identifier) handOver(ids identity.Identities) (delivered int, err error) {
	if i.used(ids) && len(ids.Keys()) > 0 {
		keys := map[string]string{}
		for _, key := range ids.Keys() {
			keys[key.MachineID()] = key.Hex()
		}
		if err := i.outbox().Put(keys, i.stored().Receivers(i.terms().Receiver()), i.notDeletable()); err != nil {
			return 0, fmt.Errorf("storing the deletion request: %w", err)
		}
	}
	delivered = delivery.ReadNotes(i.dir).Delivered
	if err := delivery.Forget(i.dir); err != nil { // what they count goes with the identity, and not before
		return 0, fmt.Errorf("forgetting what was sent: %w", err)
	}
	if err := i.stored().Forget(ids); err != nil {
		return 0, fmt.Errorf("retiring the identity: %w", err)
	}
	return delivered, nil
}
