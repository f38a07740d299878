//go:build unix && !notelemetry

package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

const supported = true

// credential is the user whom the server runs as, nil where that is who runs the test:
// PostgreSQL refuses root.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, errors.New("the test runs as root, which PostgreSQL refuses, and there is no user postgres")
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// own gives a directory to that user.
func own(dir string) error {
	c, err := credential()
	if err != nil || c == nil {
		return err
	}
	return os.Chown(dir, int(c.Uid), int(c.Gid))
}

// asPostgres lets a command run as that user, and in a process group of its own, so that an
// interrupt from the keyboard is the test's alone.
func asPostgres(cmd *exec.Cmd) {
	c, _ := credential() // own has told what is wrong
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c, Setpgid: true}
}
