package redact

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// zoe is the person in these tests.
func zoe() *Scrubber { return New("/home/zoe.canary", "zcanary", "Canary-Box.corp.example") }

// limit is wide enough for any text in the tables.
const limit = 1024

func TestAValueKeepsOnlyWhatTellsNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, want string }{
		// Paths.
		{"/etc/passwd", "<path>"},
		{"/", "/"},
		{"open /var/lib/x failed", "open <path> failed"},
		{"~/notes.txt", "<path>"},
		{"~zoe", "<path>"},
		{"./a", "<path>"},
		{"../a", "<path>"},
		{"a/../../b", "<path>"},
		{"$HOME/x", "<path>"},
		{"${HOME}/x", "${HOME}<path>"},
		{"%APPDATA%/x", "<path>"},
		{`C:\Users\zoe\x.txt`, "<path>"},
		{"c:/Users/zoe", "<path>"},
		{`\\server\share\x`, "<path>"},
		{`CORP\zoe`, "<path>"},
		{`C:\Program Files\x`, "<path> <path>"},
		{"/Users/zoe/My Old Files/tax.pdf", "<path>"},
		{"config=/etc/x", "config=<path>"},
		{"stat:/etc/x:12", "stat:<path>:12"},
		{"(/etc/x)", "(<path>)"},
		{"-I/usr/include", "<path>"},
		{"@/tmp/x", "<path>"},
		{"打开/etc/passwd", "<path>"},
		{"file:///etc/x", "<path>"},
		{"FILE:///C:/x y", "<path> y"},

		// URLs and e-mail addresses.
		{"https://example.com", "<url>"},
		{"see https://zoe:pw@example.com/a?token=b#c.", "see <url>"},
		{"postgres://u:p@db:5432/x?sslmode=off,y", "<url>"},
		{"git+ssh://git@example.com/x", "<url>"},
		{"url=https://example.com", "url=<url>"},
		{"zoe@example.com", "<email>"},
		{"from=zoe@example.com", "from=<email>"},
		{"<zoe@example.com>", "<<email>>"},
		{"zoé@exämple.com,a@b", "<email>,<email>"},
		{"git@github.com:zoe/x.git", "<url>"},
		{"zoe@localhost", "<email>"},
		{"zoe@10.0.0.5", "<email>"},
		{"zoe:pw@tcp(10.0.0.1:3306)/db", "<secret>"},
		{"user:p,ss@host", "<secret>"},

		// Addresses.
		{"192.168.1.20", "<ip>"},
		{"1.2.3.4", "<ip>"},
		{"192.168.1.20:8080", "<ip>:8080"},
		{"http 10.0.0.1.", "http <ip>"},
		{"10.0.0.0/24", "<ip>"},
		{"host-10.0.0.1", "<ip>"},
		{"tcp:10.0.0.1:80: refused", "tcp:<ip>:80: refused"},
		{"fe80::1", "<ip>"},
		{"fe80::1%eth0", "<ip>"},
		{"::1", "<ip>"},
		{"[::1]:8080", "[<ip>]:8080"},
		{"::ffff:10.0.0.1", "<ip>"},
		{"2001:db8:0:0:0:0:0:1", "<ip>"},
		{"2001:db8::/32", "<ip>"},
		{"addr:fe80::1", "addr:<ip>"},
		{"00:1a:2b:3c:4d:5e", "<mac>"},
		{"00-1A-2B-3C-4D-5E", "<mac>"},
		{"0:1a:2b:3:4d:5e", "<mac>"},
		// What stands before an address is no reason to take its beginning for a number's end.
		{"+100000 00:16:3e:aa:bb:cc 0", "+100000 <mac> 0"},
		{"+100000 00-16-3e-aa-bb-cc 0", "+100000 <mac> 0"},
		{"tel 100000 00:16:3e:aa:bb:cc", "tel <number> <mac>"},
		{"call 0301 234567 00:16:3e:aa:bb:cc", "call <number> <mac>"},
		{"+49 30 1234567 2001:db8::7", "<number> <ip>"},
		{"000 00 4111-1111-1111-1111 0", "<number> 0"},
		{"hw:00:1a:2b:3c:4d:5e", "hw:<mac>"},

		// Known tokens.
		{"ghp_" + strings.Repeat("a1B2", 9), "<secret>"},
		{"ghp_abcd", "<secret>"},
		{"x-ghp_abcd", "<secret>"},
		{"github_pat_11ABC", "<secret>"},
		{"glpat-abcdefgh", "<secret>"},
		{"xoxb-1234", "<secret>"},
		{"AKIAIOSFODNN7EXAMPLE", "<secret>"},
		{"ASIAIOSFODNN7EXAMPLE", "<secret>"},
		{"sk-proj-abcdefgh1234", "<secret>"},
		{"sk_live_abcd", "<secret>"},
		{"AIzaSyabcdefghijklmn", "<secret>"},
		{"npm_abcdefghijklmno1", "<secret>"},
		{"hf_abcdefghijklmnopqrs1", "<secret>"},
		{"phc_abcdefgh", "<secret>"},
		{"eyJhbGciOiJIUzI1.eyJzdWIi.sig", "<secret>"},
		{"a -----BEGIN RSA PRIVATE KEY----- MII -----END RSA PRIVATE KEY----- b", "a <secret>"},
		{"Bearer hunter", "Bearer <secret>"},
		{"basic dTpw now", "basic <secret> now"},

		// Random-looking words.
		{strings.Repeat("0a", 16), "<secret>"},
		{"0123456789abcdef0123456789abcdef01234567", "<secret>"},
		{"123e4567-e89b-12d3-a456-426614174000", "<secret>"},
		{"JBSWY3DPEHPK3PXP", "<secret>"},
		{"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "<secret>"},
		{"dGhpcyBpcyBub3QgYSB3b3Jk+MTIz", "<secret>"},
		{"abcdefghijklmnopqrstuvwxyz012345", "<secret>"},

		// What a secret's name announces.
		{"password=hunter2", "password=<secret>"},
		{"PASSWORD: hunter2", "PASSWORD: <secret>"},
		{"password = hunter2 x", "password = <secret> x"},
		{"password:hunter2", "password:<secret>"},
		{"password => 'hunter 2' x", "password => <secret> x"},
		{"password := hunter2", "password := <secret>"},
		{`password="hun ter2"x y`, "password=<secret> y"},
		{`password="hun \"ter2`, "password=<secret>"},
		{`{"password": "hunter2", "a": 1}`, `{"password": <secret> "a": 1}`},
		{"password=", "password="},
		{"--password hunter2", "--password <secret>"},
		{"--password=hunter2", "--password=<secret>"},
		{"dbPass=x", "dbPass=<secret>"},
		{"db_passwd=x", "db_passwd=<secret>"},
		{"mysql.pwd=x", "mysql.pwd=<secret>"},
		{"AWS_SECRET_ACCESS_KEY=x", "AWS_SECRET_ACCESS_KEY=<secret>"},
		{"api_key=x", "api_key=<secret>"},
		{"apikey=x", "apikey=<secret>"},
		{"X-Api-Key: x", "X-Api-Key: <secret>"},
		{"accessToken=x", "accessToken=<secret>"},
		{"tokenValue=x", "tokenValue=<secret>"},
		{"?a=1&token=x&b=2 c", "?a=1&token=<secret> c"},
		{"sessionID=x", "sessionID=<secret>"},
		{"credentials=x", "credentials=<secret>"},
		{"private: x", "private: <secret>"},
		{"signature=x", "signature=<secret>"},
		{"auth=x", "auth=<secret>"},
		{"token: Bearer x", "token: <secret>"},
		{"token: Digest x y", "token: <secret> y"},
		{"keys: [a b] c", "keys: [a b] c"},
		{"key: [a b] c", "key: <secret> c"},
		{"key: [a b", "key: <secret>"},
		{"Authorization: Basic a b", "Authorization: <secret>"},
		{"Cookie: a=b; c=d", "Cookie: <secret>"},
		{"passphrase: correct horse battery", "passphrase: <secret>"},
		{"error:token:abc def", "error:token:<secret> def"},
		{"//registry.example/:_authToken=abc", "<path>:_authToken=<secret>"},
		{"/run/secrets/token: denied", "<path>: denied"},
		{`d:\token: denied`, "<path> denied"},
		{"token://abc", "<url>"},
		{"token:https://a", "token:<secret>"},
		{"--token --password hunter2 x", "--token <secret> x"},
		{"token: password: hunter2 x", "token: <secret> x"},
		{"https://example.com,password: hunter2 x", "<url> x"},
		{"a:b@c,password=  hunter2 x", "<secret> x"},

		// The person's own names.
		{"zcanary", "<user>"},
		{"ZCanary", "<user>"},
		{"hello zcanary!", "hello <user>!"},
		{"zcanary-laptop_zcanary", "<user>-laptop_<user>"},
		{"zcanary2", "<user>2"},
		{"zoe.canary", "<user>"},
		{"canary-box", "<host>"},
		{"canary-box.corp.example", "<host>"},
		{"CANARY-BOX.local", "<host>.local"},
		{"repos/zcanary/x", "<path>"},
		{"zcanarys", "zcanarys"},

		// Markers stay, whatever stands next to them.
		{"<path>", "<path>"},
		{"<email>/etc/x", "<email><path>"},
		{"<path> Files/tax", "<path> <path>"},
		{"<user>zcanary", "<user><user>"},
		{"<other>", "<other>"},

		// What is no text.
		{"a\xffb", "a?b"},
		{"a\x1b[31mb\nc\x00d\u0085e\u2028f", "a [31mb c d e f"},
	} {
		if got, cut := zoe().Value(test.in, limit); got != test.want || cut {
			t.Errorf("%q\n\tbecame %q (cut %t)\n\twant   %q", test.in, got, cut, test.want)
		}
	}
}

func TestAnInnocentValueStaysAsItIs(t *testing.T) {
	t.Parallel()
	for _, v := range []string{
		"", " ", "-", "_", ".", "..", "...", "a", "json", "v1.2.3", "1.26.0", "1.2.3", "v1.2.3.4", "1.2.3.4.5", "1.2.3.256", "go1.26.8",
		"v2.0.0-rc.1+build.5", "tool@v1.2.3", "tool@latest", "github.com/spf13/cobra@v1.10.2", "alpine:3.20", "linux/amd64",
		"application/json", "github.com/spf13/cobra", "origin/main", "@scope/pkg", "and/or", "n/a", "i/o timeout", "1/2", "a // b",
		"feature-name", "feature_name", "feature.name", "remote add", "en-US", "sk-SK", "pt_BR.UTF-8", "42", "-17", "3.14", "1e9",
		"10ms", "5m30s", "99%", "1,024", "true", "false", "2024-01-01", "2024-01-01T12:30:45Z", "12:30:45", "12:30:45.123456",
		"us-east-1", "eu-central-1a", "k8s-prod-cluster-with-a-rather-long-name-2024", "SCREAMING_SNAKE_CASE_2", "ISO-8859-1",
		"MyFairlyLongCamelCaseFeatureNameWithoutEnd", "azure-sdk-for-go-v2-preview-2024-01", "Azure/sdk-for-go-preview-v2-2024-01", "deadbeef", "0a1b2c3", "std::string",
		"a: b", "key value", "monkeys", "tokens=512", "prompt_tokens: 512", "keyboard=us", "author=them", "bypass=true", "basic plan",
		"bearer", "passed: 3", "exit status 1", "context deadline exceeded", "unexpected EOF", "connection refused",
		"it's", "don't", "\"quoted\"", "(x)", "[1,2]", "{a}", "a|b", "a;b", "a & b", "x = y", "what?", "*", "text/*", "*.go", "#1234",
		"C++", "c#", "50/50", "~", "~5", "$5", "+1", "a@", "@a",
		"Grüße aus Köln", "naïve café", "привет мир", "日本語のテキスト", "输入/输出", "한국어", "مرحبا", "שלום", "🎉 done", "e\u0301",
		"192.168.1", "fe80:1", "key", "token", "password", "secret",
	} {
		if got, cut := zoe().Value(v, limit); got != v || cut {
			t.Errorf("%q became %q", v, got)
		}
	}
}

func TestAnErrorTextKeepsItsSentence(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"exit status 1", "exit status 1"},
		{"context deadline exceeded", "context deadline exceeded"},
		{"unexpected EOF (code 404)", "unexpected EOF (code 404)"},
		{"can't do that, don't ask", "can't do that, don't ask"},
		{"needs v1.26.0 or 1.27, not 1.5s", "needs v1.26.0 or 1.27, not 1.5s"},
		{"e.g. this. And that", "e.g. this. And that"},
		{"first\nsecond\r\n\tthird", "first second   third"},
		{`unknown command "frobnicate" for "tool"`, "unknown command <quoted> for <quoted>"},
		{"unknown branch 'fire bob'.", "unknown branch <quoted>."},
		{"no 'zoe's file' here", "no <quoted> here"},
		{"no `x y` here", "no <quoted> here"},
		{"cannot stat ‘my file’: No such file", "cannot stat <quoted>: No such file"},
		{"„so“ «und» “so”", "<quoted> <quoted> <quoted>"},
		{"bad:“so und so”", "bad:<quoted>"},
		{`bad "a \" b" c`, "bad <quoted> c"},
		{`bad "never closed`, "bad <quoted>"},
		{"dial tcp 10.0.0.1:443: i/o timeout", "dial tcp <ip>:443: i/o timeout"},
		{"lookup db.corp.example on 10.0.0.53:53: no such host", "lookup <host> on <ip>:53: no such host"},
		{"open acme-plan.docx: no such file or directory", "open <name>: no such file or directory"},
		{"open reports/q3: permission denied", "open <path>: permission denied"},
		{"config.yaml:12:3: did not find expected key", "<name>:12:3: did not find expected key"},
		{"read acme.2024, .env and x.7z", "read <name>, <name> and <name>"},
		{"on 2024-01-02 at 12:30:45", "on 2024-01-02 at 12:30:45"},
		{"customer 1234567 of 500", "customer <number> of 500"},
		{`Get "https://a.example/x?token=b": EOF`, "Get <quoted>: EOF"},
		{"Get https://a.example/x?token=b: EOF", "Get <url> EOF"},
		{`password="a b" c`, "password=<secret> c"},
		{`{"password": "hunter2"}`, "{<quoted>"},
		{"token=abc rejected", "token=<secret> rejected"},
		{"zcanary may not", "<user> may not"},
	} {
		if got, cut := zoe().ErrorText(test.in, 512); got != test.want || cut {
			t.Errorf("%q\n\tbecame %q (cut %t)\n\twant   %q", test.in, got, cut, test.want)
		}
	}
}

func TestSecretsAreKnownByTheirNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"": false, "-": false, "format": false, "user": false, "prompt_tokens": false, "keys": false, "keyboard": false, "author": false,
		"bypass": false, "passed": false, "compass": false, "pinned": false, "8": false,
		"password": true, "Password": true, "db_passwd": true, "dbPass": true, "PWD": true, "passphrase": true, "secrets": true,
		"api_key": true, "apiKey": true, "apikey": true, "X-Api-Key": true, "AWS_SECRET_ACCESS_KEY": true, "tokenID": true, "auth": true,
		"basicAuth": true, "credentials": true, "private": true, "session": true, "sessionID": true, "cookie": true, "signature": true,
		"pin": true, "--password": true,
		strings.Repeat("a", 5<<20) + "_token": true,
	} {
		if SecretName(name) != want {
			t.Errorf("%.40q is a secret's name: %t, want %t", name, !want, want)
		}
	}
}

func TestOfACommandLineOnlyTheAuthorsWordsStay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, declared, want string }{
		{"", "", ""},
		{"remote add origin", "remote add", "remote add <arg>"},
		{"--verbose remote add", "remote add", "--verbose remote add"},
		{"add remote", "remote add", "<arg> remote"},
		{"remote remote", "remote add", "remote <arg>"},
		{"json", "", "<arg>"},
		{"report.docx", "", "<arg>"},
		{"/etc/x zoe@example.com https://a 10.0.0.1 ghp_abcd", "", "<path> <email> <url> <ip> <secret>"},
		{"a,/etc/x", "", "<arg>"},
		{"-", "", "-"},
		{"--force --dry-run=true --color=false", "", "--force --dry-run=true --color=false"},
		{"--output=json --output json", "", "--output=<arg> --output <arg>"},
		{"--config=/etc/x", "", "--config=<path>"},
		{"--password hunter2 x", "", "--password <secret> <arg>"},
		{"--password add", "add", "--password <secret>"},
		{"--password -- add", "add", "--password <secret> add"},
		{"--password=hunter2", "", "--password=<secret>"},
		{"--api-key=a --token=b --apiKey c", "", "--api-key=<secret> --token=<secret> --apiKey <secret>"},
		{"-v -vv -vvvv", "", "-v -vv -vvvv"},
		{"-phunter2 -pX -pab -p1 -vvvvv", "", "-p<arg> -p<arg> -p<arg> -p<arg> -v<arg>"},
		{"-p hunter2", "", "-p <arg>"},
		{"-p=hunter2 -v=true", "", "-p=<arg> -v=true"},
		{"-password hunter2", "", "-p<arg> <secret>"},
		{"-password=hunter2 x", "", "-p<arg> <arg>"},
		{"-5 -é --5 --é --a:b --zcanary --x=", "", "<arg> <arg> <arg> <arg> <arg> <arg> --x=<arg>"},
		{"--ghp_abcdefgh --zcanary-token x", "", "<arg> <arg> <secret>"},
		{"add -- add --token x", "add", "add -- <arg> <arg> <arg>"},
		{"zcanary", "zcanary", "<user>"},
		{"<path> --x=<path> -p<arg> <more> <other>", "", "<path> --x=<path> -p<arg> <more> <arg>"},
	} {
		got, cut, _ := zoe().Args(strings.Fields(test.in), test.declared)
		if strings.Join(got, " ") != test.want || cut != 0 {
			t.Errorf("%q\n\tbecame %q (cut %d)\n\twant   %q", test.in, got, cut, test.want)
		}
	}
}

func TestALongCommandLineIsCut(t *testing.T) {
	t.Parallel()
	got, cut, _ := zoe().Args(slices.Repeat([]string{"-v"}, 1_000_000))
	if len(got) != maxArgs+1 || got[maxArgs] != "<more>" || cut != 1_000_000-maxArgs {
		t.Errorf("%d arguments and %d cut, ending in %q", len(got), cut, got[len(got)-1])
	}
	got, cut, _ = zoe().Args(slices.Repeat([]string{"-v"}, maxArgs))
	if len(got) != maxArgs || cut != 0 {
		t.Errorf("%d arguments and %d cut, want %d", len(got), cut, maxArgs)
	}
	got, cut, _ = zoe().Args([]string{strings.Repeat("x", 5<<20), "--a=" + strings.Repeat("x ", 5<<20), "--" + strings.Repeat("x", 5<<20)})
	if want := []string{"<cut>", "--a=<arg>", "<arg>"}; !slices.Equal(got, want) || cut != 3 {
		t.Errorf("long arguments became %q (cut %d), want %q", got, cut, want)
	}
}

func TestALongTextIsCutBeforeAWord(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in    string
		limit int
		want  string
	}{
		{"one two three", 13, "one two three"},
		{"one two three", 12, "one two<cut>"}, // The cut is at the space.
		{"one two three", 11, "one <cut>"},
		{"one two three", 5, "<cut>"},
		{"one two three", 4, ""},
		{"one two three", 0, ""},
		{"one two three", -1, ""},
		{"zoe@example.com", 14, "<cut>"},
		{"x ghp_" + strings.Repeat("a", 36), 20, "x <cut>"},
		{"日本語のテキスト", 16, "日本語<cut>"},
		{"日本語のテキスト", 15, "日本語<cut>"},
		{"日本語のテキスト", 13, "日本<cut>"},
		{"日本語abcdefgh", 16, "日本語<cut>"},
		// What replaces may be longer than what was there.
		{"/a /b /c /d", 11, "<path><cut>"},
		// However much of it there is, what is no text is one character.
		{"a\xff\xff\xff\xff", 8, "a?"},
	} {
		got, cut := zoe().Value(test.in, test.limit)
		if got != test.want || cut != (test.limit < len(test.in) || strings.HasSuffix(test.want, "<cut>")) {
			t.Errorf("%q within %d became %q (cut %t), want %q", test.in, test.limit, got, cut, test.want)
		}
	}
}

func TestNamesAreTakenFromWhatThePersonIsCalled(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ home, user, host, in, want string }{
		{"", "", "", "root localhost build", "root localhost build"},
		{"/root", "root", "localhost", "root localhost", "root localhost"},
		{"/build", "", "", "build", "build"},
		{"/home/zoe/", "", "", "zoe", "<user>"},
		{"/Users/zoe", "", "", "zoe", "<user>"},
		{`C:\Users\Zoe Li`, "", "", "zoe li lithium", "<user> <user> lithium"},
		{"", `CORP\zoe`, "", "corp zoe", "<user> <user>"},
		{"", "zoe@corp", "", "corp zoe", "<user> <user>"},
		{"", "", "box.corp.example", "box box.corp.example box.lan", "<host> <host> <host>.lan"},
		{"", "z", "q", "z q", "z q"},
		{"", "al", "vm", "al al-1 vm_create vm.x also vm", "<user> al-1 vm_create vm.x also <host>"},
		{"", "ann", "", "ann ann-1 ann2 annotate channel Ann's", "<user> <user>-1 <user>2 annotate channel <user>'s"},
		{"", "1234", "", "1234 12345 x1234", "<user> 12345 x<user>"},
		{"", "zoë", "", "zoë zoës ZOë", "<user> zoës <user>"},
		{"", "path", "secret", "path <path> secret <secret>", "<user> <path> <host> <secret>"},
		{"", "same", "same", "same", "<user>"},
	} {
		if got, _ := New(test.home, test.user, test.host).Value(test.in, limit); got != test.want {
			t.Errorf("home %q, user %q, host %q: %q became %q, want %q", test.home, test.user, test.host, test.in, got, test.want)
		}
	}
	if got, _ := new(Scrubber).Value("zcanary /etc/x", limit); got != "zcanary <path>" {
		t.Errorf("the zero Scrubber made %q", got)
	}
}

// canaries are what other telemetry was seen to leak, or to catch. Each is planted in
// whatever reaches a Scrubber.
func canaries() []struct{ planted, secret string } {
	return []struct{ planted, secret string }{
		{"Canary-Box", "canary-box"},
		{"canary-box.corp.example", "canary-box"},
		{"zcanary", "zcanary"},
		{"/home/zoe.canary", "zoe.canary"},
		{"/home/zoe.canary/.ssh/id_ed25519", "ed25519"},
		{"/srv/customers/acme-merger/plan.txt", "acme"},
		{`C:\Users\zcanary\acme-merger`, "acme"},
		{"192.168.77.13", "192.168"},
		{"fe80::dead:beef%eth0", "beef"},
		{"zoe.doe@acme-merger.example", "acme"},
		{"--password hunter2", "hunter2"},
		{"--password=hunter2", "hunter2"},
		{"--token=hunter2", "hunter2"},
		{"--api-key=hunter2", "hunter2"},
		{"token=hunter2", "hunter2"},
		{"ghp_hunter2hunter2hunter2hunter2hunter2h", "hunter2"},
		{"AKIAHUNTER2HUNTER2XX", "akiahunter2"},
		{"https://zoe:hunter2@acme-merger.example/private", "hunter2"},
		{"https://zoe:hunter2@acme-merger.example/private", "acme"},
		{"Authorization: Bearer hunter2hunter2", "hunter2"},
		{"00:16:3e:aa:bb:cc", "3e:aa"},
		{"hf_hunterhunterhunterhunterhunterhunt", "hunter"},
		{"password%3Dhunter2", "hunter2"},
		{"<password>hunter2</password>", "hunter2"},
		{"motdepasse:hunter2", "hunter2"},
		{"zoe:hunter2@localhost", "hunter2"},
		{"git@github.com:acme/merger.git", "acme"},
		{"acme-merger.corp.internal", "acme"},
		{"+491705550123", "5550123"},
		{"4111-1111-1111-1111", "1111"},
		{"DE89370400440532013000", "0044"},
	}
}

func TestNoCanarySurvives(t *testing.T) {
	t.Parallel()
	s := zoe()
	mustHide := func(secret, text, how string) {
		if strings.Contains(strings.ToLower(text), secret) {
			t.Errorf("%q survived %s as %q", secret, how, text)
		}
	}
	for _, c := range canaries() {
		for _, frame := range []string{"%", "failed: %", "failed (%): no", "%: no such thing", "a=1 % b", "x\n%\ny", "[%]", "日本 % 語"} {
			text := strings.ReplaceAll(frame, "%", c.planted)
			got, _ := s.Value(text, limit)
			mustHide(c.secret, got, "as metadata")
			got, _ = s.ErrorText(text, limit)
			mustHide(c.secret, got, "in an error")
			got, _ = s.ErrorText(strings.ReplaceAll(frame, "%", `"`+c.planted+`"`), limit)
			mustHide(c.secret, got, "quoted in an error")
			for _, args := range [][]string{
				strings.Fields(text), {text}, {"--flag", text}, {"--flag=" + text}, {"-f" + text}, {"-f=" + text}, {"-f", text},
				{"--", text}, {"--password", text}, {"--" + text}, {"-" + text},
			} {
				out, _, _ := s.Args(args, "remote add")
				mustHide(c.secret, strings.Join(out, " "), "among arguments")
			}
		}
	}
	for _, args := range [][]string{
		{"-phunter2"}, {"-p", "hunter2"}, {"-p=hunter2"}, {"--pass", "hunter2"}, {"login", "hunter2"}, {"-u", "zoe:hunter2"},
		{"--user=zoe:hunter2"}, {"PASSWORD=hunter2"}, {"--from", "-hunter2"}, {"-Phunter2", "--", "hunter2"},
	} {
		out, _, _ := s.Args(args, "login")
		mustHide("hunter2", strings.Join(out, " "), "among arguments")
	}
}

// AllocsPerRun rules out t.Parallel.
func TestAUsualValueCostsNoAllocation(t *testing.T) {
	s := zoe()
	for _, v := range []string{
		"json", "v1.2.3", "linux/amd64", "remote add", "us-east-1", "2024-01-01T12:30:45Z", "a sentence: (of) some \"words\"", "日本語",
	} {
		if n := testing.AllocsPerRun(10, func() { _, _ = s.Value(v, limit) }); n != 0 {
			t.Errorf("%q costs %v allocations", v, n)
		}
	}
}

// The bound is loose, for slow and busy machines: what grows with the text takes longer.
func TestAnEnormousTextCostsNoMoreThanItsCap(t *testing.T) {
	t.Parallel()
	const enough = time.Second
	s := zoe()
	for _, piece := range []string{
		"x", " ", "x ", ":", "::", "a:", "/", "\\", "1.", "-", "@", "a@b ", "\"", "'", "‘", "«a", "\xff", "\x00", "é", "zcanary/", "zcanary",
		"ghp_", "eyJ", "<", "<path>", "password=", "token:", "token: ", "--token ", "bearer ", "https://", "aB3", "0a", "key=[", "-----BEGIN",
		"password is ", "host ", "-p ", "for ", "1 ", "+1 ", "+1-", "(1) ", "DE89 ", "4111 ", "%3D", "&lt;", "\\u0022", "[at]", "<password>", "<a ", "</a>",
		"secret set ", "values (", "密码", "is ", "X ", "Zoe ", "a.b", "00:00:00 a b[1]",
	} {
		text := strings.Repeat(piece, 5<<20/len(piece))
		start := time.Now()
		_, _ = s.Value(text, limit)
		_, _ = s.ErrorText(text, limit)
		_ = SecretName(text)
		_, _, _ = s.Args([]string{text, "--" + text[:100_000], "-" + text[:100_000]}, "add")
		if took := time.Since(start); took > enough {
			t.Errorf("%d bytes of %q took %v", len(text), piece, took)
		}
	}
}

func TestAScrubberMayBeShared(t *testing.T) {
	t.Parallel()
	s := zoe()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if got, _ := s.Value("zcanary at /etc/x", limit); got != "<user> at <path>" {
					t.Errorf("became %q", got)
				}
			}
		})
	}
	wg.Wait()
}

// seeds are the interesting texts of the tables above, and the worst of the fuzzer's.
func seeds() []string {
	all := []string{
		"a=/b password=<path> x", "\"password\" : x", "key=[a b]c d", "zcanary::1", "<user>::1", "::::::::", "a:b@c:d@e",
		strings.Repeat(":", 600), strings.Repeat("/", 600), strings.Repeat("1.", 300), strings.Repeat("zcanary/", 80),
		"bearer basic token: bearer x", "‘’“«", "\xe2\x80", "https://", "://", "x://y<path>z", "-----BEGIN", "~", "@", "v@v1",
	}
	for _, c := range canaries() {
		all = append(all, c.planted)
	}
	return all
}

func FuzzScrubbingIsBoundedAndFinal(f *testing.F) {
	for _, v := range seeds() {
		f.Add(v, uint16(300), "zcanary")
		f.Add("x "+v+"\n"+v, uint16(40), "a.b-")
	}
	f.Fuzz(func(t *testing.T, v string, limit16 uint16, user string) {
		limit := int(limit16 % 1024)
		s := New("/home/"+user, user, user+".local")
		// A text is scrubbed in several passes, once more as what it may be the encoding of, and word
		// by word.
		fuzzing.Allocs(t, len(v), 64<<10, 256, func() { s.ErrorText(v, limit) })
		for how, scrub := range map[string]func(string, int) (string, bool){"Value": s.Value, "ErrorText": s.ErrorText} {
			out, cut := scrub(v, limit)
			if !utf8.ValidString(out) || len(out) > limit {
				t.Fatalf("%s(%q, %d) is %q", how, v, limit, out)
			}
			if !cut && len(v) > limit {
				t.Fatalf("%s(%q, %d) was cut and does not say so", how, v, limit)
			}
			if again, _ := scrub(out, limit); again != out {
				t.Fatalf("%s(%q, %d) is %q, and scrubbed again %q", how, v, limit, out, again)
			}
			if again, _ := s.Value(out, limit); again != out {
				t.Fatalf("%s(%q, %d) is %q, of which Value makes %q", how, v, limit, out, again)
			}
		}
	})
}

func FuzzNoContextHelpsACanary(f *testing.F) {
	for i, v := range seeds() {
		f.Add(v, seeds()[len(seeds())-1-i], uint8(i))
	}
	f.Fuzz(func(t *testing.T, before, after string, which uint8) {
		s := zoe()
		c := canaries()[int(which)%len(canaries())]
		if strings.Contains(strings.ToLower(before+after), c.secret) {
			return
		}
		text := before + " " + c.planted + " " + after
		for how, scrub := range map[string]func(string, int) (string, bool){"Value": s.Value, "ErrorText": s.ErrorText} {
			if out, _ := scrub(text, 2*len(text)+64); strings.Contains(strings.ToLower(out), c.secret) {
				t.Fatalf("%s(%q) is %q", how, text, out)
			}
		}
	})
}

func FuzzArgumentsLeaveOnlyAsMarkers(f *testing.F) {
	for _, v := range seeds() {
		f.Add("add --flag=" + v + "\n" + v + "\n-p" + v)
	}
	f.Add("-word\n-verbose=true\n-wordy")
	f.Fuzz(func(t *testing.T, lines string) {
		s := zoe()
		out, _, _ := s.Args(strings.Split(lines, "\n"), "remote add")
		for _, arg := range out {
			name, value, found := strings.Cut(arg, "=")
			plain := arg == "-" || arg == "--" || arg == "remote" || arg == "add" || marker(arg) == len(arg)
			short := len(name) >= 2 && name[0] == '-' && strings.Trim(name[1:], name[1:2]) == "" ||
				len(arg) > 2 && arg[0] == '-' && arg[2:] == "<arg>"
			long := strings.HasPrefix(name, "--") && flagName(name[2:]) || len(name) > 1 && knownFlag(name)
			if found && value != "true" && value != "false" && marker(value) != len(value) || !plain && !short && !long {
				t.Fatalf("%q of %q", arg, lines)
			}
		}
		again, _, _ := s.Args(out, "remote add")
		if !slices.Equal(again, out) {
			t.Fatalf("%q is %q, and scrubbed again %q", lines, out, again)
		}
	})
}

func BenchmarkValue(b *testing.B) {
	s := zoe()
	for name, v := range map[string]string{
		"word":     "json",
		"version":  "v1.2.3",
		"platform": "linux/amd64",
		"command":  "remote add",
		"time":     "2024-01-01T12:30:45Z",
		"sentence": "a value of sixty-four bytes in eleven words of plain English, ok",
		"dirty":    "open /etc/x as zcanary with token=abc",
		"5MB":      strings.Repeat("x ", 5<<19),
		"5MBword":  strings.Repeat("x", 5<<20),
		"5MBnoise": strings.Repeat("\xff", 5<<20),
		"colons":   strings.Repeat(":", 256),
		"names":    strings.Repeat("zcanary/", 32),
		"tokens":   strings.Repeat("ghp-", 64),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = s.Value(v, 256)
			}
		})
	}
}

func BenchmarkErrorText(b *testing.B) {
	s := zoe()
	for name, v := range map[string]string{
		"usual": `open /etc/x: dial tcp 10.0.0.1:443: unknown command "x": no such file or directory`,
		"5MB":   strings.Repeat(`a "b" /c `, 5<<17),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = s.ErrorText(v, 512)
			}
		})
	}
}

func BenchmarkArgs(b *testing.B) {
	s := zoe()
	args := []string{"remote", "add", "origin", "https://example.com/x", "--force", "--token=abc", "-v"}
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = s.Args(args, "remote add")
	}
}
