package victorialogs

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// jsonLines is where VictoriaLogs takes a JSON object a line, and what it is told of
// their names.
func jsonLines(message, at string) string {
	return "/insert/jsonline?_msg_field=" + message + "&_time_field=" + at
}

// intake stands in front of a server for a vendor whose form the server does not speak
// in full. It stores nothing itself: an answer of 2xx has been preceded by the server's.
func (s *server) intake(handle http.HandlerFunc) string {
	s.t.Helper()
	server := httptest.NewServer(handle)
	s.t.Cleanup(server.Close)
	return server.URL
}

// forward posts to the server and returns its answer.
func (s *server) forward(path string, body []byte) (status int, header http.Header, answer []byte, err error) {
	response, err := client.Post(s.url(path), "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, response.Header, answer, err
}

// unpacked reads a request's body.
func unpacked(r *http.Request) ([]byte, error) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(body); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(body)
}

// datadog is Datadog's intake. VictoriaLogs has it, with Datadog's path, status and
// answer, but takes only strings as attributes: a number, a list or an object is a 400,
// where Datadog keeps all three. So they are written as strings on the way; what is sent
// and what is answered stay Datadog's.
func (s *server) datadog(key string) string {
	return s.intake(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/api/v2/logs" {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		if r.Header.Get("DD-API-KEY") != key {
			http.Error(w, `{"errors":["Forbidden"]}`, http.StatusForbidden)
			return
		}
		body, err := unpacked(r)
		if err == nil {
			body, err = flatten(body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		status, header, answer, err := s.forward("/insert/datadog/api/v2/logs", body)
		if err != nil {
			http.Error(w, "the intake is away", http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", header.Get("Content-Type"))
		w.WriteHeader(status)
		_, _ = w.Write(answer)
	})
}

// flatten makes strings of all attributes of an array of logs but timestamp, which
// VictoriaLogs wants as a number. What is nested is named with dots.
func flatten(body []byte) ([]byte, error) {
	var logs []map[string]json.RawMessage
	if err := json.Unmarshal(body, &logs); err != nil {
		return nil, err
	}
	flat := make([]map[string]any, len(logs))
	for i, log := range logs {
		flat[i] = map[string]any{}
		for name, value := range log {
			if name == "timestamp" {
				flat[i][name] = value
				continue
			}
			if err := flattenInto(flat[i], name, value); err != nil {
				return nil, err
			}
		}
	}
	return json.Marshal(flat)
}

func flattenInto(flat map[string]any, name string, value json.RawMessage) error {
	switch value[0] {
	case '"':
		flat[name] = value
	case '{':
		var inner map[string]json.RawMessage
		if err := json.Unmarshal(value, &inner); err != nil {
			return err
		}
		for key, value := range inner {
			if err := flattenInto(flat, name+"."+key, value); err != nil {
				return err
			}
		}
	default: // as VictoriaLogs itself writes what comes as a JSON line
		flat[name] = string(value)
	}
	return nil
}

// array is a server of the author's own: the http backend posts a JSON array to it.
func (s *server) array() string {
	return s.intake(func(w http.ResponseWriter, r *http.Request) {
		body, err := unpacked(r)
		var events []json.RawMessage
		if err == nil {
			err = json.Unmarshal(body, &events)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := s.store(events, jsonLines("type", "timestamp")); err != nil {
			http.Error(w, "the store is away", http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}) + "/events"
}

// posthog is PostHog's intake: it looks at the key and at what it cannot do without, and
// answers in PostHog's words. The events become rows as they are.
func (s *server) posthog(key string) string {
	return s.intake(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/batch/" {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		body, err := unpacked(r)
		var batch struct {
			Key    string            `json:"api_key"`
			Events []json.RawMessage `json:"batch"`
		}
		if err == nil {
			err = json.Unmarshal(body, &batch)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if batch.Key != key {
			http.Error(w, `{"type":"authentication_error"}`, http.StatusUnauthorized)
			return
		}
		for i, raw := range batch.Events {
			var e struct {
				UUID       string `json:"uuid"`
				Event      string `json:"event"`
				DistinctID string `json:"distinct_id"`
				Timestamp  string `json:"timestamp"`
			}
			if err := json.Unmarshal(raw, &e); err != nil || e.UUID == "" || e.Event == "" || e.DistinctID == "" || e.Timestamp == "" {
				http.Error(w, "event "+strconv.Itoa(i)+" lacks something", http.StatusBadRequest)
				return
			}
		}
		if err := s.store(batch.Events, jsonLines("event", "timestamp")); err != nil {
			http.Error(w, "the store is away", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"Ok"}`)
	})
}

// store writes a JSON object a line.
func (s *server) store(events []json.RawMessage, path string) error {
	var lines bytes.Buffer
	for _, e := range events {
		if err := json.Compact(&lines, e); err != nil {
			return err
		}
		lines.WriteByte('\n')
	}
	status, _, answer, err := s.forward(path, lines.Bytes())
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("answered %d: %s", status, answer)
	}
	return err
}

func TestFlatteningChangesNothingButTypes(t *testing.T) {
	t.Parallel()
	const log = `[{"message":"m","timestamp":12,"n":3,"f":-1.5,"yes":true,"list":["a",""],"metadata":{"a.b":"c","d":{"e":7}}},{"message":"x"}]`
	got, err := flatten([]byte(log))
	const want = `[{"f":"-1.5","list":"[\"a\",\"\"]","message":"m","metadata.a.b":"c","metadata.d.e":"7","n":"3","timestamp":12,"yes":"true"},{"message":"x"}]`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s, want\n%s", err, got, want)
	}
}
