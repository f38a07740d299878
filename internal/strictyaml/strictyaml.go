// Package strictyaml reads YAML files that people write by hand and that decide
// something: what a tool declares, what a relay does, what a vendor's documentation says.
//
// Whatever is unknown, twice there or of another kind is an error that names the line,
// the key and what would be right, and repeats no value, which may be a secret. Nothing
// in a file is expanded, and of YAML only plain data is read: no anchors, no tags, one
// document.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/spelling"
)

// Node is a value of a file, as the parser saw it.
type Node = yaml.Node

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

// Wrong makes an Error.
func Wrong(line int, key, format string, args ...any) error {
	return &Error{Line: line, Key: key, Problem: fmt.Sprintf(format, args...)}
}

// Document is what is known of a kind of file.
type Document struct {
	// Max is how large one may be, in KiB: far above what any takes, so that it bounds what
	// a wrong file costs.
	Max int
	// Empty says what an empty one lacks, One why there is no second document in it, Plain
	// why it is no pipe and no directory, and Example is a line of one.
	Empty, One, Plain, Example string
}

// Read returns what the file at path holds, for Parse. Where it cannot be read the error does
// not repeat the path.
func (d Document) Read(path string) ([]byte, error) {
	unreadable := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("cannot read the file: %w", plaintext.Cause(err))
	}
	// The look comes first: to open a pipe is to wait for its other end.
	info, err := os.Stat(path)
	if err != nil {
		return unreadable(err)
	}
	if !info.Mode().IsRegular() {
		return nil, Wrong(0, "", "%s", d.Plain)
	}
	f, err := os.Open(path)
	if err != nil {
		return unreadable(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(d.Max)<<10+1))
	if err != nil {
		return unreadable(err)
	}
	return data, nil
}

// Parse returns the mapping that the file consists of.
func (d Document) Parse(data []byte) (*Node, error) {
	if len(data) > d.Max<<10 {
		return nil, Wrong(0, "", "the file is larger than %d KiB", d.Max)
	}
	// A Node is what the parser saw: no alias is followed, so none can blow up.
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, Wrong(0, "", "%s", d.Empty)
	case err != nil:
		return nil, syntaxError(err)
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil, Wrong(0, "", "%s", d.Empty)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, Wrong(second.Line, "", "a second document begins here; %s", d.One)
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(err)
	}
	if err := Plain(root, ""); err != nil {
		return nil, err
	}
	if root.Kind != yaml.MappingNode {
		return nil, Wrong(root.Line, "", "the file must hold keys with values, such as %q", d.Example)
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

// Plain refuses what YAML can do beyond plain data.
func Plain(n *Node, key string) error {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return Wrong(n.Line, key, aliasProblem)
	case n.Style&yaml.TaggedStyle != 0:
		return Wrong(n.Line, key, "tags (!) are not read here; quote a value that begins with one")
	}
	return nil
}

// Field is a key that a mapping may hold.
type Field struct {
	Name string
	// Read takes the value in. nil means that the field must not be there, for the reason
	// in Why.
	Read Reader
	Why  string
}

// Fields reads a mapping whose keys are fields.
func Fields(n *Node, path string, fields []Field) error {
	return EachPair(n, path, func(name, value *Node) error {
		key := Join(path, name.Value)
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name.Value })
		if i < 0 {
			return Wrong(name.Line, Join(path, Shown(name.Value)), "unknown key%s", suggest(name.Value, fields))
		}
		if fields[i].Read == nil {
			return Wrong(name.Line, key, "%s", fields[i].Why)
		}
		return fields[i].Read(value, key)
	})
}

// EachPair calls visit for each pair of a mapping, in order.
func EachPair(n *Node, path string, visit func(name, value *Node) error) error {
	if err := Plain(n, path); err != nil {
		return err
	}
	if n.Kind != yaml.MappingNode {
		return Wrong(n.Line, path, "must hold keys with values, one a line and indented")
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if err := Plain(name, path); err != nil {
			return err
		}
		if name.Kind != yaml.ScalarNode || name.Value == "" {
			return Wrong(name.Line, path, "a key must be a word")
		}
		if line, twice := seen[name.Value]; twice {
			return Wrong(name.Line, Join(path, Shown(name.Value)), "stands here a second time; the first is in line %d", line)
		}
		seen[name.Value] = name.Line
		if err := visit(name, value); err != nil {
			return err
		}
	}
	return nil
}

// EachItem calls visit for each item of a list. example shows one.
func EachItem(n *Node, key, example string, visit func(i int, item *Node) error) error {
	if err := Plain(n, key); err != nil {
		return err
	}
	if n.Kind != yaml.SequenceNode {
		return Wrong(n.Line, key, "must be a list, such as %s", example)
	}
	for i, item := range n.Content {
		if err := visit(i, item); err != nil {
			return err
		}
	}
	return nil
}

// Join is the path of a key within another.
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Shown makes a key that we do not know fit to be printed.
func Shown(key string) string {
	const enough = 40 // longer than any of ours
	return plaintext.Line(key, enough)
}

// suggest names the field that was likely meant, or all of them.
func suggest(key string, fields []Field) string {
	best, least := "", max(2, len(key)/3)+1
	var names []string
	for _, f := range fields {
		if f.Read == nil {
			continue // it must not be there, so nobody is led to it
		}
		names = append(names, f.Name)
		if d := spelling.Distance(strings.ToLower(key), strings.ToLower(f.Name)); d < least {
			best, least = f.Name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; known here are " + strings.Join(names, ", ")
}
