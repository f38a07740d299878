package erasures

import (
	"net/http"
	"os"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// File is what a ledger writes through.
type File = file

// OpenLedgerThrough opens a ledger that writes through what f makes of its file.
func OpenLedgerThrough(dir string, f func(*os.File) File) (*Ledger, error) { return openLedger(dir, f) }

// Hurry makes every wait a few milliseconds, for tests with real processes.
func (r *Relay) Hurry() {
	const d = 5 * time.Millisecond
	r.pace = pace{
		attempt: 10 * time.Second, grace: 10 * time.Second, firstRetry: d, lastRetry: 4 * d,
		firstPoll: d, lastPoll: 4 * d, maxWait: 4 * d, disk: d, signals: 4 * d,
	}
}

// Limiter is what stands before everything else.
type Limiter = limiter

// NewLimiter makes one, and Take asks it.
func NewLimiter(l Limit) *Limiter { return newLimiter(l) }

// Take reports whether an address may make a request.
func (l *limiter) Take(address string) bool { return l.take(address, costRequest) == 0 }

// Address returns whom a request counts for.
func Address(req *http.Request, trust bool) string { return address(req, trust) }

// ReadRequest returns what a body asks for, with the word of the refusal if it is none.
func ReadRequest(w http.ResponseWriter, req *http.Request) (deletion.Request, string) {
	a, no := readRequest(w, req)
	if no != nil {
		return deletion.Request{}, no.word
	}
	return deletion.Request{Tool: a.Tool, MachineID: a.MachineID, ErasureKey: a.ErasureKey, RequestedAt: a.at(time.Now())}, ""
}

// Sign changes a line into one about another machine, with the checksum that it then has.
func Sign(line []byte) []byte {
	e, err := decode(line)
	if err != nil {
		panic(err)
	}
	e.MachineID = "5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c"
	line, err = encode(e)
	if err != nil {
		panic(err)
	}
	return line
}

// Newer returns the first line that a later version's ledger has.
func Newer() []byte {
	line, err := encode(entry{Seq: 1, At: epoch, Event: created, Format: format + 1, Prev: firstPrev})
	if err != nil {
		panic(err)
	}
	return append(line, '\n')
}
