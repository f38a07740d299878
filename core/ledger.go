package core

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/journal"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/internal/wire"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

const (
	// sentName is the log of what was sent. (Names that begin with "sent-" are receivers.)
	sentName = "sent.log"
	// gapsName is a file whose time counts the requests that could not be written into it.
	gapsName = "sent.gaps"
	// beforeName is a file whose time counts the events that were delivered before the log began: it
	// was erased, or is gone.
	beforeName = "sent.before"
	// loggedName is a file whose time is the number of the last entry that is on the disk. It is
	// called otherwise than the log, so that who removes that one does not take it along.
	loggedName = "logged"
	// sentCap holds some hundred full batches, and thousands of the ten events that a tool
	// which is used now and then sends at a time.
	sentCap = 1 << 20
	// A body above one part in sentShare of that is kept as its size and digest alone: or eight
	// requests would leave no room for any other.
	sentShare = 8
	// maxSaid is how much of an answer is kept: a vendor's reason, and no page.
	maxSaid = 500
	// logPatience is how long a delivery waits for another process that is writing an entry.
	logPatience = 200 * time.Millisecond
)

// The fields of the log.
const (
	kindField, kindRequest, kindAnswer = "kind", "request", "answer"

	backendField, eventsField, idsField, receiptsField = "backend", "events", "ids", "receipts"
	methodField, urlField, headerField                 = "method", "url", "header"
	networkField, addressField                         = "network", "address"
	bodyField, packedField, maskedField, notKeptField  = "body", "body64", "masked", "not_kept"
	sizeField, digestField, gapsField, countsField     = "size", "sha256", "gaps", "counts"
	machinesField                                      = "machine_ids"

	ofField, statusField, classField, reasonField, saidField, tookField, unsentField = "of", "status", "class", "reason", "answer", "ms", "unsent"
)

func (in *installation) sentJournal() journal.Journal {
	return journal.Journal{
		Dir: in.dir, Name: sentName, Cap: sentCap, Cutting: in.keepGaps,
		Written: func() int { return in.dir.Count(loggedName) },
	}
}

// keepGaps counts what entries that are cut tell of requests which are not in the log: the next
// one tells it.
func (in *installation) keepGaps(cut []journal.Entry) {
	gaps := 0
	for _, e := range cut {
		gaps += numberIn(e, gapsField)
	}
	in.addGaps(gaps)
}

// logged is a backend of which each request is written down before it goes out, and the
// answer after it. Only one of its requests is under way at a time.
type logged struct {
	driver.Backend
	in        *installation
	selection selection
	secrets   secrets
	transport driver.RoundTripper
	wasNo     bool // when it was opened: then it is for a deletion request

	sending sync.Mutex // held for one Send
	mu      sync.Mutex // held for what follows
	events  []driver.Event
	last    *wire.Exchange
	number  int // of its entry, 0 where that could not be written
	stopped error
	// disowned is delivery.Disowned of the last Send.
	disowned func() bool
}

// openLogged opens a backend with a transport that writes down what goes out.
func openLogged(in *installation, s selection, config driver.Config) (driver.Backend, error) {
	l := &logged{in: in, selection: s, disowned: func() bool { return false }, secrets: s.secrets(config.Headers), transport: config.Transport,
		wasNo: in.store().Load().Answer == consent.AnswerNo}
	tap := &wire.Tap{Out: l.out}
	config.Transport, config.Dial = tap.Transport(config.Transport), tap.Dial(config.Dial)
	backend, err := s.driver.Open(config)
	if err != nil {
		return nil, err
	}
	l.Backend = backend
	in.makeCountable()
	return l, nil
}

// makeCountable makes the files that count what is not in the log and what the disk did not take,
// while there is room for a file: from then on it can be counted in without.
func (in *installation) makeCountable() {
	in.keepBefore()
	for _, name := range []string{gapsName, loggedName} {
		if in.dir.Time(name).IsZero() {
			_ = in.dir.SetTime(name, time.Unix(0, 0))
		}
	}
	spool.MakeCountable(in.dir)
}

// keepBefore notes what a log that is about to begin tells nothing of: from its first entry on nothing
// else would.
func (in *installation) keepBefore() {
	if info, err := os.Lstat(in.dir.Join(sentName)); err == nil && info.Size() > 0 {
		return
	}
	delivered := delivery.ReadNotes(in.dir).Delivered
	log, err := in.sentJournal().Read()
	if err != nil {
		return
	}
	if n := in.before(log, delivered); n > in.dir.Count(beforeName) {
		_ = in.dir.SetTime(beforeName, time.Unix(int64(n), 0))
	}
}

// before is how many events were delivered before the log began, if so many were when it had not been
// read yet: their requests are written before they are counted. Where something else says what it lacks,
// such as a gap, that is told.
func (in *installation) before(log journal.Log, delivered int) int {
	noted := in.dir.Count(beforeName)
	if log.Bytes > 0 || log.Mismatch != nil || in.dir.Count(gapsName) > 0 {
		return noted
	}
	return max(noted, delivered)
}

// addGaps counts requests that are not in the log, with those that could not be counted before.
func (in *installation) addGaps(n int) {
	n += int(in.uncounted.Swap(0))
	if _, err := in.dir.AddCount(gapsName, n); err != nil {
		in.uncounted.Add(int64(n))
	}
}

// unlogged reports whether what is sent now would neither be in the log nor be counted. The
// directory may not be there yet. Where commands do not send by themselves nothing is sent then.
func (in *installation) unlogged() bool {
	d := in.decide()
	if !d.Enabled || d.LocalOnly || in.dirErr != nil || (background{in}).inside() == "" {
		return false
	}
	own, err := in.selectBackend()
	return err == nil && !own.driver.Local && in.dir.MayWrite(sentName) != nil && in.dir.MayWrite(gapsName) != nil
}

// Send has the backend send, and notes what it made of the answer.
func (l *logged) Send(ctx context.Context, events []driver.Event) error {
	l.sending.Lock()
	defer l.sending.Unlock()
	l.mu.Lock()
	l.events, l.last, l.number, l.stopped = events, nil, 0, nil
	l.disowned = func() bool { return delivery.Disowned(ctx) }
	l.mu.Unlock()
	start := time.Now()
	err := l.Backend.Send(ctx, events)
	return l.answered(err, time.Since(start))
}

// out writes a request down before anything of it goes out. Where that is not possible the
// request is counted, and goes out all the same: the person's yes was to that. The last look
// at the answer is after it: a no must not lose to the writing of the log.
func (l *logged) out(x *wire.Exchange) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.disowned() {
		l.stopped = delivery.ErrDisowned
		return l.stopped
	}
	fields := l.request(x)
	l.in.addGaps(0)
	gaps := l.in.dir.Count(gapsName)
	if gaps > 0 {
		fields[gapsField] = strconv.Itoa(gaps)
	}
	n, err := l.write(fields, false)
	switch {
	case err != nil:
		l.in.addGaps(1)
	case gaps > 0:
		// Killed before this, the gaps are told twice, and never not at all.
		_, _ = l.in.dir.AddCount(gapsName, -gaps)
	}
	l.last, l.number = x, n
	switch {
	case l.disowned():
		l.stopped = delivery.ErrDisowned
		_ = l.in.forgetSent() // a reset erased the log while this was written
	case !l.wasNo && l.in.store().Load().Answer == consent.AnswerNo:
		l.stopped = delivery.ErrWithdrawn
	}
	return l.stopped
}

func (l *logged) write(fields state.Record, seal bool) (n int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), logPatience)
	defer cancel()
	n, err = l.in.sentJournal().Append(ctx, l.in.now(), fields, seal)
	if err == nil && seal && n > l.in.dir.Count(loggedName) {
		_ = l.in.dir.SetTime(loggedName, time.Unix(int64(n), 0))
	}
	if n > 0 {
		return n, nil // that it is not sealed is told by the next one, or not at all
	}
	return 0, err
}

// request is the entry of a request.
func (l *logged) request(x *wire.Exchange) state.Record {
	r := newRequest(x, l.secrets.with(proofs(l.events)), l.selection.driver)
	var ids, receipts, machines []string
	for _, e := range l.events {
		if e.MachineID != "" && e.Type != string(props.EventDeletionRequest) && !slices.Contains(machines, e.MachineID) {
			machines = append(machines, e.MachineID)
		}
		ids = append(ids, e.ID)
		if !slices.Contains(receipts, e.ConsentID) && e.ConsentID != "" {
			receipts = append(receipts, e.ConsentID)
		}
	}
	fields := state.Record{
		kindField: kindRequest, backendField: l.selection.driver.Name, eventsField: strconv.Itoa(len(l.events)), idsField: strings.Join(ids, " "),
		receiptsField: strings.Join(receipts, " "), sizeField: strconv.Itoa(r.Size), digestField: r.Digest,
		countsField: encodeCounts(l.events), machinesField: strings.Join(machines, " "),
	}
	if x.Method != "" {
		fields[methodField], fields[urlField], fields[headerField] = r.Method, r.URL, encodeHeader(r.Header)
	} else {
		fields[networkField], fields[addressField] = r.Network, r.Address
	}
	if x.Hidden {
		r.Body, r.NotKept = driver.AppendJSONArray(nil, l.events), "encrypted by the backend itself, so these are the events that it was given"
	}
	if r.BodyMasked {
		fields[maskedField] = "yes"
	}
	if len(r.Body) > sentCap/sentShare {
		r.Body, r.NotKept = nil, "larger than an eighth of the log"
	}
	if r.NotKept != "" {
		fields[notKeptField] = r.NotKept
	}
	switch {
	case len(r.Body) == 0:
	case isText(r.Body):
		fields[bodyField] = string(r.Body)
	default:
		fields[packedField] = base64.StdEncoding.EncodeToString(r.Body)
	}
	return fields
}

// proofs are the keys that deletion requests show: who has one can make such a request.
func proofs(events []driver.Event) (keys []string) {
	for _, e := range events {
		if key := e.Metadata[deletion.KeyField]; key != "" && e.Type == string(props.EventDeletionRequest) {
			keys = append(keys, key)
		}
	}
	return keys
}

// maxCounts is how many names of events an entry lists: tools have fewer commands in a batch.
const maxCounts = 100

// encodeCounts says how often which event is in a batch, a line each. Only commands are known
// by their name alone.
func encodeCounts(events []driver.Event) string {
	counts := map[string]int{}
	for _, e := range events {
		name := e.Name
		if e.Type != string(props.EventCommandInvocation) {
			name = strings.TrimSpace(e.Type + " " + e.Name)
		}
		if _, there := counts[name]; !there && len(counts) >= maxCounts {
			name = ""
		}
		counts[name] += max(e.Count, 1)
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "%d %s\n", counts[name], plaintext.Clean(name))
	}
	return b.String()
}

// decodeCounts reads what encodeCounts wrote.
func decodeCounts(text string) (counts []EventCount) {
	for line := range strings.Lines(text) {
		n, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if events, err := strconv.Atoi(n); err == nil && events > 0 {
			counts = append(counts, EventCount{name, min(events, delivery.MostCounted)})
		}
	}
	return counts
}

// answered writes down what became of the request, and returns that.
func (l *logged) answered(err error, took time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped != nil {
		err = l.stopped // whatever the backend made of it
	}
	if l.number == 0 || l.disowned() {
		return err // there was no request, or it is a gap, or it went with the log
	}
	status, said := l.last.Answer()
	fields := state.Record{
		kindField: kindAnswer, ofField: strconv.Itoa(l.number), classField: driver.Classify(err).String(), tookField: strconv.FormatInt(took.Milliseconds(), 10),
	}
	if l.stopped != nil {
		fields[unsentField] = "yes"
	}
	if status > 0 {
		fields[statusField] = strconv.Itoa(status)
	}
	keys := proofs(l.events)
	if err != nil {
		secrets := l.secrets.with(keys)
		fields[reasonField] = plaintext.Line(secrets.mask(err.Error()), maxSaid)
	}
	if len(said) > 0 && len(keys) == 0 { // who is shown a key may repeat it, in whatever form
		fields[saidField] = plaintext.Line(l.secrets.mask(string(said)), maxSaid)
	}
	if _, _ = l.write(fields, true); l.disowned() {
		_ = l.in.forgetSent() // as in out
	}
	return err
}

// Close also closes connections that the backend leaves open.
func (l *logged) Close() error {
	err := l.Backend.Close()
	if c, ok := l.transport.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
	return err
}

// encodeHeader writes headers as they are on the wire, in the order of their names.
func encodeHeader(header textproto.MIMEHeader) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			lines = append(lines, name+": "+strings.NewReplacer("\r", " ", "\n", " ").Replace(value))
		}
	}
	return strings.Join(lines, "\r\n")
}

// forgetSent erases the log of what was sent, after what is known of it: or it would be missed.
func (in *installation) forgetSent() error {
	if err := in.dir.Remove(loggedName); err != nil {
		return err
	}
	return errors.Join(in.sentJournal().Erase(), in.dir.Remove(gapsName), in.dir.Remove(beforeName))
}
