package core

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/props"
)

func fieldOf(t props.FieldType) *field {
	return &field{Field: props.Field{Type: t}, labels: bucketLabels(t.Bounds)}
}

const none = "not kept"

func TestADeclaredValueIsKeptInOneForm(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		of   props.FieldType
		want map[string]string
	}{
		"a closed set": {props.OneOf("oauth", "token", "ghp_notReallyAToken0123456789abcdefghij"), map[string]string{
			"oauth": "oauth", "token": "token", "ghp_notReallyAToken0123456789abcdefghij": "ghp_notReallyAToken0123456789abcdefghij",
			"OAuth": none, "oauth ": none, "": none, "password": none,
		}},
		"a number": {props.Number(), map[string]string{
			"0": "0", "-0": "0", "-0.0": "0", "7": "7", "+7": "7", "-7": "-7", "1.50": "1.5", "2.0": "2", "0.001": "0.001", "100": "100",
			"999999999999999": "999999999999999", "9999999999999999": none, "4111111111111111": none,
			"007": none, "1e6": none, "0x10": none, "1_000": none, "1,5": none, ".5": none, "5.": none, "": none, "-": none, "+": none,
			"--1": none, "+-1": "-1", "NaN": none, "Inf": none, "1 ": none, "1.2.3": none, "one": none, "१": none,
		}},
		"a bool": {props.Bool(), map[string]string{
			"true": "true", "TRUE": "true", "t": "true", "1": "true", "false": "false", "0": "false", "F": "false",
			"yes": none, "": none, "tRuE": none,
		}},
		"a version": {props.Version(), map[string]string{
			"1": "1", "v1.2.3": "1.2.3", "1.2.3.4": none, "10.0.19045.3693": "10.0.19045.3693", "v1.20.0-rc.1+build5": "1.20.0-rc.1", "1.2.3+zoe-laptop": "1.2.3",
			"0.0.0-20240102150405-abcdef123456": "0.0.0-20240102150405-abcdef123456", "1.2.3-rc-1": "1.2.3-rc-1", "1.2.3-beta2": "1.2.3-beta2",
			"1.2.3-rc.1.0.20240102150405-abcdef123456": "1.2.3-rc.1.0.20240102150405-abcdef123456", "1.2.3-rc.1.2.3.4": none,
			"1-AKIAIOSFODNN7EXAMPLE": none, "1-john.smith.example.com": none, "10.12.13.14": none, "1.2.3-janedoe": none, "4111.1111.1111.1111": none,
			"1.2.3-20240102150405-abcdefabcdef12": none, "123456789.0": none, "1.2.3-rc123456789": none,
			"1.2.3.4.5": none, "": none, "v": none, "1.": none, ".1": none, "1..2": none, "latest": none, "1.2.3-": none, "1.2.3-a..b": none,
			"1.2.3-a b": none, "1.2.x": none, "1.2.3-/home/zoe": none, "1.2.3-zoe@example.com": none, "1.2.3-" + strings.Repeat("a", 60): none,
			"1234567890123456.0": none,
		}},
		"a count": {props.Buckets(10, 100, 1000), map[string]string{
			"0": "0-9", "9": "0-9", "10": "10-99", "42": "10-99", "99": "10-99", "100": "100-999", "1000": "1000+", "0042": "10-99",
			"00000000000000000000000000000000000042": "10-99", "99999999999999999999999999": "1000+",
			"-1": none, "": none, "4.2": none, "+4": none, "many": none, "10-99": none,
		}},
		"a count from one": {props.Buckets(1, 2, 3), map[string]string{"0": "0", "1": "1", "2": "2", "3": "3+", "000": "0"}},
	} {
		f := fieldOf(test.of)
		for value, want := range test.want {
			got, ok := f.kept(value)
			if !ok {
				got = none
			}
			if got != want {
				t.Errorf("%s: %q is kept as %q, want %q", name, value, got, want)
			}
		}
	}
}

// Whatever a caller hands over, what is kept is of the declared form and can be kept again,
// and no check allocates.
func FuzzDeclaredValues(f *testing.F) {
	for _, seed := range []string{"", "json", "-1.50", "+007", "v1.2.3-rc.1+x", "0-A", "1-\u017fnapshot", "42", "true", "ghp_0123456789abcdefghijABCDEFGHIJ012345", "a\x00b", "١٢"} {
		f.Add(seed)
	}
	forms := []struct {
		of   props.FieldType
		form *regexp.Regexp
	}{
		{props.OneOf("json", "csv"), regexp.MustCompile(`^(json|csv)$`)},
		{props.Number(), regexp.MustCompile(`^(0|-?([1-9][0-9]{0,14}|(0|[1-9][0-9]*)\.[0-9]*[1-9]))$`)},
		{props.Bool(), regexp.MustCompile(`^(true|false)$`)},
		{props.Version(), regexp.MustCompile(`^[0-9]+(\.[0-9]+){0,3}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)},
		{props.Buckets(10, 100), regexp.MustCompile(`^(0-9|10-99|100\+)$`)},
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, form := range forms {
			field := fieldOf(form.of)
			if n := testing.AllocsPerRun(1, func() { field.kept(value) }); n > 0 {
				t.Errorf("%s: %q costs %v allocations", form.of.Kind, value, n)
			}
			kept, ok := field.kept(value)
			if !ok {
				continue
			}
			if !form.form.MatchString(kept) || len(kept) > maxShort {
				t.Errorf("%s: %q is kept as %q", form.of.Kind, value, kept)
			}
			if again, ok := field.kept(kept); form.of.Kind != props.KindBuckets && (!ok || again != kept) {
				t.Errorf("%s: %q is kept as %q, and that as %q", form.of.Kind, value, kept, again)
			}
		}
	})
}

func TestAUUIDHasItsForm(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"019b2f3c-7a10-7c3e-8f21-0123456789ab": true, "019B2F3C-7A10-7C3E-8F21-0123456789AB": true,
		"019b2f3c7a107c3e8f210123456789ab": false, "019b2f3c-7a10-7c3e-8f21-0123456789ag": false,
		"019b2f3c-7a10-7c3e-8f210-123456789ab": false, "": false,
	} {
		if isUUID(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func TestEveryLabelOfABucketIsAnother(t *testing.T) {
	t.Parallel()
	for _, bounds := range [][]int64{{1}, {10, 100, 1000}, {1, 2, 3}, {2, 3, 10}} {
		labels := bucketLabels(bounds)
		if len(labels) != len(bounds)+1 || len(slices.Compact(slices.Sorted(slices.Values(labels)))) != len(labels) {
			t.Errorf("%v: %q", bounds, labels)
		}
	}
}
