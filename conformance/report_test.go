package conformance

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAReportSaysWhatWasRunWhereAndByWhat(t *testing.T) {
	t.Parallel()
	before := time.Now().UTC().Truncate(time.Second)
	s := httpSubject()
	s.Name = "http of a test"
	r := verifyHere(t, s)
	if r.Subject != s.Name || r.Kind != KindBackend || r.Contract != ContractVersion || r.Short ||
		r.Go != runtime.Version() || r.OS != runtime.GOOS || r.Arch != runtime.GOARCH {
		t.Errorf("it is of %q, a %s under contract %s, with %s on %s/%s", r.Subject, r.Kind, r.Contract, r.Go, r.OS, r.Arch)
	}
	if r.Date.Before(before) || r.Date.After(time.Now()) || r.Date.Location() != time.UTC {
		t.Errorf("it is of %v", r.Date)
	}
	const own = "github.com/gotoolbase/telemetry"
	if r.Suite.Path != own || r.Driver.Path != own || r.Suite.Version == "" {
		t.Errorf("the suite is %+v, the driver %+v", r.Suite, r.Driver)
	}
	for _, what := range []string{"the variable USER", "the folder HOME", "an argument"} {
		if !slices.Contains(r.Planted, what) {
			t.Errorf("%s was planted, and it names %q", what, r.Planted)
		}
	}
	for _, what := range []string{"the machine ID", "the host name"} { // as this machine lets it
		if slices.Contains(r.Planted, what) == slices.Contains(r.NotPlanted, what) {
			t.Errorf("%s: planted %q, not planted %q", what, r.Planted, r.NotPlanted)
		}
	}
	for _, name := range slices.Concat(r.Planted, r.NotPlanted) {
		if strings.Contains(name, "cnry") || strings.Contains(name, string(filepath.Separator)) {
			t.Errorf("it holds the value of what was planted: %q", name)
		}
	}
}

func TestAReportOfARequestorSaysSo(t *testing.T) {
	t.Parallel()
	if r := VerifyDeletion(DeletionSubject{Name: "nothing"}); r.Kind != KindRequestor || r.Contract != ContractVersion || r.Subject != "nothing" || r.Driver != (Module{}) {
		t.Errorf("got %+v", r)
	}
}

func TestAModuleIsFoundInWhatTheProgramWasBuiltFrom(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{
		Main: debug.Module{Path: "example.com/tool", Version: "(devel)"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"},
			{Key: "vcs.modified", Value: "true"}},
		Deps: []*debug.Module{
			{Path: "example.com/tool/plugin", Version: "v1.2.3"},
			{Path: "gopkg.in/acme.v2", Version: "v2.0.0-20260102030405-abcdef012345"},
			{Path: "example.com/fork", Version: "v1.0.0", Replace: &debug.Module{Path: "/home/me/fork"}},
			{Path: "example.com/other", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/ours", Version: "v1.1.0-0.20260102030405-abcdef012346+incompatible"}},
		},
	}
	main := Module{Path: "example.com/tool", Version: "(devel)", Commit: "0123456789abcdef0123456789abcdef01234567", Modified: true}
	for function, want := range map[string]Module{
		"example.com/tool/acme.Driver.func1":     main,
		"example.com/tool_test.TestConformance":  main,
		"main.open":                              main,
		"example.com/tool/plugin.open":           {Path: "example.com/tool/plugin", Version: "v1.2.3"},
		"example.com/tool/plugins.open":          main,
		"gopkg.in/acme%2ev2.(*vendor).open-fm":   {Path: "gopkg.in/acme.v2", Version: "v2.0.0-20260102030405-abcdef012345", Commit: "abcdef012345"},
		"example.com/fork/deep/er.glob..func2":   {Path: "example.com/fork", Version: "(devel)"},
		"example.com/other.open[...]":            {Path: "example.com/other", Version: "v1.1.0-0.20260102030405-abcdef012346+incompatible", Commit: "abcdef012346"},
		"example.com/toolbox.open":               {},
		"net/http.(*Client).Do":                  {},
		"command-line-arguments.TestConformance": {},
	} {
		if got := findModule(info, packageOf(function)); got != want {
			t.Errorf("%s is of %+v, want %+v", function, got, want)
		}
	}
	if got := moduleOf((func())(nil)); got != (Module{}) {
		t.Errorf("no function is of %+v", got)
	}
}

func TestShortLeavesOutWhatTakesLongAndSaysSo(t *testing.T) {
	t.Parallel()
	s := httpSubject()
	shared := &session{subject: &s, base: sampleBase, options: options{short: true}}
	defer shared.cleanup()
	slow := Check{ID: "x/y", Level: Must, slow: true, do: func(p *probe) { p.failOnly("it was run") }}
	if r := shared.make(slow); r.Outcome != Skipped || !strings.Contains(r.Reason, "-short") {
		t.Errorf("a slow one: %+v", r)
	}
	slow.slow = false
	if r := shared.make(slow); len(r.Findings) == 0 {
		t.Errorf("one that is not: %+v", r)
	}
}

// The schema and the type name the same fields; that reports are as the schema says is
// tried with a validator in internal/interop.
func TestTheSchemaNamesTheFieldsOfTheType(t *testing.T) {
	t.Parallel()
	type object struct {
		Properties map[string]json.RawMessage
		Required   []string
	}
	var schema struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	text, err := os.ReadFile("report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	for name, compared := range map[string]struct {
		schema object
		of     reflect.Type
	}{
		"report":  {schema.object, reflect.TypeFor[Report]()},
		"module":  {schema.Defs["module"], reflect.TypeFor[Module]()},
		"result":  {schema.Defs["result"], reflect.TypeFor[Result]()},
		"finding": {schema.Defs["finding"], reflect.TypeFor[Finding]()},
	} {
		var all, required []string
		for i := range compared.of.NumField() {
			field, options, _ := strings.Cut(compared.of.Field(i).Tag.Get("json"), ",")
			if all = append(all, field); options == "" {
				required = append(required, field)
			}
		}
		slices.Sort(all)
		slices.Sort(required)
		if got := slices.Sorted(maps.Keys(compared.schema.Properties)); !slices.Equal(got, all) {
			t.Errorf("%s: the schema has the fields %q, the type %q", name, got, all)
		}
		if got := slices.Sorted(slices.Values(compared.schema.Required)); !slices.Equal(got, required) {
			t.Errorf("%s: the schema requires %q, the type always writes %q", name, got, required)
		}
	}
}
