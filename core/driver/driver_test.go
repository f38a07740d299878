package driver_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
)

// vendor declares one setting of each kind.
var vendor = driver.Driver{
	Name: "vendor",
	Settings: []driver.Setting{
		{Name: "key", Doc: "project key", Required: true, Secret: true, Check: func(v string) error {
			if !strings.HasPrefix(v, "pk_") {
				return errors.New("not a project key: it begins with pk_")
			}
			return nil
		}},
		{Name: "region", Doc: "where data is kept", Default: "eu", Values: []string{"eu", "us"}},
		{Name: "tier", Doc: "an account's tier", Secret: true, Values: []string{"gold", "silver"}},
		{Name: "note", Doc: "free text"},
	},
}

func TestResolveFillsInDefaultsAndKeepsValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		settings map[string]string
		want     map[string]string
	}{
		{"the required one alone", map[string]string{"key": "pk_1"}, map[string]string{"key": "pk_1", "region": "eu"}},
		{"a value wins over the default", map[string]string{"key": "pk_1", "region": "us"}, map[string]string{"key": "pk_1", "region": "us"}},
		{"an empty value is no value", map[string]string{"key": "pk_1", "region": "", "note": ""}, map[string]string{"key": "pk_1", "region": "eu"}},
		{"all of them", map[string]string{"key": "pk_1", "region": "us", "tier": "gold", "note": "x"},
			map[string]string{"key": "pk_1", "region": "us", "tier": "gold", "note": "x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := maps.Clone(tt.settings)
			got, err := vendor.Resolve(tt.settings)
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			got["added"] = "later"
			if !maps.Equal(tt.settings, before) {
				t.Errorf("the author's map was changed to %v", tt.settings)
			}
		})
	}
}

func TestResolveNamesFieldAndFixAndNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	tests := []struct {
		name     string
		settings map[string]string
		field    string
		says     []string
	}{
		{"required setting missing", nil, "Telemetry.Settings[key]", []string{"required", `"vendor"`, "project key"}},
		{"required setting empty", map[string]string{"key": ""}, "Telemetry.Settings[key]", []string{"required"}},
		{"value not allowed", map[string]string{"key": "pk_1", "region": "eu1"}, "Telemetry.Settings[region]", []string{`"eu1"`, "eu, us"}},
		{"case counts", map[string]string{"key": "pk_1", "region": "EU"}, "Telemetry.Settings[region]", []string{"eu, us"}},
		{"secret value not allowed", map[string]string{"key": "pk_1", "tier": secret}, "Telemetry.Settings[tier]", []string{"gold, silver"}},
		{"check fails", map[string]string{"key": secret}, "Telemetry.Settings[key]", []string{"pk_"}},
		{"misspelt setting", map[string]string{"key": "pk_1", "regoin": "eu"}, "Telemetry.Settings[regoin]", []string{"unknown", "key, region, tier, note"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := vendor.Resolve(tt.settings)
			var config *driver.ConfigError
			if !errors.As(err, &config) {
				t.Fatalf("got %v, %v, want a ConfigError", got, err)
			}
			if config.Field != tt.field {
				t.Errorf("field %s, want %s", config.Field, tt.field)
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %s", err, s)
				}
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%q holds the secret", err)
			}
		})
	}
}

func TestResolveAlwaysNamesTheSameMistakeFirst(t *testing.T) {
	t.Parallel()
	settings := map[string]string{"key": "pk_1", "b": "", "a": "", "c": ""}
	for range 50 {
		_, err := vendor.Resolve(settings)
		var config *driver.ConfigError
		if !errors.As(err, &config) || config.Field != "Telemetry.Settings[a]" {
			t.Fatalf("got %v, want the error of setting a", err)
		}
	}
}

func TestResolveOfADriverWithoutSettings(t *testing.T) {
	t.Parallel()
	d := driver.Driver{Name: "plain"}
	if got, err := d.Resolve(nil); err != nil || got == nil || len(got) != 0 {
		t.Errorf("got %v, %v, want an empty map", got, err)
	}
	if _, err := d.Resolve(map[string]string{"x": "y"}); err == nil || !strings.Contains(err.Error(), "takes none") {
		t.Errorf("got %v, want an error that says that it takes none", err)
	}
}
