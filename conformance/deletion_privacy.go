package conformance

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// plantedChecks go by a process in whose surroundings things were planted.
func plantedChecks(s *DeletionSubject) []Check {
	on := func(do func(*DeletionSubject, *probe, *planting)) func(*probe) {
		return func(p *probe) {
			if pl, ok := p.plantedRequests(s); ok {
				do(s, p, pl)
			}
		}
	}
	return []Check{
		{ID: "deletion/no-planted-value", Level: Must, needs: []need{s.sends}, watchdog: 4 * time.Minute, do: on(nothingPlanted),
			Sentence: "Nothing of the environment, arguments, working directory, host name, user, addresses or machine ID of the system leaves the process, in any wrapping."},
		{ID: "deletion/no-digest-of-planted-value", Level: Must, needs: []need{s.sends}, watchdog: 4 * time.Minute, do: on(noDigestPlanted),
			Sentence: "No MD5, SHA-1 or SHA-256 of such a value leaves the process, whole or cut to eight bytes."},
		{ID: "deletion/prints-nothing", Level: Must, watchdog: 4 * time.Minute, do: on(requestorPrintsNothing),
			Sentence: "Nothing is printed or logged to the terminal, whatever is answered."},
		{ID: "deletion/no-file-left-open", Level: Must, watchdog: 4 * time.Minute, do: on(requestorLeavesNoFile),
			Sentence: "When a call has returned, none of its files is left open."},
		{ID: "deletion/process-untouched", Level: Must, watchdog: 4 * time.Minute, do: on(processUntouched),
			Sentence: "What the process shares is as it was: environment, working directory, files in it, time zone, default client; and no connection is made beside the transport."},
		{ID: checkShippedRequestor, Level: Must, needs: []need{s.sends}, watchdog: 4 * time.Minute, do: on(func(_ *DeletionSubject, p *probe, pl *planting) {
			for _, f := range pl.account.Found[checkShippedRequestor] {
				p.report(f)
			}
		}),
			Sentence: "Without a transport, as in production, a certificate that cannot be trusted is none, no redirect is followed, and nothing goes past the proxy of the environment."},
	}
}

// plantedRequests returns the run that the checks share.
func (p *probe) plantedRequests(s *DeletionSubject) (*planting, bool) {
	p.once.Do(func() {
		p.planted = &planting{}
		q, err := newProbe(p.session)
		if err != nil {
			p.planted.err = err
			return
		}
		defer q.close()
		p.planted.err = p.planted.child(q, "delete")
	})
	if p.planted.err == nil {
		return p.planted, true
	}
	if p.options.mayBeLost {
		// The program did not come back to this call, which it was not told to do.
		p.note("the checks in planted surroundings could not be made: %v", p.planted.err)
		return nil, false
	}
	p.failOnly("%v", p.planted.err)
	return nil, false
}

func (pl *planting) searchedRequests() (plain, digests []Finding) {
	pl.search.Do(func() {
		done := map[string]bool{}
		for _, text := range pl.account.Requests {
			if done[string(text)] {
				continue // most of them are the same
			}
			done[string(text)] = true
			inPlain, inDigests := search(text, pl.canaries)
			for _, found := range inPlain {
				pl.plain = append(pl.plain, Finding{"a request holds " + found, printable(text, 3000)})
			}
			for _, found := range inDigests {
				pl.digests = append(pl.digests, Finding{"a request holds " + found, printable(text, 3000)})
			}
		}
	})
	return pl.plain, pl.digests
}

func nothingPlanted(_ *DeletionSubject, p *probe, pl *planting) {
	if len(pl.account.Requests) == 0 {
		p.failOnly("no request was made in the planted process: %q", pl.account.Errors)
	}
	plain, _ := pl.searchedRequests()
	for _, f := range plain {
		p.report(f)
	}
}

func noDigestPlanted(_ *DeletionSubject, p *probe, pl *planting) {
	_, digests := pl.searchedRequests()
	for _, f := range digests {
		p.report(f)
	}
}

func requestorPrintsNothing(_ *DeletionSubject, p *probe, pl *planting) {
	for name, text := range map[string]string{"stdout": pl.stdout, "stderr": pl.stderr} {
		if text != "" {
			p.failOnly("the requestor printed to the process's %s:\n%s", name, printable([]byte(text), 2000))
		}
	}
}

func requestorLeavesNoFile(_ *DeletionSubject, p *probe, pl *planting) {
	if pl.account.FilesAfter > pl.account.FilesBefore {
		p.failOnly("%d files were open before every status and fault was met once more, and %d after:\n%s",
			pl.account.FilesBefore, pl.account.FilesAfter, strings.Join(pl.account.Open, "\n"))
	}
}

func processUntouched(_ *DeletionSubject, p *probe, pl *planting) {
	for _, changed := range pl.account.Changed {
		p.failOnly("%s", changed)
	}
}

// childDeletes makes a requestor meet every outcome, several times over.
func childDeletes(o *orders, s *DeletionSubject) (a account) {
	a.Planted = plant(o)
	var mu sync.Mutex
	changed := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		a.Changed = append(a.Changed, fmt.Sprintf(format, args...))
	}
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		t.Proxy = nil
		t.DialContext = func(_ context.Context, _, addr string) (net.Conn, error) {
			changed("%s was dialled through http.DefaultTransport", addr)
			return nil, errReset
		}
	}
	before := processState()
	ts := &trials{subject: s}
	ts.run(0)
	for _, t := range ts.list {
		for _, c := range t.script.seen() { // those on the way to a receipt too
			a.Requests = append(a.Requests, c.searchable())
		}
		if t.err != nil {
			a.Errors = append(a.Errors, t.err.Error())
		}
	}
	a.Errors = unique(a.Errors)
	a.Problem = ts.problem
	a.FilesBefore = len(openFiles())
	again := &trials{subject: s}
	again.run(0)
	a.Open = openFiles()
	a.FilesAfter = len(a.Open)
	after := processState()
	for _, what := range slices.Sorted(maps.Keys(before)) {
		if before[what] != after[what] {
			changed("%s was %q and is %q", what, before[what], after[what])
		}
	}
	a.Found = map[string][]Finding{checkShippedRequestor: s.shipped(o)}
	return a
}

// processState is what all parts of a process share.
func processState() map[string]string {
	state := map[string]string{
		"the time zone": fmt.Sprint(time.Local), "http.DefaultTransport": fmt.Sprintf("%p", http.DefaultTransport),
		"http.DefaultClient": fmt.Sprintf("%p %+v", http.DefaultClient, *http.DefaultClient), "the resolver": fmt.Sprintf("%p", net.DefaultResolver),
		"the environment": strings.Join(slices.Sorted(slices.Values(os.Environ())), " "),
	}
	dir, err := os.Getwd()
	state["the working directory"] = fmt.Sprint(dir, err)
	for _, folder := range []string{".", os.Getenv("HOME"), os.Getenv("TMPDIR"), os.Getenv("XDG_CONFIG_HOME")} {
		var names []string
		entries, _ := os.ReadDir(folder)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		state["the files in "+folder] = strings.Join(names, " ")
	}
	return state
}
