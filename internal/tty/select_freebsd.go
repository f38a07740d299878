package tty

import "syscall"

// selectRead is select(2) for one descriptor to be read. Package syscall does not hand on
// how many are ready, so the set that is left tells.
func selectRead(fd int, timeout syscall.Timeval) (ready bool, err error) {
	var set syscall.FdSet
	mark(set.X__fds_bits[:], fd)
	err = syscall.Select(fd+1, &set, nil, nil, &timeout)
	return err == nil && marked(set.X__fds_bits[:], fd), err
}
