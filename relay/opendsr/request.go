//go:build !notelemetry

package opendsr

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

const (
	// maxBody is what a hundred identities and their callbacks take, several times over.
	maxBody = 64 << 10
	// maxIdentities bounds the work of one request; people have few machines.
	maxIdentities = 100
	// maxCallbacks bounds how many calls one request causes at each change.
	maxCallbacks = 10
	maxURL       = 2048

	identityType   = "controller_customer_id"
	identityFormat = "raw"
	typeErasure    = "erasure"
)

// request is what a controller sends: section 7.1.1.
type request struct {
	Regulation string     `json:"regulation"`
	ID         string     `json:"subject_request_id"`
	Type       string     `json:"subject_request_type"`
	Identities []identity `json:"subject_identities"`
	Submitted  string     `json:"submitted_time"`
	APIVersion string     `json:"api_version"`
	Callbacks  []string   `json:"status_callback_urls"`
	// Extensions holds other processors' too, which are none of ours to read.
	Extensions map[string]json.RawMessage `json:"extensions"`

	// What is made of it.
	machines  []string
	tools     []string
	passed    []string // types of identities that are not ours
	submitted time.Time
}

type identity struct {
	Type   string `json:"identity_type"`
	Value  string `json:"identity_value"`
	Format string `json:"identity_format"`
}

// extension is ours.
type extension struct {
	Tool string `json:"tool"`
}

// problem is a mistake in a request: a detail of the specification's error object. It repeats
// nothing of the request but names of fields.
type problem struct {
	Domain  string `json:"domain"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func invalid(reason, message string) *problem { return &problem{"Validation", reason, message} }

// uuid4 is the form of a request's ID: lower case, version 4 (section 1.1).
var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// read makes a request of a body.
func (e *Endpoint) read(body []byte, from *Controller) (*request, *problem) {
	r := &request{}
	if err := json.Unmarshal(body, r); err != nil {
		return nil, invalid("NotJSON", "The body is not a JSON object of the form that the specification has.")
	}
	switch {
	case r.Regulation != "gdpr" && r.Regulation != "ccpa":
		return nil, invalid("Regulation", "regulation is required, and is gdpr or ccpa.")
	case !uuid4.MatchString(r.ID):
		return nil, invalid("RequestID", "subject_request_id is required, and is a lower-case UUID of version 4.")
	case r.Type == "access" || r.Type == "portability":
		return nil, invalid("Unsupported", "subject_request_type: only erasure is supported, as /v2/discovery says. What is held of a machine is on it: the person prints it with `telemetry export`.")
	case r.Type != typeErasure:
		return nil, invalid("RequestType", "subject_request_type is required, and is erasure.")
	case r.APIVersion != "" && r.APIVersion != "2" && !strings.HasPrefix(r.APIVersion, "2."):
		return nil, invalid("Version", "api_version: only 2 is spoken here.")
	}
	var err error
	if r.submitted, err = time.Parse(time.RFC3339, r.Submitted); err != nil {
		return nil, invalid("SubmittedTime", "submitted_time is required, and is a time as RFC 3339 has it.")
	}
	if p := e.readIdentities(r); p != nil {
		return nil, p
	}
	if p := e.readExtension(r); p != nil {
		return nil, p
	}
	return r, r.checkCallbacks(from)
}

func (e *Endpoint) readIdentities(r *request) *problem {
	if len(r.Identities) > maxIdentities {
		return invalid("Identities", "subject_identities: there are more than 100; send several requests.")
	}
	for _, i := range r.Identities {
		if i.Type != identityType || i.Format != identityFormat {
			r.passed = append(r.passed, i.Type)
			continue
		}
		if (deletion.Request{MachineID: i.Value}).Validate() != nil {
			return invalid("IdentityValue", "identity_value: a machine ID has 32 lower-case hexadecimal characters; `telemetry status` prints it.")
		}
		r.machines = append(r.machines, i.Value)
	}
	if len(r.machines) == 0 {
		return invalid("Identities", "subject_identities is required: at least one of type controller_customer_id in the format raw, whose value is a machine ID.")
	}
	slices.Sort(r.machines)
	r.machines = slices.Compact(r.machines)
	for i, word := range r.passed {
		if !isID(word) {
			r.passed[i] = "unknown"
		}
	}
	slices.Sort(r.passed)
	r.passed = slices.Compact(r.passed)
	return nil
}

func (e *Endpoint) readExtension(r *request) *problem {
	r.tools = e.cfg.Tools
	var raw json.RawMessage
	given := 0
	for domain, x := range r.Extensions {
		if strings.EqualFold(domain, e.cfg.Domain) { // domains have no case
			raw = x
			given++
		}
	}
	if given == 0 {
		return nil
	}
	// What is not understood here would have more deleted than was meant.
	var x extension
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if given > 1 || strict.Decode(&x) != nil || !slices.Contains(e.cfg.Tools, x.Tool) {
		return invalid("Extension", "extensions: ours holds the name of a tool of this processor as \"tool\", and nothing else.")
	}
	r.tools = []string{x.Tool}
	return nil
}

// digest tells requests apart that have the same ID, by what is acted on. Identities that are
// passed over are not in it: who has the database could try them out.
func (r *request) digest() [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", r.tools, r.machines, r.Callbacks, r.submitted.UTC().Format(time.RFC3339Nano)))
}

func (r *request) checkCallbacks(from *Controller) *problem {
	if len(r.Callbacks) > maxCallbacks {
		return invalid("Callbacks", "status_callback_urls: there are more than 10.")
	}
	for _, text := range r.Callbacks {
		u, err := url.Parse(text)
		if err != nil || len(text) > maxURL || u.Scheme != "https" || u.User != nil || u.Fragment != "" || !slices.Contains(from.CallbackHosts, u.Host) {
			return invalid("Callbacks", "status_callback_urls: each is an https URL at a host that this processor was told of beforehand, without a user and a fragment.")
		}
	}
	slices.Sort(r.Callbacks)
	r.Callbacks = slices.Compact(r.Callbacks)
	return nil
}
