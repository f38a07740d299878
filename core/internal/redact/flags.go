package redact

import "strings"

// Flags, and what their values are.

// flagValue returns the value at at of the flag v[from:to] if it is to go.
func flagValue(v string, from, to, at int) value {
	key := v[from:to]
	end := runEnd(v, at)
	switch kindOf(key) {
	case secretKind, keyKind:
		at = afterIndicators(v, at)
		if at == len(v) {
			return value{}
		}
		return value{at, secretEnd(v, at, key), markSecret}
	case hostKind:
		return hostValue(v, at)
	}
	switch {
	case key == "-h":
		return hostValue(v, at)
	case (userKey(key) || len(key) > 2 && key[1] != '-' && key[len(key)-1] == 'u' && strings.IndexByte(v[at:end], ':') > 0) &&
		credentialPair(v[at:end]):
		return value{at, secretEnd(v, at, ""), markSecret}
	case len(key) != len("-p"):
		return value{}
	}
	letter := key[1:]
	if v[at] != '-' && (strings.Contains(passwordLetters(v, from), letter) || strings.Contains("pPawWkN", letter) && looksSecret(v, at) ||
		letter == "p" && userFlagBefore(v, from)) {
		return value{at, secretEnd(v, at, ""), markSecret}
	}
	return value{}
}

// userFlagBefore reports that the flag at i stands behind one for a user: "-u zoe -p …".
func userFlagBefore(v string, i int) bool {
	start, _ := wordBefore(v, i)
	start, end := wordBefore(v, start)
	return oneOf(" -u --user --username ", v[start:end])
}

// userKey reports that a name, mostly a flag's, is given to "user:password".
func userKey(key string) bool {
	return oneOf(" -u -a --user --proxy-user --auth --creds --credentials --basic --login --userpwd userpwd ", key)
}

// credentialPair reports that w is a user and a password: not a path, a URL, or two
// numbers, as of a container's user.
func credentialPair(w string) bool {
	w = strings.Trim(w, `"'`)
	k := strings.IndexAny(w, ":%,")
	if k <= 0 || k+1 == len(w) || strings.HasPrefix(w[k:], "://") || w[k+1] == '/' || w[k+1] == '\\' {
		return false
	}
	return !digitsOnly(w[:k]) || !digitsOnly(w[k+1:])
}

// joinedSecret reports that the word v[i:end] is a flag of one letter and a password.
func joinedSecret(v string, i, end int) bool {
	letter, rest := v[i+1:i+2], v[i+2:chunkEnd(v, end)]
	switch letter {
	case "u", "U", "a":
		return credentialPair(rest)
	case "p", "P":
		return looksSecret(v, i+2) || strings.Contains(passwordLetters(v, i), letter)
	}
	return false
}

// counts reports that a flag is one letter many times or a letter and a small number:
// "-vvv", "-j8".
func counts(flag string) bool {
	const most = 5
	rest := flag[2:]
	return len(rest) < most && (strings.Trim(rest, flag[1:2]) == "" || digitsOnly(rest))
}

// passwordLetters returns the letters of the flags that take a password, for the
// program that stands before i in v.
func passwordLetters(v string, i int) string {
	const most = 128 // Bytes to look back: flags stand near their program.
	for floor := max(0, i-most); i > floor; {
		start, end := wordBefore(v, i)
		if start == end {
			break
		}
		word := strings.Trim(v[start:end], "\"'`[](),:$+")
		for _, p := range passwordFlags {
			if p.program == word {
				return p.letters
			}
		}
		i = start
	}
	return ""
}

// passwordFlags are programs and the letters of their flags for a password.
var passwordFlags = [...]struct{ program, letters string }{
	{"mysql", "p"}, {"mysqldump", "p"}, {"mysqladmin", "p"}, {"mysqlimport", "p"}, {"mysqlcheck", "p"}, {"mysqlshow", "p"},
	{"mariadb", "p"}, {"mariadb-dump", "p"}, {"mariadb-admin", "p"}, {"sshpass", "p"}, {"login", "pP"}, {"mongo", "p"},
	{"mongosh", "p"}, {"mongodump", "p"}, {"mongorestore", "p"}, {"mongoexport", "p"}, {"mongoimport", "p"}, {"redis-cli", "a"},
	{"ldapsearch", "w"}, {"ldapadd", "w"}, {"ldapmodify", "w"}, {"ldapdelete", "w"}, {"ldapwhoami", "w"}, {"ldappasswd", "was"},
	{"sqlcmd", "P"}, {"bcp", "P"}, {"isql", "P"}, {"tsql", "P"}, {"zip", "P"}, {"unzip", "P"}, {"7z", "p"}, {"7za", "p"}, {"7zz", "p"},
	{"rar", "p"}, {"unrar", "p"}, {"openssl", "kK"}, {"ssh-keygen", "NP"}, {"signtool", "p"}, {"ipmitool", "P"},
	{"mosquitto_pub", "P"}, {"mosquitto_sub", "P"}, {"snmpwalk", "AXc"}, {"snmpget", "AXc"}, {"snmpset", "AXc"}, {"cqlsh", "p"},
	{"twine", "p"}, {"xfreerdp", "p"}, {"rdesktop", "p"}, {"cryptsetup", "p"}, {"pg_dump", "W"}, {"influx", "p"}, {"clickhouse-client", "p"},
}

// knownFlag reports that a flag of one dash is a word that many programs take, and no
// letter with a value joined to it: "-verbose".
func knownFlag(flag string) bool {
	return len(flag) > 2 && flag[0] == '-' && oneOf(knownFlags, flag[1:])
}

const knownFlags = " all allow-unsafe amend append arch args args-file asm asmflags async auto auto-approve auto-init backend " +
	"backend-config base batch bench benchmem benchtime binary blockprofile branch brief buffer build buildmode buildvcs bytes cache " +
	"chdir check cipher class classpath clean client clobber cmd code color colour command compact compact-warnings compare compile " +
	"compiler compress concurrency conf config config-file connect console context copy count coverage cover covermode coverpkg " +
	"coverprofile cpu cpuprofile create csv data database date days debug debug-actiongraph decode default delete depth dest " +
	"destination destroy detach detailed-exitcode dev diff dir directory disable display domain download dry-run dryrun dump edit " +
	"email empty enable encode encoding env environment error errors exact exclude exec exists exit experimental export ext extra " +
	"fail failfast family fast fatal features field fields file files filter first fix flags follow force foreground format " +
	"framework from full func function fuzz fuzzminimizetime fuzztime gcflags generate global gnu graph group headless header headers " +
	"height help hidden hide history home html http https icase id ignore iname in include index info inform init input insecure " +
	"inspect install installsuffix interactive interface interval ipath iregex jar java-home job jobs join json jsonl keep key keyout " +
	"kill kind label lang language last latest ldflags level lib license limit line lines link linkshared lint list listen local " +
	"locale lock lock-timeout log log-file log-level logdir logfile loglevel long loop machine main man manifest map mark max " +
	"maxdepth media mem memprofile merge message method migrate-state mindepth min minimal mod mode modcacherw model modfile module " +
	"monitor mount mtime mutexprofile name namespace network new newer newkey no-color no-input no-pager no-cache noauto noautoload " +
	"nocolor node nodes noheader nologo nop noout noprofile noninteractive noprompt notify null numeric offline offset once only open " +
	"optimize option options order os out outdir outform output outputdir overlay overwrite package packages page parallel parallelism " +
	"parent parse partial patch path pattern pause pedantic persist pgo pid pipe pkgdir platform plain plan play plugin plugins port " +
	"prefix preserve pretty preview primary print print0 priority private process processes prod production profile profiles progress " +
	"project prompt properties property protocol provider proxy prune pthread public pull push quick quiet quit race range raw " +
	"rebuild reconfigure record recurse recursive refresh refresh-only regex region regtype release reload remote remove replace " +
	"repo report request require reset resolve resource resources restart restore resume retries retry reverse root rotate run runtime " +
	"safe sample save schema scope script search seed select serial server service set settings setup shared shell short show " +
	"showcerts shuffle shutdown signal silent simple single size skip sleep socket sort source spec split sql src stable stack " +
	"standalone start state static stats status stdin stdout step stop strict string style sub subj subset suffix suite summary sync " +
	"syntax system table tag tags target targets task tasks template temp term test test-directory testlogfile text theme thread " +
	"threads time timeout timestamp title tls to toolexec top topic trace track transform tree trim trimpath type types ui unit " +
	"unlock unsafe update upgrade upload uri url usage use user users utf8 validate value values var var-file variable vcs verbose " +
	"verify version vet vettool view wait warn warnings watch web width window word work workdir worker workers workspace write " +
	"xml yaml yes zip zone " +
	// Compilers'.
	"ansi fpic fno-exceptions fno-rtti m32 m64 march mtune nostdlib o0 o1 o2 o3 os ofast og std wall wextra werror wpedantic wno-unused "
