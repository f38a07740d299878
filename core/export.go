package core

import (
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// ExportVersion is Export.SchemaVersion of what this version writes. It goes up when a field
// changes its meaning or goes away, and not when one is added.
const ExportVersion = 1

// Export is everything about an installation that is on this machine, in one document: what
// `telemetry export` writes. docs/reference/export.schema.json describes its JSON, and a test holds the
// two together. It holds no path, no value of a variable, none of the author's secrets and,
// unless they were asked for, no keys. Texts from elsewhere are as they are stored.
type Export struct {
	SchemaVersion int       `json:"schema_version"`
	At            time.Time `json:"at"`
	// Warning is there if the document holds keys.
	Warning  string         `json:"warning,omitempty"`
	Tool     ExportTool     `json:"tool"`
	Decision ExportDecision `json:"decision"`
	// History is every decision since the last reset, Receipts are those under which something
	// may be sent now.
	History  ExportHistory   `json:"history"`
	Receipts []ExportReceipt `json:"receipts"`
	Identity ExportIdentity  `json:"identity"`
	// Waiting is what waits, as it will go out.
	Waiting []ExportWaiting `json:"waiting"`
	Sent    ExportSent      `json:"sent"`
	// LocalLog is what stayed on this machine, in the tool's own directory.
	LocalLog ExportLocalLog `json:"local_log"`
	// Requests are the deletion requests, oldest first.
	Requests []ExportRequest `json:"deletion_requests"`
	// Counts is nil where they cannot be read.
	Counts *ExportCounts `json:"counts,omitempty"`
	// Files are those in the tool's state directory. What is damaged is listed and not copied.
	Files []ExportFile `json:"files"`
	Ask   ExportAsk    `json:"ask"`
	// Problems say what could not be read and so is missing above.
	Problems []string `json:"problems"`
}

// ExportTool is who asks.
type ExportTool struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// Installation is what several tools share, if they do.
	Installation string     `json:"installation,omitempty"`
	Controller   Controller `json:"controller"`
	PrivacyURL   string     `json:"privacy_url,omitempty"`
}

// ExportDecision is what holds now.
type ExportDecision struct {
	Enabled   bool `json:"enabled"`
	LocalOnly bool `json:"local_only"`
	// DecidedBy names the layer that decided, Answer is the person's own: "", "no", "yes" or
	// "local".
	DecidedBy string   `json:"decided_by"`
	Answer    string   `json:"answer"`
	Beyond    []string `json:"beyond,omitempty"`
}

// ExportHistory is Decisions.
type ExportHistory struct {
	Decisions []ExportPast `json:"decisions"`
	Cut       int          `json:"cut,omitempty"`
	CutFrom   time.Time    `json:"cut_from,omitzero"`
	CutTo     time.Time    `json:"cut_to,omitzero"`
	Missing   int          `json:"missing,omitempty"`
	Problem   string       `json:"problem,omitempty"`
}

// ExportPast is a PastDecision.
type ExportPast struct {
	At           time.Time `json:"at,omitzero"`
	Decided      string    `json:"decided"`
	By           string    `json:"by,omitempty"`
	Decider      string    `json:"decided_by,omitempty"`
	RestrictedBy string    `json:"restricted_by,omitempty"`
	Answered     bool      `json:"answered"`
	Receipt      string    `json:"receipt,omitempty"`
	// Shown is the text that was shown, "" if nothing was, and missing if that is not known.
	Shown      *string      `json:"shown,omitempty"`
	Unrecorded bool         `json:"unrecorded,omitempty"`
	Terms      *ExportTerms `json:"terms,omitempty"`
	More       []string     `json:"more_now,omitempty"`
	Less       []string     `json:"less_now,omitempty"`
}

// Export is the decision as documents have it.
func (p PastDecision) Export() ExportPast {
	x := ExportPast{
		At: p.At.UTC(), Decided: string(p.Decided), By: string(p.By), Decider: p.Decider, RestrictedBy: p.RestrictedBy, Answered: p.Answered,
		Receipt: p.Receipt, Unrecorded: p.Unrecorded, More: p.More, Less: p.Less,
	}
	if p.ShownKnown {
		x.Shown = &p.Shown
	}
	if p.Terms.Tool != "" {
		terms := exportTerms(p.Terms)
		x.Terms = &terms
	}
	return x
}

// ExportTerms are consent.Terms.
type ExportTerms struct {
	Tool          string   `json:"tool"`
	Backend       string   `json:"backend"`
	Hosts         []string `json:"hosts,omitempty"`
	Controller    string   `json:"controller,omitempty"`
	Purpose       string   `json:"purpose,omitempty"`
	Retention     string   `json:"retention,omitempty"`
	Fields        []string `json:"fields,omitempty"`
	Events        []string `json:"events,omitempty"`
	AnyEvent      bool     `json:"any_event,omitempty"`
	MetadataKeys  []string `json:"metadata_keys,omitempty"`
	AnyKey        bool     `json:"any_key,omitempty"`
	Extended      bool     `json:"extended,omitempty"`
	NoticeVersion int      `json:"notice_version"`
	NoticeDigest  string   `json:"notice_digest,omitempty"`
}

// ExportReceipt is a consent.Receipt.
type ExportReceipt struct {
	ID    string      `json:"id"`
	At    time.Time   `json:"at"`
	By    string      `json:"by"`
	Local bool        `json:"local"`
	Terms ExportTerms `json:"terms"`
}

// ExportIdentity is the pseudonym.
type ExportIdentity struct {
	// MachineID is the one in use, "" if there is none. Used says that something was sent under
	// it, or may have been. Earlier are others of this installation.
	MachineID string   `json:"machine_id,omitempty"`
	Used      bool     `json:"used"`
	Earlier   []string `json:"earlier,omitempty"`
	// Keys are those that prove a deletion request, by machine ID, also of requests that are
	// on their way. They are secrets, and only here if they were asked for.
	Keys map[string]string `json:"keys,omitempty"`
}

// ExportWaiting is a WaitingEvent.
type ExportWaiting struct {
	Event    driver.Event `json:"event"`
	Receiver string       `json:"receiver"`
	Stays    bool         `json:"stays_here"`
	Keep     string       `json:"kept_because,omitempty"`
	Gone     bool         `json:"never_sent,omitempty"`
	Held     bool         `json:"held_by_running_command,omitempty"`
	Until    time.Time    `json:"until,omitzero"`
	// OfSending says that it goes out with the time of sending, and not with the one in Event.
	OfSending bool `json:"time_of_sending,omitempty"`
}

// Export is the event as documents have it.
func (w WaitingEvent) Export() ExportWaiting {
	return ExportWaiting{w.Event, w.Receiver, w.Stays, w.Keep, w.Gone, w.Held, w.Until.UTC(), w.OfSending}
}

// ExportSent is a SentLog.
type ExportSent struct {
	Deliveries []ExportDelivery `json:"deliveries"`
	Cut        int              `json:"cut,omitempty"`
	CutFrom    time.Time        `json:"cut_from,omitzero"`
	CutTo      time.Time        `json:"cut_to,omitzero"`
	Gaps       int              `json:"gaps,omitempty"`
	// Before is SentLog.Before.
	Before   int    `json:"delivered_before,omitempty"`
	Unlogged bool   `json:"unlogged,omitempty"`
	Torn     bool   `json:"torn,omitempty"`
	Problem  string `json:"problem,omitempty"`
}

// ExportWire is a Request, with the author's secrets masked.
type ExportWire struct {
	Method  string              `json:"method,omitempty"`
	URL     string              `json:"url,omitempty"`
	Header  map[string][]string `json:"header,omitempty"`
	Network string              `json:"network,omitempty"`
	Address string              `json:"address,omitempty"`
	// Text is the body as text, where it can be made one, and Body the bytes on the wire, where
	// these are others.
	Text       string   `json:"text,omitempty"`
	Body       []byte   `json:"body_base64,omitempty"`
	BodyMasked bool     `json:"body_masked,omitempty"`
	NotKept    string   `json:"not_kept,omitempty"`
	Size       int      `json:"size"`
	Digest     string   `json:"sha256,omitempty"`
	Events     int      `json:"events"`
	IDs        []string `json:"ids,omitempty"`
	Momentary  []string `json:"momentary,omitempty"`
}

// Export is the request as documents have it.
func (r Request) Export() ExportWire {
	x := ExportWire{
		Method: r.Method, URL: r.URL, Header: r.Header, Network: r.Network, Address: r.Address, BodyMasked: r.BodyMasked,
		NotKept: r.NotKept, Size: r.Size, Digest: r.Digest, Events: r.Events, IDs: r.IDs, Momentary: r.Momentary,
	}
	var err error
	if x.Text, err = r.Readable(); err != nil || x.Text != string(r.Body) {
		x.Body = r.Body
	}
	return x
}

// ExportDelivery is a Delivery.
type ExportDelivery struct {
	N        int       `json:"n"`
	At       time.Time `json:"at"`
	Backend  string    `json:"backend"`
	Host     string    `json:"host,omitempty"`
	Receipts []string  `json:"receipts,omitempty"`
	ExportWire
	Answered  bool   `json:"answered"`
	Unsent    bool   `json:"unsent,omitempty"`
	Status    int    `json:"status,omitempty"`
	Class     string `json:"class,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Answer    string `json:"answer,omitempty"`
	TookMS    int64  `json:"took_ms,omitempty"`
	GapBefore int    `json:"gap_before,omitempty"`
}

// Export is the delivery as documents have it.
func (d Delivery) Export() ExportDelivery {
	return ExportDelivery{
		N: d.N, At: d.At.UTC(), Backend: d.Backend, Host: d.Host, Receipts: d.Receipts, ExportWire: d.Request.Export(),
		Answered: d.Answered, Unsent: d.Unsent, Status: d.Status, Class: d.Class, Reason: d.Reason, Answer: d.Answer,
		TookMS: d.Took.Milliseconds(), GapBefore: d.GapBefore,
	}
}

// ExportLocalLog is the log of what stayed here, oldest first.
type ExportLocalLog struct {
	Events []driver.Event `json:"events"`
	// Unreadable counts lines that are no event.
	Unreadable int `json:"unreadable,omitempty"`
}

// ExportRequest is an Deletion.
type ExportRequest struct {
	MachineID    string               `json:"machine_id"`
	State        string               `json:"state"`
	Reached      map[string]time.Time `json:"reached"`
	Receiver     string               `json:"receiver,omitempty"`
	Partly       bool                 `json:"handed_over_in_part,omitempty"`
	Receipt      ExportAnswer         `json:"receipt"`
	NotDeletable int                  `json:"not_deletable,omitempty"`
	Problem      string               `json:"problem,omitempty"`
	Attempts     int                  `json:"attempts,omitempty"`
	Next         time.Time            `json:"next,omitzero"`
}

// ExportAnswer is a deletion.Receipt. Its URL may hold the key, and is there only with keys.
type ExportAnswer struct {
	State       string         `json:"state,omitempty"`
	ID          string         `json:"id,omitempty"`
	Detail      string         `json:"detail,omitempty"`
	URL         string         `json:"url,omitempty"`
	CancelUntil time.Time      `json:"cancel_until,omitzero"`
	Parts       []ExportAnswer `json:"parts,omitempty"`
}

// ExportCounts is what was counted since the last reset.
type ExportCounts struct {
	Delivered     int            `json:"delivered"`
	Stayed        int            `json:"stayed_here"`
	Lost          map[string]int `json:"lost"`
	LastDelivered time.Time      `json:"last_delivered,omitzero"`
	LastAttempt   time.Time      `json:"last_attempt,omitzero"`
}

// ExportFile is a file in the state directory, by its name in it.
type ExportFile struct {
	Name     string    `json:"name"`
	Bytes    int64     `json:"bytes"`
	Modified time.Time `json:"modified"`
}

// ExportAsk says whom to ask for what a receiver holds, and for what. This document cannot
// have that in it.
type ExportAsk struct {
	Controller string `json:"controller,omitempty"`
	Contact    string `json:"contact,omitempty"`
	PrivacyURL string `json:"privacy_url,omitempty"`
	// Receivers are those that something was sent to, or may have been, and MachineIDs what it
	// is found by.
	Receivers  []string `json:"receivers"`
	MachineIDs []string `json:"machine_ids"`
	// Erase is the command that erases all of it here, and asks for the deletion of what was sent.
	Erase string `json:"erase"`
}
