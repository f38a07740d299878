package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	deletionamplitude "github.com/gotoolbase/telemetry/deletion/amplitude"
	deletiondatadog "github.com/gotoolbase/telemetry/deletion/datadog"
	deletionposthog "github.com/gotoolbase/telemetry/deletion/posthog"
	deletionsegment "github.com/gotoolbase/telemetry/deletion/segment"
)

// drivers are the backends that send over HTTP, by their packages.
func drivers() map[string]driver.Driver {
	return map[string]driver.Driver{
		"amplitude": amplitude.Driver(), "datadog": datadog.Driver(), "httpjson": httpjson.Driver(),
		"otlp": otlp.Driver(), "posthog": posthog.Driver(), "segment": segment.Driver(),
	}
}

func vendors() []deletion.Vendor {
	return []deletion.Vendor{deletionamplitude.Vendor(), deletiondatadog.Vendor(), deletionposthog.Vendor(), deletionsegment.Vendor()}
}

// Who knows one backend finds everything in the next one.
func TestSiblingsDeclareTheSameInTheSameOrder(t *testing.T) {
	t.Parallel()
	for name := range drivers() {
		path := filepath.Join("..", "..", "backends", name, name+".go")
		inOrder(t, path, "Driver", "Option", "NewBackend", "check", "open", "backend", "Send", "Close", "verdict")
		file := parse(t, path)
		for _, decl := range file.Decls {
			general, ok := decl.(*ast.GenDecl)
			if !ok || general.Tok != token.TYPE || general.Specs[0].(*ast.TypeSpec).Name.Name != "Option" {
				continue
			}
			kind, ok := general.Specs[0].(*ast.TypeSpec).Type.(*ast.FuncType)
			if !ok || kind.Results != nil || len(kind.Params.List) != 1 {
				t.Errorf("%s: Option is no func(*driver.Config)", path)
				continue
			}
			star, ok := kind.Params.List[0].Type.(*ast.StarExpr)
			if sel, is := star.X.(*ast.SelectorExpr); !ok || !is || sel.Sel.Name != "Config" {
				t.Errorf("%s: Option is no func(*driver.Config)", path)
			}
		}
	}
	for _, v := range vendors() {
		path := filepath.Join("..", "..", "deletion", v.Name, v.Name+".go")
		inOrder(t, path, "Vendor", "requestor", "RequestDeletion", "Status")
		notBefore(t, path, "Status", "Find", "Count", "Cancel")
	}
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// declared lists what a file declares, methods by their own names.
func declared(t *testing.T, path string) (names []string) {
	t.Helper()
	for _, decl := range parse(t, path).Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			names = append(names, decl.Name.Name)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok {
					names = append(names, spec.Name.Name)
				}
			}
		}
	}
	return names
}

func inOrder(t *testing.T, path string, want ...string) {
	t.Helper()
	names, last := declared(t, path), -1
	for _, name := range want {
		at := slices.Index(names, name)
		if at < 0 {
			t.Errorf("%s declares no %s", path, name)
		} else if at < last {
			t.Errorf("%s declares %s too early: the order is %s", path, name, strings.Join(want, ", "))
		}
		last = max(last, at)
	}
}

// notBefore is inOrder where a sibling need not have all.
func notBefore(t *testing.T, path string, want ...string) {
	t.Helper()
	names := declared(t, path)
	inOrder(t, path, slices.DeleteFunc(slices.Clone(want), func(name string) bool { return !slices.Contains(names, name) })...)
}

// Keys come first, then where the receiver is, then the rest. So do the pages and the screens that are
// made of them.
func TestSiblingsTakeTheirSettingsInTheSameOrder(t *testing.T) {
	t.Parallel()
	check := func(who string, settings []driver.Setting, secretPlace bool) {
		last, place := 0, ""
		for _, s := range settings {
			rank := 3
			switch {
			case s.Name == "endpoint":
				rank = 2
				if place != "" && !strings.HasPrefix(s.Doc, "instead of "+place+": ") {
					t.Errorf("%s: the endpoint's words do not begin with what it is instead of: %q", who, s.Doc)
				}
				if s.Secret != secretPlace {
					t.Errorf("%s: whether its endpoint is a secret differs from the others", who)
				}
			case s.Name == "instance", s.Name == "site":
				rank, place = 1, s.Name
			case s.Secret && last == 0:
				rank = 0
			}
			if rank < last {
				t.Errorf("%s: the setting %s comes too late", who, s.Name)
			}
			last = rank
		}
	}
	for _, d := range drivers() {
		check("backend "+d.Name, d.Settings, true) // the path of a tool's may hold a key
	}
	for _, v := range vendors() {
		check("vendor "+v.Name, v.Settings, false) // an operator's is shown, for them to check
	}
}

// An error says first which backend it is of.
func TestSiblingsBeginTheirErrorsWithTheirName(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(server.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	keys := map[string]string{"project_key": "phc_a", "api_key": "a", "write_key": "a"}
	for name, d := range drivers() {
		for what, endpoint := range map[string]string{"an answer": server.URL, "none": gone.URL} {
			settings := map[string]string{"endpoint": endpoint}
			for _, s := range d.Settings {
				if value, is := keys[s.Name]; is {
					settings[s.Name] = value
				}
			}
			b, err := d.New(driver.Config{Settings: settings})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			err = b.Send(t.Context(), []driver.Event{{
				ID: "0190a9c6-0000-7000-8000-000000000000", Type: "feature.used", Name: "a", Time: time.Now(), Tool: "a",
			}})
			b.Close()
			if err == nil || !strings.HasPrefix(err.Error(), d.Name+" backend: ") {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
	keys = map[string]string{
		"key": "phx_a", "project": "1", "api_key": strings.Repeat("a", 32), "application_key": strings.Repeat("a", 40),
		"secret_key": "a", "token": "a", "retention": "15d",
	}
	for _, v := range vendors() {
		settings := maps.Clone(keys)
		maps.DeleteFunc(settings, func(name, _ string) bool {
			return !slices.ContainsFunc(v.Settings, func(s driver.Setting) bool { return s.Name == name })
		})
		settings["endpoint"] = server.URL
		settings, err := driver.ResolveSettings(v.Name, v.Settings, settings)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		r, err := v.Open(deletion.VendorConfig{Settings: settings, Tool: "a"})
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		_, err = r.RequestDeletion(t.Context(), deletion.Request{MachineID: strings.Repeat("0f", 16)})
		if err == nil || !strings.HasPrefix(err.Error(), v.Name+" deletion: ") {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}
