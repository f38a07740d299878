package toolfile

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/httpjson"
)

// toolFields are the fields of props.Tool, in its order.
func toolFields(tool *props.Tool) []field {
	return []field{
		{name: "Name", read: text(&tool.Name)},
		{name: "Version", read: text(&tool.Version)},
		{name: "Features", read: features(&tool.Features)},
		{name: "Telemetry", read: func(n *yaml.Node, key string) error {
			return readFields(n, key, telemetryFields(&tool.Telemetry))
		}},
	}
}

// telemetryFields are the fields of props.TelemetryConfig, in its order.
func telemetryFields(config *props.TelemetryConfig) []field {
	return []field{
		{name: "Backend", read: text(&config.Backend)},
		{name: "Drivers", why: "drivers are code: list them in the program that reads this file, and name one as Backend"},
		{name: "Settings", read: texts(&config.Settings)},
		{name: "Endpoint", read: text(&config.Endpoint)},
		{name: "OTelEndpoint", read: text(&config.OTelEndpoint)},
		{name: "Headers", read: texts(&config.Headers)},
		{name: "Insecure", read: flag(&config.Insecure)},
		{name: "Installation", read: text(&config.Installation)},
		{name: "DeliveryMode", read: text((*string)(&config.DeliveryMode))},
		{name: "ExtendedCollection", read: flag(&config.ExtendedCollection)},
		{name: "Metadata", read: texts(&config.Metadata)},
		{name: "MetadataKeys", read: list(&config.MetadataKeys)},
		{name: "DeletionRequestor", read: requestor(&config.DeletionRequestor)},
		{name: "Notice", read: text(&config.Notice)},
		{name: "NoticeVersion", read: number(&config.NoticeVersion)},
		{name: "PrivacyURL", read: text(&config.PrivacyURL)},
		{name: "MaxQueueBytes", read: size(&config.MaxQueueBytes)},
		{name: "MaxEventAge", read: duration(&config.MaxEventAge)},
		{name: "UploadInterval", read: duration(&config.UploadInterval)},
	}
}

type reader = func(n *yaml.Node, key string) error

// scalar returns the value as it is written: 1.10 stays 1.10, whatever YAML would make
// of it.
func scalar(n *yaml.Node, key string) (string, error) {
	if err := plain(n, key); err != nil {
		return "", err
	}
	if n.Kind != yaml.ScalarNode {
		return "", &Error{n.Line, key, "must be a single value"}
	}
	if n.ShortTag() == "!!null" {
		return "", &Error{n.Line, key, "has no value; remove the key to leave it unset"}
	}
	return n.Value, nil
}

func text(to *string) reader {
	return func(n *yaml.Node, key string) (err error) {
		*to, err = scalar(n, key)
		return err
	}
}

func texts(to *map[string]string) reader {
	return func(n *yaml.Node, key string) error {
		*to = map[string]string{}
		return eachPair(n, key, func(name, value *yaml.Node) error {
			content, err := scalar(value, join(key, shown(name.Value)))
			(*to)[name.Value] = content
			return err
		})
	}
}

func list(to *[]string) reader {
	return func(n *yaml.Node, key string) error {
		if err := plain(n, key); err != nil {
			return err
		}
		if n.Kind != yaml.SequenceNode {
			return &Error{n.Line, key, "must be a list, such as [format, shell]"}
		}
		*to = make([]string, len(n.Content)) // not nil: an empty list allows nothing
		for i, item := range n.Content {
			content, err := scalar(item, key)
			if err != nil {
				return err
			}
			(*to)[i] = content
		}
		return nil
	}
}

func flag(to *bool) reader {
	return func(n *yaml.Node, key string) error {
		value, err := scalar(n, key)
		if err != nil {
			return err
		}
		if n.ShortTag() != "!!bool" {
			return &Error{n.Line, key, "must be true or false"}
		}
		*to = strings.EqualFold(value, "true")
		return nil
	}
}

func number(to *int) reader {
	return func(n *yaml.Node, key string) error {
		value, err := scalar(n, key)
		if err != nil {
			return err
		}
		if *to, err = strconv.Atoi(value); err != nil {
			return &Error{n.Line, key, "must be a whole number"}
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
		if *to, err = time.ParseDuration(value); err != nil {
			return &Error{n.Line, key, "must be a duration with its unit, such as 30s, 10m or 720h"}
		}
		return nil
	}
}

func size(to *int64) reader {
	return func(n *yaml.Node, key string) error {
		value, err := scalar(n, key)
		if err != nil {
			return err
		}
		unit := int64(1)
		for name, factor := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
			if rest, found := strings.CutSuffix(value, name); found {
				value, unit = strings.TrimRight(rest, " "), factor
				break
			}
		}
		count, err := strconv.ParseInt(value, 10, 64)
		if err != nil || count > math.MaxInt64/unit || count < math.MinInt64/unit {
			return &Error{n.Line, key, "must be a number of bytes, such as 8388608 or 8MiB (KiB, MiB, GiB)"}
		}
		*to = count * unit
		return nil
	}
}

// requestor reads those requestors that need no code: {Endpoint: …}, {Email: …}, or both,
// and then both are asked.
func requestor(to *deletion.Requestor) reader {
	return func(n *yaml.Node, key string) error {
		var web httpjson.Requestor
		var email deletion.Email
		err := readFields(n, key, []field{
			{name: "Endpoint", read: text(&web.Endpoint)},
			{name: "Headers", read: texts(&web.Headers)},
			{name: "Email", read: text(&email.To)},
		})
		if err != nil {
			return err
		}
		var all deletion.Several
		if web.Endpoint != "" {
			all = append(all, web)
		}
		if email.To != "" {
			all = append(all, email)
		}
		switch len(all) {
		case 0:
			return &Error{n.Line, key, "needs an Endpoint or an Email; without DeletionRequestor, a data.deletion_request event goes to the backend"}
		case 1:
			*to = all[0]
		default:
			*to = all
		}
		if err := all.Check(); err != nil {
			return &Error{n.Line, key, err.Error()}
		}
		return nil
	}
}

func features(to *props.Features) reader {
	return func(n *yaml.Node, key string) error {
		return eachPair(n, key, func(name, value *yaml.Node) error {
			if name.Value != string(props.TelemetryCmd) {
				return &Error{name.Line, join(key, shown(name.Value)), fmt.Sprintf("unknown feature; known here is %q", props.TelemetryCmd)}
			}
			var on bool
			if err := flag(&on)(value, join(key, name.Value)); err != nil {
				return err
			}
			if !on {
				*to = to.With(props.Disable(props.TelemetryCmd))
			}
			return nil
		})
	}
}
