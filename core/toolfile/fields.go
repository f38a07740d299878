package toolfile

import (
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
		{Name: "Metadata", Read: strictyaml.Texts(&config.Metadata)},
		{Name: "MetadataKeys", Read: strictyaml.List(&config.MetadataKeys, "[format, shell]")},
		{Name: "ErrorClasses", Read: strictyaml.List(&config.ErrorClasses, "[quota_exceeded]")},
		{Name: "DeletionRequestor", Read: requestor(&config.DeletionRequestor)},
		{Name: "Notice", Read: strictyaml.Text(&config.Notice)},
		{Name: "NoticeVersion", Read: strictyaml.Number(&config.NoticeVersion)},
		{Name: "PrivacyURL", Read: strictyaml.Text(&config.PrivacyURL)},
		{Name: "MaxQueueBytes", Read: size(&config.MaxQueueBytes)},
		{Name: "MaxEventAge", Read: strictyaml.Duration(&config.MaxEventAge)},
		{Name: "UploadInterval", Read: strictyaml.Duration(&config.UploadInterval)},
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
