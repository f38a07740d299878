package conformance

import (
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core/driver"
)

func driverChecks() []Check {
	return []Check{
		{ID: "driver/described", Level: Must,
			Sentence: "A driver has a name that can be typed, and a word on itself and on each of its settings.", do: described},
		{ID: "driver/local-or-hosts", Level: Must,
			Sentence: "A driver either reaches no network, or names the hosts that it reaches.", do: localOrHosts},
		{ID: "driver/mistake-is-an-error", Level: Must,
			Sentence: "A misspelt value of a setting, such as a region, is an error and not the default.", do: mistakes},
		{ID: "driver/error-names-field", Level: Should,
			Sentence: "The error of a wrong setting is a *driver.ConfigError, which names the field.", do: mistakesNamed},
		{ID: "driver/mistakes-told-before", Level: Must, needs: []need{checkable},
			Sentence: "Whatever Open refuses with a *driver.ConfigError, Driver.Check refuses too, so that nobody is asked or recorded before.", do: mistakesToldBefore},
		{ID: "driver/headers-kept-or-refused", Level: Must, needs: []need{network, headers},
			Sentence: "A header that an author sets arrives as it was set, or is refused: the backend's own does not take its place without a word.", do: headersKeptOrRefused},
		{ID: "driver/warnings-explained", Level: Must,
			Sentence: "Each warning of a driver has a name of lower-case letters, digits and underscores, and a sentence for the people who run a tool.", do: warningsExplained},
	}
}

var driverName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func described(p *probe) {
	d := p.subject.Driver
	if !driverName.MatchString(d.Name) {
		p.failOnly("the name %q is not lower case letters, digits and hyphens", d.Name)
	}
	if d.Doc == "" {
		p.failOnly("Driver.Doc is empty: people choose by it")
	}
	seen := map[string]bool{}
	for _, s := range d.Settings {
		if s.Name == "" || s.Doc == "" {
			p.failOnly("setting %q has no Name or no Doc", s.Name)
		}
		if seen[s.Name] {
			p.failOnly("two settings are named %q", s.Name)
		}
		seen[s.Name] = true
		if s.Required && s.Default != "" {
			p.failOnly("setting %q is required and has a default", s.Name)
		}
	}
	if d.Limits.Events < 0 || d.Limits.Bytes < 0 || d.Limits.EventBytes < 0 {
		p.failOnly("a limit is negative: %+v", d.Limits)
	}
}

var warningName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func warningsExplained(p *probe) {
	seen := map[string]bool{}
	for _, w := range p.subject.Driver.Warnings {
		if !warningName.MatchString(w.Name) || seen[w.Name] {
			p.failOnly("the name of the warning %q is there twice, or not lower-case letters, digits and underscores", w.Name)
		}
		if seen[w.Name] = true; w.Doc == "" {
			p.failOnly("the warning %q has no Doc: status shows it to people", w.Name)
		}
	}
}

func localOrHosts(p *probe) {
	d := p.subject.Driver
	var hosts []string
	if d.Hosts != nil {
		settings, err := d.Resolve(p.subject.settings(endpoint))
		if err != nil {
			p.failOnly("the subject's settings are refused: %v", err)
			return
		}
		hosts = d.Hosts(settings)
	}
	switch {
	case d.Local && len(hosts) > 0:
		p.failOnly("Local is set, and Hosts returns %q", hosts)
	case !d.Local && len(hosts) == 0:
		p.failOnly("Hosts returns none: people are shown where their data goes")
	}
	for _, host := range hosts {
		if host == "" || strings.ContainsAny(host, "/ ?@") {
			p.failOnly("Hosts returns %q, which is no host or host:port", host)
		}
	}
	if d.Local {
		if b, ok := p.open(); ok {
			p.send(b, p.batch(2))
			p.closeInTime(b)
		}
		for _, u := range p.wire.asked() {
			p.failOnly("Local is set, and %s was contacted", u.Host)
		}
	}
}

// mistaken calls try with the subject's settings, one of them misspelt at a time.
func (p *probe) mistaken(try func(name, value string, settings map[string]string)) {
	for _, declared := range p.subject.Driver.Settings {
		value := p.subject.settings(endpoint)[declared.Name]
		if value == "" {
			value = declared.Default
		}
		if value == "" && len(declared.Values) > 0 {
			value = declared.Values[0]
		}
		free := declared.Secret
		for _, name := range p.subject.FreeForm {
			free = free || name == declared.Name
		}
		if free || value == "" || p.subject.followsEndpoint(declared.Name) {
			continue
		}
		for _, wrong := range []string{value + "x", strings.ToUpper(value), " " + value, value[:len(value)-1]} {
			if wrong == "" || wrong == value || slices.Contains(declared.Values, wrong) {
				continue
			}
			settings := map[string]string{}
			for k, v := range p.subject.settings(endpoint) {
				settings[k] = v
			}
			settings[declared.Name] = wrong
			try(declared.Name, wrong, settings)
		}
	}
}

func mistakes(p *probe) {
	p.mistaken(func(name, value string, settings map[string]string) {
		b, err := p.tryOpen(settings, func(*driver.Config) {})
		if err == nil {
			b.Close()
			p.failOnly("setting %s: %q is taken without an error; declare its Values or a Check, or list it in the subject's FreeForm", name, value)
		}
	})
}

func mistakesNamed(p *probe) {
	named := func(what string, err error) {
		var config *driver.ConfigError
		if err != nil && (!errors.As(err, &config) || config.Field == "" || config.Problem == "") {
			p.failOnly("%s: the error is no *driver.ConfigError with a field and a problem: %v", what, err)
		}
	}
	p.mistaken(func(name, value string, settings map[string]string) {
		b, err := p.tryOpen(settings, func(*driver.Config) {})
		if err == nil {
			b.Close()
		}
		named("setting "+name+" = "+value, err)
	})
	if endpointSetting(p.subject) == "" {
		_, err := p.tryOpen(p.subject.settings("not an address"), func(*driver.Config) {})
		named("an endpoint that is no address", err)
	}
}

// alterations are changes of a configuration that may be mistakes of an author's: each
// setting left out, given twice or to a wrong place, and headers that cannot be sent.
func (s *Subject) alterations() []func(settings, headers map[string]string) {
	var list []func(settings, headers map[string]string)
	for _, declared := range s.Driver.Settings {
		own := s.settings(endpoint)[declared.Name]
		values := append([]string{"", declared.Default, endpoint, "http://elsewhere.example/v1", "tcp://elsewhere.example:6514", "x", own + "\n"}, declared.Values...)
		for _, value := range values {
			if value != own {
				list = append(list, func(settings, _ map[string]string) { settings[declared.Name] = value })
			}
		}
	}
	for name, value := range map[string]string{"Authorization": "x", "Content-Type": "x", "not a name": "x", "X-Torn": "x\n"} {
		list = append(list, func(_, headers map[string]string) { headers[name] = value })
	}
	for name := range s.Headers {
		list = append(list, func(_, headers map[string]string) {
			headers[strings.ToUpper(name)], headers[strings.ToLower(name)] = "x", "x"
		})
	}
	return list
}

func mistakesToldBefore(p *probe) {
	alterations := p.subject.alterations()
	try := func(alter ...func(settings, headers map[string]string)) {
		settings, headers := maps.Clone(p.subject.settings(endpoint)), maps.Clone(p.subject.Headers)
		if settings == nil {
			settings = map[string]string{}
		}
		if headers == nil {
			headers = map[string]string{}
		}
		for _, change := range alter {
			change(settings, headers)
		}
		resolved, err := p.subject.Driver.Resolve(settings)
		if err != nil {
			return // told without the driver
		}
		b, err := p.tryOpen(settings, func(c *driver.Config) { c.Headers = headers })
		if err == nil {
			b.Close()
			return
		}
		var mistake *driver.ConfigError
		if !errors.As(err, &mistake) {
			return
		}
		var told error
		if p.subject.Driver.Check != nil {
			c := p.config(resolved)
			c.Headers, c.Transport, c.Dial, c.RootCAs, c.Stdout = headers, nil, nil, nil, nil
			told = p.subject.Driver.Check(c)
		}
		if !errors.As(told, &mistake) {
			p.failOnly("Open refuses a configuration with %v, and Driver.Check returns %v", err, told)
		}
	}
	for i, first := range alterations {
		try(first)
		for _, second := range alterations[i+1:] { // two may exclude or need each other
			try(first, second)
		}
	}
}

// ofConnection are headers that follow from the connection.
var ofConnection = []string{"Accept-Encoding", "Connection", "Content-Length", "Host", "Transfer-Encoding"}

func headersKeptOrRefused(p *probe) {
	p.accept()
	// arrives sends one event with headers, and returns those of the request.
	arrives := func(headers map[string]string) http.Header {
		b, err := p.tryOpen(p.subject.settings(endpoint), func(c *driver.Config) { c.Headers = headers })
		if err != nil {
			return nil
		}
		defer b.Close()
		before := len(p.server.seen())
		p.send(b, p.batch(1))
		if seen := p.server.seen(); len(seen) > before {
			return seen[len(seen)-1].Header
		}
		return nil
	}
	const own = "the-authors-0123456789"
	for name := range arrives(p.subject.Headers) {
		if slices.Contains(ofConnection, name) {
			continue
		}
		headers := maps.Clone(p.subject.Headers)
		maps.DeleteFunc(headers, func(given, _ string) bool { return strings.EqualFold(given, name) })
		headers[name] = own
		if got := arrives(headers); got != nil && got.Get(name) != own {
			p.failf("the author's header %s is taken without an error, and the request has the backend's own", name)
		}
	}
}
