package toolfile

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/httpjson"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
)

// toolFields are the fields of props.Tool, in its order.
func toolFields(tool *props.Tool) []strictyaml.Field {
	return []strictyaml.Field{
		{Name: "Name", Read: strictyaml.Text(&tool.Name)},
		{Name: "Version", Read: strictyaml.Text(&tool.Version)},
		{Name: "Features", Read: features(&tool.Features)},
		{Name: "Telemetry", Read: func(n *strictyaml.Node, key string) error {
			return strictyaml.Fields(n, key, telemetryFields(&tool.Telemetry))
		}},
	}
}

// telemetryFields are the fields of props.TelemetryConfig, in its order.
func telemetryFields(config *props.TelemetryConfig) []strictyaml.Field {
	return []strictyaml.Field{
		{Name: "Backend", Read: strictyaml.Text(&config.Backend)},
		{Name: "Drivers", Why: "drivers are code: list them in the program that reads this file, and name one as Backend"},
		{Name: "Settings", Read: strictyaml.Texts(&config.Settings)},
		{Name: "Endpoint", Read: strictyaml.Text(&config.Endpoint)},
		{Name: "OTelEndpoint", Read: strictyaml.Text(&config.OTelEndpoint)},
		{Name: "Headers", Read: strictyaml.Texts(&config.Headers)},
		{Name: "Insecure", Read: strictyaml.Flag(&config.Insecure)},
		{Name: "Installation", Read: strictyaml.Text(&config.Installation)},
		{Name: "DeliveryMode", Read: strictyaml.Text((*string)(&config.DeliveryMode))},
		{Name: "ExtendedCollection", Read: strictyaml.Flag(&config.ExtendedCollection)},
		{Name: "Events", Read: events(&config.Events)},
		{Name: "Fields", Read: fields(&config.Fields)},
		{Name: "Metadata", Read: strictyaml.Texts(&config.Metadata)},
		{Name: "MetadataKeys", Read: strictyaml.List(&config.MetadataKeys, "[format, shell]")},
		{Name: "ErrorClasses", Read: strictyaml.List(&config.ErrorClasses, "[quota_exceeded]")},
		{Name: "DeletionRequestor", Read: requestor(&config.DeletionRequestor)},
		{Name: "Controller", Read: strictyaml.Text(&config.Controller)},
		{Name: "Contact", Read: strictyaml.Text(&config.Contact)},
		{Name: "Retention", Read: strictyaml.Text(&config.Retention)},
		{Name: "Purpose", Read: strictyaml.Text(&config.Purpose)},
		{Name: "Notice", Read: strictyaml.Text(&config.Notice)},
		{Name: "NoticeVersion", Read: strictyaml.Number(&config.NoticeVersion)},
		{Name: "PrivacyURL", Read: strictyaml.Text(&config.PrivacyURL)},
		{Name: "MaxQueueBytes", Read: size(&config.MaxQueueBytes)},
		{Name: "MaxEventAge", Read: strictyaml.Duration(&config.MaxEventAge)},
		{Name: "UploadInterval", Read: strictyaml.Duration(&config.UploadInterval)},
		{Name: "Fold", Read: strictyaml.Flag(&config.Fold)},
		{Name: "SampleRate", Read: strictyaml.Number(&config.SampleRate)},
	}
}

// eventFields are the fields of props.EventSpec, in its order.
func eventFields(e *props.EventSpec) []strictyaml.Field {
	return []strictyaml.Field{
		{Name: "Type", Read: strictyaml.Text((*string)(&e.Type))},
		{Name: "Purpose", Read: strictyaml.Text(&e.Purpose)},
		{Name: "Names", Read: strictyaml.List(&e.Names, "[import, export]")},
		{Name: "Fields", Read: fields(&e.Fields)},
		{Name: "Since", Read: strictyaml.Number(&e.Since)},
		{Name: "Until", Read: strictyaml.Text(&e.Until)},
		{Name: "Fold", Read: strictyaml.Flag(&e.Fold)},
	}
}

// fieldFields are the fields of props.Field, in its order.
func fieldFields(f *props.Field) []strictyaml.Field {
	return []strictyaml.Field{
		{Name: "Name", Read: strictyaml.Text(&f.Name)},
		{Name: "Type", Read: fieldType(&f.Type)},
		{Name: "Purpose", Read: strictyaml.Text(&f.Purpose)},
		{Name: "Since", Read: strictyaml.Number(&f.Since)},
		{Name: "Until", Read: strictyaml.Text(&f.Until)},
	}
}

func events(to *[]props.EventSpec) strictyaml.Reader {
	return listOf(to, "- Type: export.finished", eventFields)
}

func fields(to *[]props.Field) strictyaml.Reader {
	return listOf(to, "- {Name: format, Type: Bool}", fieldFields)
}

// listOf reads a list of mappings. An empty list is not nil.
func listOf[T any](to *[]T, example string, fieldsOf func(*T) []strictyaml.Field) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		*to = []T{}
		return strictyaml.EachItem(n, key, example, func(i int, item *strictyaml.Node) error {
			var value T
			err := strictyaml.Fields(item, fmt.Sprintf("%s[%d]", key, i), fieldsOf(&value))
			*to = append(*to, value)
			return err
		})
	}
}

// fieldType reads a kind by its name, or one with what it takes: {OneOf: [json, csv]},
// {Buckets: [10, 100]}.
func fieldType(to *props.FieldType) strictyaml.Reader {
	const known = "must be Number, Bool, Version, Text, {OneOf: [json, csv]} or {Buckets: [10, 100]}"
	return func(n *strictyaml.Node, key string) error {
		if len(n.Content) > 0 {
			var values, bounds []string
			err := strictyaml.Fields(n, key, []strictyaml.Field{
				{Name: "OneOf", Read: strictyaml.List(&values, "[json, csv]")},
				{Name: "Buckets", Read: strictyaml.List(&bounds, "[10, 100]")},
			})
			if err != nil {
				return err
			}
			if len(n.Content) > 2 { // a key and its value
				return &Error{Line: n.Line, Key: key, Problem: known}
			}
			if values != nil {
				*to = props.OneOf(values...)
				return nil
			}
			*to = props.Buckets()
			for _, text := range bounds {
				bound, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					return &Error{Line: n.Line, Key: strictyaml.Join(key, "Buckets"), Problem: "must be whole numbers"}
				}
				to.Bounds = append(to.Bounds, bound)
			}
			return nil
		}
		name, err := strictyaml.Scalar(n, key)
		if err != nil {
			return err
		}
		kinds := map[string]props.FieldType{"Number": props.Number(), "Bool": props.Bool(), "Version": props.Version(), "Text": props.Text()}
		kind, ok := kinds[name]
		if !ok {
			return &Error{Line: n.Line, Key: key, Problem: known}
		}
		*to = kind
		return nil
	}
}

func size(to *int64) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		value, err := strictyaml.Scalar(n, key)
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
			return &Error{Line: n.Line, Key: key, Problem: "must be a number of bytes, such as 8388608 or 8MiB (KiB, MiB, GiB)"}
		}
		*to = count * unit
		return nil
	}
}

// requestor reads those requestors that need no code: {Endpoint: …}, {Email: …}, or both,
// and then both are asked.
func requestor(to *deletion.Requestor) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		var web httpjson.Requestor
		var email deletion.Email
		err := strictyaml.Fields(n, key, []strictyaml.Field{
			{Name: "Endpoint", Read: strictyaml.Text(&web.Endpoint)},
			{Name: "Headers", Read: strictyaml.Texts(&web.Headers)},
			{Name: "Email", Read: strictyaml.Text(&email.To)},
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
			return &Error{Line: n.Line, Key: key, Problem: "needs an Endpoint or an Email; without DeletionRequestor, a data.deletion_request event goes to the backend"}
		case 1:
			*to = all[0]
		default:
			*to = all
		}
		if err := all.Check(); err != nil {
			return &Error{Line: n.Line, Key: key, Problem: err.Error()}
		}
		return nil
	}
}

func features(to *props.Features) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		return strictyaml.EachPair(n, key, func(name, value *strictyaml.Node) error {
			if name.Value != string(props.TelemetryCmd) {
				return strictyaml.Wrong(name.Line, strictyaml.Join(key, strictyaml.Shown(name.Value)), "unknown feature; known here is %q", props.TelemetryCmd)
			}
			var on bool
			if err := strictyaml.Flag(&on)(value, strictyaml.Join(key, name.Value)); err != nil {
				return err
			}
			if !on {
				*to = to.With(props.Disable(props.TelemetryCmd))
			}
			return nil
		})
	}
}
