//go:build !notelemetry

package relaycmd

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
)

// The two ways to say where a secret is.
const (
	inFile = "_file"
	inEnv  = "_env"
)

// given are the keys of a file by which a setting is given and, with dashes, the flags of
// delete.
func given(set driver.Setting) []string {
	if set.Secret {
		return []string{set.Name + inFile, set.Name + inEnv}
	}
	return []string{set.Name}
}

// vendor returns one by its name.
func (s surroundings) vendor(name string) (deletion.Vendor, bool) {
	i := slices.IndexFunc(s.vendors, func(v deletion.Vendor) bool { return v.Name == name })
	if i < 0 {
		return deletion.Vendor{}, false
	}
	return s.vendors[i], true
}

func (s surroundings) vendorNames() []string {
	names := make([]string, len(s.vendors))
	for i, v := range s.vendors {
		names[i] = v.Name
	}
	return names
}

// either lists words of which one has to be chosen.
func either(words []string) string {
	if len(words) < 2 {
		return cmp.Or(strings.Join(words, ""), "none")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// where says for people whom a vendor asks that is opened with what the file has.
func where(v deletion.Vendor, values map[string]string) string {
	settings := map[string]string{}
	var said []string
	for _, set := range v.Settings {
		if set.Secret {
			continue
		}
		given := values[set.Name]
		settings[set.Name] = cmp.Or(given, set.Default)
		if _, err := url.ParseRequestURI(given); given != "" && err != nil { // of a URL the host is there already
			said = append(said, set.Name+" "+given)
		}
	}
	return strings.Join(append(v.Hosts(settings), said...), ", ")
}

// source is where a vendor's settings come from: a file's keys or a command's flags.
type source struct {
	tool   string
	values map[string]string
	// wrong says that something is wrong with a setting, named as in given.
	wrong func(name, problem string) error
	// path makes a file's name one that can be opened from here.
	path func(string) string
}

// open reads the keys and makes what asks the vendor.
func (s surroundings) open(v deletion.Vendor, from source) (deletion.Requestor, error) {
	settings, as, err := s.settings(v.Settings, from)
	if err != nil {
		return nil, err
	}
	r, err := v.Requestor(deletion.VendorConfig{Settings: settings, Tool: from.tool, Now: s.now})
	if wrong, ok := errors.AsType[*driver.ConfigError](err); ok {
		name := strings.TrimSuffix(strings.TrimPrefix(wrong.Field, "Settings["), "]")
		return nil, from.wrong(cmp.Or(as[name], v.Settings[0].Name), wrong.Problem)
	}
	return r, err
}

// settings reads what was given, the secrets from where they are. as is how each was given. Of
// a secret that has to be set something has to be given.
func (s surroundings) settings(declared []driver.Setting, from source) (settings, as map[string]string, err error) {
	settings, as = map[string]string{}, map[string]string{}
	for _, set := range declared {
		as[set.Name] = set.Name
		value := from.values[set.Name]
		if set.Secret && (set.Required || from.values[set.Name+inFile] != "" || from.values[set.Name+inEnv] != "") {
			name, secret, err := s.secret(set.Name, from)
			if err != nil {
				return nil, nil, from.wrong(name, err.Error())
			}
			as[set.Name], value = name, secret
		}
		if value != "" {
			settings[set.Name] = value
		}
	}
	return settings, as, nil
}

// secret reads a secret, and says how it was given.
func (s surroundings) secret(setting string, from source) (name, secret string, err error) {
	file, env := setting+inFile, setting+inEnv
	switch {
	case from.values[file] != "" && from.values[env] != "":
		return env, "", errors.New("the key is to be in a file as well: keep one of them")
	case from.values[file] != "":
		secret, err = keyFromFile(from.path(from.values[file]))
		return file, secret, err
	case from.values[env] != "":
		secret, err = keyFromEnv(s.lookup, from.values[env])
		return env, secret, err
	}
	return file, "", errors.New("not set: name the file that holds the key, or a variable that does in its place")
}
