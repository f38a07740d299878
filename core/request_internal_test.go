package core

import (
	"net/textproto"
	"testing"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/wire"
)

// What an author adds to each request may be a word that stands everywhere. Masked there, a request could
// not be read any more, and would not be the one that goes out.
func TestOnlySecretsAreMasked(t *testing.T) {
	t.Parallel()
	headers := map[string]string{"Accept": "application/json", "X-Api-Version": "1", "X-Tool": "acc", "X-Api-Key": "k3yk3yk3y", "X-Short": "k3y",
		"X-Kind": "feature.used", "X-Other": "0123456789abcdefg",
		"Authorization": "Bearer t0kenOfBearer"}
	s := selection{driver: httpjson.Driver(), settings: map[string]string{"endpoint": "https://h.example.com/v1/T0KENT0KEN/events?key=q3uery"}}
	sent := textproto.MIMEHeader{"Content-Type": {"application/json"}, "Host": {"127.0.0.1:18071"}}
	for name, value := range headers {
		sent.Set(name, value)
	}
	const body = `[{"name":"accept 1","type":"feature.used","x":"0123456789abcdefg","t":"T0KENT0KEN","tool_name":"acc","timestamp":"2026-11-26T19:00:00Z","metadata":{"a":"k3yk3yk3y","b":"k3y","d":"t0kenOfBearer"}}]`
	r := newRequest(&wire.Exchange{Method: "POST", URL: "https://h.example.com/v1/T0KENT0KEN/events?key=q3uery", Header: sent, Body: []byte(body)},
		s.secrets(headers), driver.Driver{})
	if want := "https://h.example.com/v1/[secret]/events?key=[secret]"; r.URL != want {
		t.Errorf("the URL is shown as %s, want %s", r.URL, want)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Host": "127.0.0.1:18071",
		"Accept": Masked, "X-Api-Version": Masked, "X-Tool": Masked, "X-Api-Key": Masked, "X-Short": Masked, "X-Kind": Masked, "X-Other": Masked,
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s is shown as %q, want %q", name, got, want)
		}
	}
	const want = `[{"name":"accept 1","type":"feature.used","x":"[secret]","t":"[secret]","tool_name":"acc","timestamp":"2026-11-26T19:00:00Z","metadata":{"a":"[secret]","b":"k3y","d":"[secret]"}}]`
	if string(r.Body) != want || !r.BodyMasked {
		t.Errorf("the body is shown as\n%s, want\n%s", r.Body, want)
	}
}
