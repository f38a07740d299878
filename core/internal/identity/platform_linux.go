package identity

import (
	"io/fs"
	"os"
)

func machineID() string { return linuxMachineID(os.DirFS("/")) }

// linuxMachineID reads machine-id(5), or the older file of D-Bus, below the root fsys.
func linuxMachineID(fsys fs.FS) string {
	if id := cleanID(readHead(fsys, "etc/machine-id")); id != "" {
		return id
	}
	return cleanID(readHead(fsys, "var/lib/dbus/machine-id"))
}

func osVersion() string { return linuxFamily(os.DirFS("/")) }
