package redact

import "strings"

// Flags, and what their values are.

// flagValue returns the value at at of the flag v[from:to] if it is to go.
func flagValue(v string, from, to, at int) value {
	key := v[from:to]
	end := runEnd(v, at)
	kind := kindOf(key)
	switch {
	case kind == secretKind, kind == keyKind:
		if at = afterIndicators(v, at); at == len(v) {
			return value{}
		}
	case kind == hostKind, key == "-h":
		return hostValue(v, at)
	case (is(wordUserFlag, key) || cluster(key, 'u') && strings.IndexByte(v[at:end], ':') > 0) && credentialPair(v[at:end]):
	case len(key) == len("-p") && v[at] != '-' && (takesPassword(v, from, key[1]) ||
		strings.IndexByte("pPawWkN", key[1]) >= 0 && looksSecret(v, at) || key[1] == 'p' && userFlagBefore(v, from)):
	default:
		return value{}
	}
	return value{at, secretEnd(v, at, key), markSecret}
}

// cluster reports that a flag is several letters, of which this is the last: "-sSfu".
func cluster(flag string, letter byte) bool {
	return len(flag) > 2 && flag[1] != '-' && flag[len(flag)-1] == letter
}

// userFlagBefore reports that the flag at i stands behind one for a user: "-u zoe -p …".
func userFlagBefore(v string, i int) bool {
	start, _ := wordBefore(v, i)
	start, end := wordBefore(v, start)
	return is(wordUserFlag, v[start:end]) || v[start:end] == "--username"
}

// credentialPair reports that w is a user and a password: not a path, a URL, or two
// numbers, as of a container's user.
func credentialPair(w string) bool {
	w = trimmed(w)
	k := strings.IndexAny(w, ":%,")
	if k <= 0 || k+1 == len(w) || w[k+1] == '/' || w[k+1] == '\\' {
		return false
	}
	return !digitsOnly(w[:k]) || !digitsOnly(w[k+1:])
}

// joinedSecret reports that the word v[i:end] is a flag of one letter and a password.
func joinedSecret(v string, i, end int) bool {
	switch letter := v[i+1]; letter {
	case 'u', 'U', 'a':
		return credentialPair(v[i+2 : chunkEnd(v, end)])
	case 'p', 'P':
		return looksSecret(v, i+2) || takesPassword(v, i, letter)
	}
	return false
}

// counts reports that a flag is one letter many times, two letters, or a letter and a
// small number: "-vvv", "-la", "-j8".
func counts(flag string) bool {
	const most = 5
	rest := flag[2:]
	return len(rest) < most && (strings.Trim(rest, flag[1:2]) == "" || digitsOnly(rest) || len(rest) == 1 && isLower(rest[0]))
}

// knownFlag reports that a flag of one dash is a word that many programs take, and no
// letter with a value joined to it: "-verbose".
func knownFlag(flag string) bool { return flag[0] == '-' && is(wordFlag, flag[1:]) }

// takesPassword reports that the flag of this letter takes a password for the program
// that stands before i in v.
func takesPassword(v string, i int, letter byte) bool {
	const most = 128 // Bytes to look back: flags stand near their program.
	for floor := max(0, i-most); i > floor; {
		start, end := wordBefore(v, i)
		if start == end {
			break
		}
		program := trimmed(v[start:end])
		k := strings.Index(passwordFlags, " "+program+":")
		if program != "" && k >= 0 {
			letters := passwordFlags[k+len(program)+2:]
			letters, _, _ = strings.Cut(letters, " ")
			return strings.IndexByte(letters, letter) >= 0
		}
		i = start
	}
	return false
}

// passwordFlags are programs and the letters of their flags for a password.
const passwordFlags = " mysql:p mysqldump:p mysqladmin:p mysqlimport:p mysqlcheck:p mysqlshow:p mariadb:p mariadb-dump:p " +
	"mariadb-admin:p sshpass:p login:pP mongo:p mongosh:p mongodump:p mongorestore:p mongoexport:p mongoimport:p redis-cli:a " +
	"ldapsearch:w ldapadd:w ldapmodify:w ldapdelete:w ldapwhoami:w ldappasswd:was sqlcmd:P bcp:P isql:P tsql:P zip:P unzip:P 7z:p " +
	"7za:p 7zz:p rar:p unrar:p openssl:kK ssh-keygen:NP signtool:p ipmitool:P mosquitto_pub:P mosquitto_sub:P snmpwalk:AXc " +
	"snmpget:AXc snmpset:AXc cqlsh:p twine:p xfreerdp:p rdesktop:p cryptsetup:p pg_dump:W influx:p clickhouse-client:p "
