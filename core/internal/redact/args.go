package redact

import "strings"

const (
	// maxArgs is how many arguments are kept: more are a list of files, not a way to use
	// a command.
	maxArgs = 32
	// maxArgBytes caps each: room for a flag and a marker many times over.
	maxArgBytes = 256
	// maxFlagName is longer than any flag that a person would type.
	maxFlagName = 48
)

// Args scrubs a command line. What stays is what the tool's author chose: the names of
// long flags, single letters, true and false, and the words of declared (mostly the
// command's path) in their order. Everything else is the person's own, a plain word
// too: a branch, a customer, a password behind -p. Its place is taken by <secret>
// behind the name of a secret, by the marker of what it is, or by <arg>. So no
// argument can leave by looking harmless.
//
// cut counts the arguments that were left off or shortened for their length, redacted
// those that are not as they were.
func (s *Scrubber) Args(args []string, declared ...string) (out []string, cut, redacted int) {
	if len(args) == 0 {
		return nil, 0, 0
	}
	words := strings.Fields(strings.Join(declared, " "))
	out = make([]string, 0, min(len(args), maxArgs+1))
	secret, literal := false, false
	for i, arg := range args {
		if i == maxArgs {
			return append(out, markMore), cut + len(args) - i, redacted
		}
		if len(arg) > maxArgBytes {
			cut++
		}
		switch {
		case literal:
			arg = markArg
		case secret:
			arg, secret = markSecret, false
		case arg == "--":
			literal = true
		case arg == "-": // Standard input, by convention.
		case strings.HasPrefix(arg, "--"):
			arg, secret = s.longFlag(arg)
		case strings.HasPrefix(arg, "-"):
			arg, secret = s.shortFlag(arg)
		case len(words) > 0 && arg == words[0] && s.unchanged(arg):
			words = words[1:]
		default:
			arg = s.operand(arg)
		}
		if arg != args[i] {
			redacted++
		}
		out = append(out, arg)
	}
	return out, cut, redacted
}

// longFlag scrubs "--name" or "--name=value". secret says that the next argument is
// the value of a secret's name.
func (s *Scrubber) longFlag(arg string) (out string, secret bool) {
	name, value, found := strings.Cut(arg, "=")
	if !flagName(name[2:]) || !s.unchanged(name) || number(name, 2) > 0 {
		return markArg, secretName(name)
	}
	switch {
	case !found:
		return name, secretName(name)
	case secretName(name):
		return name + "=" + markSecret, false
	default:
		return name + "=" + s.flagValue(value), false
	}
}

// shortFlag scrubs "-x", "-xxx", "-x=value" and "-xvalue". A word behind one dash cannot
// be told from a password behind a letter, and is taken for one if it is not among those
// that many programs take: "-verbose".
func (s *Scrubber) shortFlag(arg string) (out string, secret bool) {
	const most = 4 // As in -vvvv.
	name, value, found := strings.Cut(arg, "=")
	letters := name[1:]
	if letters == "" || !isLower(letters[0]|0x20) {
		return markArg, false
	}
	switch {
	case knownFlag(name) && found:
		return name + "=" + s.flagValue(value), false
	case knownFlag(name):
		return name, secretName(name)
	case len(letters) > most || strings.Trim(letters, letters[:1]) != "":
		return name[:2] + markArg, !found && secretName(name)
	case found:
		return name + "=" + s.flagValue(value), false
	default:
		return name, false
	}
}

func (s *Scrubber) flagValue(value string) string {
	if value == "true" || value == "false" {
		return value
	}
	return s.operand(value)
}

// operand returns the marker of what arg is, as far as that is one thing.
func (s *Scrubber) operand(arg string) string {
	v, _ := s.Value(arg, maxArgBytes)
	if n := marker(v); n > 0 && n == len(v) {
		return v
	}
	return markArg
}

func (s *Scrubber) unchanged(word string) bool {
	v, _ := s.Value(word, maxArgBytes)
	return v == word
}

func flagName(name string) bool {
	if name == "" || len(name) > maxFlagName || !isLower(name[0]|0x20) {
		return false
	}
	for i := range len(name) {
		if !isAlnum(name[i]) && name[i] != '-' && name[i] != '_' && name[i] != '.' {
			return false
		}
	}
	return true
}
