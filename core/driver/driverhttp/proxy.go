package driverhttp

import (
	"net"
	"net/url"
	"strings"
)

// ProxyProblem returns what keeps a request over https to host (host or host:port, as
// Driver.Hosts lists it) from leaving this machine: a proxy that is set and cannot be
// used. A direct connection would show the address of a person who may have set it to
// hide that one. The error names the variable and nothing of its value, which may hold
// a password. lookup reads the environment.
func ProxyProblem(lookup func(name string) (value string, set bool), host string) error {
	_, err := proxyFor(lookup, &url.URL{Scheme: "https", Host: host})
	return err
}

// proxyProblem says why the proxy of a variable is not used.
type proxyProblem string

func (p proxyProblem) Error() string { return string(p) }

// proxyFor returns the proxy for a request to target, nil if that needs none.
func proxyFor(lookup func(string) (string, bool), target *url.URL) (*url.URL, error) {
	variable, value := proxyVariable(lookup, target.Scheme)
	if method, _ := lookup("REQUEST_METHOD"); method != "" && strings.EqualFold(variable, "HTTP_PROXY") {
		// net/http refuses it too: the header Proxy of a visitor arrives under this name.
		return nil, proxyProblem(variable + " is not trusted in a CGI program")
	}
	if value == "" || needsNoProxy(lookup, target) {
		return nil, nil
	}
	proxy, ok := parseProxy(value)
	if !ok {
		return nil, proxyProblem(variable + " holds no proxy that can be used: write it like " +
			"http://proxy.example.com:8080 or socks5://proxy.example.com:1080")
	}
	return proxy, nil
}

// proxyVariable returns the first variable that is set for a scheme, with its value.
func proxyVariable(lookup func(string) (string, bool), scheme string) (name, value string) {
	var names []string
	switch scheme {
	case "https":
		names = []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"}
	case "http":
		names = []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"}
	}
	return firstSet(lookup, names...)
}

func firstSet(lookup func(string) (string, bool), names ...string) (name, value string) {
	for _, name := range names {
		if value, _ := lookup(name); value != "" {
			return name, value
		}
	}
	return "", ""
}

// parseProxy reads a URL of a scheme that net/http speaks, or host:port, which means
// http. (net/http takes any other scheme for http.)
func parseProxy(value string) (*url.URL, bool) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme == "" || u.Host == "" {
		u, err = url.Parse("http://" + value)
	}
	if err != nil || u.Hostname() == "" || !validPort(u) {
		return nil, false
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, true
	}
	return nil, false
}

// needsNoProxy reports whether target is on this machine or listed in NO_PROXY, with the
// entries that net/http knows: *, a host with its subdomains, .host and *.host for the
// subdomains alone, an address, a block of them; each but the blocks with a port or without.
func needsNoProxy(lookup func(string) (string, bool), target *url.URL) bool {
	host, port := strings.ToLower(target.Hostname()), target.Port()
	if isLoopback(host) {
		return true
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[target.Scheme]
	}
	_, list := firstSet(lookup, "NO_PROXY", "no_proxy")
	for entry := range strings.SplitSeq(strings.ToLower(list), ",") {
		if exempts(strings.TrimSpace(entry), host, port) {
			return true
		}
	}
	return false
}

// exempts reports whether an entry of NO_PROXY stands for host and port.
func exempts(entry, host, port string) bool {
	if entry == "*" {
		return true
	}
	ip := net.ParseIP(host)
	if _, block, err := net.ParseCIDR(entry); err == nil {
		return ip != nil && block.Contains(ip)
	}
	name, only, err := net.SplitHostPort(entry)
	if err != nil {
		name, only = entry, ""
	}
	if only != "" && only != port {
		return false
	}
	if listed := net.ParseIP(name); listed != nil || ip != nil {
		return listed.Equal(ip)
	}
	if strings.HasPrefix(name, "*.") {
		name = name[1:]
	}
	switch {
	case name == "":
		return false
	case name[0] == '.':
		return strings.HasSuffix(host, name)
	}
	return host == name || strings.HasSuffix(host, "."+name)
}
