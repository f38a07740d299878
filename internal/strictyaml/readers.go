package strictyaml

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Reader takes the value of a key in.
type Reader = func(n *Node, key string) error

// Scalar returns the value as it is written: 1.10 stays 1.10, whatever YAML would make
// of it.
func Scalar(n *Node, key string) (string, error) {
	if err := Plain(n, key); err != nil {
		return "", err
	}
	if n.Kind != yaml.ScalarNode {
		return "", Wrong(n.Line, key, "must be a single value")
	}
	if n.ShortTag() == "!!null" {
		return "", Wrong(n.Line, key, "has no value; remove the key to leave it unset")
	}
	return n.Value, nil
}

// Text reads a single value.
func Text(to *string) Reader {
	return func(n *Node, key string) (err error) {
		*to, err = Scalar(n, key)
		return err
	}
}

// Texts reads a mapping of texts.
func Texts(to *map[string]string) Reader {
	return func(n *Node, key string) error {
		*to = map[string]string{}
		return EachPair(n, key, func(name, value *Node) error {
			content, err := Scalar(value, Join(key, Shown(name.Value)))
			(*to)[name.Value] = content
			return err
		})
	}
}

// List reads a list of texts. An empty list is not nil. example shows one.
func List[T ~string](to *[]T, example string) Reader {
	return func(n *Node, key string) error {
		*to = []T{}
		return EachItem(n, key, example, func(_ int, item *Node) error {
			content, err := Scalar(item, key)
			*to = append(*to, T(content))
			return err
		})
	}
}

// Flag reads true or false.
func Flag(to *bool) Reader {
	return func(n *Node, key string) error {
		value, err := Scalar(n, key)
		if err != nil {
			return err
		}
		if n.ShortTag() != "!!bool" {
			return Wrong(n.Line, key, "must be true or false")
		}
		*to = strings.EqualFold(value, "true")
		return nil
	}
}

// Number reads a whole number.
func Number(to *int) Reader {
	return func(n *Node, key string) error {
		value, err := Scalar(n, key)
		if err != nil {
			return err
		}
		if *to, err = strconv.Atoi(value); err != nil {
			return Wrong(n.Line, key, "must be a whole number")
		}
		return nil
	}
}

// Duration reads a duration as Go writes them, or days.
func Duration(to *time.Duration) Reader {
	return func(n *Node, key string) error {
		value, err := Scalar(n, key)
		if err != nil {
			return err
		}
		if *to, err = ParseDuration(value); err != nil {
			return Wrong(n.Line, key, "%v", err)
		}
		return nil
	}
}

// ParseDuration reads a duration as Go writes them, or days, such as 15d: what is kept at
// vendors and in queues is counted in those. The error repeats no value.
func ParseDuration(value string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(value, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		return 0, errors.New("must be a duration with its unit, such as 30s, 10m, 24h or 15d")
	}
	return d, nil
}
