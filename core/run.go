package core

import (
	"strconv"
	"strings"
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
		if c.run, _ = c.in.lookup(c.in.runVariable()); !c.in.continues(c.run) {
			c.run = string(appendID(nil, c.in.now().Add(-runLead)))
		}
	}
	return c.run
}

// longestRun is how old a run may be that a process still takes part in. What hands the same
// ID on for longer, such as the profile of a shell, would name a person and not a run. PostHog
// ends a session at that age, too.
const longestRun = 24 * time.Hour

// continues reports whether a variable holds the ID of a run that this process may be part
// of: of no run from before the stored answer, because a reset parts what was from what
// comes.
func (in *installation) continues(id string) bool {
	if !isRunID(id) {
		return false
	}
	ms, err := strconv.ParseInt(id[:8]+id[9:13], 16, 64)
	if err != nil {
		return false
	}
	began, now := time.UnixMilli(ms).Add(runLead), in.now()
	const coarse = time.Second // an answer's time is kept in whole seconds
	return !began.After(now.Add(coarse)) && now.Sub(began) < longestRun && !began.Before(in.store().Load().At.Add(-coarse))
}

// isRunID reports whether a variable holds what a run is named by, and no text that
// another program wrote.
func isRunID(s string) bool {
	return isUUID(s) && s[14] == '7' && s == strings.ToLower(s)
}
