package redact

import "strings"

// Secrets that are known by their own look, wherever they stand.

// tokenForm is a public form of token: what it begins with, and of what, and how much,
// follows at least. Forms that a word or a name could have ask for more.
type tokenForm struct {
	prefix string
	least  uint8
	body   alphabet
}

// alphabet is what a token is made of behind its prefix.
type alphabet uint8

const (
	anyBody   alphabet = iota // whatever words are made of
	urlBody                   // letters, digits, - and _
	alnumBody                 // letters and digits
	mixedBody                 // letters of both cases, digits, - and _
	capsBody                  // capitals, digits and -
	hexBody                   // hexadecimal digits
)

// minForm is the length of the shortest text that secretForm knows.
const minForm = len("ghp_") + 4

// secretForm reports that a known form of token begins in w, at its start or behind a
// sign.
func secretForm(w string) bool {
	for i := 0; i+minForm <= len(w); i++ {
		if i > 0 && isAlnum(w[i-1]) || w[i] >= 0x80 {
			continue
		}
		for _, form := range tokenForms[w[i]] {
			if len(w)-i < len(form.prefix)+int(form.least) {
				break // The shorter ones come first.
			}
			if form.begins(w[i:]) {
				return true
			}
		}
	}
	return len(w) >= shortestInfix && infixForm(w)
}

func (form *tokenForm) begins(w string) bool {
	if w[1] != form.prefix[1] || w[:len(form.prefix)] != form.prefix {
		return false
	}
	w = w[len(form.prefix):][:form.least]
	lowers, uppers := false, false
	for i := range len(w) {
		c := w[i]
		lowers, uppers = lowers || isLower(c), uppers || isUpper(c)
		ok := false
		switch form.body {
		case anyBody:
			ok = true
		case urlBody, mixedBody:
			ok = isAlnum(c) || c == '-' || c == '_'
		case alnumBody:
			ok = isAlnum(c)
		case capsBody:
			ok = isUpper(c) || isDigit(c) || c == '-'
		case hexBody:
			ok = isHex(c)
		}
		if !ok {
			return false
		}
	}
	return form.body != mixedBody || lowers && uppers
}

// shortestInfix is the length of the shortest token that infixForm knows.
const shortestInfix = 20

// infixForm reports that w has what some issuers put into the middle or at the end.
func infixForm(w string) bool {
	if strings.IndexByte(w, '~') < 0 && strings.IndexByte(w, '.') < 0 && strings.IndexByte(w, '_') < 0 && strings.IndexByte(w, ':') < 0 {
		return false
	}
	for _, form := range [...]struct {
		infix          string
		before, behind int // Bytes of the token around it, at least.
	}{
		{".atlasv1.", 14, 8}, // HashiCorp Terraform: gitleaks
		{"_mmk", 20, 0},      // MaxMind: gitleaks
		{":AA", 8, 30},       // Telegram: gitleaks
		{"Q~", 4, 16},        // Microsoft Entra ID, with a digit before it: gitleaks
	} {
		k := strings.Index(w, form.infix)
		if k >= form.before && len(w)-k-len(form.infix) >= form.behind && (form.infix != "Q~" || isDigit(w[k-1])) {
			return true
		}
	}
	return discord(w)
}

// discord reports a bot's token: its number in base64, a time and a signature.
func discord(w string) bool {
	first, rest, _ := strings.Cut(w, ".")
	second, third, _ := strings.Cut(rest, ".")
	if len(first) < 23 || len(first) > 28 || len(second) != 6 || len(third) < 27 {
		return false
	}
	return strings.IndexByte("MNO", first[0]) >= 0
}

// kubeadm reports a token that a node joins a Kubernetes cluster with.
func kubeadm(w string) bool {
	w = strings.Trim(w, "$.")
	if len(w) != 6+1+16 || w[6] != '.' {
		return false
	}
	digits := 0
	for i := range len(w) {
		if i != 6 && !isLower(w[i]) && !isDigit(w[i]) {
			return false
		}
		if i > 6 && isDigit(w[i]) {
			digits++
		}
	}
	return digits > 1
}

// hashed reports that a chunk holds the hash of a password with its scheme and salt, of
// which signs between end the word.
func hashed(chunk string) bool {
	if k := strings.IndexByte(chunk, '$'); k >= 0 {
		for _, scheme := range [...]string{"$argon2", "$pbkdf2", "$scrypt$", "$ml=", "$2a$", "$2b$", "$2y$"} {
			if strings.Contains(chunk[k:], scheme) {
				return true
			}
		}
	}
	if k := strings.IndexByte(chunk, '{'); k >= 0 {
		for _, scheme := range [...]string{"{SSHA", "{SHA", "{SMD5}", "{MD5}", "{CRYPT}", "{PBKDF2"} {
			if strings.HasPrefix(chunk[k:], scheme) {
				return true
			}
		}
	}
	return false
}

// pem begins a block of a key or certificate, of which only its own end would tell how
// long it is.
const pem = "-----BEGIN"

// begins reports that w is prefix and at least n more.
func begins(w, prefix string, n int) bool {
	return len(w) >= len(prefix)+n && w[:len(prefix)] == prefix
}

func capitals(w string) bool {
	for i := range len(w) {
		if !isUpper(w[i]) && !isDigit(w[i]) {
			return false
		}
	}
	return true
}

// How long a run must be to look random. Words and names of that kind are shorter;
// keys of 128 bits and more are longer in each of the alphabets.
const (
	randomBase32 = 16 // capitals and digits
	randomMixed  = 20 // letters and digits that change their kind at every other place
	randomBase64 = 28 // letters of both cases, digits, and + / - _ between them
	randomAlnum  = 32 // letters and digits, and hexadecimal of any kind: a UUID has 32
)

// random reports that w holds a long run without a word's look.
func random(w string) bool {
	if len(w) < randomBase32 {
		return false
	}
	for i := 0; i < len(w); {
		if !isAlnum(w[i]) {
			i++
			continue
		}
		n, found := randomRun(w[i:])
		if found {
			return true
		}
		i += n
	}
	return false
}

// run counts the letters and digits of a run, and how often they change their kind.
type run struct{ lower, upper, digits, changes int }

// count counts the letter or digit c, which stands behind the byte before.
func (r *run) count(c, before byte) {
	switch {
	case isDigit(c):
		r.digits++
		if isLower(before | 0x20) {
			r.changes++
		}
	case isUpper(c):
		r.upper++
		if isLower(before) || isDigit(before) {
			r.changes++
		}
	default:
		r.lower++
		if isUpper(before) || isDigit(before) {
			r.changes++
		}
	}
}

// jumbled reports that a run of length letters and digits has no words in it: a word has
// few capitals and changes seldom, and names are made of words.
func (r *run) jumbled(length int) bool {
	const third, quarter = 3, 4
	switch {
	case length < randomMixed:
		return false
	case 2*r.changes >= length && min(r.lower, r.upper, r.digits) >= 3:
		return true
	}
	return third*r.changes >= length && 100*r.upper >= 38*length && quarter*r.lower >= length
}

// randomRun looks at the run of base64 that w begins with, and returns its length.
//
// Names are joined by + / - _ as well, so a run of mixed signs is random only if a
// piece of it is no word: a capital behind a small letter, or a letter behind a digit.
func randomRun(w string) (n int, random bool) {
	var all, piece run // piece: since the last of + / - _
	length, total, hex, wordless := 0, 0, 0, false
	for ; n < len(w); n++ {
		c := w[n]
		if !isAlnum(c) {
			if c != '+' && c != '/' && c != '-' && c != '_' {
				break
			}
			piece, length = run{}, 0
			if c != '-' { // As in a UUID.
				hex = 0
			}
			continue
		}
		wordless = wordless || isUpper(c) && piece.lower+piece.digits > 0 || isLower(c) && piece.digits > 0
		before := byte(0)
		if length > 0 {
			before = w[n-1]
		}
		piece.count(c, before)
		all.count(c, before)
		length++
		total++
		hex++
		if !isHex(c) {
			hex = 0
		}
		if hex >= randomAlnum ||
			length >= randomAlnum && piece.lower+piece.upper > 0 && piece.digits >= 4 ||
			length >= randomBase32 && piece.lower == 0 && piece.upper >= 4 && piece.digits > 0 {
			return n, true
		}
	}
	return n, n >= randomBase64 && wordless && all.lower > 0 && all.upper > 0 && all.digits > 0 || all.jumbled(total)
}

// basicCredentials reports that w is base64 of a user and a password, as in HTTP's basic
// authentication: words mean nothing in base64, let alone printable text with a colon.
func basicCredentials(w string) bool {
	const shortest = 8 // Of four bytes and more.
	w = strings.TrimRight(w, "=")
	if len(w) < shortest || len(w)%4 == 1 {
		return false
	}
	bits, n, colon, upper, lowers := uint(0), 0, false, false, false
	for i := range len(w) {
		c := w[i]
		var six uint
		switch {
		case isUpper(c):
			six, upper = uint(c-'A'), true
		case isLower(c):
			six, lowers = uint(c-'a')+26, true
		case isDigit(c):
			six = uint(c-'0') + 52
		case c == '+' || c == '-':
			six = 62
		case c == '/' || c == '_':
			six = 63
		default:
			return false
		}
		bits = bits<<6 | six
		if n += 6; n < 8 {
			continue
		}
		n -= 8
		switch b := byte(bits >> n); {
		case b < ' ' || b >= 0x7f:
			return false
		case b == ':':
			colon = colon || i > 1
		}
	}
	return colon && upper && lowers
}

// tokenForms are the forms by their first byte, the shortest first.
var tokenForms = [128][]tokenForm{
	'$': {
		{"$1$", 8, anyBody},      // crypt(3): issuer
		{"$5$", 8, anyBody},      // crypt(3): issuer
		{"$6$", 8, anyBody},      // crypt(3): issuer
		{"$7$", 8, anyBody},      // crypt(3): issuer
		{"$y$", 8, anyBody},      // crypt(3): issuer
		{"$2a$", 8, anyBody},     // bcrypt: issuer
		{"$2b$", 8, anyBody},     // bcrypt: issuer
		{"$2y$", 8, anyBody},     // bcrypt: issuer
		{"$apr1$", 8, anyBody},   // Apache: issuer
		{"$argon2", 8, anyBody},  // Argon2: issuer
		{"$pbkdf2", 8, anyBody},  // PBKDF2: issuer
		{"$scrypt$", 8, anyBody}, // scrypt: issuer
	},
	'1': {
		{"1//0", 20, urlBody}, // Google: issuer
	},
	'4': {
		{"4b1d", 30, alnumBody}, // ClickHouse: gitleaks
	},
	'A': {
		{"AKIA", 12, capsBody},                // AWS: gitleaks
		{"ASIA", 12, capsBody},                // AWS: gitleaks
		{"AVNS_", 12, anyBody},                // Aiven: issuer
		{"AAAAB3NzaC1", 8, anyBody},           // OpenSSH: issuer
		{"AAAAC3NzaC1", 8, anyBody},           // OpenSSH: issuer
		{"A3T", 17, capsBody},                 // AWS: gitleaks
		{"AAAAE2VjZHNh", 8, anyBody},          // OpenSSH: issuer
		{"ABIA", 16, capsBody},                // AWS: gitleaks
		{"ACCA", 16, capsBody},                // AWS: gitleaks
		{"AGPA", 16, capsBody},                // AWS: issuer
		{"AIDA", 16, capsBody},                // AWS: issuer
		{"AIPA", 16, capsBody},                // AWS: issuer
		{"AIza", 16, urlBody},                 // Google: gitleaks
		{"ANPA", 16, capsBody},                // AWS: issuer
		{"ANVA", 16, capsBody},                // AWS: issuer
		{"AROA", 16, capsBody},                // AWS: issuer
		{"ATBB", 16, mixedBody},               // Bitbucket: issuer
		{"ALTAK", 16, alnumBody},              // Baidu Cloud: issuer
		{"ATATT3", 16, anyBody},               // Atlassian: gitleaks
		{"ATCTT3", 16, anyBody},               // Atlassian: issuer
		{"ATSTT3", 16, anyBody},               // Atlassian: issuer
		{"AAAAGnNrLXNzaC1", 8, anyBody},       // OpenSSH: issuer
		{"AGE-SECRET-KEY-", 8, capsBody},      // age: gitleaks
		{"AIK_CI_", 16, alnumBody},            // Aikido: betterleaks
		{"AKCp", 20, alnumBody},               // JFrog: gitleaks
		{"AGE-PLUGIN-", 16, capsBody},         // age: issuer
		{"AIK_CLIENT_", 16, alnumBody},        // Aikido: betterleaks
		{"AIK_SECRET_", 16, alnumBody},        // Aikido: betterleaks
		{"ABSK", 24, anyBody},                 // AWS: betterleaks
		{"AKID", 24, alnumBody},               // Tencent Cloud: issuer
		{"AKLT", 24, anyBody},                 // Volcengine: issuer
		{"API-", 24, capsBody},                // Octopus Deploy: gitleaks
		{"AQVN", 24, urlBody},                 // Yandex: gitleaks
		{"ATTA", 24, hexBody},                 // Trello: issuer
		{"A3-", 26, capsBody},                 // 1Password: gitleaks
		{"AQ.Ab", 24, urlBody},                // Google: betterleaks
		{"AAAAAAAAAAAAAAAAAAAA", 20, anyBody}, // Twitter: issuer
		{"ATOA", 40, anyBody},                 // Atlassian: issuer
	},
	'B': {
		{"BSA", 24, urlBody}, // Brave: betterleaks
	},
	'C': {
		{"CCIPAT_", 8, anyBody},     // CircleCI: scanner
		{"CCIPRJ_", 8, anyBody},     // CircleCI: scanner
		{"CCDB1_", 16, anyBody},     // CockroachDB: betterleaks
		{"CFPAT-", 16, urlBody},     // Contentful: issuer
		{"CLOJARS_", 16, alnumBody}, // Clojars: gitleaks
		{"CAIS", 40, anyBody},       // Alibaba Cloud: betterleaks
	},
	'E': {
		{"EXO", 24, hexBody},    // Exoscale: betterleaks
		{"EZAK", 30, alnumBody}, // EasyPost: gitleaks
		{"EZTK", 30, alnumBody}, // EasyPost: gitleaks
		{"EAA", 40, anyBody},    // Facebook, Square: gitleaks
	},
	'F': {
		{"FLWPUBK", 8, anyBody},       // Flutterwave: gitleaks
		{"FLWSECK", 8, anyBody},       // Flutterwave: gitleaks
		{"FwoGZXIvYXdz", 16, anyBody}, // AWS: issuer
	},
	'G': {
		{"GOCSPX-", 8, urlBody},   // Google: issuer
		{"GR1348941", 8, urlBody}, // GitLab: gitleaks
	},
	'H': {
		{"HRKU-", 16, anyBody}, // Heroku: gitleaks
	},
	'I': {
		{"IQoJb3JpZ2lu", 16, anyBody}, // AWS: issuer
	},
	'J': {
		{"JDC_", 24, capsBody}, // JD Cloud: issuer
	},
	'K': {
		{"KEY01", 30, capsBody}, // Telnyx: issuer
	},
	'L': {
		{"LS0tLS1CRUdJTi", 0, anyBody}, // PEM in base64: issuer
		{"LTAI", 12, alnumBody},        // Alibaba Cloud: gitleaks
		{"LT_", 30, alnumBody},         // LambdaTest: issuer
	},
	'N': {
		{"NRAK-", 16, capsBody}, // New Relic: gitleaks
		{"NRII-", 16, anyBody},  // New Relic: gitleaks
		{"NRIQ-", 16, anyBody},  // New Relic: issuer
		{"NRJS-", 16, hexBody},  // New Relic: gitleaks
		{"NRRA-", 16, anyBody},  // New Relic: issuer
		{"NF-", 30, alnumBody},  // Nightfall: issuer
	},
	'P': {
		{"PMAK-", 16, anyBody}, // Postman: gitleaks
		{"PMAT-", 16, anyBody}, // Postman: issuer
	},
	'S': {
		{"SWMTKN-1-", 8, anyBody}, // Docker Swarm: issuer
		{"SG.", 16, anyBody},      // SendGrid: gitleaks
		{"SCW", 17, capsBody},     // Scaleway: issuer
		{"STS.", 16, alnumBody},   // Alibaba Cloud: betterleaks
		{"SB-Mid-", 16, anyBody},  // Midtrans: issuer
	},
	'T': {
		{"TlRMTVNTUA", 8, anyBody}, // NTLM: issuer
	},
	'Y': {
		{"YCAJ", 24, urlBody}, // Yandex: gitleaks
		{"YII", 40, anyBody},  // Kerberos: issuer
	},
	'a': {
		{"access_token$", 8, anyBody},        // Braintree: issuer
		{"aio_", 20, alnumBody},              // Adafruit: issuer
		{"api_org_", 16, alnumBody},          // Hugging Face: gitleaks
		{"ak-", 22, mixedBody},               // Modal: issuer
		{"api_live.", 16, anyBody},           // Onfido: issuer
		{"as-", 22, mixedBody},               // Modal: issuer
		{"api_sandbox.", 16, anyBody},        // Onfido: issuer
		{"apify_api_", 20, alnumBody},        // Apify: issuer
		{"access-sandbox-", 16, anyBody},     // Plaid: gitleaks
		{"access-production-", 16, anyBody},  // Plaid: gitleaks
		{"access-development-", 16, anyBody}, // Plaid: gitleaks
		{"atk_", 32, hexBody},                // Attio: issuer
		{"apk_", 40, anyBody},                // Devin: betterleaks
	},
	'b': {
		{"b3BlbnNzaC1rZXkt", 0, anyBody},  // OpenSSH: issuer
		{"bce-v3/ALTAK-", 8, anyBody},     // Baidu Cloud: issuer
		{"bkaa_", 16, alnumBody},          // Buildkite: scanner
		{"bkaj_", 16, alnumBody},          // Buildkite: scanner
		{"bkar_", 16, alnumBody},          // Buildkite: scanner
		{"bkct_", 16, alnumBody},          // Buildkite: scanner
		{"bkps_", 16, alnumBody},          // Buildkite: scanner
		{"bkpt_", 16, alnumBody},          // Buildkite: scanner
		{"bkua_", 16, hexBody},            // Buildkite: kingfisher
		{"bkpat_", 16, alnumBody},         // Buildkite: scanner
		{"b10ck5.", 16, anyBody},          // Block Protocol: issuer
		{"bb_live_", 16, anyBody},         // Browserbase: issuer
		{"brd_", 24, alnumBody},           // Bright Data: issuer
		{"bxt_", 24, alnumBody},           // Brex: issuer
		{"bedrock-api-key-", 16, anyBody}, // AWS: betterleaks
		{"b_", 40, mixedBody},             // Beamer: gitleaks
	},
	'c': {
		{"chpt_", 12, hexBody},            // Chromatic: issuer
		{"cal_live_", 16, alnumBody},      // Cal.com: issuer
		{"cmVmd", 20, alnumBody},          // JFrog: gitleaks
		{"cfk_", 24, urlBody},             // Cloudflare: scanner
		{"cfat_", 24, urlBody},            // Cloudflare: scanner
		{"cfut_", 24, urlBody},            // Cloudflare: scanner
		{"crsr_", 24, urlBody},            // Cursor: scanner
		{"configcat-sdk-1/", 16, anyBody}, // ConfigCat: betterleaks
		{"ctp_", 30, alnumBody},           // Chief Tools: issuer
		{"cio", 32, alnumBody},            // crates.io: issuer
		{"cu_", 32, hexBody},              // Checkly: issuer
		{"cog_", 40, alnumBody},           // Devin: betterleaks
		{"csk-", 40, alnumBody},           // Cerebras: betterleaks
		{"cnvca", 40, urlBody},            // Canva: betterleaks
	},
	'd': {
		{"doo_v1_", 4, hexBody},      // DigitalOcean: gitleaks
		{"dop_v1_", 4, hexBody},      // DigitalOcean: gitleaks
		{"dor_v1_", 4, hexBody},      // DigitalOcean: gitleaks
		{"dt0c01.", 8, anyBody},      // Dynatrace: gitleaks
		{"dckr_oat_", 8, urlBody},    // Docker: betterleaks
		{"dckr_pat_", 8, urlBody},    // Docker: betterleaks
		{"dls_", 16, anyBody},        // Dashlane: issuer
		{"dt0s", 16, anyBody},        // Dynatrace: issuer
		{"duffel_live_", 8, anyBody}, // Duffel: gitleaks
		{"duffel_test_", 8, anyBody}, // Duffel: gitleaks
		{"dnkey-", 16, anyBody},      // Defined Networking: gitleaks
		{"dp.ct.", 16, alnumBody},    // Doppler: scanner
		{"dp.pt.", 16, alnumBody},    // Doppler: gitleaks
		{"dp.sa.", 16, alnumBody},    // Doppler: scanner
		{"dp.st.", 16, anyBody},      // Doppler: scanner
		{"dp.scim.", 16, alnumBody},  // Doppler: scanner
		{"dvc_", 20, mixedBody},      // DevCycle: issuer
		{"dp.audit.", 16, alnumBody}, // Doppler: scanner
		{"dapi", 24, hexBody},        // Databricks: gitleaks
		{"ddp_", 24, alnumBody},      // Deno: betterleaks
		{"ddw_", 24, alnumBody},      // Deno: issuer
		{"dose", 24, hexBody},        // Databricks: issuer
		{"dub_", 24, alnumBody},      // Dub: issuer
		{"ddapp_", 24, alnumBody},    // Datadog: issuer
		{"dG9rO", 32, anyBody},       // Intercom: issuer
	},
	'e': {
		{"eyJ", 13, anyBody},    // JSON Web Token: gitleaks
		{"endr+", 16, anyBody},  // Endor Labs: betterleaks
		{"e2b_", 24, hexBody},   // E2B: issuer
		{"exp_", 30, alnumBody}, // Expo: issuer
		{"emb_", 40, hexBody},   // Mixedbread: issuer
		{"essu_", 40, anyBody},  // Elastic: betterleaks
	},
	'f': {
		{"fm2_", 16, anyBody},   // Fly.io: gitleaks
		{"fo1_", 16, urlBody},   // Fly.io: gitleaks
		{"figd_", 16, anyBody},  // Figma: betterleaks
		{"figu_", 16, anyBody},  // Figma: issuer
		{"fm1a_", 16, anyBody},  // Fly.io: gitleaks
		{"fm1r_", 16, anyBody},  // Fly.io: gitleaks
		{"fio-u-", 16, anyBody}, // Frame.io: gitleaks
		{"fw_", 22, alnumBody},  // Fireworks: issuer
		{"fc-", 24, hexBody},    // Firecrawl: scanner
		{"fhb-", 24, hexBody},   // FireHydrant: issuer
		{"flp_", 30, alnumBody}, // Friendli: issuer
	},
	'g': {
		{"gho_", 4, alnumBody},      // GitHub: gitleaks
		{"ghp_", 4, alnumBody},      // GitHub: gitleaks
		{"ghr_", 4, alnumBody},      // GitHub: gitleaks
		{"ghs_", 4, alnumBody},      // GitHub: gitleaks
		{"ghu_", 4, alnumBody},      // GitHub: gitleaks
		{"glpat-", 4, anyBody},      // GitLab: gitleaks
		{"gldt-", 8, anyBody},       // GitLab: gitleaks
		{"glft-", 8, anyBody},       // GitLab: gitleaks
		{"glrt-", 8, anyBody},       // GitLab: gitleaks
		{"glwt-", 8, anyBody},       // GitLab: scanner
		{"glcbt-", 8, anyBody},      // GitLab: gitleaks
		{"glimt-", 8, anyBody},      // GitLab: gitleaks
		{"gloas-", 8, anyBody},      // GitLab: gitleaks
		{"glptt-", 8, anyBody},      // GitLab: gitleaks
		{"glrtr-", 8, anyBody},      // GitLab: scanner
		{"github_pat_", 4, anyBody}, // GitHub: gitleaks
		{"glffct-", 8, anyBody},     // GitLab: gitleaks
		{"glsoat-", 8, anyBody},     // GitLab: gitleaks
		{"glagent-", 8, anyBody},    // GitLab: gitleaks
		{"glsa_", 16, anyBody},      // Grafana: gitleaks
		{"gsk_", 20, alnumBody},     // Groq: betterleaks
		{"glc_", 24, anyBody},       // Grafana: gitleaks
		{"gcntfy-", 24, anyBody},    // GC Notify: issuer
		{"gto_", 32, hexBody},       // Gitea: issuer
	},
	'h': {
		{"hf_", 16, alnumBody},     // Hugging Face: gitleaks
		{"hvb.", 16, urlBody},      // HashiCorp: gitleaks
		{"hvr.", 16, urlBody},      // HashiCorp: vault
		{"hvs.", 16, urlBody},      // HashiCorp: gitleaks
		{"hcloud_", 30, alnumBody}, // Hetzner: issuer
		{"hcaik_", 32, alnumBody},  // Honeycomb: issuer
		{"hcbik_", 32, alnumBody},  // Honeycomb: issuer
		{"hcxik_", 32, alnumBody},  // Honeycomb: issuer
	},
	'i': {
		{"ico-", 24, alnumBody}, // Infracost: gitleaks
		{"ion_", 30, alnumBody}, // Ionic: issuer
		{"inc_", 40, hexBody},   // incident.io: issuer
	},
	'j': {
		{"jina_", 24, anyBody},  // Jina: scanner
		{"jca_", 30, alnumBody}, // JumpCloud: issuer
	},
	'k': {
		{"key-", 24, hexBody},     // Mailgun: gitleaks
		{"key_", 24, hexBody},     // Cursor, Retell: betterleaks
		{"kpat_", 24, alnumBody},  // Kong: issuer
		{"kinde_", 30, alnumBody}, // Kinde: issuer
		{"kit_", 32, hexBody},     // Kit: issuer
	},
	'l': {
		{"ls__", 16, alnumBody},       // LangSmith: issuer
		{"lsv2_", 16, anyBody},        // LangSmith: scanner
		{"lin_api_", 16, alnumBody},   // Linear: gitleaks
		{"lip_", 20, alnumBody},       // Lichess: issuer
		{"lin_oauth_", 16, alnumBody}, // Linear: scanner
		{"llx-", 24, anyBody},         // LlamaIndex: issuer
		{"live_pub_", 24, hexBody},    // Lob: gitleaks
		{"live_", 30, alnumBody},      // Lob, GoCardless: gitleaks
		{"luma-", 32, anyBody},        // Luma: issuer
		{"lma_", 40, anyBody},         // LogicMonitor: issuer
		{"lmb_", 40, anyBody},         // LogicMonitor: issuer
	},
	'm': {
		{"md-", 22, mixedBody},               // Mandrill: issuer
		{"mdb_sa_id_", 16, hexBody},          // MongoDB: betterleaks
		{"mdb_sa_sk_", 16, urlBody},          // MongoDB: betterleaks
		{"mercury_sandbox_", 16, anyBody},    // Mercury: issuer
		{"m0-", 30, alnumBody},               // Mem0: issuer
		{"mercury_production_", 16, anyBody}, // Mercury: issuer
		{"mob-", 32, anyBody},                // LaunchDarkly: scanner
	},
	'n': {
		{"npg_", 8, alnumBody},   // Neon: issuer
		{"npm_", 16, alnumBody},  // npm: gitleaks
		{"nfb_", 24, alnumBody},  // Netlify: scanner
		{"nfc_", 24, alnumBody},  // Netlify: scanner
		{"nfo_", 24, alnumBody},  // Netlify: scanner
		{"nfp_", 24, alnumBody},  // Netlify: scanner
		{"nfu_", 24, alnumBody},  // Netlify: scanner
		{"ntn_", 24, alnumBody},  // Notion: gitleaks
		{"nvapi-", 24, anyBody},  // NVIDIA: betterleaks
		{"nk-", 30, mixedBody},   // Nomic: issuer
		{"nbp_", 30, alnumBody},  // NetBird: issuer
		{"na1.", 40, anyBody},    // FullStory: issuer
		{"napi_", 40, alnumBody}, // Neon: issuer
	},
	'o': {
		{"ory_ac_", 16, anyBody},      // Ory: issuer
		{"ory_at_", 16, anyBody},      // Ory: issuer
		{"ory_rt_", 16, anyBody},      // Ory: issuer
		{"ovsxat_", 16, anyBody},      // Open VSX: scanner
		{"ory_pat_", 16, anyBody},     // Ory: issuer
		{"ops_", 24, anyBody},         // 1Password: gitleaks
		{"os_v2_app_", 24, alnumBody}, // OneSignal: issuer
		{"os_v2_org_", 24, alnumBody}, // OneSignal: issuer
		{"oy2", 40, alnumBody},        // NuGet: issuer
	},
	'p': {
		{"phc_", 8, alnumBody},               // PostHog: betterleaks
		{"phs_", 8, alnumBody},               // PostHog: issuer
		{"phx_", 8, alnumBody},               // PostHog: betterleaks
		{"pk_live_", 4, alnumBody},           // Stripe: issuer
		{"pk_test_", 4, alnumBody},           // Stripe: issuer
		{"p8e-", 16, alnumBody},              // Adobe: gitleaks
		{"p.eyJ", 16, anyBody},               // Tinybird: issuer
		{"pcsk_", 16, anyBody},               // Pinecone: scanner
		{"pplx-", 16, alnumBody},             // Perplexity: gitleaks
		{"pypi-", 16, urlBody},               // PyPI: gitleaks
		{"pbkdf2_sha256$", 8, anyBody},       // Django: issuer
		{"pk-lf-", 16, anyBody},              // Langfuse: scanner
		{"pk.eyJ", 16, anyBody},              // Mapbox: gitleaks
		{"pscale_", 16, anyBody},             // PlanetScale: gitleaks
		{"pat-au1-", 16, anyBody},            // HubSpot: issuer
		{"pat-eu1-", 16, anyBody},            // HubSpot: issuer
		{"pat-na1-", 16, anyBody},            // HubSpot: issuer
		{"pat.", 20, urlBody},                // Harness: gitleaks
		{"pdl_live_", 16, anyBody},           // Paddle: issuer
		{"pdl_sdbx_", 16, anyBody},           // Paddle: issuer
		{"pnb_", 24, alnumBody},              // Prefect: scanner
		{"pnu_", 24, alnumBody},              // Prefect: gitleaks
		{"ptk_", 24, alnumBody},              // Hop: issuer
		{"pul-", 24, hexBody},                // Pulumi: gitleaks
		{"pina_", 24, anyBody},               // Pinterest: issuer
		{"polar_", 24, anyBody},              // Polar: issuer
		{"pylf_v", 24, anyBody},              // Logfire: issuer
		{"pubkey-", 24, hexBody},             // Mailgun: gitleaks
		{"persona_sandbox_", 16, anyBody},    // Persona: issuer
		{"persona_production_", 16, anyBody}, // Persona: issuer
		{"pts_", 32, alnumBody},              // Pangea: issuer
		{"pa-", 40, mixedBody},               // Voyage: issuer
		{"ptr_", 40, anyBody},                // Portainer: issuer
		{"pat", 60, anyBody},                 // Airtable: betterleaks
	},
	'r': {
		{"rk_live_", 4, alnumBody},  // Stripe: gitleaks
		{"rk_prod_", 4, alnumBody},  // Stripe: gitleaks
		{"rk_test_", 4, alnumBody},  // Stripe: gitleaks
		{"rubygems_", 8, hexBody},   // RubyGems: gitleaks
		{"rzp_live_", 8, alnumBody}, // Razorpay: issuer
		{"rzp_test_", 8, alnumBody}, // Razorpay: issuer
		{"rdme_", 16, alnumBody},    // ReadMe: gitleaks
		{"ramp_sec_", 16, anyBody},  // Ramp: issuer
		{"r8_", 24, alnumBody},      // Replicate: betterleaks
		{"re_", 24, mixedBody},      // Resend: scanner
		{"rnd_", 24, alnumBody},     // Render: issuer
		{"rootly_", 24, hexBody},    // Rootly: issuer
		{"rpa_", 30, alnumBody},     // RunPod, redirect.pizza: issuer
	},
	's': {
		{"shpat_", 4, alnumBody},        // Shopify: gitleaks
		{"shpca_", 4, alnumBody},        // Shopify: gitleaks
		{"shppa_", 4, alnumBody},        // Shopify: gitleaks
		{"shpss_", 4, alnumBody},        // Shopify: gitleaks
		{"shptka_", 4, alnumBody},       // Shopify: issuer
		{"sk_live_", 4, alnumBody},      // Stripe: gitleaks
		{"sk_prod_", 4, alnumBody},      // Stripe: gitleaks
		{"sk_test_", 4, alnumBody},      // Stripe: gitleaks
		{"sk-ant-", 8, anyBody},         // Anthropic: gitleaks
		{"sq0atp-", 8, urlBody},         // Square: gitleaks
		{"sq0csp-", 8, urlBody},         // Square: scanner
		{"sq0idp-", 8, urlBody},         // Square: issuer
		{"sk-None-", 8, anyBody},        // OpenAI: issuer
		{"sk-proj-", 8, anyBody},        // OpenAI: gitleaks
		{"sk-admin-", 8, anyBody},       // OpenAI: gitleaks
		{"sk-or-v1-", 8, anyBody},       // OpenRouter: betterleaks
		{"sb_secret_", 8, anyBody},      // Supabase: betterleaks
		{"sk-svcacct-", 8, anyBody},     // OpenAI: gitleaks
		{"sbp_", 16, hexBody},           // Supabase: betterleaks
		{"sgp_", 16, anyBody},           // Sourcegraph: gitleaks
		{"shippo_live_", 8, hexBody},    // Shippo: gitleaks
		{"shippo_test_", 8, hexBody},    // Shippo: gitleaks
		{"sqa_", 16, hexBody},           // Sonar: issuer
		{"sqb_", 16, hexBody},           // Sonar: issuer
		{"sqp_", 16, hexBody},           // Sonar: issuer
		{"squ_", 16, hexBody},           // Sonar: issuer
		{"sk-lf-", 16, anyBody},         // Langfuse: scanner
		{"sk.eyJ", 16, anyBody},         // Mapbox: scanner
		{"sb_publishable_", 8, anyBody}, // Supabase: scanner
		{"sk-", 20, alnumBody},          // OpenAI: gitleaks
		{"sk_org_", 16, anyBody},        // Stripe: issuer
		{"sm_aat_", 16, alnumBody},      // SettleMint: gitleaks
		{"sm_pat_", 16, alnumBody},      // SettleMint: gitleaks
		{"sm_sat_", 16, alnumBody},      // SettleMint: gitleaks
		{"sntrya_", 16, anyBody},        // Sentry: issuer
		{"sntryi_", 16, anyBody},        // Sentry: issuer
		{"sntrys_", 16, anyBody},        // Sentry: gitleaks
		{"sntryu_", 16, anyBody},        // Sentry: gitleaks
		{"sat.", 20, urlBody},           // Harness: gitleaks
		{"signkey-", 16, anyBody},       // Inngest: scanner
		{"s-s4t2af-", 16, hexBody},      // Intra42: gitleaks
		{"s-s4t2ud-", 16, hexBody},      // Intra42: gitleaks
		{"sbp_oauth_", 16, anyBody},     // Supabase: issuer
		{"sec-c-", 20, anyBody},         // PubNub: issuer
		{"ser.", 22, mixedBody},         // Flagsmith: issuer
		{"samsara_api_", 16, anyBody},   // Samsara: issuer
		{"secret-live-", 16, anyBody},   // Stytch: issuer
		{"secret-test-", 16, anyBody},   // Stytch: issuer
		{"sgd_", 24, hexBody},           // Sourcegraph: issuer
		{"sk-helicone-", 16, anyBody},   // Helicone: issuer
		{"slk_", 24, hexBody},           // Sourcegraph: issuer
		{"sgai-", 24, anyBody},          // ScrapeGraph: issuer
		{"sha256~", 24, urlBody},        // OpenShift: gitleaks
		{"sktsec_", 24, anyBody},        // Socket: issuer
		{"sess-", 36, alnumBody},        // OpenAI: issuer
		{"sk_", 40, hexBody},            // ElevenLabs: betterleaks
		{"secret-", 40, alnumBody},      // Statsig: issuer
		{"secret_", 40, alnumBody},      // Notion: issuer
		{"sk-api-", 40, anyBody},        // MiniMax: betterleaks
		{"sl.", 60, urlBody},            // Dropbox: gitleaks
	},
	't': {
		{"tskey-", 8, anyBody},         // Tailscale: scanner
		{"tvly-", 16, anyBody},         // Tavily: scanner
		{"tk.eyJ", 16, anyBody},        // Mapbox: issuer
		{"tskey-webhook-", 8, anyBody}, // Tailscale: scanner
		{"tr_dev_", 16, alnumBody},     // Trigger.dev: scanner
		{"tr_stg_", 16, alnumBody},     // Trigger.dev: issuer
		{"tr_prod_", 16, alnumBody},    // Trigger.dev: scanner
		{"testsk_", 20, mixedBody},     // Svix: issuer
		{"tfp_", 24, anyBody},          // Typeform: gitleaks
		{"tss_", 24, alnumBody},        // Thunderstore: issuer
		{"test_tok_", 20, alnumBody},   // Teller: issuer
		{"tk-us-", 24, urlBody},        // Scalingo: gitleaks
		{"tgp_v1_", 24, anyBody},       // Together: betterleaks
		{"test_pub_", 24, hexBody},     // Lob: gitleaks
		{"t1.", 40, anyBody},           // Yandex: gitleaks
	},
	'u': {
		{"u+", 18, mixedBody},     // PagerDuty: issuer
		{"unkey_", 16, alnumBody}, // Unkey: issuer
		{"ucat_", 20, alnumBody},  // UpCloud: betterleaks
	},
	'v': {
		{"vtwn_", 16, alnumBody},         // Val Town: issuer
		{"vca_", 20, alnumBody},          // Vercel: betterleaks
		{"vci_", 20, alnumBody},          // Vercel: betterleaks
		{"vck_", 20, alnumBody},          // Vercel: betterleaks
		{"vcp_", 20, alnumBody},          // Vercel: betterleaks
		{"vcr_", 20, alnumBody},          // Vercel: betterleaks
		{"vercel_blob_rw_", 16, anyBody}, // Vercel: issuer
		{"v4.local.", 40, anyBody},       // PASETO: issuer
		{"v2.public.", 40, anyBody},      // Unit: issuer
		{"v4.public.", 40, anyBody},      // PASETO: issuer
	},
	'w': {
		{"whsec_", 16, anyBody},    // Stripe: scanner
		{"wrkeu-", 16, anyBody},    // Workato: issuer
		{"wrksg-", 16, anyBody},    // Workato: issuer
		{"wrkaus-", 16, anyBody},   // Workato: issuer
		{"waka_", 24, anyBody},     // WakaTime: issuer
		{"wandb_v1_", 24, anyBody}, // Weights & Biases: betterleaks
	},
	'x': {
		{"xapp-", 4, anyBody},     // Slack: gitleaks
		{"xoxa-", 4, anyBody},     // Slack: gitleaks
		{"xoxb-", 4, anyBody},     // Slack: gitleaks
		{"xoxc-", 4, anyBody},     // Slack: betterleaks
		{"xoxd-", 4, anyBody},     // Slack: betterleaks
		{"xoxe-", 4, anyBody},     // Slack: gitleaks
		{"xoxe.", 4, anyBody},     // Slack: gitleaks
		{"xoxo-", 4, anyBody},     // Slack: gitleaks
		{"xoxp-", 4, anyBody},     // Slack: gitleaks
		{"xoxr-", 4, anyBody},     // Slack: gitleaks
		{"xoxs-", 4, anyBody},     // Slack: gitleaks
		{"xwfp-", 4, anyBody},     // Slack: issuer
		{"xkeysib-", 8, anyBody},  // Brevo: gitleaks
		{"xsmtpsib-", 8, anyBody}, // Brevo: issuer
		{"xaat-", 16, anyBody},    // Axiom: issuer
		{"xapt-", 16, anyBody},    // Axiom: issuer
		{"xai-", 24, alnumBody},   // xAI: betterleaks
		{"xnd_", 24, mixedBody},   // Xendit: issuer
		{"xau_", 30, alnumBody},   // Xata: issuer
		{"xprv", 60, alnumBody},   // BIP 32: issuer
	},
	'y': {
		{"ya29.", 8, anyBody}, // Google: issuer
		{"y0_", 30, anyBody},  // Yandex: issuer
	},
	'z': {
		{"zpka_", 16, anyBody}, // Zuplo: issuer
	},
}
