//go:build !plan9 && !notelemetry

package driverhttp_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

func TestCheckEndpointTakesHTTPSAnywhereAndHTTPOnThisMachine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url      string
		insecure bool
		host     string
	}{
		{"https://telemetry.example.com/v1/events", false, "telemetry.example.com"},
		{"https://example.com", false, "example.com"},
		{"HTTPS://example.com:8443/", false, "example.com:8443"},
		{"https://example.com/?key=1", false, "example.com"},
		{"https://example.com/a%23b", false, "example.com"},
		{"https://[2001:db8::1]:8443/", false, "[2001:db8::1]:8443"},
		{"http://localhost/", false, "localhost"},
		{"http://LocalHost:4318", false, "LocalHost:4318"},
		{"http://127.0.0.1:4318/", false, "127.0.0.1:4318"},
		{"http://127.255.255.254/", false, "127.255.255.254"},
		{"http://[::1]:4318/", false, "[::1]:4318"},
		{"http://collector.internal:4318/", true, "collector.internal:4318"},
		{"http://10.0.0.1/", true, "10.0.0.1"},
	} {
		u, err := driverhttp.CheckEndpoint(tt.url, tt.insecure)
		if err != nil || u.Host != tt.host {
			t.Errorf("%s: got %v, %v", tt.url, u, err)
		}
	}
}

func TestCheckEndpointSaysWhatIsWrongWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url      string
		insecure bool
		says     string
	}{
		{"", false, "absolute URL"},
		{"/v1/" + canary, false, "absolute URL"},
		{"example.com/" + canary, false, "absolute URL"},
		{"//example.com/" + canary, false, "absolute URL"},
		{"example.com:443/" + canary, false, ""},
		{"localhost:4318", false, "https://"},
		{"ftp://example.com/" + canary, false, "https://"},
		{"file:///etc/" + canary, false, "https://"},
		{"javascript:" + canary, true, "https://"},
		{"https:" + canary, false, "no host"},
		{"https:///" + canary, false, "no host"},
		{"https://:443/" + canary, false, "no host"},
		{"https://?" + canary, false, "no host"},
		{"https://" + canary + "@example.com/", false, "Telemetry.Headers"},
		{"https://u:" + canary + "@example.com/", true, "Telemetry.Headers"},
		{"https://@example.com/", false, "Telemetry.Headers"},
		{"https://example.com/#" + canary, false, "#"},
		{"https://example.com/#", false, "#"},
		{"https://example.com:0/", false, "65535"},
		{"https://example.com:65536/", false, "65535"},
		{"https://example.com:/", false, "65535"},
		{"https://example.com:" + canary + "/", false, "not a URL"},
		{"https://exa mple.com/" + canary, false, "not a URL"},
		{"https://example.com/%zz" + canary, false, "not a URL"},
		{" https://example.com/" + canary, false, "not a URL"},
		{"https://example.com/\n" + canary, false, "not a URL"},
		{"https://[::1/" + canary, false, "not a URL"},
		{"http://example.com/" + canary, false, "Insecure"},
		{"http://localhost.example.com/?" + canary, false, "Insecure"},
		{"http://127.0.0.1.example.com/", false, "Insecure"},
		{"http://127.1/", false, "Insecure"},
		{"http://0.0.0.0/", false, "Insecure"},
		{"http://10.0.0.1/", false, "Insecure"},
		{"http://[::]/", false, "Insecure"},
	} {
		u, err := driverhttp.CheckEndpoint(tt.url, tt.insecure)
		switch {
		case err == nil:
			t.Errorf("%q: got %v, want an error", tt.url, u)
		case !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), canary):
			t.Errorf("%q: got %q, want %q in it and no canary", tt.url, err, tt.says)
		}
	}
}

func TestCheckHeadersSaysWhatIsWrongWithoutAValue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		headers map[string]string
		says    string // empty: they are fine
	}{
		{"none", nil, ""},
		{"a key", map[string]string{"Authorization": "Bearer " + canary, "x-api-key": canary}, ""},
		{"empty value", map[string]string{"X-Key": ""}, ""},
		{"tab and UTF-8 in a value", map[string]string{"X-Key": "a\tü"}, ""},
		{"empty name", map[string]string{"": canary}, "name is not valid"},
		{"name and value in one", map[string]string{"X-Key: " + canary: ""}, "name is not valid"},
		{"name with UTF-8", map[string]string{"X-Kéy" + canary: ""}, "name is not valid"},
		{"line break in the value", map[string]string{"X-Key": canary + "\n"}, "X-Key holds a control character"},
		{"zero byte in the value", map[string]string{"X-Key": canary + "\x00"}, "X-Key holds a control character"},
		{"delete in the value", map[string]string{"X-Key": canary + "\x7f"}, "X-Key holds a control character"},
		{"the backend's own", map[string]string{"content-type": canary}, "Content-Type is set by the backend"},
		{"the connection's", map[string]string{"HOST": canary}, "Host is set by the backend"},
		{"two spellings", map[string]string{"x-key": canary, "X-Key": canary}, "X-Key is there twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := driverhttp.CheckHeaders(tt.headers)
			if tt.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), canary) {
				t.Errorf("got %v, want %q in it and no canary", err, tt.says)
			}
		})
	}
}

func TestAnEndingIsFoundHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	const ending = "/api/v2/logs"
	for raw, want := range map[string]string{
		"https://h.example/api/v2/logs":             "https://h.example",
		"https://h.example/api/v2/logs/":            "https://h.example",
		"https://h.example/api/v2/logs///":          "https://h.example",
		"https://h.example//api//v2//logs":          "https://h.example",
		"https://h.example/API/V2/Logs":             "https://h.example",
		"https://h.example/api/v2/%6Cogs":           "https://h.example",
		"https://h.example/api/v2/./logs/.":         "https://h.example",
		"https://h.example/api/v2/x/../logs":        "https://h.example",
		"https://h.example:8443/dd/api/v2/logs?a=1": "https://h.example:8443/dd?a=1",
		"https://h.example/a%2Fb/api/v2/logs":       "https://h.example/a%2Fb",
		"https://h.example/api/v2/logs/api/v2/logs": "https://h.example/api/v2/logs",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got, found := driverhttp.CutEnding(u, ending); !found || got.String() != want {
			t.Errorf("%s: got %s, %t, want %s", raw, got, found, want)
		}
		if u.String() != raw {
			t.Errorf("%s was changed to %s", raw, u)
		}
	}
	for raw, want := range map[string]string{
		"https://h.example":                 "https://h.example",
		"https://h.example/":                "https://h.example",
		"https://h.example//dd//":           "https://h.example/dd",
		"https://h.example/a%2Fb/":          "https://h.example/a%2Fb",
		"https://h.example/v2/logs":         "https://h.example/v2/logs",
		"https://h.example/xapi/v2/logs":    "https://h.example/xapi/v2/logs",
		"https://h.example/api/v2/logs/x":   "https://h.example/api/v2/logs/x",
		"https://h.example/api%2Fv2%2Flogs": "https://h.example/api%2Fv2%2Flogs",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got, found := driverhttp.CutEnding(u, ending); found || got.String() != want {
			t.Errorf("%s: got %s, %t, want %s", raw, got, found, want)
		}
	}
}
