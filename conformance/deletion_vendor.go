package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
)

// vendorChecks are about vendors, and about what a requestor of theirs can do beside asking and
// following.
func vendorChecks(s *DeletionSubject) []Check {
	on := func(do func(*DeletionSubject, *probe)) func(*probe) { return func(p *probe) { do(s, p) } }
	sends := []need{s.sends}
	return []Check{
		{ID: "deletion/vendor-mistakes-named", Level: Must, needs: []need{func(*Subject) string {
			if s.Vendor.Open == nil {
				return "the subject declares no Vendor: a program lists none"
			}
			return ""
		}}, do: on(vendorMistakes),
			Sentence: "Whatever a vendor refuses to be opened with is a *driver.ConfigError that names one of its settings and repeats no secret."},
		{ID: "deletion/bulk-each-its-own", Level: Must, needs: append(sends, able[deletion.Bulk](s, "asks for one machine at a time"), func(*Subject) string {
			if s.DecodeAll == nil {
				return "the subject declares no DecodeAll"
			}
			return ""
		}), do: on(bulkEach),
			Sentence: "Asked for several machines in one call, each request has the outcome that it would have alone, in their order; what is no machine ID spoils no other, and is not sent."},
		{ID: "deletion/count-only-what-is-said", Level: Must, needs: append(sends, able[deletion.Counter](s, "does not count"), func(*Subject) string {
			if s.Left == nil {
				return "the subject declares no Left"
			}
			return ""
		}), do: on(countSaid),
			Sentence: "A count of a machine's events is zero only if the other side says so; what it does not say, or not as documented, is an error."},
		{ID: "deletion/find-changes-nothing", Level: Must, needs: append(sends, able[deletion.Finder](s, "does not tell what there is")), do: on(findLooks),
			Sentence: "Looking what there is of a machine asks for no deletion, and is refused for what is no machine ID."},
	}
}

// able asks for a requestor that is more than one.
func able[T any](s *DeletionSubject, not string) need {
	return func(*Subject) string {
		if s.Open == nil {
			return "the requestor " + not
		}
		w := newScript(func(int, Request) reply { return reply{err: errReset} })
		defer w.close()
		requestor, err := s.Open(endpoint, w)
		if err != nil {
			return "the requestor cannot be opened"
		}
		if _, ok := requestor.(T); !ok {
			return "the requestor " + not
		}
		return ""
	}
}

func vendorMistakes(s *DeletionSubject, p *probe) {
	const canary = "c4n4ry-0f-the-su1te"
	good := s.Settings(endpoint)
	try := func(what string, settings map[string]string) {
		defer func() {
			if v := recover(); v != nil {
				p.failOnly("%s: a panic: %v", what, v)
			}
		}()
		_, err := s.Vendor.Open(deletion.VendorConfig{Settings: settings, Tool: toolName, Transport: p.transport()})
		if err == nil {
			return
		}
		wrong, ok := errors.AsType[*driver.ConfigError](err)
		if !ok || !slices.ContainsFunc(s.Vendor.Settings, func(set driver.Setting) bool { return wrong.Field == "Settings["+set.Name+"]" }) {
			p.failOnly("%s: the error %q names no setting", what, err)
		}
		for _, secret := range append([]string{canary}, s.Secrets...) {
			if strings.Contains(err.Error(), secret) {
				p.failOnly("%s: the error repeats a secret", what)
			}
		}
	}
	resolved, err := s.Vendor.Resolve(good)
	if err != nil {
		p.failOnly("the settings of the subject are refused: %v", err)
		return
	}
	for _, set := range s.Vendor.Settings {
		changed := maps.Clone(resolved)
		delete(changed, set.Name)
		try("without "+set.Name, changed)
		if len(set.Values) > 0 {
			continue // others never come so far
		}
		nonsense := "\x01 :// " // which no address, number or key can be
		if set.Secret {
			nonsense += canary
		}
		if set.Check != nil {
			err := set.Check(nonsense)
			if set.Secret && err != nil && strings.Contains(err.Error(), canary) {
				p.failOnly("the check of %s repeats a secret", set.Name)
			}
			if err != nil {
				continue
			}
		}
		changed[set.Name] = nonsense
		try("with nonsense for "+set.Name, changed)
	}
	try("with nothing", map[string]string{})
}

const bulkIDs = 12

func bulkEach(s *DeletionSubject, p *probe) {
	w := newScript(func(_ int, r Request) reply { return reply{Answer: s.acceptance(r)} })
	defer w.close()
	requestor, ok := s.open(p, w)
	if !ok {
		return
	}
	bulk := requestor.(deletion.Bulk)
	n := min(bulk.MaxBulk(), bulkIDs)
	if n < 1 {
		p.failOnly("MaxBulk is %d", bulk.MaxBulk())
		return
	}
	list := ids(p.seed, n)
	const none = "x OR *"
	list[n/2] = none
	requests := make([]deletion.Request, n)
	for i, id := range list {
		requests[i] = requestOf(id, i)
	}
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	outcomes, err := bulk.RequestDeletions(ctx, requests)
	if err != nil || len(outcomes) != n {
		p.failOnly("%d outcomes of %d requests, and the error %v", len(outcomes), n, err)
		return
	}
	for i, o := range outcomes {
		switch r := o.Receipt; {
		case list[i] == none:
			if !errors.Is(o.Err, deletion.ErrInvalidID) || r.State != "" {
				p.failOnly("what is no machine ID came to %q with the error %v", r.State, o.Err)
			}
		case o.Err != nil || r.State != s.State:
			p.failOnly("for %s the state is %q with the error %v, want %q", list[i], r.State, o.Err, s.State)
		case r.MachineID != "" && r.MachineID != list[i], !r.At.IsZero() && !r.At.Equal(requests[i].RequestedAt):
			p.failOnly("the receipt for %s is about %s, asked for at %s", list[i], r.MachineID, r.At)
		}
	}
	asked := map[string]int{}
	calls := 0
	for _, c := range w.seen() {
		named, err := s.DecodeAll(c.Request)
		if err != nil {
			p.report(Finding{Message: "the request cannot be read: " + err.Error(), Exchange: c.dump()})
		}
		if len(named) > 0 {
			calls++
		}
		for _, id := range named {
			asked[id]++
		}
		if strings.Contains(string(c.Raw), none) {
			p.report(Finding{Message: "what is no machine ID was sent", Exchange: c.dump()})
		}
	}
	for _, id := range list {
		if id != none && asked[id] != 1 {
			p.failOnly("%s was asked for %d times", id, asked[id])
		}
		delete(asked, id)
	}
	if len(asked) > 0 {
		p.failOnly("%v were asked for, and nobody wanted that", slices.Sorted(maps.Keys(asked)))
	}
	if calls > 1 {
		p.failOnly("%d calls asked for them: one call is what it is for", calls)
	}
}

func countSaid(s *DeletionSubject, p *probe) {
	count := func(what string, answer func(Request) reply, fine func(n int64, err error) bool) {
		w := newScript(func(_ int, r Request) reply { return answer(r) })
		defer w.close()
		requestor, ok := s.open(p, w)
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), longTime())
		defer cancel()
		if n, err := requestor.(deletion.Counter).Count(ctx, plannedRequest().MachineID); !fine(n, err) {
			p.report(scriptFinding(w, "%s: counted %d, with the error %v", what, n, err))
		}
	}
	left := func(records *int) func(Request) reply {
		answer := s.Left(records)
		return func(r Request) reply { return reply{Answer: answer(r)} }
	}
	for _, records := range []int{0, 1, 3, 1000} {
		count(fmt.Sprintf("%d are left", records), left(&records), func(n int64, err error) bool { return err == nil && (n == 0) == (records == 0) && n >= 0 })
	}
	refuses := func(n int64, err error) bool { return err != nil }
	count("it is not said how many", left(nil), refuses)
	for _, status := range []int{307, 401, 403, 404, 408, 429, 500, 503} {
		count(fmt.Sprint("status ", status), func(Request) reply {
			a := s.Refusal
			a.Status = status
			return reply{Answer: a}
		}, refuses)
	}
	count("a web page", func(Request) reply { return reply{Answer: Answer{Type: "text/html", Body: portal}} }, refuses)
	count("nothing", func(Request) reply { return reply{Answer: Answer{Status: http.StatusNoContent}} }, refuses)
	count("an empty object", func(Request) reply { return reply{Answer: Answer{Body: "{}"}} }, refuses)
	count("a connection that breaks", func(Request) reply { return reply{err: errReset} }, refuses)
	w := newScript(func(_ int, r Request) reply { return left(new(int))(r) })
	defer w.close()
	if requestor, ok := s.open(p, w); ok {
		if _, err := requestor.(deletion.Counter).Count(context.Background(), "*"); err == nil || len(w.seen()) > 0 {
			p.failOnly("of what is no machine ID: %d calls, and the error %v", len(w.seen()), err)
		}
	}
}

func findLooks(s *DeletionSubject, p *probe) {
	w := newScript(func(_ int, r Request) reply { return reply{Answer: s.acceptance(r)} })
	defer w.close()
	requestor, ok := s.open(p, w)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	finder := requestor.(deletion.Finder)
	if _, err := finder.Find(ctx, "*"); err == nil || len(w.seen()) > 0 {
		p.failOnly("of what is no machine ID: %d calls, and the error %v", len(w.seen()), err)
	}
	_, _ = finder.Find(ctx, plannedRequest().MachineID) // what it finds is the other side's word
	for _, c := range w.seen() {
		if id, err := s.Decode(c.Request); err == nil && id != "" {
			p.report(Finding{Message: "a look asked for the deletion of " + id, Exchange: c.dump()})
		}
	}
}
