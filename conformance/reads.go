package conformance

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// markEnv begins the names of variables that do not exist: looking one up leaves a mark in
// the log of what a test binary reads.
const markEnv = "CONFORMANCE_MARK_"

// readByGo are the variables that Go's own networking, time and randomness look up.
var readByGo = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "REQUEST_METHOD",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "GODEBUG", "LOCALDOMAIN", "RES_OPTIONS", "HOSTALIASES", "TZ", "ZONEINFO",
}

// openedByGo are the files and directories that it opens.
var openedByGo = []string{
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols", "/etc/mdns.allow", "/etc/localtime",
	"/etc/ssl/", "/etc/pki/", "/usr/share/zoneinfo/", "/usr/local/share/certs", "/usr/share/ca-certificates", "/etc/mime.types",
	"/etc/apache2/mime.types", "/etc/apache/mime.types", "/etc/httpd/conf/mime.types", "/usr/local/share/mime/", "/usr/share/mime/",
	"/dev/null", "/dev/urandom", "/dev/random", "/proc/sys/net/", "/proc/sys/kernel/random",
}

// strayReads finds in the log of a test binary what was read during checks and is neither
// Go's nor the suite's own, which is below own. The variables among it are named.
func strayReads(log, own string) (list []Finding, variables []string) {
	check := ""
	for line := range strings.Lines(log) {
		verb, name, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		if mark, is := strings.CutPrefix(name, markEnv); is && verb == "getenv" {
			check = mark
			continue
		}
		if check == "" || strings.HasPrefix(check, "collector/") {
			continue // the collector is no backend
		}
		what := ""
		switch verb {
		case "getenv":
			if !slices.Contains(readByGo, name) {
				what = "the variable " + name
				variables = append(variables, name)
			}
		case "open", "stat":
			inside := func(place string) bool {
				return name == place || strings.HasPrefix(name, strings.TrimSuffix(place, "/")+"/")
			}
			if !inside(own) && !slices.ContainsFunc(openedByGo, inside) {
				what = "the file " + filepath.Base(name)
			}
		}
		if what != "" && !slices.ContainsFunc(list, func(f Finding) bool { return strings.HasSuffix(f.Message, what+" was read") }) {
			list = append(list, Finding{Message: fmt.Sprintf("during %s: %s was read", check, what)})
		}
	}
	return list, unique(variables)
}
