package detach

import (
	"syscall"
	"unsafe"
)

// See JOBOBJECT_EXTENDED_LIMIT_INFORMATION and its limit flags in Microsoft's
// documentation.
const (
	jobObjectExtendedLimitInformation = 9
	jobObjectLimitKillOnJobClose      = 0x2000
	jobObjectLimitBreakawayOK         = 0x0800
	jobObjectLimitSilentBreakawayOK   = 0x1000
)

var queryJob = syscall.NewLazyDLL("kernel32.dll").NewProc("QueryInformationJobObject")

// jobFlags returns the limits of the job that this process belongs to, 0 if it is in none.
func jobFlags() uint32 {
	var info struct {
		perProcessTime, perJobTime int64
		flags                      uint32
		_                          [2]uintptr // working set
		_                          uint32     // active processes
		_                          uintptr    // affinity
		_, _                       uint32     // priority and scheduling class
		_                          [6]uint64  // I/O counters
		_                          [4]uintptr // memory limits and peaks
	}
	ok, _, _ := queryJob.Call(0, jobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&info)), unsafe.Sizeof(info), 0)
	if ok == 0 {
		return 0
	}
	return info.flags
}

// Outlives reports whether a process that we start lives on when we end: not in a job that
// kills its processes when it is closed, unless they may leave it.
func Outlives(func(string) (string, bool)) bool {
	flags := jobFlags()
	return flags&jobObjectLimitKillOnJobClose == 0 || flags&(jobObjectLimitBreakawayOK|jobObjectLimitSilentBreakawayOK) != 0
}

// breakaway is the creation flag with which a process leaves its job, 0 where it may not or
// need not.
func breakaway() uint32 {
	const createBreakawayFromJob = 0x01000000
	if jobFlags()&jobObjectLimitBreakawayOK != 0 {
		return createBreakawayFromJob
	}
	return 0
}
