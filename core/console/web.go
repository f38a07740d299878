package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/console/internal/page"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/schemafile"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// web serves the page to this machine until the person closes it.
func (c *call) web() error {
	ready := func(address string) {
		c.say("The page is at %s", address)
		c.say("The address works once, and on this machine only. The page ends when you close it, after ten minutes, and with Ctrl-C.")
		if c.out.Terminal {
			_ = c.openURL(c.m.Lookup, address) // it is printed all the same
		}
	}
	ending, err := page.Serve(c.ctx, c.pageData, page.Options{Ready: ready, Translate: func(text string) string { return c.text(text) }, Language: c.language()})
	if err != nil {
		return c.errorf("the page could not be shown: %[1]w; the same is in %[2]s, %[3]s and %[4]s",
			flat{err}, c.hint("status"), c.hint("inspect"), c.hint("log"))
	}
	switch ending {
	case page.TimeUp:
		c.say("Ten minutes are over, so the page is no longer served.")
	case page.Closed:
		c.say("The page was closed.")
	}
	return nil
}

// language is the tag of the language that the page is in.
func (s *settings) language() string {
	// The word of a language for itself is no text that anybody reads, so its tag stands here.
	return s.text("en")
}

// pageData gathers what the page shows. What cannot be read is a problem on the page.
func (c *call) pageData(ctx context.Context) (page.Data, error) {
	v := c.look()
	tool := c.m.Tool()
	d := page.Data{
		Tool: tool.Name, Version: tool.Version, At: v.At, State: v.pageState(), MachineID: v.MachineID, StateDir: v.StateDir,
		Receiver: page.Receiver{
			Name: v.receiver(), Hosts: v.Backend.Hosts, Local: v.Backend.Local, Accepted: v.Backend.Accepted,
			Controller: v.Controller.Name, Contact: v.Controller.Contact, Purpose: v.Controller.Purpose, Retention: v.Controller.Retention,
			PrivacyURL: tool.Telemetry.PrivacyURL,
		},
		Delivered: v.Delivered, Lost: v.TotalLost(), Controls: c.pageControls(),
	}
	for _, fault := range v.Faults {
		d.Problems = append(d.Problems, page.Problem{Tone: page.Bad, Title: c.text("What is wrong"), Text: fault})
	}
	for _, row := range slices.Concat(v.blockedRows(c.hint), v.uploadRows(c.hint)) {
		if row.Colour == screen.Red {
			d.Problems = append(d.Problems, page.Problem{Tone: page.Caution, Title: row.Label, Text: row.Value})
		}
	}
	waiting, err := c.m.Waiting(ctx)
	d.unreadable(c.text("What waits"), err)
	log, err := c.m.Sent(time.Time{})
	unreadable(&d, c.text("The log of what was sent"), err)
	decisions, err := c.m.Decisions()
	unreadable(&d, c.text("The history of decisions"), err)
	c.pageWaiting(&d, v, waiting)
	c.pageSent(&d, log)
	c.pageDecisions(&d, decisions)
	c.pageFields(&d, waiting)
	c.pageErasures(&d, v.Erasures)
	d.Activity = c.pageActivity(waiting, log, v.At)
	return d, ctx.Err()
}

// unreadable notes what could not be read.
func unreadable(d *page.Data, what string, err error) {
	if err != nil {
		d.Problems = append(d.Problems, page.Problem{Tone: page.Caution, Title: what, Text: flat{err}.Error()})
	}
}
