//go:build !notelemetry

package main

import (
	"os"
	"strings"
	"testing"
)

func TestThePagesOfReferenceAreWhatTheCodeSays(t *testing.T) {
	t.Parallel()
	pages, err := written("../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the code says: run make reference", name)
		}
	}
}

func TestEveryBackendAndVendorIsInTheReference(t *testing.T) {
	t.Parallel()
	for folder, write := range map[string]func(string) (string, error){"backends": backends, "deletion": vendors} {
		text, err := write("../..")
		if err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir("../../" + folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := strings.TrimSuffix(e.Name(), "json") // httpjson is http
			// What a tool asks with is no vendor.
			if !e.IsDir() || folder == "deletion" && (name == "http" || name == "internal") {
				continue
			}
			if !strings.Contains(text, " "+name+"\n") {
				t.Errorf("%s/%s is not there", folder, e.Name())
			}
		}
	}
}

func TestNoValueOfASettingIsListedTwice(t *testing.T) {
	t.Parallel()
	for _, write := range []func(string) (string, error){backends, vendors} {
		text, err := write("../..")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text) {
			_, values, listed := strings.Cut(line, "one of ")
			seen := map[string]bool{}
			for value := range strings.SplitSeq(values, ",") {
				if value = strings.Trim(value, " |\n"); listed && seen[value] {
					t.Errorf("%s is there twice: %s", value, line)
				}
				seen[value] = true
			}
		}
	}
}
