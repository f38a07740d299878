//go:build linux && !notelemetry

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestTheRecordingIsOfTheToolAsItIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := run(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"recording.cast", "recording.svg"} {
		now, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(now, kept) {
			t.Errorf("docs/%s is not what the tool shows: run make recording\n%s", name, now)
		}
		if bytes.ContainsRune(now, 0x1b) {
			t.Errorf("%s holds a command to a terminal", name)
		}
	}
}
