package console

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/screen"
)

func (s *commands) export() *Command {
	var withKeys *bool
	c := s.command("export", "Write everything that is kept about you here as one document",
		"Write everything about this installation that is on this machine as one JSON document:\n"+
			"decisions, receipts, identity, what waits, what was sent, deletion requests, and whom\n"+
			"to ask for what the receiver holds. Its schema is docs/reference/export.schema.json of the module\n"+
			"github.com/gotoolbase/telemetry.\n\n"+
			"Without a file it is printed. A file is made, readable by you alone; one that is there\n"+
			"already is left as it is. Keys are in it only with --with-keys. Nothing is sent.",
		func(c *call) error { return c.export(*withKeys) },
		"export", "export my-data.json")
	c.Args, c.MaxArgs = s.text("[FILE]"), 1
	c.addOutputOf(s.text("for programs"), formatJSON) // as every command takes it, and what it writes anyway
	withKeys = c.addBool("with-keys", "", "write the keys that prove a deletion request, too: keep the document secret then")
	return c
}

func (c *call) export(withKeys bool) error {
	stop := c.pausing()
	document, err := c.m.Export(c.ctx, withKeys)
	stop()
	if err != nil {
		return c.errorf("nothing can be read, so nothing is written: %w", flat{err})
	}
	document.Ask.Erase = c.hint("reset") // only the caller knows how people call the command
	if len(c.args) == 0 || c.args[0] == "-" {
		if err := screen.WriteJSON(c.out, document); err != nil {
			return err
		}
		return c.exportProblems(document)
	}
	if err := writeNew(c.args[0], func(w io.Writer) error { return screen.WriteJSON(w, document) }); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return c.errorf("%s is there already and is left as it is; give another name", screen.Clean(c.args[0]))
		}
		return c.errorf("the document could not be written: %w", plaintext.Bare(err))
	}
	c.say("Written to %s, for you alone to read.", screen.Clean(c.args[0]))
	if document.Warning != "" {
		c.out.Line(screen.Plain, document.Warning)
	}
	return c.exportProblems(document)
}

// exportProblems says what of what was sent is in no log, and is the error of a document that
// is not whole.
func (c *call) exportProblems(document core.Export) error {
	for _, line := range c.gapRemarks(document.Sent.Gaps, document.Sent.Unlogged) {
		c.err.Line(screen.Plain, line)
	}
	if len(document.Problems) == 0 {
		return nil
	}
	return c.errorf("the document is not whole: %s", screen.Clean(document.Problems[0]))
}

// writeNew makes a file of the person's own and leaves nothing where that fails.
func writeNew(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Close()); err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
