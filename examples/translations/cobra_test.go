package translations_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/examples/translations"
)

// A tool with cobra chooses the table where it wires telemetry.
func Example() {
	root := &cobra.Command{Use: "mytool"}
	p := props.New(props.Tool{Name: "mytool", Features: props.SetFeatures(props.Enable(props.TelemetryCmd))})

	messages := translations.For(os.LookupEnv)
	err := telemetrycmd.Wire(root, p, telemetrycmd.WithConsole(console.WithMessages(messages)))
	_ = err // a mistake in what was declared; the tool goes on
}

func TestTheCommandsUnderCobraAreTranslated(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"telemetry status":                      "Telemetrie von mytool: aus (noch nicht gefragt)\n",
		"telemetry disable --help":              "auch das Protokoll des Gesendeten löschen",
		"telemetry --help":                      "Jetzt senden, was wartet",
		"__complete telemetry status --output":  "--output\tfür Menschen oder für Programme",
		"__complete telemetry status --output ": "json\tfür Programme",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			root := &cobra.Command{Use: "mytool"}
			var out bytes.Buffer
			root.SetOut(&out)
			root.SetErr(&out)
			p := props.New(props.Tool{
				Name: "mytool", Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
				Telemetry: props.TelemetryConfig{Endpoint: "http://127.0.0.1:9/events"},
			})
			none := func(string) (string, bool) { return "", false }
			if err := telemetrycmd.Wire(root, p, telemetrycmd.WithConsole(console.WithMessages(translations.German)),
				telemetrycmd.WithCore(core.WithStateDir(t.TempDir()), core.WithPolicyFile(t.TempDir()+"/none"), core.WithEnv(none))); err != nil {
				t.Fatal(err)
			}
			words := strings.Fields(args)
			if strings.HasSuffix(args, " ") {
				words = append(words, "")
			}
			root.SetArgs(words)
			if err := root.Execute(); err != nil || !strings.Contains(out.String(), want) {
				t.Errorf("%v, printed:\n%s", err, out.String())
			}
		})
	}
}
