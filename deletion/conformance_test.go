package deletion_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/httpjson"
)

func machineIDOf(r conformance.Request) (string, error) {
	if r.Method == http.MethodGet {
		return "", nil
	}
	var body struct {
		ID string `json:"machine_id"`
	}
	err := json.Unmarshal(r.Body, &body)
	return body.ID, err
}

func TestSeveralKeepTheContract(t *testing.T) {
	t.Parallel()
	conformance.RunDeletion(t, conformance.DeletionSubject{
		Name: "deletion-several", State: deletion.Acknowledged,
		Open: func(endpoint string, transport http.RoundTripper) (deletion.Requestor, error) {
			return deletion.Several{
				httpjson.Requestor{Endpoint: endpoint + "/first", Transport: transport},
				httpjson.Requestor{Endpoint: endpoint + "/second", Transport: transport},
			}, nil
		},
		Accept: func(conformance.Request) conformance.Answer {
			return conformance.Answer{Status: 202, Type: "application/json", Body: `{"id":"r1","state":"acknowledged"}`}
		},
		NotAccepted: []conformance.Answer{{Status: 202, Type: "application/json", Body: `{"error":"ledger_unavailable"}`}},
		Decode:      machineIDOf,
		Statuses:    map[int]driver.Class{400: driver.ClassPermanent, 401: driver.ClassThrottled, 500: driver.ClassUnknown},
		Refusal:     conformance.Answer{Type: "application/json", Body: `{"error":"proof_mismatch"}`},
		Progress: []conformance.Progress{
			{Name: "both in hand", Answer: each(`{"id":"r1","state":"acknowledged"}`, `{"id":"r1","state":"acknowledged"}`), Want: deletion.Acknowledged},
			{Name: "one is done", Answer: each(`{"id":"r1","state":"acknowledged"}`, `{"id":"r1","state":"verified"}`), Want: deletion.Acknowledged},
			{Name: "one refuses", Answer: each(`{"id":"r1","state":"refused"}`, `{"id":"r1","state":"verified"}`), Want: deletion.Refused},
			{Name: "one says nothing", Answer: each(`{"id":"r1","state":"verified"}`, `{}`)},
			{Name: "both are done", Answer: each(`{"id":"r1","state":"verified"}`, `{"id":"r1","state":"verified"}`), Want: deletion.Verified},
		},
		TakesKey: func(r conformance.Request) bool { return r.Method == http.MethodPost },
		Hosts:    theEndpoint,
	})
}

// each answers the two servers.
func each(first, second string) func(conformance.Request) conformance.Answer {
	return func(r conformance.Request) conformance.Answer {
		body := first
		if strings.Contains(r.URL, "/second") {
			body = second
		}
		return conformance.Answer{Type: "application/json", Body: body}
	}
}

func theEndpoint(endpoint string) []string { return []string{strings.TrimPrefix(endpoint, "https://")} }

func TestAMailKeepsTheContract(t *testing.T) {
	t.Parallel()
	conformance.RunDeletion(t, conformance.DeletionSubject{
		Name: "deletion-email", State: deletion.Manual,
		Open: func(string, http.RoundTripper) (deletion.Requestor, error) {
			return deletion.Email{To: "privacy@example.com"}, nil
		},
	})
}

func TestAFunctionAndAMailKeepTheContractTogether(t *testing.T) {
	t.Parallel()
	conformance.RunDeletion(t, conformance.DeletionSubject{
		Name: "deletion-func", State: deletion.Manual,
		Open: func(endpoint string, transport http.RoundTripper) (deletion.Requestor, error) {
			relay := httpjson.Requestor{Endpoint: endpoint + "/only", Transport: transport}
			return deletion.Several{deletion.Func(relay.RequestDeletion), deletion.Email{To: "privacy@example.com"}}, nil
		},
		Accept: func(conformance.Request) conformance.Answer { return conformance.Answer{Status: http.StatusNoContent} },
		Decode: machineIDOf,
		Hosts:  theEndpoint,
	})
}

func TestAWrappedRequestorKeepsTheContract(t *testing.T) {
	t.Parallel()
	conformance.RunDeletion(t, conformance.DeletionSubject{
		Name: "deletion-byid", State: deletion.Delivered,
		Open: func(endpoint string, transport http.RoundTripper) (deletion.Requestor, error) {
			client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			return deletion.ByID(byID(func(ctx context.Context, id string) error {
				body, err := json.Marshal(map[string]string{"machine_id": id})
				if err != nil {
					return err
				}
				post, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/delete", bytes.NewReader(body))
				if err != nil {
					return err
				}
				resp, err := client.Do(post)
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				if resp.StatusCode != http.StatusNoContent {
					return fmt.Errorf("answered %d", resp.StatusCode)
				}
				return nil
			})), nil
		},
		Accept: func(conformance.Request) conformance.Answer { return conformance.Answer{Status: http.StatusNoContent} },
		Decode: machineIDOf,
	})
}
