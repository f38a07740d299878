package conformance

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
)

// vendorDocument is what is known of vendor files. 256 KiB is far above what a table with
// all its answers takes.
var vendorDocument = strictyaml.Document{
	Max:     256,
	Empty:   "the file is empty: it needs at least name, request and statuses",
	One:     "one file is one vendor",
	Plain:   "not a plain file: a report could not be made of the same one again",
	Example: "name: acme",
}

// VendorError is a mistake in a vendor file.
type VendorError struct {
	File string
	// Line is 0 where the file as a whole is meant.
	Line int
	// Key is the path of the key, such as "request.fields", empty for the syntax.
	Key string
	// Problem says what is wrong, and what would be right.
	Problem string
}

func (e *VendorError) Error() string {
	text := e.File
	if e.Line > 0 {
		text += fmt.Sprintf(":%d", e.Line)
	}
	if e.Key != "" {
		text += ": " + e.Key
	}
	return text + ": " + e.Problem
}

// ReadVendor reads a vendor file. The error is a *VendorError, or says why the file cannot
// be read.
func ReadVendor(path string) (Vendor, error) {
	data, err := vendorDocument.Read(path)
	if err != nil {
		return Vendor{}, fmt.Errorf("the vendor file: %w", err)
	}
	v, err := parseVendor(data)
	if wrong := (*strictyaml.Error)(nil); errors.As(err, &wrong) {
		return v, &VendorError{File: path, Line: wrong.Line, Key: wrong.Key, Problem: wrong.Problem}
	}
	return v, err
}

// vendorReader is a vendor that is being read.
type vendorReader struct {
	Vendor
	lines map[string]int // of the keys at the top
	words []string       // names that the vendor gives to things
	mixed []mixed
}

func parseVendor(data []byte) (Vendor, error) {
	root, err := vendorDocument.Parse(data)
	if err != nil {
		return Vendor{}, err
	}
	v := &vendorReader{lines: map[string]int{}}
	for i := 0; i+1 < len(root.Content); i += 2 {
		v.lines[root.Content[i].Value] = root.Content[i].Line
	}
	if err := strictyaml.Fields(root, "", v.fields()); err != nil {
		return Vendor{}, err
	}
	if err := v.check(); err != nil {
		return Vendor{}, err
	}
	s := &v.subject
	for _, m := range v.mixed {
		s.Partial = append(s.Partial, m.verdicts())
	}
	s.Constants = append(s.Constants, slices.DeleteFunc(v.words, func(word string) bool { return word == "" })...)
	slices.Sort(s.Constants)
	s.Constants = slices.Compact(s.Constants)
	return v.Vendor, nil
}

func (v *vendorReader) fields() []strictyaml.Field {
	s := &v.subject
	return []strictyaml.Field{
		{Name: "name", Read: strictyaml.Text(&v.name)},
		{Name: "doc", Read: strictyaml.Text(&v.doc)},
		{Name: "settings", Read: v.readSettings},
		{Name: "headers", Read: strictyaml.Texts(&s.Headers)},
		{Name: "hosts", Read: strictyaml.List(&v.hosts, "[eu.acme.example]")},
		{Name: "limits", Read: readLimits(&s.Limits)},
		{Name: "request", Read: v.readRequest},
		{Name: "statuses", Read: v.readStatuses},
		{Name: "accepted", Read: readAnswer(&s.Accepted)},
		{Name: "refusal", Read: readAnswer(&s.Refusal)},
		{Name: "body_decides", Read: strictyaml.Flag(&s.BodyDecides)},
		{Name: "not_accepted", Read: readAnswers(&s.NotAccepted)},
		{Name: "not_refused", Read: readAnswers(&s.NotRefused)},
		{Name: "answers", Read: v.readMeanings},
		{Name: "partial", Read: v.readPartial},
		{Name: "window", Read: v.readWindow},
		{Name: "unordered", Read: strictyaml.Flag(&s.Unordered)},
		{Name: "constants", Read: strictyaml.List(&s.Constants, "[v1, logs]")},
		{Name: "varies", Read: reasons(&s.Varies)},
		{Name: "omits", Read: v.readOmits},
		{Name: "known_failures", Read: reasons(&s.KnownFailures)},
	}
}

// check finds what is wrong with the file as a whole.
func (v *vendorReader) check() error {
	missing := func(key, problem string) error { return strictyaml.Wrong(v.lines[key], key, "%s", problem) }
	switch {
	case v.name == "":
		return missing("name", "not set: what the vendor is called, in lower case and without spaces")
	case v.doc == "":
		return missing("doc", "not set: one sentence on what the backend does, such as \"posts events to Acme\"")
	case !driverName.MatchString(v.name):
		return missing("name", "is not lower case letters, digits and hyphens: the report's file has this name")
	case v.subject.Limits.Events < 0 || v.subject.Limits.Bytes < 0 || v.subject.Limits.EventBytes < 0:
		return missing("limits", "below zero: leave out what the vendor does not limit")
	case slices.ContainsFunc(v.hosts, func(host string) bool { return strings.ContainsAny(host, "/?@ ") }):
		return missing("hosts", "a host is a name without https:// and without a path")
	case len(v.hosts) == 0:
		return missing("hosts", "not set: every host that the backend may contact; "+hostWord+" is that of the suite's endpoint")
	case v.request.fields == nil:
		return missing("request", "needs fields: where the vendor has each field of an event")
	case v.subject.Statuses == nil:
		return missing("statuses", "not set: what each status means, such as {202: accepted, 5xx: again}")
	}
	for _, status := range SuiteStatuses() {
		if _, known := v.subject.Statuses[status]; !known {
			return missing("statuses", fmt.Sprintf("no row for %d: write down what the vendor's documentation says of it", status))
		}
	}
	for _, f := range eventFields() {
		_, placed := v.request.fields[f.name]
		_, omitted := v.subject.Omits[f.in]
		switch {
		case placed && omitted:
			return missing("omits", f.name+" has a place in request.fields")
		case !placed && !omitted:
			return missing("request", "fields has no place for "+f.name+": name it, or list it in omits with the reason")
		}
	}
	return nil
}

func (v *vendorReader) readSettings(n *strictyaml.Node, key string) error {
	return strictyaml.EachPair(n, key, func(name, value *strictyaml.Node) error {
		s := vendorSetting{name: name.Value}
		path := strictyaml.Join(key, strictyaml.Shown(name.Value))
		err := strictyaml.Fields(value, path, []strictyaml.Field{
			{Name: "doc", Read: strictyaml.Text(&s.doc)},
			{Name: "value", Read: strictyaml.Text(&s.value)},
			{Name: "secret", Read: strictyaml.Flag(&s.secret)},
			{Name: "free_form", Read: strictyaml.Flag(&s.freeForm)},
		})
		if err == nil && s.value == "" {
			err = strictyaml.Wrong(value.Line, path, "needs a value, with which the backend is opened")
		}
		v.settings = append(v.settings, s)
		return err
	})
}

func readLimits(to *driver.Limits) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		return strictyaml.Fields(n, key, []strictyaml.Field{
			{Name: "events", Read: strictyaml.Number(&to.Events)},
			{Name: "bytes", Read: strictyaml.Number(&to.Bytes)},
		})
	}
}

// classNames are the words of a table. Of a batch that is refused for something in it, the
// suite knows no other word than too large: both come again in halves.
var classNames = map[string]driver.Class{
	"accepted": driver.ClassAccepted, "again": driver.ClassUnknown, "throttled": driver.ClassThrottled,
	"too_large": driver.ClassTooLarge, "refused": driver.ClassTooLarge, "permanent": driver.ClassPermanent,
}

func (v *vendorReader) readStatuses(n *strictyaml.Node, key string) error {
	v.subject.Statuses = map[int]driver.Class{}
	single := map[int]bool{}
	return strictyaml.EachPair(n, key, func(name, value *strictyaml.Node) error {
		path := strictyaml.Join(key, strictyaml.Shown(name.Value))
		var class driver.Class
		if err := readClass(&class)(value, path); err != nil {
			return err
		}
		from, to := statusRange(name.Value)
		if from < 200 || to > 599 {
			return strictyaml.Wrong(name.Line, path, "not a status from 200 to 599, nor 2xx, 3xx, 4xx or 5xx")
		}
		for status := from; status <= to; status++ {
			switch {
			case class == driver.ClassAccepted && status/100 != 2:
				return strictyaml.Wrong(name.Line, path, "only 2xx can be an acceptance")
			case class != driver.ClassUnknown && class != driver.ClassThrottled && slices.Contains(alwaysKept, status):
				return strictyaml.Wrong(name.Line, path, "no vendor judges a batch with a %d, so it is again or throttled", status)
			case from == to:
				single[status] = true
			case single[status]:
				continue // what is said of one status counts, wherever it stands
			}
			v.subject.Statuses[status] = class
		}
		return nil
	})
}

// statusRange is the statuses that a key stands for, zeros if it is none.
func statusRange(key string) (from, to int) {
	if hundred, all := strings.CutSuffix(key, "xx"); all {
		n, _ := strconv.Atoi(hundred)
		return n * 100, n*100 + 99
	}
	n, _ := strconv.Atoi(key)
	return n, n
}

func readAnswer(to *Answer) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		var header map[string]string
		err := strictyaml.Fields(n, key, []strictyaml.Field{
			{Name: "status", Read: strictyaml.Number(&to.Status)},
			{Name: "type", Read: strictyaml.Text(&to.Type)},
			{Name: "headers", Read: strictyaml.Texts(&header)},
			{Name: "body", Read: strictyaml.Text(&to.Body)},
		})
		if err == nil && to.Status != 0 && (to.Status < 200 || to.Status > 599) {
			return strictyaml.Wrong(n.Line, key, "the status is not between 200 and 599")
		}
		for name, value := range header {
			if to.Header == nil {
				to.Header = http.Header{}
			}
			to.Header.Set(name, value)
		}
		return err
	}
}

func readAnswers(to *[]Answer) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		return strictyaml.EachItem(n, key, `[{status: 200, body: '{"quota":"exceeded"}'}]`, func(i int, item *strictyaml.Node) error {
			var a Answer
			err := readAnswer(&a)(item, fmt.Sprintf("%s[%d]", key, i))
			*to = append(*to, a)
			return err
		})
	}
}

func readClass(to *driver.Class) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		word, err := strictyaml.Scalar(n, key)
		if err != nil {
			return err
		}
		class, known := classNames[word]
		if !known {
			return strictyaml.Wrong(n.Line, key, "not a class: accepted, again, throttled, too_large, refused or permanent")
		}
		*to = class
		return nil
	}
}

func (v *vendorReader) readMeanings(n *strictyaml.Node, key string) error {
	return strictyaml.EachItem(n, key, `[{name: over quota, answer: {…}, class: throttled}]`, func(i int, item *strictyaml.Node) error {
		m := Meaning{Class: -1}
		path := fmt.Sprintf("%s[%d]", key, i)
		err := strictyaml.Fields(item, path, []strictyaml.Field{
			{Name: "name", Read: strictyaml.Text(&m.Name)},
			{Name: "answer", Read: readAnswer(&m.Answer)},
			{Name: "class", Read: readClass(&m.Class)},
		})
		if err == nil && (m.Name == "" || m.Class < 0) {
			return strictyaml.Wrong(item.Line, path, "needs a name, for the report, and the class of the answer")
		}
		v.subject.Answers = append(v.subject.Answers, m)
		return err
	})
}

func (v *vendorReader) readWindow(n *strictyaml.Node, key string) error {
	w := &Window{}
	err := strictyaml.Fields(n, key, []strictyaml.Field{
		{Name: "past", Read: strictyaml.Duration(&w.Past)},
		{Name: "ahead", Read: strictyaml.Duration(&w.Ahead)},
		{Name: "reason", Read: strictyaml.Text(&w.Reason)},
	})
	if err == nil && (w.Past <= 0 || w.Reason == "") {
		return strictyaml.Wrong(n.Line, key, "needs past, the greatest age of an event, and the reason: where the vendor says so")
	}
	v.subject.Window = w
	return err
}

// idWord stands for the ID of an event.
var idWord = regexp.MustCompile(`\{\{id [1-9][0-9]?\}\}`)

func (v *vendorReader) readPartial(n *strictyaml.Node, key string) error {
	return strictyaml.EachItem(n, key, `[{name: one is refused, answer: {…}, rejected: [2], accepted: others}]`, func(i int, item *strictyaml.Node) error {
		var m mixed
		path := fmt.Sprintf("%s[%d]", key, i)
		err := strictyaml.Fields(item, path, []strictyaml.Field{
			{Name: "name", Read: strictyaml.Text(&m.name)},
			{Name: "answer", Read: readAnswer(&m.answer)},
			{Name: "accepted", Read: readChoice(&m.accepted)},
			{Name: "rejected", Read: readChoice(&m.rejected)},
			{Name: "unnamed", Read: strictyaml.Number(&m.unnamed)},
			{Name: "sizes", Read: readNumbers(&m.sizes, 500, "[1, 2, 3, 50]: the sizes of the batches that it is tried with")},
		})
		switch {
		case err != nil:
			return err
		case m.name == "":
			return strictyaml.Wrong(item.Line, path, "needs a name, for the report")
		case m.accepted.others && m.rejected.others:
			return strictyaml.Wrong(item.Line, path, "accepted and rejected cannot both be the others")
		}
		if rest := idWord.ReplaceAllString(strings.ReplaceAll(m.answer.Body, countWord, ""), ""); strings.Contains(rest, "{{") {
			return strictyaml.Wrong(item.Line, path, "the answer's body has a {{…}} other than {{id 1}} and {{count}}")
		}
		v.mixed = append(v.mixed, m)
		return nil
	})
}

func readChoice(to *choice) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		if n.Kind == yaml.ScalarNode && n.Value == "others" {
			to.others = true
			return nil
		}
		return readNumbers(&to.numbers, 3, "[2], counted from 1, or the word others")(n, key)
	}
}

func readNumbers(to *[]int, most int, example string) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		return strictyaml.EachItem(n, key, example, func(_ int, item *strictyaml.Node) error {
			number := 0
			if err := strictyaml.Number(&number)(item, key); err != nil {
				return err
			}
			if number < 1 || number > most {
				return strictyaml.Wrong(item.Line, key, "must be between 1 and %d", most)
			}
			*to = append(*to, number)
			return nil
		})
	}
}

// reasons reads a mapping whose values are reasons.
func reasons(to *map[string]string) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		if err := strictyaml.Texts(to)(n, key); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(*to)) {
			if (*to)[name] == "" {
				return strictyaml.Wrong(n.Line, strictyaml.Join(key, strictyaml.Shown(name)), "needs a reason")
			}
		}
		return nil
	}
}

func (v *vendorReader) readOmits(n *strictyaml.Node, key string) error {
	var given map[string]string
	if err := reasons(&given)(n, key); err != nil {
		return err
	}
	v.subject.Omits = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		i := slices.IndexFunc(eventFields(), func(f eventField) bool { return f.name == name })
		if i < 0 {
			return strictyaml.Wrong(n.Line, strictyaml.Join(key, strictyaml.Shown(name)), "no field of an event")
		}
		v.subject.Omits[eventFields()[i].in] = given[name]
	}
	return nil
}

func (v *vendorReader) readRequest(n *strictyaml.Node, key string) error {
	r := &v.request
	var format string
	err := strictyaml.Fields(n, key, []strictyaml.Field{
		{Name: "method", Read: strictyaml.Text(&r.method)},
		{Name: "path", Read: strictyaml.Text(&r.path)},
		{Name: "headers", Read: strictyaml.Texts(&r.headers)},
		{Name: "format", Read: func(n *strictyaml.Node, key string) error {
			err := strictyaml.Text(&format)(n, key)
			if err == nil && format != "json" && format != "ndjson" {
				return strictyaml.Wrong(n.Line, key, "must be json or ndjson; any other form is read by a Decode in Go")
			}
			return err
		}},
		{Name: "events", Read: func(n *strictyaml.Node, key string) (err error) {
			r.events, err = v.readPlace(n, key)
			return err
		}},
		{Name: "body", Read: func(n *strictyaml.Node, key string) error {
			return strictyaml.EachPair(n, key, func(name, value *strictyaml.Node) error {
				c := constant{at: strings.Split(name.Value, ".")}
				v.words = append(v.words, c.at...)
				r.fixed = append(r.fixed, c)
				return v.readConstant(&r.fixed[len(r.fixed)-1].is)(value, strictyaml.Join(key, strictyaml.Shown(name.Value)))
			})
		}},
		{Name: "fields", Read: v.readFields},
		{Name: "no_ip", Read: v.readNoIP},
	})
	if err != nil {
		return err
	}
	if r.rows = format == "ndjson"; r.rows && (len(r.events) > 0 || len(r.fixed) > 0) {
		return strictyaml.Wrong(n.Line, key, "a body of lines has neither events nor body: each line is an event")
	}
	v.words = append(v.words, r.path, r.method)
	for name, value := range r.headers {
		v.words = append(v.words, http.CanonicalHeaderKey(name), value)
	}
	return nil
}

// readPlace reads the way to a value: names with dots between them, or, where a name has
// a dot in it, a list of names.
func (v *vendorReader) readPlace(n *strictyaml.Node, key string) (at jsonPath, err error) {
	if n.Kind == yaml.SequenceNode {
		var names []string
		err = strictyaml.List(&names, "[resource, service.name]")(n, key)
		at = names
	} else {
		var text string
		text, err = strictyaml.Scalar(n, key)
		at = strings.Split(text, ".")
	}
	if err == nil && (len(at) == 0 || slices.Contains(at, "")) {
		err = strictyaml.Wrong(n.Line, key, "must be a name, or names with dots between them, such as data.logs")
	}
	v.words = append(v.words, at...)
	return at, err
}

func (v *vendorReader) readFields(n *strictyaml.Node, key string) error {
	v.request.fields = map[string]field{}
	var list []strictyaml.Field
	for _, known := range eventFields() {
		list = append(list, strictyaml.Field{Name: known.name, Read: func(n *strictyaml.Node, key string) (err error) {
			var f field
			if len(known.forms) > 0 {
				f.form = known.forms[0]
			}
			if n.Kind != yaml.MappingNode {
				f.at, err = v.readPlace(n, key)
			} else {
				err = strictyaml.Fields(n, key, []strictyaml.Field{
					{Name: "at", Read: func(n *strictyaml.Node, key string) (err error) {
						f.at, err = v.readPlace(n, key)
						return err
					}},
					{Name: "form", Read: strictyaml.Text(&f.form)},
				})
			}
			switch {
			case err != nil:
				return err
			case len(f.at) == 0:
				return strictyaml.Wrong(n.Line, key, "needs at: where the vendor has it")
			case f.form != "" && !slices.Contains(known.forms, f.form):
				return strictyaml.Wrong(n.Line, key, "not one of its forms: %s", cmp.Or(strings.Join(known.forms, ", "), "it has none"))
			}
			v.request.fields[known.name] = f
			return nil
		}})
	}
	return strictyaml.Fields(n, key, list)
}

func (v *vendorReader) readNoIP(n *strictyaml.Node, key string) error {
	var c constant
	at := func(where inRequest) strictyaml.Reader {
		return func(n *strictyaml.Node, key string) (err error) {
			c.where = where
			if where == inHeader {
				var name string
				err = strictyaml.Text(&name)(n, key)
				c.at = jsonPath{name}
				v.words = append(v.words, http.CanonicalHeaderKey(name))
				return err
			}
			c.at, err = v.readPlace(n, key)
			return err
		}
	}
	err := strictyaml.Fields(n, key, []strictyaml.Field{
		{Name: "body", Read: at(inBody)},
		{Name: "event", Read: at(inEvent)},
		{Name: "header", Read: at(inHeader)},
		{Name: "is", Read: v.readConstant(&c.is)},
	})
	if err == nil && len(c.at) == 0 {
		return strictyaml.Wrong(n.Line, key, "needs body, event or header, and what is there, such as {body: store_ip, is: false}")
	}
	if c.where == inHeader && err == nil {
		c.is = fmt.Sprint(c.is)
	}
	v.request.noIP = &c
	return err
}

// readConstant reads a value as JSON would have it. No value is none: it could not be told
// from one that is not there.
func (v *vendorReader) readConstant(to *any) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		text, err := strictyaml.Scalar(n, key)
		if err != nil {
			return err
		}
		switch n.ShortTag() {
		case "!!bool":
			*to = strings.EqualFold(text, "true")
		case "!!int", "!!float":
			*to = json.Number(text)
			v.words = append(v.words, text)
		default:
			*to = text
			v.words = append(v.words, text)
		}
		return nil
	}
}
