package otlp_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
)

// The statuses are those of the OTLP specification: of the failures, 429, 502, 503 and
// 504 may be sent again, and what a receiver refuses in its own form must not. 401, 403,
// 404 and 408 are kept because they are not about the records.
func TestConformance(t *testing.T) { conformance.Run(t, subject(nil)) }

func TestConformanceWithNamesOfTheConventions(t *testing.T) {
	s := subject(map[string]string{
		"service": "fleet", "resource": "service.namespace=acme,deployment.environment.name=production", "conventions": "vcs.provider.name,db.system.name",
	})
	s.Name = "otlp-conventions"
	s.Constants = append(s.Constants, "service.namespace", "acme", "deployment.environment.name", "production")
	conformance.Run(t, s)
}

func subject(more map[string]string) conformance.Subject {
	const accepted, again, later, split = driver.ClassAccepted, driver.ClassUnknown, driver.ClassThrottled, driver.ClassTooLarge
	const protobuf, json = "application/x-protobuf", "application/json"
	rejects := func(body, kind string, n int) conformance.Verdicts {
		return conformance.Verdicts{
			Name:   fmt.Sprint(n, " rejected, as ", kind),
			Sizes:  []int{1, 2, 3, 50},
			Answer: func([]conformance.Received) conformance.Answer { return conformance.Answer{Type: kind, Body: body} },
			// A receiver that rejects more records than there were means all of them.
			Want: func(b []conformance.Received) driver.Partial { return driver.Partial{Unnamed: min(n, len(b))} },
		}
	}
	return conformance.Subject{
		Driver: otlp.Driver(),
		Settings: func(endpoint string) map[string]string {
			settings := map[string]string{"endpoint": endpoint, "headers": "X-Scope=tenant-0123456789"}
			maps.Copy(settings, more)
			return settings
		},
		Headers: map[string]string{"Authorization": "Bearer 0123456789secret"},
		Statuses: map[int]driver.Class{
			200: accepted, 202: accepted, 204: accepted, 400: split, 401: later, 403: later, 404: later, 408: again,
			413: split, 429: again, 500: split, 502: again, 503: again, 504: again,
		},
		// google.rpc.Status: InvalidArgument, "bad".
		Refusal: conformance.Answer{Type: protobuf, Body: "\x08\x03\x12\x03bad"},
		NotRefused: []conformance.Answer{
			{Status: 400, Type: protobuf}, {Status: 500}, {Status: 500, Type: "text/plain", Body: "Internal Server Error"}, {Status: 521, Type: "text/plain", Body: "error code: 521"},
		},
		// What the receiver of the OpenTelemetry Collector sends: a partial success that is
		// there and says nothing. BodyDecides is not declared since an empty body is an
		// acceptance too, being how an empty message is encoded.
		Accepted: conformance.Answer{Type: protobuf, Body: "\n\x00"},
		NotAccepted: []conformance.Answer{
			{Type: protobuf, Body: "\n\x05\x08"}, {Type: protobuf, Body: "\xff\xff"}, {Type: protobuf, Body: "OK"},
			{Type: json, Body: `{"`}, {Type: json, Body: `[]`}, {Type: json, Body: `null`}, {Type: json, Body: `"ok"`},
			{Type: "text/plain", Body: "OK\n"}, {Type: "text/plain", Body: "<html>log in</html>"},
		},
		Answers: []conformance.Meaning{
			{Name: "an empty message", Answer: conformance.Answer{Type: protobuf}, Class: accepted},
			{Name: "an empty message in JSON", Answer: conformance.Answer{Type: json, Body: `{}`}, Class: accepted},
			{Name: "a warning", Answer: conformance.Answer{Type: json, Body: `{"partialSuccess":{"errorMessage":"deprecated"}}`}, Class: accepted},
			{Name: "none rejected", Answer: conformance.Answer{Type: protobuf, Body: "\n\x06\x08\x00\x12\x02ok"}, Class: accepted},
			{Name: "-1 rejected", Answer: conformance.Answer{Type: json, Body: `{"partialSuccess":{"rejectedLogRecords":"-1"}}`}, Class: again},
			{Name: "-1 rejected, as protobuf", Answer: conformance.Answer{Type: protobuf, Body: "\n\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}, Class: again},
			{Name: "2^63 rejected", Answer: conformance.Answer{Type: json, Body: `{"partialSuccess":{"rejectedLogRecords":9223372036854775808}}`}, Class: again},
			{Name: "a Status in JSON with a 500", Answer: conformance.Answer{Status: 500, Type: json, Body: `{"code":13,"message":"bad"}`}, Class: split},
			{Name: "a Status with a 422", Answer: conformance.Answer{Status: 422, Type: protobuf, Body: "\x08\x03\x12\x03bad"}, Class: split},
		},
		Partial: []conformance.Verdicts{
			rejects("\n\x08\x08\x02\x12\x04full", protobuf, 2), rejects("\n\x02\x08\x03", protobuf+"; charset=utf-8", 3),
			rejects(`{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"full"}}`, json, 1),
		},
		Decode: decode,
		Constants: []string{"/v1/logs", "gotoolbase-telemetry", "X-Scope", "tenant-0123456789", "9", "INFO", "13", "WARN", "17", "ERROR",
			"https://opentelemetry.io/schemas/1.44.0", "github.com/gotoolbase/telemetry", "3", "go", "_OTHER",
			"service.name", "service.version", "telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version",
			"log.record.uid", "session.id", "app.installation.id", "gotoolbase.consent.id", "process.executable.name", "process.exit.code",
			"error.type", "exception.message", "os.type", "os.version", "host.arch", "process.runtime.name", "process.runtime.version",
			"process.interactive", "gotoolbase.event.type", "gotoolbase.event.name", "gotoolbase.duration_ms", "gotoolbase.args", "gotoolbase.flags",
			"gotoolbase.ci", "gotoolbase.ci_provider", "gotoolbase.agent", "gotoolbase.container", "gotoolbase.count", "gotoolbase.failures",
			"gotoolbase.durations.bucket_counts", "gotoolbase.durations.explicit_bounds_ms", "gotoolbase.sample_rate", "gotoolbase.truncated",
			"gotoolbase.redacted", "gotoolbase.time_adjusted", "gotoolbase.metadata",
			"10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "30000", "60000", "300000"},
		// What Kafka exporters behind a Collector take, which is less than its own 20 MiB.
		Limits:   driver.Limits{Bytes: 1_000_000},
		FreeForm: []string{"service", "resource"},
	}
}

// decode reads a request with the types that OpenTelemetry publishes, by the names of its
// conventions and of the package comment.
func decode(r conformance.Request) (events []conformance.Received, err error) {
	var request collector.ExportLogsServiceRequest
	if err := proto.Unmarshal(r.Body, &request); err != nil {
		return nil, err
	}
	text := func(v *common.AnyValue) string { return v.GetStringValue() }
	texts := func(v *common.AnyValue) (list []string) {
		for _, v := range v.GetArrayValue().Values {
			list = append(list, text(v))
		}
		return list
	}
	for _, group := range request.ResourceLogs {
		resource := map[string]string{}
		for _, a := range group.Resource.Attributes {
			resource[a.Key] = text(a.Value)
		}
		for _, record := range group.ScopeLogs[0].LogRecords {
			e := conformance.Received{Type: record.EventName, Version: resource["service.version"],
				Time: time.Unix(0, int64(record.TimeUnixNano)), Metadata: map[string]string{}}
			for _, a := range record.Attributes {
				number := a.Value.GetIntValue()
				switch a.Key {
				case "log.record.uid":
					e.ID = text(a.Value)
				case "session.id":
					e.RunID = text(a.Value)
				case "app.installation.id":
					e.MachineID = text(a.Value)
				case "gotoolbase.consent.id":
					e.ConsentID = text(a.Value)
				case "gotoolbase.event.type", "process.runtime.name":
					// The same is elsewhere.
				case "gotoolbase.event.name":
					e.Name = text(a.Value)
				case "gotoolbase.duration_ms":
					e.DurationMS = &number
				case "process.executable.name":
					e.Tool = text(a.Value)
				case "process.exit.code":
					code := int(number)
					e.ExitCode = &code
				case "error.type":
					if class := text(a.Value); class != "_OTHER" {
						e.ErrorClass = class
					}
				case "gotoolbase.args":
					e.Args = texts(a.Value)
				case "gotoolbase.flags":
					e.Flags = texts(a.Value)
				case "exception.message":
					e.Error = text(a.Value)
				case "os.type":
					e.OS = text(a.Value)
				case "os.version":
					e.OSVersion = text(a.Value)
				case "host.arch":
					e.Arch = text(a.Value)
				case "process.runtime.version":
					e.GoVersion = text(a.Value)
				case "process.interactive":
					e.Interactive = a.Value.GetBoolValue()
				case "gotoolbase.ci":
					e.CI = a.Value.GetBoolValue()
				case "gotoolbase.ci_provider":
					e.CIProvider = text(a.Value)
				case "gotoolbase.agent":
					e.Agent = text(a.Value)
				case "gotoolbase.container":
					e.Container = a.Value.GetBoolValue()
				case "gotoolbase.count":
					e.Count = int(number)
				case "gotoolbase.failures":
					e.Failures = int(number)
				case "gotoolbase.durations.bucket_counts":
					for _, v := range a.Value.GetArrayValue().Values {
						e.Durations = append(e.Durations, int(v.GetIntValue()))
					}
				case "gotoolbase.durations.explicit_bounds_ms":
					var bounds []int64
					for _, v := range a.Value.GetArrayValue().Values {
						bounds = append(bounds, v.GetIntValue())
					}
					if !slices.Equal(bounds, []int64{10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000}) {
						return nil, fmt.Errorf("bounds of %v", bounds)
					}
				case "gotoolbase.sample_rate":
					e.SampleRate = int(number)
				case "gotoolbase.truncated":
					e.Truncated = int(number)
				case "gotoolbase.redacted":
					e.Redacted = int(number)
				case "gotoolbase.time_adjusted":
					e.TimeAdjusted = a.Value.GetBoolValue()
				default:
					e.Metadata[strings.TrimPrefix(a.Key, "gotoolbase.metadata.")] = text(a.Value)
				}
			}
			events = append(events, e)
		}
	}
	return events, nil
}
