package redact

// Numbers that tell of a person: telephone's, card's, account's. They are written in
// groups, so a text is looked at for them before its words.

// number returns the end of such a number that begins at i, 0 if none does.
func number(v string, i int) int {
	switch c := v[i:]; {
	case c == "":
		return 0
	case isDigit(c[0]), c[0] == '+', c[0] == '(':
		return grouped(v, i)
	case isUpper(c[0]) && len(c) >= minIBAN && isUpper(c[1]) && isDigit(c[2]) && isDigit(c[3]):
		return iban(v, i)
	}
	return 0
}

const (
	minIBAN = 15 // Norway's.
	maxIBAN = 34 // ISO 13616.
)

// iban returns the end of the international bank account number at i: its digits,
// with the letters as 10 to 35 and the first four at the end, leave 1 modulo 97.
func iban(v string, i int) (end int) {
	var rest uint
	chars := 0
	head := [4]byte{v[i], v[i+1], v[i+2], v[i+3]}
	add := func(rest uint, c byte) uint {
		if isDigit(c) {
			return (rest*10 + uint(c-'0')) % 97
		}
		return (rest*100 + uint(c-'A') + 10) % 97
	}
	for k := i; k < len(v) && chars < maxIBAN; k++ {
		if isSpace(v[k]) && chars%4 == 0 && v[k-1] != ' ' {
			continue
		}
		if !isDigit(v[k]) && !isUpper(v[k]) {
			break
		}
		if chars++; chars > len(head) {
			rest = add(rest, v[k])
		}
		if chars < minIBAN || k+1 < len(v) && (isAlnum(v[k+1]) || v[k+1] >= 0x80) {
			continue
		}
		sum := rest
		for _, c := range head {
			sum = add(sum, c)
		}
		if sum == 1 {
			end = k + 1
		}
	}
	return end
}

// minDigits are those of the shortest telephone number.
const minDigits = 8

// maxGroups is how many groups of digits are looked at: a card has four, a telephone
// number at most eight.
const maxGroups = 8

// groups are the digits of a number as they are written.
type groups struct {
	n      int
	length [maxGroups]int
	end    [maxGroups]int  // Where each ends in the text.
	sep    [maxGroups]byte // What stands before it, the last sign of it.
	plus   bool
	paren  int // 1 more than the number of the group in parentheses.
}

// grouped returns the end of the number at i, which begins with a digit, + or (.
func grouped(v string, i int) int {
	var g groups
	if !g.read(v, i) || g.digits(g.n) < minDigits {
		return 0
	}
	for n := g.n; n > 0; n-- {
		end := g.end[n-1]
		if end < len(v) && (isAlnum(v[end]) || v[end] >= 0x80 || v[end] == '_' || inAddress(v, end)) {
			continue
		}
		if g.card(v, i, n) || g.telephone(v, n) || g.socialSecurity(n) && g.n == n {
			return wordEnd(v, end)
		}
	}
	return 0
}

// wordEnd returns where the digits end that are joined to a number by hyphens: its last group may be the
// first of another number, like the 4111 of 030 12345 4111-1111-1111-1111.
func wordEnd(v string, end int) int {
	for end < len(v) && (isDigit(v[end]) || v[end] == '-' && end+1 < len(v) && isDigit(v[end+1])) {
		end++
	}
	return end
}

// inAddress reports whether what stands at i goes on with an address of a network, like the :16:3e: of
// 00:16:3e:aa:bb:cc or the :db8: of one of IPv6: then the group before it is the beginning of that.
func inAddress(v string, i int) bool {
	sep, k := v[i], i+1
	if sep != ':' && sep != '-' {
		return false
	}
	for k < len(v) && isHex(v[k]) {
		k++
	}
	digits := k - i - 1
	return k < len(v) && v[k] == sep && (sep == ':' && digits <= 4 || digits == 2)
}

// read reads the groups at i. It reports whether there are any.
func (g *groups) read(v string, i int) bool {
	if g.plus = v[i] == '+'; g.plus {
		i++
	}
	var sep byte
	for i < len(v) && g.n < maxGroups {
		paren := v[i] == '(' && g.paren == 0
		if paren {
			i++
		}
		start := i
		for i < len(v) && isDigit(v[i]) {
			i++
		}
		if i == start || paren && (i == len(v) || v[i] != ')') {
			break // The parenthesis, if any, is the sentence's.
		}
		g.length[g.n], g.sep[g.n] = i-start, sep
		if paren {
			i++
			g.paren = g.n + 1
		}
		g.end[g.n] = i
		g.n++
		sep = 0
		if i < len(v) && (v[i] == ' ' || v[i] == '-' || v[i] == '.' || v[i] == '/') {
			sep = v[i]
			i++
		} else if i == len(v) || v[i] != '(' && v[i-1] != ')' {
			break
		}
	}
	return g.n > 0
}

func (g *groups) digits(n int) (sum int) {
	for _, l := range g.length[:n] {
		sum += l
	}
	return sum
}

// is reports that the first groups have these lengths.
func (g *groups) is(n int, lengths ...int) bool {
	if n != len(lengths) {
		return false
	}
	for k, l := range lengths {
		if g.length[k] != l {
			return false
		}
	}
	return true
}

// same reports that the first groups are joined by one and the same sign, one of signs.
func (g *groups) same(n int, signs string) bool {
	for k := 1; k < n; k++ {
		if g.sep[k] != g.sep[1] {
			return false
		}
	}
	for k := range len(signs) {
		if n > 1 && g.sep[1] == signs[k] {
			return true
		}
	}
	return false
}

// card reports that the first n groups are a payment card's number: of the usual
// lengths and beginnings, and right by the check digit of ISO 7812.
func (g *groups) card(v string, i, n int) bool {
	digits := g.digits(n)
	if g.plus || g.paren > 0 || digits < 13 || digits > 19 || v[i] < '2' || v[i] > '6' {
		return false
	}
	if n > 1 && (!g.same(n, " -") || !g.is(n, 4, 6, 5) && !g.is(n, 4, 6, 4) &&
		(g.length[0] != 4 || g.length[1] != 4 || g.length[2] != 4 || n > 5 || n < 4)) {
		return false
	}
	sum, odd := 0, true
	for k := g.end[n-1] - 1; k >= i; k-- {
		if !isDigit(v[k]) {
			continue
		}
		d := int(v[k] - '0')
		if !odd {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		odd = !odd
	}
	return sum%10 == 0
}

// telephone reports that the first n groups are a telephone number as such numbers are
// written. Digits without a sign among them may be anything.
func (g *groups) telephone(v string, n int) bool {
	digits := g.digits(n)
	if digits < minDigits || digits > 15 {
		return false
	}
	leading := v[g.start(0)]
	switch {
	case g.plus: // +49 30 1234567; "+0200 2024" and "+1030 2024" are of a time.
		return leading != '0' && !g.is(n, 4, 4)
	case g.paren == 1: // (415) 555-0199
		return n > 1 && g.length[0] >= 2 && g.length[0] <= 5 && digits >= 9
	case g.paren == 2: // 8 (495) 123-45-67
		return n > 2 && g.length[0] == 1 && digits >= 10
	case g.is(n, 3, 3, 4): // 415-555-0199
		return g.same(n, "-.") && leading > '0'
	case g.is(n, 1, 3, 3, 4): // 1-415-555-0199
		return g.same(n, "-.") && (leading == '1' || leading == '8')
	case leading == '0' && digits >= 9 && digits <= 14:
		return g.nationwide(v, n)
	}
	return false
}

// start returns where the digits of a group begin.
func (g *groups) start(k int) int {
	end := g.end[k]
	if g.paren == k+1 {
		end-- // Behind the parenthesis.
	}
	return end - g.length[k]
}

// nationwide reports that groups that begin with 0 are a telephone number: 030 1234567,
// 020 7946 0958, 06 12 34 56 78, 0049 30 123456.
func (g *groups) nationwide(v string, n int) bool {
	switch {
	case n < 2 || n > 6:
		return false
	case g.sep[1] == '/' && n > 2: // 089/1234 2468
		for k := 3; k < n; k++ {
			if g.sep[k] != g.sep[2] {
				return false
			}
		}
	case !g.same(n, " -/"):
		return false
	}
	switch {
	case n == 2:
		return g.length[0] >= 3 && g.length[0] <= 5 && g.length[1] >= 5
	case g.is(n, 2, 2, 2, 2, 2):
		return v[g.start(0)+1] != '0' && g.n == n
	}
	for k := 1; k < n; k++ {
		if g.length[k] < 2 || g.length[k] > 8 {
			return false
		}
	}
	return g.length[0] >= 2 && g.length[0] <= 5 && (g.length[0] > 2 || n == 3 && g.length[1] == 4 && g.length[2] == 4)
}

// socialSecurity reports a number of the United States' social security: 078-05-1120.
func (g *groups) socialSecurity(n int) bool { return g.is(n, 3, 2, 4) && g.same(n, "-") }

// phoneValue returns the telephone number at i, however it is written, of which a word
// before it speaks.
func phoneValue(v string, i int) value {
	i = afterQuotes(v, i)
	start, digits, end := i, 0, i
	whole, wholeEnd := 0, i // without the last group
	for ; i < len(v); i++ {
		switch c := v[i]; {
		case isDigit(c):
			if end < i {
				whole, wholeEnd = digits, end
			}
			digits++
			end = i + 1
		case end == i && inAddress(v, i):
			digits, end, i = whole, wholeEnd, len(v)
		case c != ' ' && c != '-' && c != '.' && c != '/' && c != '(' && c != ')' && c != '+':
			if isLetter(c) && end == i {
				return value{}
			}
			i = len(v)
		case i > start && (c == ' ' || c == '-') && v[i-1] == c:
			i = len(v)
		}
	}
	if digits < 6 || digits > 15 {
		return value{}
	}
	return value{start, end, markNumber}
}
