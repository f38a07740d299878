package identity

import (
	"encoding/hex"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"unsafe"
)

// machineID asks gethostuuid(2), which needs neither cgo nor a process. A sandbox may
// refuse; then there is no ID.
func machineID() string {
	var id [16]byte
	wait := syscall.Timespec{Sec: 0, Nsec: 0}
	_, _, errno := syscall.Syscall(syscall.SYS_GETHOSTUUID,
		uintptr(unsafe.Pointer(&id)), uintptr(unsafe.Pointer(&wait)), 0)
	if errno != 0 {
		return ""
	}
	return cleanID(hex.EncodeToString(id[:]))
}

func osVersion() string {
	version, _ := syscall.Sysctl("kern.osproductversion")
	return family("macos", version)
}

// userName asks package os/user, which needs no cgo here: accounts are not in
// /etc/passwd.
func userName() string {
	account, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil {
		return ""
	}
	return account.Username
}

func fullName() string {
	account, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil {
		return ""
	}
	return account.Name
}
