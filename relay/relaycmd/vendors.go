//go:build !notelemetry

package relaycmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/datadog"
	"github.com/gotoolbase/telemetry/deletion/posthog"
	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
)

// kind is a vendor that can be asked to erase.
type kind struct {
	name     string
	settings []setting
	// open makes it of its settings, keys included. A mistake in one is a
	// *driver.ConfigError with the setting's field.
	open func(tool string, values map[string]string, now func() time.Time) (*asked, error)
	// cancels says that it can take a request back.
	cancels bool
	// where says whom that asks, for people.
	where func(values map[string]string) string
}

// setting is a key of a relay's file and, with dashes, a flag of erase.
type setting struct {
	name, help string
	// field is what the vendor's package calls it.
	field string
	// secret says that it is not given, but read from where NAME_file or NAME_env say.
	secret bool
	// list says that it is a list in a file, with commas in between in a flag.
	list  bool
	words []string // for completion
}

// The two ways to say where a key is.
const (
	inFile = "_file"
	inEnv  = "_env"
)

// names are the keys by which it is given.
func (s setting) names() []string {
	if s.secret {
		return []string{s.name + inFile, s.name + inEnv}
	}
	return []string{s.name}
}

// asked is a vendor that is ready to be asked.
type asked struct {
	deletion.Follower
	find func(ctx context.Context, tool, machineID string) (found, error)
	// cancel takes a request back, nil where the vendor cannot.
	cancel func(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error)
}

// found is what a vendor has of a machine.
type found struct {
	rows []screen.Row
	json any
	// nothing says that it has nothing, pending that it is to be erased as far as can be
	// seen without a receipt.
	nothing, pending bool
}

var kinds = []*kind{postHog, dataDog}

func kindNamed(name string) *kind {
	for _, k := range kinds {
		if k.name == name {
			return k
		}
	}
	return nil
}

func kindNames() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

func hostOf(endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		return u.Host
	}
	return "its endpoint"
}

var postHog = &kind{
	name: "posthog",
	settings: []setting{
		{name: "instance", field: "Instance", help: "the region of PostHog Cloud: us or eu", words: []string{"us", "eu"}},
		{name: "endpoint", field: "Endpoint", help: "the URL of a PostHog of your own, or of a proxy in front of Datadog"},
		{name: "project", field: "Project", help: "the number of the project at PostHog"},
		{name: "key", field: "Key", help: "the personal API key for PostHog", secret: true},
	},
	where: func(v map[string]string) string {
		host := v["instance"] + ".posthog.com"
		if v["endpoint"] != "" {
			host = hostOf(v["endpoint"])
		}
		return host + ", project " + v["project"]
	},
	open: func(_ string, v map[string]string, now func() time.Time) (*asked, error) {
		r, err := posthog.New(posthog.Config{Instance: v["instance"], Endpoint: v["endpoint"], Project: v["project"], Key: v["key"], Now: now})
		if err != nil {
			return nil, err
		}
		find := func(ctx context.Context, _, machineID string) (found, error) {
			f, err := r.Find(ctx, machineID)
			if err != nil {
				return found{}, err
			}
			profile := cmp.Or(f.Person, "none")
			rows := []screen.Row{row("Profile", profile, screen.Plain), row("Events", fmt.Sprint(f.Events), screen.Plain)}
			if f.OtherIDs > 0 {
				rows = append(rows, row("Other IDs", fmt.Sprintf("%d on that profile: PostHog is not asked to erase it", f.OtherIDs), screen.Red))
			}
			return found{
				rows: rows, nothing: f.Person == "" && f.Events == 0,
				json: struct {
					Profile  string `json:"profile,omitempty"`
					OtherIDs int    `json:"other_ids"`
					Events   int64  `json:"events"`
				}{f.Person, f.OtherIDs, f.Events},
			}, nil
		}
		return &asked{Follower: r, find: find}, nil
	},
}

var dataDog = &kind{
	name: "datadog", cancels: true,
	settings: []setting{
		{name: "site", field: "Site", help: "the region or site of Datadog, us1 if not given",
			words: []string{"us1", "us3", "us5", "eu1", "uk1", "ap1", "ap2", "gov", "us1-fed", "us2-fed"}},
		{name: "endpoint", field: "Endpoint"},
		{name: "service", field: "Service", help: "the service of the logs at Datadog, the tool's name if not given"},
		{name: "retention", field: "Retention", help: "how long Datadog keeps logs in the longest of all places, such as 15d or 360h"},
		{name: "tiers", field: "Tiers", help: "where Datadog keeps logs, which is where they are counted: indexes, flex, online-archives; indexes if not given",
			list: true, words: []string{"indexes", "flex", "online-archives"}},
		{name: "api_key", field: "APIKey", help: "the API key for Datadog", secret: true},
		{name: "application_key", field: "ApplicationKey", help: "the application key for Datadog", secret: true},
	},
	where: func(v map[string]string) string {
		if v["endpoint"] != "" {
			return hostOf(v["endpoint"])
		}
		return cmp.Or(v["site"], "us1")
	},
	open: func(tool string, v map[string]string, now func() time.Time) (*asked, error) {
		wrong := func(field, problem string) (*asked, error) {
			return nil, &driver.ConfigError{Field: field, Problem: problem}
		}
		if v["retention"] == "" {
			return wrong("Retention", "not set: how long the logs are kept, such as 15d or 360h")
		}
		retention, err := strictyaml.ParseDuration(v["retention"])
		if err != nil {
			return wrong("Retention", err.Error())
		}
		var tiers []string
		if v["tiers"] != "" {
			tiers = strings.Split(v["tiers"], ",")
		}
		r, err := datadog.New(datadog.Config{
			// Given here, a tool's name that cannot be searched for shows at once.
			Service: cmp.Or(v["service"], tool),
			Site:    v["site"], Endpoint: v["endpoint"], Retention: retention, Tiers: tiers,
			APIKey: v["api_key"], ApplicationKey: v["application_key"], Now: now,
		})
		if err != nil {
			return nil, err
		}
		find := func(ctx context.Context, tool, machineID string) (found, error) {
			f, err := r.Find(ctx, tool, machineID)
			if err != nil {
				return found{}, err
			}
			return dataDogFound(f), nil
		}
		return &asked{Follower: r, find: find, cancel: r.Cancel}, nil
	},
}

func dataDogFound(f datadog.Found) found {
	rows := []screen.Row{
		row("Logs", fmt.Sprintf("%d of the service %s", f.Logs, f.Service), screen.Plain),
		row("Window", screen.When(f.From)+" to "+screen.When(f.To), screen.Plain),
	}
	if f.Elsewhere > 0 {
		rows = append(rows, row("Other services", fmt.Sprintf("have %s of this machine, which are not erased: check the service", screen.Count(f.Elsewhere, "log", "logs")), screen.Red))
	}
	open := []receiptJSON{}
	for _, r := range f.Requests {
		text := r.ID + ": " + r.Detail
		if !r.CancelUntil.IsZero() {
			text += " It can be cancelled until " + screen.When(r.CancelUntil) + "."
		}
		rows = append(rows, row("Request", text, screen.Plain))
		open = append(open, toReceiptJSON(r))
	}
	return found{
		rows: rows, nothing: f.Logs == 0 && f.Elsewhere == 0, pending: len(f.Requests) > 0,
		json: struct {
			Service   string        `json:"service"`
			From      time.Time     `json:"from"`
			To        time.Time     `json:"to"`
			Logs      int64         `json:"logs"`
			Elsewhere int64         `json:"logs_of_other_services"`
			Requests  []receiptJSON `json:"requests"`
		}{f.Service, f.From.UTC(), f.To.UTC(), f.Logs, f.Elsewhere, open},
	}
}

// source is where a vendor's settings come from: a file's keys or a command's flags.
type source struct {
	tool   string
	values map[string]string
	// wrong says that something is wrong with a setting, named as in names.
	wrong func(name, problem string) error
	// path makes a file's name one that can be opened from here.
	path func(string) string
}

// open reads the keys and makes the vendor.
func (s surroundings) open(k *kind, from source) (*asked, error) {
	values := map[string]string{}
	given := map[string]string{} // how each field was given
	for _, set := range k.settings {
		given[set.field] = set.name
		values[set.name] = from.values[set.name]
		if !set.secret {
			continue
		}
		file, env := set.name+inFile, set.name+inEnv
		var key string
		var err error
		switch {
		case from.values[file] != "" && from.values[env] != "":
			return nil, from.wrong(env, "the key is to be in a file as well: keep one of them")
		case from.values[file] != "":
			given[set.field] = file
			key, err = keyFromFile(from.path(from.values[file]))
		case from.values[env] != "":
			given[set.field] = env
			key, err = keyFromEnv(s.lookup, from.values[env])
		default:
			given[set.field] = file
			err = errors.New("not set: name the file that holds the key, or a variable that does in its place")
		}
		if err != nil {
			return nil, from.wrong(given[set.field], err.Error())
		}
		values[set.name] = key
	}
	a, err := k.open(from.tool, values, s.now)
	if wrong, ok := errors.AsType[*driver.ConfigError](err); ok {
		field := wrong.Field[strings.LastIndexByte(wrong.Field, '.')+1:]
		return nil, from.wrong(cmp.Or(given[field], k.settings[0].name), wrong.Problem)
	}
	return a, err
}
