//go:build !notelemetry

package amplitude_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/amplitude"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// byPath answers each path alike.
type byPath map[string]string

func (b byPath) RoundTrip(r *http.Request) (*http.Response, error) {
	for ending, body := range b {
		if strings.HasSuffix(r.URL.Path, ending) && (r.Method != http.MethodGet || ending != "/deletions/users") {
			return fuzzing.Answer{Status: 200, Body: body}.RoundTrip(r)
		}
	}
	return fuzzing.Answer{Status: 200, Body: b["jobs"]}.RoundTrip(r)
}

// Whatever Amplitude says, a receipt is one that the ledger can keep, and nothing is verified
// while it lists somebody.
func FuzzNoAnswerIsTakenForMoreThanItSays(f *testing.F) {
	const id = "0dd5a1ad0dd5a1ad0dd5a1ad0dd5a1ad"
	found := `{"matches":[{"amplitude_id":7}]}`
	activity := `{"userData":{"num_events":3,"device_ids":["` + id + `"]},"events":[]}`
	taken := `{"day":"2026-03-01","status":"staging","amplitude_ids":[{"amplitude_id":7}]}`
	f.Add(found, activity, taken, "["+taken+"]")
	f.Add(`{"matches":[]}`, activity, taken, "[]")
	f.Add(found, activity, strings.Replace(taken, "2026-03-01", "0000-01-01", 1), `[{"day":"0000-01-01","status":"done","amplitude_ids":[{"amplitude_id":7}]}]`)
	f.Add(`{"matches":[{"amplitude_id":-1}]}`, `{}`, `null`, `null`)
	f.Fuzz(func(t *testing.T, search, activity, request, jobs string) {
		r, err := amplitude.Vendor().Requestor(deletion.VendorConfig{
			Settings:  map[string]string{"instance": "us", "api_key": "k", "secret_key": "s"},
			Transport: byPath{"/usersearch": search, "/useractivity": activity, "/deletions/users": request, "jobs": jobs},
		})
		if err != nil {
			t.Fatal(err)
		}
		var receipt deletion.Receipt
		// Three requests of a few KiB, and what is listed as structures.
		fuzzing.Allocs(t, len(search)+len(activity)+len(request)+len(jobs), 256<<10, 64, func() {
			receipt, err = r.RequestDeletion(t.Context(), deletion.Request{MachineID: id, RequestedAt: noon})
		})
		sound(t, receipt, err)
		if err != nil || receipt.ID == "" {
			return
		}
		now, err := r.(deletion.Follower).Status(t.Context(), receipt)
		sound(t, now, err)
		if err == nil && now.State == deletion.Verified && !strings.Contains(strings.ToLower(search), "matches") {
			t.Errorf("%q says that nobody is left", search)
		}
	})
}

// sound fails the test where a receipt or an error is none that a relay can keep and show.
func sound(t *testing.T, receipt deletion.Receipt, err error) {
	t.Helper()
	if err != nil {
		if receipt.State != "" || len(err.Error()) > 500 {
			t.Errorf("%+v and an error of %d bytes", receipt, len(err.Error()))
		}
		if driver.Wait(err) < 0 {
			t.Errorf("it waits %v", driver.Wait(err))
		}
		return
	}
	if _, err := json.Marshal(receipt.CancelUntil.UTC()); err != nil || receipt.State == "" || len(receipt.Detail) > 1000 {
		t.Errorf("a receipt that cannot be kept: %+v (%v)", receipt, err)
	}
}
