package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// The backends of the reference implementation, in what they do: a transport error or a
// status of 400 and more is logged and forgotten, any other status counts as delivered,
// redirects are followed, an unknown region is the United States, no event has an ID,
// and duration, exit code, error and versions are left out. Their authors meant well:
// telemetry must not get in the way. The suite has to say what it costs.
type reference struct {
	url    string
	header http.Header
	encode func([]driver.Event) any
	client *http.Client
}

func (r *reference) Send(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	body, err := json.Marshal(r.encode(events))
	if err != nil {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return nil
	}
	req.Header = r.header.Clone()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "gtb")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil // silently drop
	}
	defer resp.Body.Close()
	// The reference logs a status of 400 and more at debug level.
	return nil
}

func (r *reference) Close() error { return nil }

// properties are what the reference keeps of an event.
func properties(e driver.Event) map[string]any {
	p := map[string]any{"tool": e.Tool, "version": e.Version, "os": e.OS, "arch": e.Arch, "name": e.Name}
	for k, v := range e.Metadata {
		p[k] = v
	}
	return p
}

func referencePostHog() driver.Driver {
	hosts := map[string]string{"us": "us.i.posthog.com", "eu": "eu.i.posthog.com"}
	host := func(s map[string]string) string {
		if h := hosts[s["instance"]]; h != "" {
			return h
		}
		return hosts["us"]
	}
	return driver.Driver{
		Name: "posthog", Doc: "PostHog, as the reference implementation sends to it",
		Settings: []driver.Setting{{Name: "instance", Doc: "us or eu"}, {Name: "project_key", Doc: "phc_…", Secret: true}},
		Hosts:    func(s map[string]string) []string { return []string{host(s)} },
		Open: func(c driver.Config) (driver.Backend, error) {
			key := c.Settings["project_key"]
			return &reference{
				url: "https://" + host(c.Settings) + "/capture/", header: http.Header{},
				client: &http.Client{Transport: c.Transport, Timeout: 5 * time.Second},
				encode: func(events []driver.Event) any {
					var batch []any
					for _, e := range events {
						batch = append(batch, map[string]any{"event": e.Type, "distinct_id": e.MachineID,
							"timestamp": e.Time.Format(time.RFC3339), "properties": properties(e)})
					}
					return map[string]any{"api_key": key, "batch": batch}
				},
			}, nil
		},
	}
}

func referenceDatadog() driver.Driver {
	sites := map[string]string{"us1": "datadoghq.com", "us3": "us3.datadoghq.com", "us5": "us5.datadoghq.com", "eu": "datadoghq.eu", "ap1": "ap1.datadoghq.com"}
	host := func(s map[string]string) string {
		if site := sites[s["region"]]; site != "" {
			return "http-intake.logs." + site
		}
		return "http-intake.logs." + sites["us1"]
	}
	return driver.Driver{
		Name: "datadog", Doc: "Datadog, as the reference implementation sends to it",
		Settings: []driver.Setting{{Name: "region", Doc: "us1, us3, us5, eu or ap1"}, {Name: "api_key", Doc: "an API key", Secret: true}},
		Hosts:    func(s map[string]string) []string { return []string{host(s)} },
		Open: func(c driver.Config) (driver.Backend, error) {
			return &reference{
				url: "https://" + host(c.Settings) + "/api/v2/logs", header: http.Header{"Dd-Api-Key": {c.Settings["api_key"]}},
				client: &http.Client{Transport: c.Transport, Timeout: 5 * time.Second},
				encode: func(events []driver.Event) any {
					var items []any
					for _, e := range events {
						var tags []string
						for _, k := range slices.Sorted(maps.Keys(e.Metadata)) {
							tags = append(tags, k+":"+e.Metadata[k])
						}
						items = append(items, map[string]any{"ddsource": e.Tool, "service": e.Tool, "hostname": e.MachineID, "message": e.Name,
							"event_type": e.Type, "timestamp": e.Time.Format(time.RFC3339), "version": e.Version, "os": e.OS, "arch": e.Arch,
							"ddtags": strings.Join(tags, ",")})
					}
					return items
				},
			}, nil
		},
	}
}

// refusals are the rows that PostHog's and Datadog's documentation share.
func refusals(more map[int]driver.Class) map[int]driver.Class {
	table := map[int]driver.Class{
		204: driver.ClassUnknown, 401: driver.ClassThrottled, 403: driver.ClassThrottled, 408: driver.ClassUnknown, 413: driver.ClassTooLarge,
		429: driver.ClassUnknown, 500: driver.ClassUnknown, 502: driver.ClassUnknown, 503: driver.ClassUnknown, 504: driver.ClassUnknown,
	}
	maps.Copy(table, more)
	return table
}

func referenceMutants() []mutant {
	posthog := Subject{
		Driver: referencePostHog(),
		Settings: func(string) map[string]string {
			return map[string]string{"instance": "eu", "project_key": "phc_0123456789"}
		},
		Statuses: refusals(map[int]driver.Class{200: driver.ClassAccepted, 202: driver.ClassUnknown, 400: driver.ClassTooLarge, 404: driver.ClassThrottled}),
		Accepted: Answer{Body: `{"status":"Ok"}`}, BodyDecides: true,
		NotAccepted: []Answer{{Body: `{"status":"Ok","quota_limited":["events"]}`}},
		Decode:      decodePostHog,
		Constants:   []string{"/capture/", "gtb", "api_key", "batch", "event", "distinct_id", "timestamp", "properties", "tool", "version", "os", "arch", "name"},
		NoIP: func(r Request) error {
			if !strings.Contains(string(r.Body), `"$geoip_disable":true`) {
				return errors.New("$geoip_disable is not true, and $ip is not set")
			}
			return nil
		},
	}
	datadog := Subject{
		Driver:   referenceDatadog(),
		Settings: func(string) map[string]string { return map[string]string{"region": "eu", "api_key": "dd-0123456789"} },
		Statuses: refusals(map[int]driver.Class{200: driver.ClassUnknown, 202: driver.ClassAccepted, 400: driver.ClassTooLarge, 404: driver.ClassThrottled}),
		Accepted: Answer{Status: 202, Body: `{}`},
		Decode:   decodeDatadog,
		Constants: []string{"/api/v2/logs", "gtb", "Dd-Api-Key", "ddsource", "service", "hostname", "message", "event_type", "timestamp",
			"version", "os", "arch", "ddtags"},
	}
	return []mutant{
		{name: "reference-posthog", subject: posthog, fails: `
			delivery/retry-after-with-failures
			delivery/closed-before-answer delivery/closed-in-head delivery/each-its-own-deadline delivery/each-its-own-verdict
			delivery/challenge-not-accepted
			delivery/4xx-about-the-way delivery/changed-acceptance delivery/edge-5xx delivery/emptied-acceptance
			delivery/endless-failure delivery/interim-answers delivery/mutated-answers delivery/other-2xx delivery/other-3xx
			delivery/other-4xx delivery/other-5xx delivery/page-of-any-type delivery/page-with-any-2xx-not-accepted
			delivery/switched-protocols
			collector/400-costs-one-event collector/413-splits collector/consent-id collector/eight-processes
			collector/killed-after-answer collector/oversized-event collector/random-failures delivery/202-as-documented
			delivery/204-as-documented delivery/400-as-documented delivery/401-as-documented delivery/403-as-documented
			delivery/404-as-documented delivery/408-as-documented delivery/413-as-documented delivery/429-keeps-batch
			delivery/500-as-documented delivery/502-keeps-batch delivery/503-keeps-batch delivery/504-keeps-batch
			delivery/cancelled-before delivery/cancelled-during delivery/certificate-of-another-host delivery/concurrent-sends
			delivery/cut-answer-not-accepted delivery/endless-answer delivery/every-event-once delivery/expired-certificate
			delivery/garbage-answer-not-accepted delivery/hang-before-answer delivery/hang-in-answer delivery/hang-while-connecting
			delivery/html-not-accepted delivery/keeps-nothing delivery/largest-batch delivery/late-answer
			delivery/lookalike-not-accepted delivery/redirect-not-followed delivery/refused-keeps-batch delivery/reset-before-answer
			delivery/reset-in-answer delivery/reset-in-request delivery/reset-on-connect delivery/retry-after-absurd
			delivery/retry-after-date delivery/retry-after-seconds delivery/same-ids-again delivery/slow-answer
			delivery/unknown-authority delivery/web-page-not-refused driver/mistake-is-an-error lifecycle/close-during-send
			lifecycle/config-copied lifecycle/instances-are-independent lifecycle/send-after-close privacy/ip-storage-off
			privacy/keys-stay-on-redirect fidelity/*
			delivery/batch-sizes delivery/control-character-in-version delivery/equal-events delivery/escaped-batch
			delivery/any-name-and-version lifecycle/many-sends`},
		{name: "reference-datadog", subject: datadog, fails: `
			delivery/retry-after-with-failures
			delivery/closed-before-answer delivery/closed-in-head delivery/each-its-own-deadline delivery/each-its-own-verdict
			delivery/challenge-not-accepted
			delivery/4xx-about-the-way delivery/edge-5xx delivery/endless-failure delivery/interim-answers
			delivery/mutated-answers delivery/other-2xx delivery/other-3xx delivery/other-4xx delivery/other-5xx
			delivery/page-of-any-type delivery/page-with-any-2xx-not-accepted delivery/switched-protocols
			collector/400-costs-one-event collector/413-splits collector/consent-id collector/eight-processes
			collector/killed-after-answer collector/oversized-event collector/random-failures delivery/200-as-documented
			delivery/204-as-documented delivery/400-as-documented delivery/401-as-documented delivery/403-as-documented
			delivery/404-as-documented delivery/408-as-documented delivery/413-as-documented delivery/429-keeps-batch
			delivery/500-as-documented delivery/502-keeps-batch delivery/503-keeps-batch delivery/504-keeps-batch
			delivery/cancelled-before delivery/cancelled-during delivery/certificate-of-another-host delivery/concurrent-sends
			delivery/every-event-once delivery/expired-certificate delivery/hang-before-answer delivery/hang-while-connecting
			delivery/html-not-accepted delivery/keeps-nothing delivery/largest-batch delivery/late-answer delivery/redirect-not-followed
			delivery/refused-keeps-batch delivery/reset-before-answer delivery/reset-in-request delivery/reset-on-connect
			delivery/retry-after-absurd delivery/retry-after-date delivery/retry-after-seconds delivery/same-ids-again
			delivery/unknown-authority delivery/web-page-not-refused driver/mistake-is-an-error lifecycle/close-during-send
			lifecycle/config-copied lifecycle/instances-are-independent lifecycle/send-after-close privacy/keys-stay-on-redirect
			fidelity/*
			delivery/batch-sizes delivery/control-character-in-version delivery/equal-events delivery/escaped-batch
			delivery/any-name-and-version lifecycle/many-sends`},
	}
}

// decodePostHog reads a body of /batch/ as the vendor does.
func decodePostHog(r Request) ([]Received, error) {
	var body struct {
		Batch []struct {
			UUID       string
			Event      string
			DistinctID string `json:"distinct_id"`
			Timestamp  time.Time
			Properties map[string]any
		}
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return nil, err
	}
	var list []Received
	for _, e := range body.Batch {
		text := func(key string) string { s, _ := e.Properties[key].(string); delete(e.Properties, key); return s }
		got := Received{ID: e.UUID, Type: e.Event, MachineID: e.DistinctID, Time: e.Timestamp,
			Name: text("name"), Tool: text("tool"), Version: text("version"), OS: text("os"), Arch: text("arch"), Metadata: map[string]string{}}
		for k, v := range e.Properties {
			got.Metadata[k] = fmt.Sprint(v)
		}
		list = append(list, got)
	}
	return list, nil
}

// decodeDatadog reads a list of logs as the intake does.
func decodeDatadog(r Request) ([]Received, error) {
	var items []struct {
		Message, Service, Hostname, Version, OS, Arch, DDTags string
		EventType                                             string `json:"event_type"`
		EventID                                               string `json:"event_id"`
		Timestamp                                             time.Time
	}
	if err := json.NewDecoder(bytes.NewReader(r.Body)).Decode(&items); err != nil && err != io.EOF {
		return nil, err
	}
	var list []Received
	for _, i := range items {
		got := Received{ID: i.EventID, Type: i.EventType, Name: i.Message, Tool: i.Service, Version: i.Version, OS: i.OS, Arch: i.Arch,
			MachineID: i.Hostname, Time: i.Timestamp, Metadata: map[string]string{}}
		for _, tag := range strings.Split(i.DDTags, ",") {
			if k, v, ok := strings.Cut(tag, ":"); ok {
				got.Metadata[k] = v
			}
		}
		list = append(list, got)
	}
	return list, nil
}
