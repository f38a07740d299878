// Package toolfile reads a props.Tool from a YAML file whose keys are the names of the
// Go fields. It is for tools and scripts that embed or ship such a file, and for
// cmd/telemetry; a tool that declares itself in Go needs none of it.
//
//	Name: mytool
//	Version: 1.2.3
//	Telemetry:
//	  Backend: posthog
//	  Settings: {project_key: phc_x, instance: eu}
//	  UploadInterval: 10m
//
// The file is the author's word, so it is read strictly: whatever is unknown, twice
// there or of another kind is an error that names the line, the key and what would be
// right, and repeats no value, which may be a secret. Nothing in it is expanded:
// "${HOME}" stays as it is written, since no endpoint and no key may come from the
// environment of the person who runs the tool.
package toolfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// maxFile is far above what a declaration with a long notice takes, and bounds what a
// wrong file costs.
const maxFile = 64 << 10

// Error is a mistake in a file.
type Error struct {
	// Line is where it is, 0 if it is the file as a whole.
	Line int
	// Key is the path of the key, such as "Telemetry.Settings", empty for the syntax.
	Key string
	// Problem says what is wrong, and what would be right.
	Problem string
}

func (e *Error) Error() string {
	text := e.Problem
	if e.Key != "" {
		text = e.Key + ": " + text
	}
	if e.Line > 0 {
		text = fmt.Sprintf("line %d: %s", e.Line, text)
	}
	return text
}

// Load reads the tool declared in the file at path, which is a plain one: the
// background upload reads it again. See Parse.
func Load(path string, drivers ...driver.Driver) (props.Tool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return props.Tool{}, fmt.Errorf("cannot read the file: %w", cause(err))
	}
	if !info.Mode().IsRegular() {
		return props.Tool{}, &Error{Problem: "not a plain file: the background upload could not read it again"}
	}
	f, err := os.Open(path)
	if err != nil {
		return props.Tool{}, fmt.Errorf("cannot read the file: %w", cause(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return props.Tool{}, fmt.Errorf("cannot read the file: %w", cause(err))
	}
	return Parse(data, drivers...)
}

// cause is err without the path, which may hold a user's name.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// Parse reads the tool declared in data. drivers become Telemetry.Drivers, which is
// code and cannot stand in a file. Telemetry is on as a feature unless the file says
// "Features: {telemetry: false}": that the person is asked first does not depend on it.
// The errors are *Error; what a driver makes of its settings is core.Open's to say.
func Parse(data []byte, drivers ...driver.Driver) (props.Tool, error) {
	root, err := parseDocument(data)
	if err != nil {
		return props.Tool{}, err
	}
	tool := props.Tool{Features: props.SetFeatures(props.Enable(props.TelemetryCmd))}
	if err := readFields(root, "", toolFields(&tool)); err != nil {
		return props.Tool{}, err
	}
	tool.Telemetry.Drivers = drivers
	return tool, nil
}

// parseDocument returns the mapping that the file consists of.
func parseDocument(data []byte) (*yaml.Node, error) {
	if len(data) > maxFile {
		return nil, &Error{Problem: fmt.Sprintf("the file is larger than %d KiB", maxFile>>10)}
	}
	// A Node is what the parser saw: no alias is followed, so none can blow up.
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, &Error{Problem: "the file is empty: it needs at least a Name"}
	}
	if err != nil {
		return nil, syntaxError(err)
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil, &Error{Problem: "the file is empty: it needs at least a Name"}
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, &Error{Line: second.Line, Problem: "a second document begins here; one file declares one tool"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(err)
	}
	return root, nil
}

// syntaxError turns the parser's error into ours. Its text is the parser's own but for
// one case, in which it repeats what stands in the file.
func syntaxError(err error) error {
	problem := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.HasPrefix(problem, "unknown anchor") {
		return &Error{Problem: aliasProblem}
	}
	e := &Error{}
	if n, _ := fmt.Sscanf(problem, "line %d: ", &e.Line); n == 1 {
		_, problem, _ = strings.Cut(problem, ": ")
	}
	e.Problem = "not valid YAML: " + problem
	switch {
	case e.Line > 0 && strings.HasPrefix(problem, "did not find expected"):
		// For these the parser counts lines now from 0 and now from 1.
		e.Problem = "not valid YAML, here or in the next line: " + problem
	case problem == "found character that cannot start any token":
		e.Problem += " (indent with spaces, not tabs, and quote a value that begins with @, % or `)"
	}
	return e
}

const aliasProblem = "anchors and aliases (& and *) are not read here; quote a value that begins with one of them"

// field is a key that the file may hold.
type field struct {
	name string
	// read takes the value in. nil means that the field cannot come from a file, for the
	// reason in why.
	read func(n *yaml.Node, key string) error
	why  string
}

// readFields reads a mapping whose keys are fields.
func readFields(n *yaml.Node, path string, fields []field) error {
	return eachPair(n, path, func(name, value *yaml.Node) error {
		key := join(path, name.Value)
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name.Value })
		if i < 0 {
			return &Error{name.Line, join(path, shown(name.Value)), "unknown key" + suggest(name.Value, fields)}
		}
		if fields[i].read == nil {
			return &Error{name.Line, key, fields[i].why}
		}
		return fields[i].read(value, key)
	})
}

// eachPair calls visit for each pair of a mapping, in order.
func eachPair(n *yaml.Node, path string, visit func(name, value *yaml.Node) error) error {
	if err := plain(n, path); err != nil {
		return err
	}
	if n.Kind != yaml.MappingNode {
		problem := "must hold keys with values, one a line and indented"
		if path == "" {
			problem = "the file must hold keys with values, such as \"Name: mytool\""
		}
		return &Error{n.Line, path, problem}
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if err := plain(name, path); err != nil {
			return err
		}
		if name.Kind != yaml.ScalarNode || name.Value == "" {
			return &Error{name.Line, path, "a key must be a word"}
		}
		if line, twice := seen[name.Value]; twice {
			return &Error{name.Line, join(path, shown(name.Value)), fmt.Sprintf("stands here a second time; the first is in line %d", line)}
		}
		seen[name.Value] = name.Line
		if err := visit(name, value); err != nil {
			return err
		}
	}
	return nil
}

// plain refuses what YAML can do beyond plain data.
func plain(n *yaml.Node, key string) error {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return &Error{n.Line, key, aliasProblem}
	case n.Style&yaml.TaggedStyle != 0:
		return &Error{n.Line, key, "tags (!) are not read here; quote a value that begins with one"}
	}
	return nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// shown makes a key that we do not know fit to be printed.
func shown(key string) string {
	const enough = 40 // longer than any of ours
	return plaintext.Line(key, enough)
}

// suggest names the field that was likely meant, or all of them.
func suggest(key string, fields []field) string {
	best, least := "", max(2, len(key)/3)+1
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
		if d := distance(strings.ToLower(key), strings.ToLower(f.name)); d < least {
			best, least = f.name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; known here are " + strings.Join(names, ", ")
}

// distance is how many letters must be added, removed or changed to make b of a.
func distance(a, b string) int {
	const tooLong = 64 // no key of ours, and the work is quadratic
	if len(a) > tooLong {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
