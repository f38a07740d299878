package consent

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Terms are what a person is told before they say yes: who receives what. A yes is to
// its terms and to nothing wider.
type Terms struct {
	// Tool is the name of the tool, or of the installation that several tools share.
	Tool string
	// Backend names the driver that events go to, "noop" where they have no receiver, and
	// Hosts what it may contact.
	Backend string
	Hosts   []string
	// Pinned says that the administrator's policy names the receiver, not the author.
	Pinned bool
	// Fields are the fields of an event that the tool itself fills in.
	Fields []string
	// Events are the event types of the author's own; AnyEvent says that there may be others.
	Events   []string
	AnyEvent bool
	// MetadataKeys are the keys that the author declared; AnyKey says that there may be
	// others.
	MetadataKeys []string
	AnyKey       bool
	// Extended says that events may hold arguments and error texts.
	Extended bool
	// Controller is who decides what the data is for, Purpose that, and Retention how long the
	// receiver keeps it: one line each, empty where the author does not say.
	Controller, Purpose, Retention string
	// NoticeVersion is that of the author's notice; NoticeDigest tells its words from others.
	// Other words alone are nothing new: the author says so by raising the version.
	NoticeVersion int
	NoticeDigest  string
}

// DigestText shortens a text to what tells it from another one, "" to "".
func DigestText(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// Digest tells these terms from any others, whatever the order of their lists.
func (t Terms) Digest() string {
	r := state.Record{}
	t.put(r)
	sum := sha256.Sum256(r.Encode())
	return hex.EncodeToString(sum[:16])
}

// SameReceiver reports whether events recorded under the terms of a receipt may be given
// to the receiver of t: the same backend, named by the same side, which contacts no host that
// the receipt lacks, on behalf of the same controller. At a vendor's host many controllers have
// their accounts, and a policy may name the author's host and another customer's place there.
func (t Terms) SameReceiver(receipt Terms) bool {
	t, receipt = t.stored(), receipt.stored()
	return t.samePlace(receipt) && t.sameController(receipt)
}

func (t Terms) samePlace(shown Terms) bool {
	return t.Backend == shown.Backend && t.Pinned == shown.Pinned && len(missing(t.Hosts, shown.Hosts)) == 0
}

// sameController takes a receipt that names no controller, as one of an older version, for one of
// the controller who is named now.
func (t Terms) sameController(shown Terms) bool {
	return shown.Controller == "" || t.Controller == shown.Controller
}

// Beyond lists, in words for people, what t holds that a person who said yes to shown was
// not told of. Nothing means that the yes covers t. With local, where events stay on this
// machine, the receiver is no matter.
func (t Terms) Beyond(shown Terms, local bool) []string {
	t, shown = t.stored(), shown.stored()
	var list []string
	if !local && t.Backend != "noop" {
		list = append(list, t.receiverBeyond(shown)...)
	}
	if t.Tool != shown.Tool {
		list = append(list, fmt.Sprintf("the tool: %s, not %s", t.Tool, shown.Tool))
	}
	if fields := missing(t.Fields, shown.Fields); len(fields) > 0 {
		list = append(list, "the fields "+strings.Join(fields, ", "))
	}
	if !shown.AnyEvent {
		if t.AnyEvent {
			list = append(list, "events of any type")
		} else if events := missing(t.Events, shown.Events); len(events) > 0 {
			list = append(list, "the events "+strings.Join(events, ", "))
		}
	}
	if !shown.AnyKey {
		if t.AnyKey {
			list = append(list, "metadata under any key")
		} else if keys := missing(t.MetadataKeys, shown.MetadataKeys); len(keys) > 0 {
			list = append(list, "the metadata "+strings.Join(keys, ", "))
		}
	}
	if t.Extended && !shown.Extended {
		list = append(list, "arguments and error texts")
	}
	if t.NoticeVersion > shown.NoticeVersion {
		list = append(list, fmt.Sprintf("the notice, version %d after %d", t.NoticeVersion, shown.NoticeVersion))
	}
	return list
}

// receiverBeyond is the part of Beyond that matters only where events leave this machine.
func (t Terms) receiverBeyond(shown Terms) []string {
	var list []string
	if !t.samePlace(shown) {
		list = append(list, fmt.Sprintf("the receiver: %s, not %s", t.Receiver(), shown.Receiver()))
	}
	if !t.sameController(shown) {
		list = append(list, fmt.Sprintf("the controller: %s, not %s", cmp.Or(t.Controller, "nobody named"), shown.Controller))
	}
	if shown.Purpose != "" && t.Purpose != shown.Purpose {
		list = append(list, fmt.Sprintf("the purpose: %s, not %s", cmp.Or(t.Purpose, "not said"), shown.Purpose))
	}
	if longer(t.Retention, shown.Retention) {
		list = append(list, fmt.Sprintf("how long it is kept: %s, not %s", cmp.Or(t.Retention, "not said"), shown.Retention))
	}
	return list
}

// longer reports whether a retention is longer than the one that was shown, or may be: two
// texts that are no numbers of units cannot be told apart. Where none was shown, none is.
func longer(retention, shown string) bool {
	if shown == "" || retention == shown {
		return false
	}
	days, ok := inDays(retention)
	before, okBefore := inDays(shown)
	return !ok || !okBefore || days > before
}

// inDays reads "90 days", "14 months". A month is taken for 31 days and a year for 366: who
// writes the same time in another unit asks people once too often rather than not at all.
func inDays(text string) (days int, ok bool) {
	number, unit, _ := strings.Cut(strings.ToLower(text), " ")
	n, err := strconv.Atoi(number)
	factor := map[string]int{"day": 1, "week": 7, "month": 31, "year": 366}[strings.TrimSuffix(unit, "s")]
	const most = 1000 // years
	return n * factor, err == nil && factor > 0 && 0 <= n && n <= most*366/factor
}

// Without lists, in words for people, what a person who said yes to shown was told of and t
// does not hold.
func (t Terms) Without(shown Terms, local bool) []string {
	shown.Controller, shown.Purpose, shown.Retention = t.Controller, t.Purpose, t.Retention // another one is in Beyond
	return shown.Beyond(t, local)
}

// byPolicy follows the name of a receiver that the administrator's policy names.
const byPolicy = ", set by the administrator's policy"

// Receiver names the backend and the hosts, for people, and who set it if not the author.
func (t Terms) Receiver() string {
	name := t.Backend
	switch {
	case t.Backend == "" || t.Backend == "noop":
		return "nobody"
	case len(t.Hosts) > 0:
		name += " (" + strings.Join(t.Hosts, ", ") + ")"
	}
	if t.Pinned {
		name += byPolicy
	}
	return name
}

// ReceiverBeside is Receiver with the controller, where that is what tells it from the receiver of
// other: at one host both may have their accounts.
func (t Terms) ReceiverBeside(other Terms) string {
	name := t.Receiver()
	if name == other.Receiver() && t.Controller != other.Controller {
		name += " of " + cmp.Or(t.Controller, "nobody named")
	}
	return name
}

// SetByPolicy reports of what Receiver returned whether the administrator's policy had set it.
func SetByPolicy(receiver string) bool { return strings.HasSuffix(receiver, byPolicy) }

// missing returns what of list is not in other.
func missing(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// maxListed is how many names of a list are stored: an author who declares more has them
// compared by their digest, so that the file stays small.
const maxListed = 200

// put writes the terms into a record of the state directory.
func (t Terms) put(r state.Record) {
	r["tool"] = plain(t.Tool)
	r["backend"] = plain(t.Backend)
	r["hosts"] = joinNames(t.Hosts)
	if t.Pinned {
		r["receiver_set_by"] = "policy"
	}
	r["fields"] = joinNames(t.Fields)
	if !t.AnyEvent { // else nothing is stored, as by versions that knew no other terms
		r["events"] = joinNames(t.Events)
	}
	r["metadata_keys"] = joinNames(t.MetadataKeys)
	if t.AnyKey {
		r["metadata_keys"] = "*"
	}
	r["extended"] = strconv.FormatBool(t.Extended)
	r["notice"] = strconv.Itoa(t.NoticeVersion)
	r["notice_digest"] = t.NoticeDigest
	// What is not said is not stored, so that such terms have the digest that older versions
	// gave them.
	for key, text := range map[string]string{"controller": t.Controller, "purpose": t.Purpose, "retention": t.Retention} {
		if text != "" {
			r[key] = plaintext.Clean(text)
		}
	}
}

// termsIn reads what put wrote.
func termsIn(r state.Record) (Terms, error) {
	t := Terms{Tool: r["tool"], Backend: r["backend"], NoticeDigest: r["notice_digest"],
		Controller: r["controller"], Purpose: r["purpose"], Retention: r["retention"]}
	t.Pinned = r["receiver_set_by"] == "policy"
	t.Hosts, t.Fields = splitNames(r["hosts"]), splitNames(r["fields"])
	if events, stored := r["events"]; stored {
		t.Events = splitNames(events)
	} else {
		t.AnyEvent = true
	}
	if r["metadata_keys"] == "*" {
		t.AnyKey = true
	} else {
		t.MetadataKeys = splitNames(r["metadata_keys"])
	}
	var err1, err2 error
	t.Extended, err1 = strconv.ParseBool(r["extended"])
	t.NoticeVersion, err2 = strconv.Atoi(r["notice"])
	if err1 != nil || err2 != nil {
		return Terms{}, state.ErrCorrupt
	}
	return t, nil
}

// stored returns t as it is read back: the names that people write are unchanged.
func (t Terms) stored() Terms {
	r := state.Record{}
	t.put(r)
	t, _ = termsIn(r) // what put wrote can be read
	return t
}

// joinNames makes one line of a list, sorted, in which every name is plain.
func joinNames(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = plain(name)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	line := strings.Join(list, ",")
	if len(list) > maxListed {
		line = "sha256:" + DigestText(line)
	}
	return line
}

func splitNames(line string) []string {
	if line == "" {
		return nil
	}
	return strings.Split(line, ",")
}

// maxName is how long a name may be that is stored as it is.
const maxName = 128

// plain returns a name as it is if it is one that people write, and otherwise quoted, so
// that it holds no separator and no control character. What it returned before it returns
// again: names that were stored are compared with others that were not.
func plain(name string) string {
	if written(name) {
		return name
	}
	if original, err := strconv.Unquote(name); err == nil && plain(original) == name {
		return name
	}
	if len(name) > maxName {
		return "sha256:" + DigestText(name)
	}
	return strings.ReplaceAll(strconv.QuoteToASCII(name), ",", `\x2c`)
}

// written reports whether a name is one that people write.
func written(name string) bool {
	const others = "-_.:/[]$"
	return len(name) <= maxName && strings.IndexFunc(name, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune(others, c))
	}) < 0
}
