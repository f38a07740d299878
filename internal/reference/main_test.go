//go:build !notelemetry

package main

import (
	"os"
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
