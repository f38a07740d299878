package core

import (
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/detect"
)

// context says under what circumstances this process runs.
func (in *installation) context() detect.Context { return detect.Detect(in.lookup) }

// runVariable is what a tool hands to its own children, so that their events are of the
// same run.
func (in *installation) runVariable() string { return consent.EnvName(in.name()) + "_RUN" }

// runLead is how much earlier than it is made the ID of a run says that it was. PostHog counts a
// session only if its ID is not later than its first event, and the time of that is taken a
// moment before the ID is made.
const runLead = time.Second

// RunEnv returns what makes a child's events be of the same run; see props.Collector.
func (c *Collector) RunEnv() []string {
	if !c.on.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return []string{c.in.runVariable() + "=" + c.runID()}
}

// runID returns the ID of this run: the one that a parent handed over, or a new one. It is
// called with c.mu held.
func (c *Collector) runID() string {
	if c.run == "" {
		c.run, _ = c.in.lookup(c.in.runVariable())
		if !isRunID(c.run) {
			c.run = string(appendID(nil, c.in.now().Add(-runLead)))
		}
	}
	return c.run
}

// isRunID reports whether a variable holds what a run is named by, and no text that
// somebody wrote.
func isRunID(s string) bool {
	const form = "xxxxxxxx-xxxx-7xxx-xxxx-xxxxxxxxxxxx"
	if len(s) != len(form) {
		return false
	}
	for i := range len(form) {
		digit := '0' <= s[i] && s[i] <= '9' || 'a' <= s[i] && s[i] <= 'f'
		if form[i] == 'x' && !digit || form[i] != 'x' && s[i] != form[i] {
			return false
		}
	}
	return true
}
