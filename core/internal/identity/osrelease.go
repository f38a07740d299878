package identity

import (
	"io/fs"
	"slices"
	"strings"
)

// maxFamilyName leaves room for a space and four digits within the 32 bytes of a
// family.
const maxFamilyName = 32 - len(" 9999")

// linuxFamily reads os-release(5) below the root fsys: its ID and the major part of
// its VERSION_ID.
func linuxFamily(fsys fs.FS) string {
	text := readHead(fsys, "etc/os-release")
	if text == "" {
		text = readHead(fsys, "usr/lib/os-release")
	}
	return parseOSRelease(text)
}

func parseOSRelease(text string) string {
	var id, version string
	for line := range strings.SplitSeq(text, "\n") {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		// As in a shell, the last assignment wins.
		switch name {
		case "ID":
			id = unquote(value)
		case "VERSION_ID":
			version = unquote(value)
		}
	}
	return family(distribution(id), version)
}

// distributions are those that many people use, by the ID that os-release(5) has of them. A
// name that is not here may be one that an employer gave to a system of its own.
var distributions = []string{
	"almalinux", "alpine", "amzn", "anolis", "arch", "artix", "azurelinux", "bazzite", "bottlerocket", "cachyos", "centos", "chimera",
	"chimeraos", "clear-linux-os", "cos", "debian", "deepin", "devuan", "elementary", "endeavouros", "fedora", "flatcar", "garuda",
	"gentoo", "guix", "kali", "kylin", "linuxmint", "mageia", "manjaro", "mariner", "mx", "neon", "nixos", "nobara", "ol", "openeuler",
	"openmandriva", "opensuse-leap", "opensuse-microos", "opensuse-tumbleweed", "openwrt", "parrot", "photon", "pika", "pop", "pureos",
	"raspbian", "red-hat", "rhel", "rocky", "sle-micro", "sled", "sles", "slackware", "solus", "steamos", "tails", "ubuntu", "uos",
	"vanilla", "void", "wolfi", "zorin",
}

// otherSystem is what is said of the others.
const otherSystem = "other"

func distribution(id string) string {
	name := familyName(id)
	if name != "" && !slices.Contains(distributions, name) {
		return otherSystem
	}
	return name
}

// unquote undoes the quoting that os-release allows. Backslashes are dropped: no
// name that passes familyName needs one.
func unquote(value string) string {
	value = strings.TrimSpace(value)
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	return strings.ReplaceAll(value, `\`, "")
}

// familyName returns a distribution's ID as it may be sent, and nothing for one that
// is no plain name: the file is not ours.
func familyName(id string) string {
	id = strings.ReplaceAll(strings.ToLower(id), "_", "-")
	if len(id) > maxFamilyName || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return ""
	}
	return id
}
