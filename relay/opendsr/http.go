//go:build !notelemetry

package opendsr

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// Path is before each of the endpoint's paths: the version of the specification.
const Path = "/v2/"

// apiVersion is what answers say.
const apiVersion = "2.0"

// collections are the names that the requests have had.
var collections = []string{"requests", "opendsr_requests", "opengdpr_requests"}

// ServeHTTP answers controllers.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, _ := strings.CutPrefix(r.URL.Path, Path)
	switch path {
	case "discovery":
		e.only(w, r, e.discovery, http.MethodGet, http.MethodHead)
		return
	case "certificate.pem":
		e.only(w, r, e.chain, http.MethodGet, http.MethodHead)
		return
	}
	collection, id, one := strings.Cut(path, "/")
	for _, name := range collections {
		switch {
		case collection != name:
		case one:
			e.only(w, r, func(w http.ResponseWriter, r *http.Request) { e.ofOne(w, r, id) }, http.MethodGet, http.MethodDelete)
			return
		default:
			e.only(w, r, e.create, http.MethodPost)
			return
		}
	}
	e.fail(w, http.StatusNotFound, &problem{"Request", "NotFound", "There is nothing at this path."})
}

func (e *Endpoint) only(w http.ResponseWriter, r *http.Request, do http.HandlerFunc, methods ...string) {
	for _, m := range methods {
		if r.Method == m {
			do(w, r)
			return
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	e.fail(w, http.StatusMethodNotAllowed, &problem{"Request", "Method", "The method is not one of " + strings.Join(methods, ", ") + "."})
}

func (e *Endpoint) discovery(w http.ResponseWriter, _ *http.Request) {
	e.say(w, http.StatusOK, map[string]any{
		"api_version":                     apiVersion,
		"supported_identities":            []map[string]string{{"identity_type": identityType, "identity_format": identityFormat}},
		"supported_subject_request_types": []string{typeErasure},
		"processor_certificate":           "https://" + e.cfg.Domain + Path + "certificate.pem",
	})
}

func (e *Endpoint) chain(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(e.certificate) // who is gone asks again
}

// controller finds who asks.
func (e *Endpoint) controller(w http.ResponseWriter, r *http.Request) *Controller {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	got := sha256.Sum256([]byte(token))
	var from *Controller
	for i := range e.cfg.Controllers { // all of them, so that time tells nothing
		want := sha256.Sum256([]byte(e.cfg.Controllers[i].Token))
		if subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
			from = &e.cfg.Controllers[i]
		}
	}
	if from == nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		e.fail(w, http.StatusUnauthorized, &problem{"Authentication", "Token", "The token of a controller is needed, as \"Authorization: Bearer …\"."})
	}
	return from
}

// created and status are the answers of sections 7.3 and 8.3.
type created struct {
	Controller string         `json:"controller_id"`
	Expected   time.Time      `json:"expected_completion_time"`
	Received   time.Time      `json:"received_time"`
	Encoded    string         `json:"encoded_request"`
	ID         string         `json:"subject_request_id"`
	APIVersion string         `json:"api_version"`
	Extensions map[string]any `json:"extensions,omitempty"`
}

type status struct {
	Controller string         `json:"controller_id"`
	Expected   time.Time      `json:"expected_completion_time"`
	Callback   string         `json:"status_callback_url,omitempty"`
	ID         string         `json:"subject_request_id"`
	Status     string         `json:"request_status"`
	APIVersion string         `json:"api_version"`
	Extensions map[string]any `json:"extensions,omitempty"`
}

func (e *Endpoint) create(w http.ResponseWriter, r *http.Request) {
	from := e.controller(w, r)
	if from == nil {
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		e.fail(w, http.StatusBadRequest, invalid("ContentType", "Content-Type is application/json."))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		e.fail(w, http.StatusBadRequest, invalid("Body", "The body is larger than 64 KiB, or did not arrive."))
		return
	}
	asked, p := e.read(body, from)
	if p != nil {
		e.fail(w, http.StatusBadRequest, p)
		return
	}
	kept, err := e.enter(r.Context(), from, asked)
	switch {
	case errors.Is(err, errCancelled):
		e.fail(w, http.StatusBadRequest, invalid("RequestID", "subject_request_id is that of a request that was cancelled: send a new one under an ID of its own."))
		return
	case errors.Is(err, errOther):
		e.fail(w, http.StatusBadRequest, invalid("RequestID", "subject_request_id was used for another request."))
		return
	case err != nil:
		e.unavailable(w, err)
		return
	}
	answer := created{
		Controller: from.ID, Expected: kept.expected, Received: kept.received, Encoded: base64.StdEncoding.EncodeToString(body),
		ID: asked.ID, APIVersion: apiVersion,
	}
	if len(asked.passed) > 0 {
		answer.Extensions = map[string]any{e.cfg.Domain: map[string]any{"identity_types_passed_over": asked.passed}}
	}
	e.say(w, http.StatusCreated, answer)
}

func (e *Endpoint) ofOne(w http.ResponseWriter, r *http.Request, id string) {
	from := e.controller(w, r)
	if from == nil {
		return
	}
	if r.Method == http.MethodDelete {
		e.cancel(w, r, from, id)
		return
	}
	kept, err := e.find(r.Context(), from.ID, id)
	if err != nil {
		e.unavailable(w, err)
		return
	}
	e.say(w, http.StatusOK, e.status(kept))
}

func (e *Endpoint) cancel(w http.ResponseWriter, r *http.Request, from *Controller, id string) {
	err := e.takeBack(r.Context(), from.ID, id)
	switch {
	case errors.Is(err, errTooLate):
		e.fail(w, http.StatusBadRequest, invalid("Status", "The request is not pending any more: somebody was asked to delete."))
		return
	case errors.Is(err, errOthers):
		e.fail(w, http.StatusBadRequest, invalid("Status", "Another request asks for the same deletion: of the person themselves, of another controller, or one of yours under another ID. One request cannot take the others back."))
		return
	case err != nil:
		e.unavailable(w, err)
		return
	}
	e.say(w, http.StatusAccepted, map[string]any{
		"controller_id": from.ID, "received_time": e.now(), "subject_request_id": id, "api_version": apiVersion,
	})
}

func (e *Endpoint) now() time.Time { return e.cfg.Now().UTC().Truncate(time.Second) }

// unavailable answers what is nobody's mistake, and that there is no such request.
func (e *Endpoint) unavailable(w http.ResponseWriter, err error) {
	if errors.Is(err, errUnknown) {
		e.fail(w, http.StatusNotFound, &problem{"Request", "NotFound", "There is no request with this ID."})
		return
	}
	if !errors.Is(err, context.Canceled) {
		e.cfg.Log.Error("a request of a controller could not be kept", "error", err)
	}
	w.Header().Set("Retry-After", "60") // as tools are told
	e.fail(w, http.StatusServiceUnavailable, &problem{"Processor", "Unavailable", "Nothing was kept of this. Try again later."})
}

// fail answers with the error object of section 7.6.
func (e *Endpoint) fail(w http.ResponseWriter, code int, p *problem) {
	e.say(w, code, map[string]any{"error": map[string]any{"code": code, "message": p.Message, "errors": []*problem{p}}})
}

func (e *Endpoint) say(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err == nil {
		err = e.sign(w.Header(), body)
	}
	if err != nil {
		e.cfg.Log.Error("an answer could not be signed", "error", err)
		code, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(body) // who is gone asks again
}
