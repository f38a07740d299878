package deletion_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/httpjson"
)

func machineIDOf(r conformance.Request) (string, error) {
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
