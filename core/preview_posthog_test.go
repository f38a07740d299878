//go:build !plan9

package core_test

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/gotoolbase/telemetry/backends/posthog"
)

// notHere are the backends that stay on the machine.
var notHere = []string{"file", "noop", "stdout"}

var uuids = regexp.MustCompile(`"uuid":"([0-9a-f-]{36})"`)

// addPostHog adds PostHog's two ways in. Its SDK does not build for Plan 9.
func addPostHog(all map[string]receiver) {
	d := posthog.Driver()
	all["posthog"] = receiver{&d, "posthog", map[string]string{"project_key": "phc_" + secretKey, "intake": "v1"}, func(body []byte) string {
		var results []string
		for _, id := range uuids.FindAllSubmatch(body, -1) {
			results = append(results, fmt.Sprintf(`"%s":{"result":"ok"}`, id[1]))
		}
		return `{"results":{` + strings.Join(results, ",") + `}}`
	}, 200}
	all["posthog batch"] = receiver{&d, "posthog", map[string]string{"project_key": "phc_" + secretKey, "intake": "batch"},
		func([]byte) string { return `{"status":"Ok"}` }, 200}
}
