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
	for _, form := range [...]struct {
		infix          string
		before, behind int // Bytes of the token around it, at least.
	}{
		{"T3BlbkFJ", 16, 16}, // OpenAI: gitleaks
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

// randomRun looks at the run of base64 that w begins with, and returns its length.
//
// Names are joined by + / - _ as well, so a run of mixed signs is random only if a
// piece of it is no word: a capital behind a small letter, or a letter behind a digit.
func randomRun(w string) (n int, random bool) {
	type count struct{ lower, upper, digits int }
	var run, piece count // piece: since the last of + / - _
	length, hex, changes, wordless := 0, 0, 0, false
	for ; n < len(w); n++ {
		c := w[n]
		switch {
		case isDigit(c):
			run.digits++
			piece.digits++
			if length > 0 && !isDigit(w[n-1]) {
				changes++
			}
		case isUpper(c):
			wordless = wordless || piece.lower > 0 || piece.digits > 0
			run.upper++
			piece.upper++
			if length > 0 && !isUpper(w[n-1]) {
				changes++
			}
		case isLower(c):
			wordless = wordless || piece.digits > 0
			run.lower++
			piece.lower++
			if length > 0 && !isLower(w[n-1]) {
				changes++
			}
		}
		if !isAlnum(c) {
			if c != '+' && c != '/' && c != '-' && c != '_' {
				break
			}
			piece, length, changes = count{}, 0, 0
			if c != '-' { // As in a UUID.
				hex = 0
			}
			continue
		}
		length++
		hex++
		if !isHex(c) {
			hex = 0
		}
		if hex >= randomAlnum ||
			length >= randomAlnum && piece.lower+piece.upper > 0 && piece.digits >= 4 ||
			length >= randomMixed && 2*changes >= length && min(piece.lower, piece.upper, piece.digits) >= 3 ||
			length >= randomBase32 && piece.lower == 0 && piece.upper >= 4 && piece.digits > 0 {
			return n, true
		}
	}
	return n, n >= randomBase64 && wordless && run.lower > 0 && run.upper > 0 && run.digits > 0
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
		{"$1$", 8, anyBody},      // crypt(3)
		{"$5$", 8, anyBody},      // crypt(3)
		{"$6$", 8, anyBody},      // crypt(3)
		{"$7$", 8, anyBody},      // crypt(3)
		{"$y$", 8, anyBody},      // crypt(3)
		{"$2a$", 8, anyBody},     // bcrypt
		{"$2b$", 8, anyBody},     // bcrypt
		{"$2y$", 8, anyBody},     // bcrypt
		{"$apr1$", 8, anyBody},   // Apache
		{"$argon2", 8, anyBody},  // Argon2
		{"$pbkdf2", 8, anyBody},  // PBKDF2
		{"$scrypt$", 8, anyBody}, // scrypt
	},
	'1': {
		{"1//0", 20, urlBody}, // Google
	},
	'4': {
		{"4b1d", 30, alnumBody}, // ClickHouse
	},
	'A': {
		{"AKIA", 12, capsBody},           // AWS
		{"ASIA", 12, capsBody},           // AWS
		{"AVNS_", 12, anyBody},           // Aiven
		{"AAAAB3NzaC1", 8, anyBody},      // OpenSSH
		{"AAAAC3NzaC1", 8, anyBody},      // OpenSSH
		{"A3T", 17, capsBody},            // AWS
		{"AAAAE2VjZHNh", 8, anyBody},     // OpenSSH
		{"ABIA", 16, capsBody},           // AWS
		{"ACCA", 16, capsBody},           // AWS
		{"AGPA", 16, capsBody},           // AWS
		{"AIDA", 16, capsBody},           // AWS
		{"AIPA", 16, capsBody},           // AWS
		{"AIza", 16, urlBody},            // Google
		{"ANPA", 16, capsBody},           // AWS
		{"ANVA", 16, capsBody},           // AWS
		{"AROA", 16, capsBody},           // AWS
		{"ATBB", 16, mixedBody},          // Bitbucket
		{"ALTAK", 16, alnumBody},         // Baidu Cloud
		{"ATATT3", 16, anyBody},          // Atlassian
		{"ATCTT3", 16, anyBody},          // Atlassian
		{"ATSTT3", 16, anyBody},          // Atlassian
		{"AAAAGnNrLXNzaC1", 8, anyBody},  // OpenSSH
		{"AGE-SECRET-KEY-", 8, capsBody}, // age
		{"AKCp", 20, alnumBody},          // JFrog
		{"AGE-PLUGIN-", 16, capsBody},    // age
		{"ABSK", 24, anyBody},            // AWS
		{"AKID", 24, alnumBody},          // Tencent Cloud
		{"AKLT", 24, anyBody},            // Volcengine
		{"API-", 24, capsBody},           // Octopus Deploy
		{"AQVN", 24, urlBody},            // Yandex
		{"ATTA", 24, hexBody},            // Trello
		{"A3-", 26, capsBody},            // 1Password
	},
	'C': {
		{"CCIPAT_", 8, anyBody},     // CircleCI
		{"CCIPRJ_", 8, anyBody},     // CircleCI
		{"CCDB1_", 16, anyBody},     // CockroachDB
		{"CFPAT-", 16, urlBody},     // Contentful
		{"CLOJARS_", 16, alnumBody}, // Clojars
	},
	'E': {
		{"EXO", 24, hexBody},    // Exoscale
		{"EZAK", 30, alnumBody}, // EasyPost
		{"EZTK", 30, alnumBody}, // EasyPost
		{"EAA", 40, anyBody},    // Facebook, Square
	},
	'F': {
		{"FLWPUBK", 8, anyBody}, // Flutterwave
		{"FLWSECK", 8, anyBody}, // Flutterwave
	},
	'G': {
		{"GOCSPX-", 8, urlBody},   // Google
		{"GR1348941", 8, urlBody}, // GitLab
	},
	'H': {
		{"HRKU-", 16, anyBody}, // Heroku
	},
	'J': {
		{"JDC_", 24, capsBody}, // JD Cloud
	},
	'L': {
		{"LS0tLS1CRUdJTi", 0, anyBody}, // PEM in base64
		{"LTAI", 12, alnumBody},        // Alibaba Cloud
	},
	'N': {
		{"NRAK-", 16, capsBody}, // New Relic
		{"NRII-", 16, anyBody},  // New Relic
		{"NRIQ-", 16, anyBody},  // New Relic
		{"NRJS-", 16, hexBody},  // New Relic
		{"NRRA-", 16, anyBody},  // New Relic
		{"NF-", 30, alnumBody},  // Nightfall
	},
	'P': {
		{"PMAK-", 16, anyBody}, // Postman
		{"PMAT-", 16, anyBody}, // Postman
	},
	'S': {
		{"SWMTKN-1-", 8, anyBody}, // Docker Swarm
		{"SG.", 16, anyBody},      // SendGrid
		{"SCW", 17, capsBody},     // Scaleway
		{"SB-Mid-", 16, anyBody},  // Midtrans
	},
	'T': {
		{"TlRMTVNTUA", 8, anyBody}, // NTLM
	},
	'Y': {
		{"YCAJ", 24, urlBody}, // Yandex
		{"YII", 40, anyBody},  // Kerberos
	},
	'a': {
		{"access_token$", 8, anyBody},        // Braintree
		{"aio_", 20, alnumBody},              // Adafruit
		{"api_org_", 16, alnumBody},          // Hugging Face
		{"access-sandbox-", 16, anyBody},     // Plaid
		{"access-production-", 16, anyBody},  // Plaid
		{"access-development-", 16, anyBody}, // Plaid
	},
	'b': {
		{"b3BlbnNzaC1rZXkt", 0, anyBody},  // OpenSSH
		{"bkct_", 16, alnumBody},          // Buildkite
		{"bkua_", 16, hexBody},            // Buildkite
		{"bedrock-api-key-", 16, anyBody}, // AWS
	},
	'c': {
		{"cmVmd", 20, alnumBody}, // JFrog
		{"cio", 32, alnumBody},   // crates.io
		{"csk-", 40, alnumBody},  // Cerebras
	},
	'd': {
		{"doo_v1_", 4, hexBody},      // DigitalOcean
		{"dop_v1_", 4, hexBody},      // DigitalOcean
		{"dor_v1_", 4, hexBody},      // DigitalOcean
		{"dt0c01.", 8, anyBody},      // Dynatrace
		{"dckr_oat_", 8, urlBody},    // Docker
		{"dckr_pat_", 8, urlBody},    // Docker
		{"dt0s", 16, anyBody},        // Dynatrace
		{"duffel_live_", 8, anyBody}, // Duffel
		{"duffel_test_", 8, anyBody}, // Duffel
		{"dnkey-", 16, anyBody},      // Defined Networking
		{"dp.ct.", 16, alnumBody},    // Doppler
		{"dp.pt.", 16, alnumBody},    // Doppler
		{"dp.sa.", 16, alnumBody},    // Doppler
		{"dp.st.", 16, anyBody},      // Doppler
		{"dp.scim.", 16, alnumBody},  // Doppler
		{"dvc_", 20, mixedBody},      // DevCycle
		{"dp.audit.", 16, alnumBody}, // Doppler
		{"dapi", 24, hexBody},        // Databricks
		{"dose", 24, hexBody},        // Databricks
	},
	'e': {
		{"eyJ", 13, anyBody},  // JSON Web Token
		{"e2b_", 24, hexBody}, // E2B
	},
	'f': {
		{"fm2_", 16, anyBody},   // Fly.io
		{"fo1_", 16, urlBody},   // Fly.io
		{"figd_", 16, anyBody},  // Figma
		{"figu_", 16, anyBody},  // Figma
		{"fm1a_", 16, anyBody},  // Fly.io
		{"fm1r_", 16, anyBody},  // Fly.io
		{"fio-u-", 16, anyBody}, // Frame.io
		{"fw_", 22, alnumBody},  // Fireworks
		{"fc-", 24, hexBody},    // Firecrawl
	},
	'g': {
		{"gho_", 4, alnumBody},      // GitHub
		{"ghp_", 4, alnumBody},      // GitHub
		{"ghr_", 4, alnumBody},      // GitHub
		{"ghs_", 4, alnumBody},      // GitHub
		{"ghu_", 4, alnumBody},      // GitHub
		{"glpat-", 4, anyBody},      // GitLab
		{"gldt-", 8, anyBody},       // GitLab
		{"glft-", 8, anyBody},       // GitLab
		{"glrt-", 8, anyBody},       // GitLab
		{"glwt-", 8, anyBody},       // GitLab
		{"glcbt-", 8, anyBody},      // GitLab
		{"glimt-", 8, anyBody},      // GitLab
		{"gloas-", 8, anyBody},      // GitLab
		{"glptt-", 8, anyBody},      // GitLab
		{"glrtr-", 8, anyBody},      // GitLab
		{"github_pat_", 4, anyBody}, // GitHub
		{"glffct-", 8, anyBody},     // GitLab
		{"glsoat-", 8, anyBody},     // GitLab
		{"glagent-", 8, anyBody},    // GitLab
		{"glsa_", 16, anyBody},      // Grafana
		{"gsk_", 20, alnumBody},     // Groq
		{"glc_", 24, anyBody},       // Grafana
		{"gcntfy-", 24, anyBody},    // GC Notify
	},
	'h': {
		{"hf_", 16, alnumBody}, // Hugging Face
		{"hvb.", 16, urlBody},  // HashiCorp
		{"hvr.", 16, urlBody},  // HashiCorp
		{"hvs.", 16, urlBody},  // HashiCorp
	},
	'i': {
		{"ico-", 24, alnumBody}, // Infracost
		{"ion_", 30, alnumBody}, // Ionic
	},
	'j': {
		{"jina_", 24, anyBody}, // Jina
	},
	'k': {
		{"key-", 24, hexBody}, // Mailgun
	},
	'l': {
		{"ls__", 16, alnumBody},       // LangSmith
		{"lsv2_", 16, anyBody},        // LangSmith
		{"lin_api_", 16, alnumBody},   // Linear
		{"lip_", 20, alnumBody},       // Lichess
		{"lin_oauth_", 16, alnumBody}, // Linear
		{"llx-", 24, anyBody},         // LlamaIndex
		{"live_pub_", 24, hexBody},    // Lob
		{"live_", 30, alnumBody},      // Lob, GoCardless
	},
	'm': {
		{"md-", 22, mixedBody},      // Mandrill
		{"mdb_sa_sk_", 16, urlBody}, // MongoDB
	},
	'n': {
		{"npm_", 16, alnumBody},  // npm
		{"nfc_", 24, alnumBody},  // Netlify
		{"nfo_", 24, alnumBody},  // Netlify
		{"nfp_", 24, alnumBody},  // Netlify
		{"ntn_", 24, alnumBody},  // Notion
		{"nvapi-", 24, anyBody},  // NVIDIA
		{"napi_", 40, alnumBody}, // Neon
	},
	'o': {
		{"ovsxat_", 16, anyBody}, // Open VSX
		{"ops_", 24, anyBody},    // 1Password
		{"oy2", 40, alnumBody},   // NuGet
	},
	'p': {
		{"phc_", 8, alnumBody},               // PostHog
		{"phs_", 8, alnumBody},               // PostHog
		{"phx_", 8, alnumBody},               // PostHog
		{"pk_live_", 4, alnumBody},           // Stripe
		{"pk_test_", 4, alnumBody},           // Stripe
		{"p8e-", 16, alnumBody},              // Adobe
		{"pcsk_", 16, anyBody},               // Pinecone
		{"pplx-", 16, alnumBody},             // Perplexity
		{"pypi-", 16, urlBody},               // PyPI
		{"pbkdf2_sha256$", 8, anyBody},       // Django
		{"pk-lf-", 16, anyBody},              // Langfuse
		{"pk.eyJ", 16, anyBody},              // Mapbox
		{"pscale_", 16, anyBody},             // PlanetScale
		{"pat-eu1-", 16, anyBody},            // HubSpot
		{"pat-na1-", 16, anyBody},            // HubSpot
		{"pat.", 20, urlBody},                // Harness
		{"pnb_", 24, alnumBody},              // Prefect
		{"pnu_", 24, alnumBody},              // Prefect
		{"ptk_", 24, alnumBody},              // Hop
		{"pul-", 24, hexBody},                // Pulumi
		{"pina_", 24, anyBody},               // Pinterest
		{"polar_", 24, anyBody},              // Polar
		{"pylf_v", 24, anyBody},              // Logfire
		{"pubkey-", 24, hexBody},             // Mailgun
		{"persona_sandbox_", 16, anyBody},    // Persona
		{"persona_production_", 16, anyBody}, // Persona
		{"ptr_", 40, anyBody},                // Portainer
		{"pat", 60, anyBody},                 // Airtable
	},
	'r': {
		{"rk_live_", 4, alnumBody},  // Stripe
		{"rk_prod_", 4, alnumBody},  // Stripe
		{"rk_test_", 4, alnumBody},  // Stripe
		{"rubygems_", 8, hexBody},   // RubyGems
		{"rzp_live_", 8, alnumBody}, // Razorpay
		{"rzp_test_", 8, alnumBody}, // Razorpay
		{"rdme_", 16, alnumBody},    // ReadMe
		{"r8_", 24, alnumBody},      // Replicate
		{"re_", 24, mixedBody},      // Resend
		{"rnd_", 24, alnumBody},     // Render
		{"rootly_", 24, hexBody},    // Rootly
	},
	's': {
		{"shpat_", 4, alnumBody},        // Shopify
		{"shpca_", 4, alnumBody},        // Shopify
		{"shppa_", 4, alnumBody},        // Shopify
		{"shpss_", 4, alnumBody},        // Shopify
		{"shptka_", 4, alnumBody},       // Shopify
		{"sk_live_", 4, alnumBody},      // Stripe
		{"sk_prod_", 4, alnumBody},      // Stripe
		{"sk_test_", 4, alnumBody},      // Stripe
		{"sk-ant-", 8, anyBody},         // Anthropic
		{"sq0atp-", 8, urlBody},         // Square
		{"sq0csp-", 8, urlBody},         // Square
		{"sq0idp-", 8, urlBody},         // Square
		{"sk-None-", 8, anyBody},        // OpenAI
		{"sk-proj-", 8, anyBody},        // OpenAI
		{"sk-admin-", 8, anyBody},       // OpenAI
		{"sk-or-v1-", 8, anyBody},       // OpenRouter
		{"sb_secret_", 8, anyBody},      // Supabase
		{"sk-svcacct-", 8, anyBody},     // OpenAI
		{"sbp_", 16, hexBody},           // Supabase
		{"sgp_", 16, anyBody},           // Sourcegraph
		{"shippo_live_", 8, hexBody},    // Shippo
		{"shippo_test_", 8, hexBody},    // Shippo
		{"sqa_", 16, hexBody},           // Sonar
		{"sqb_", 16, hexBody},           // Sonar
		{"sqp_", 16, hexBody},           // Sonar
		{"squ_", 16, hexBody},           // Sonar
		{"sk-lf-", 16, anyBody},         // Langfuse
		{"sk.eyJ", 16, anyBody},         // Mapbox
		{"sb_publishable_", 8, anyBody}, // Supabase
		{"sk-", 20, alnumBody},          // OpenAI
		{"sm_aat_", 16, alnumBody},      // SettleMint
		{"sm_pat_", 16, alnumBody},      // SettleMint
		{"sm_sat_", 16, alnumBody},      // SettleMint
		{"sntrys_", 16, anyBody},        // Sentry
		{"sntryu_", 16, anyBody},        // Sentry
		{"sat.", 20, urlBody},           // Harness
		{"signkey-", 16, anyBody},       // Inngest
		{"s-s4t2af-", 16, hexBody},      // Intra42
		{"s-s4t2ud-", 16, hexBody},      // Intra42
		{"sgd_", 24, hexBody},           // Sourcegraph
		{"slk_", 24, hexBody},           // Sourcegraph
		{"sha256~", 24, urlBody},        // OpenShift
		{"sess-", 36, alnumBody},        // OpenAI
		{"sk_", 40, hexBody},            // ElevenLabs
		{"secret-", 40, alnumBody},      // Statsig
		{"secret_", 40, alnumBody},      // Notion
		{"sl.", 60, urlBody},            // Dropbox
	},
	't': {
		{"tskey-", 8, anyBody},     // Tailscale
		{"tvly-", 16, anyBody},     // Tavily
		{"tk.eyJ", 16, anyBody},    // Mapbox
		{"tfp_", 24, anyBody},      // Typeform
		{"tss_", 24, alnumBody},    // Thunderstore
		{"tk-us-", 24, urlBody},    // Scalingo
		{"test_pub_", 24, hexBody}, // Lob
		{"t1.", 40, anyBody},       // Yandex
	},
	'u': {
		{"unkey_", 16, alnumBody}, // Unkey
	},
	'v': {
		{"vtwn_", 16, alnumBody},         // Val Town
		{"vca_", 20, alnumBody},          // Vercel
		{"vci_", 20, alnumBody},          // Vercel
		{"vck_", 20, alnumBody},          // Vercel
		{"vcp_", 20, alnumBody},          // Vercel
		{"vcr_", 20, alnumBody},          // Vercel
		{"vercel_blob_rw_", 16, anyBody}, // Vercel
	},
	'w': {
		{"whsec_", 16, anyBody},  // Stripe
		{"wrkeu-", 16, anyBody},  // Workato
		{"wrksg-", 16, anyBody},  // Workato
		{"wrkaus-", 16, anyBody}, // Workato
		{"waka_", 24, anyBody},   // WakaTime
	},
	'x': {
		{"xapp-", 4, anyBody},     // Slack
		{"xoxa-", 4, anyBody},     // Slack
		{"xoxb-", 4, anyBody},     // Slack
		{"xoxc-", 4, anyBody},     // Slack
		{"xoxd-", 4, anyBody},     // Slack
		{"xoxe-", 4, anyBody},     // Slack
		{"xoxe.", 4, anyBody},     // Slack
		{"xoxo-", 4, anyBody},     // Slack
		{"xoxp-", 4, anyBody},     // Slack
		{"xoxr-", 4, anyBody},     // Slack
		{"xoxs-", 4, anyBody},     // Slack
		{"xwfp-", 4, anyBody},     // Slack
		{"xkeysib-", 8, anyBody},  // Brevo
		{"xsmtpsib-", 8, anyBody}, // Brevo
		{"xai-", 24, alnumBody},   // xAI
		{"xnd_", 24, mixedBody},   // Xendit
	},
	'y': {
		{"ya29.", 8, anyBody}, // Google
		{"y0_", 30, anyBody},  // Yandex
	},
	'z': {
		{"zpka_", 16, anyBody}, // Zuplo
	},
}
