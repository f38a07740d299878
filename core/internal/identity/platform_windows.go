package identity

import (
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

func machineID() string {
	return cleanID(registryString(`SOFTWARE\Microsoft\Cryptography`, "MachineGuid"))
}

// firstWindows11 is the build that Windows 11 began with. Nothing else in the
// registry tells it from Windows 10: the product's name still says 10.
const firstWindows11 = 22000

func osVersion() string {
	build, err := strconv.Atoi(registryString(`SOFTWARE\Microsoft\Windows NT\CurrentVersion`, "CurrentBuild"))
	switch {
	case err != nil:
		return ""
	case build >= firstWindows11:
		return "windows 11"
	default:
		return "windows 10"
	}
}

// registryString reads a string below HKEY_LOCAL_MACHINE, from the 64-bit view: a
// 32-bit program would otherwise see another machine ID, or none.
func registryString(path, name string) string {
	subkey, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return ""
	}
	value, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return ""
	}
	var key syscall.Handle
	err = syscall.RegOpenKeyEx(syscall.HKEY_LOCAL_MACHINE, subkey, 0, syscall.KEY_QUERY_VALUE|syscall.KEY_WOW64_64KEY, &key)
	if err != nil {
		return ""
	}
	defer syscall.RegCloseKey(key)

	// A GUID takes 36 units, a build five. A longer value is neither, and an error.
	var buf [64]uint16
	var kind uint32
	size := uint32(unsafe.Sizeof(buf))
	err = syscall.RegQueryValueEx(key, value, nil, &kind, (*byte)(unsafe.Pointer(&buf)), &size)
	if err != nil || kind != syscall.REG_SZ {
		return ""
	}
	return syscall.UTF16ToString(buf[:min(int(size/2), len(buf))])
}

// userName returns the account's name without its domain. It is what the session knows;
// package os/user may ask a domain controller, and wait for it.
func userName() string {
	// 256 for the account, 256 for the domain, and what lies between.
	var buf [520]uint16
	size := uint32(len(buf))
	if err := syscall.GetUserNameEx(syscall.NameSamCompatible, &buf[0], &size); err != nil {
		return ""
	}
	name := syscall.UTF16ToString(buf[:])
	return name[strings.LastIndexByte(name, '\\')+1:]
}

// The full name is in the directory, which is not asked.
func fullName() string { return "" }
