//go:build !notelemetry

package operator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/gotoolbase/telemetry/cmd/internal/screen"
)

// maxFile is far above what a relay with a hundred tools takes.
const maxFile = 256 << 10

// A relay's file is read as strictly as a tool's: see package toolfile.

// parse returns the mapping that the file consists of. A Node is what the parser saw: no
// alias is followed, so none can blow up.
func parse(data []byte) (*yaml.Node, error) {
	const empty = "the file is empty: a relay needs listen, ledger and tools"
	if len(data) > maxFile {
		return nil, wrong(0, "", "the file is larger than %d KiB", maxFile>>10)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, wrong(0, "", empty)
	case err != nil:
		return nil, syntaxError(err)
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil, wrong(0, "", empty)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, wrong(second.Line, "", "a second document begins here; one file is one relay")
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(err)
	}
	return root, nil
}

// syntaxError is the parser's error, which repeats something of the file in one case.
func syntaxError(err error) error {
	problem := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.HasPrefix(problem, "unknown anchor") {
		return wrong(0, "", aliasProblem)
	}
	line := 0
	if n, _ := fmt.Sscanf(problem, "line %d: ", &line); n == 1 {
		_, problem, _ = strings.Cut(problem, ": ")
	}
	return wrong(line, "", "not valid YAML, here or nearby: %s", problem)
}

const aliasProblem = "anchors and aliases (& and *) are not read here; quote a value that begins with one of them"

type reader = func(n *yaml.Node, key string) error

// field is a key that the file may hold.
type field struct {
	name string
	// read takes the value in, nil meaning that it must not be there, for the reason in why.
	read reader
	why  string
}

// readFields reads a mapping whose keys are fields.
func readFields(n *yaml.Node, path string, fields []field) error {
	return eachPair(n, path, func(name, value *yaml.Node) error {
		names := make([]string, 0, len(fields))
		for _, f := range fields {
			switch {
			case f.read != nil && f.name == name.Value:
				return f.read(value, join(path, f.name))
			case f.name == name.Value:
				return wrong(name.Line, join(path, f.name), "%s", f.why)
			case f.read != nil:
				names = append(names, f.name)
			}
		}
		return wrong(name.Line, join(path, shown(name.Value)), "unknown key; known here are %s", strings.Join(names, ", "))
	})
}

// eachPair calls visit for each pair of a mapping, in order.
func eachPair(n *yaml.Node, path string, visit func(name, value *yaml.Node) error) error {
	if err := plain(n, path); err != nil {
		return err
	}
	if n.Kind != yaml.MappingNode {
		return wrong(n.Line, path, "must hold keys with values, one a line and indented")
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if err := plain(name, path); err != nil {
			return err
		}
		if name.Kind != yaml.ScalarNode || name.Value == "" {
			return wrong(name.Line, path, "a key must be a word")
		}
		if line, twice := seen[name.Value]; twice {
			return wrong(name.Line, join(path, shown(name.Value)), "stands here a second time; the first is in line %d", line)
		}
		seen[name.Value] = name.Line
		if err := visit(name, value); err != nil {
			return err
		}
	}
	return nil
}

// eachItem calls visit for each item of a list.
func eachItem(n *yaml.Node, key, example string, visit func(i int, item *yaml.Node) error) error {
	if err := plain(n, key); err != nil {
		return err
	}
	if n.Kind != yaml.SequenceNode {
		return wrong(n.Line, key, "must be a list, such as %s", example)
	}
	for i, item := range n.Content {
		if err := visit(i, item); err != nil {
			return err
		}
	}
	return nil
}

// plain refuses what YAML can do beyond plain data.
func plain(n *yaml.Node, key string) error {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return wrong(n.Line, key, aliasProblem)
	case n.Style&yaml.TaggedStyle != 0:
		return wrong(n.Line, key, "tags (!) are not read here; quote a value that begins with one")
	}
	return nil
}

// scalar returns the value as it is written.
func scalar(n *yaml.Node, key string) (string, error) {
	if err := plain(n, key); err != nil {
		return "", err
	}
	if n.Kind != yaml.ScalarNode {
		return "", wrong(n.Line, key, "must be a single value")
	}
	if n.Value == "" || n.ShortTag() == "!!null" {
		return "", wrong(n.Line, key, "has no value; remove the key to leave it unset")
	}
	return n.Value, nil
}

func text(to *string) reader {
	return func(n *yaml.Node, key string) (err error) {
		*to, err = scalar(n, key)
		return err
	}
}

func flag(to *bool) reader {
	return func(n *yaml.Node, key string) error {
		value, err := scalar(n, key)
		if err != nil {
			return err
		}
		if n.ShortTag() != "!!bool" {
			return wrong(n.Line, key, "must be true or false")
		}
		*to = strings.EqualFold(value, "true")
		return nil
	}
}

func positive(to *float64) reader {
	return func(n *yaml.Node, key string) error {
		value, err := scalar(n, key)
		if err != nil {
			return err
		}
		if *to, err = strconv.ParseFloat(value, 64); err != nil || !(*to > 0) || *to > 1e9 {
			return wrong(n.Line, key, "must be a number above zero, such as 0.5 or 10")
		}
		return nil
	}
}

func duration(to *time.Duration) reader {
	return func(n *yaml.Node, key string) error {
		value, err := scalar(n, key)
		if err != nil {
			return err
		}
		if *to, err = parseDuration(value); err != nil {
			return wrong(n.Line, key, "%v", err)
		}
		return nil
	}
}

// parseDuration reads Go's durations, and days.
func parseDuration(value string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(value, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		return 0, errors.New("must be a duration with its unit, such as 90m, 24h or 15d")
	}
	return d, nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// shown makes a word of the file's fit to be printed.
func shown(word string) string {
	const enough = 40 // longer than any key of ours
	word = screen.Clean(word)
	if runes := []rune(word); len(runes) > enough {
		return string(runes[:enough]) + "…"
	}
	return word
}
