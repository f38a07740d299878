package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const compiler = "x86_64-w64-mingw32-gcc"

// libraries are what a Go program needs and Wine does not have.
//
//go:embed dll/*.c
var libraries embed.FS

// windows is a fresh installation of Wine in a directory of its own.
type windows struct {
	ctx context.Context
	dir string
	env []string
	// idle is the input of a program that waits for it to end. Wine's services live as long as
	// there is a program, and have the outputs of the one that started them: a test would be
	// waited for.
	idle io.Closer
}

func (w *windows) prefix() string  { return filepath.Join(w.dir, "prefix") }
func (w *windows) overlay() string { return filepath.Join(w.dir, "overlay.json") }

// start installs Wine and what a Go program needs there.
func (w *windows) start() error {
	for _, variable := range os.Environ() {
		// Nothing is to be shown, also where somebody sits before a screen.
		if name, _, _ := strings.Cut(variable, "="); name != "DISPLAY" && name != "WAYLAND_DISPLAY" {
			w.env = append(w.env, variable)
		}
	}
	bin := filepath.Join(w.dir, "bin")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.env = append(w.env,
		"WINEPREFIX="+w.prefix(),
		"WINEDEBUG=-all",
		// No menus, and none of the two things that Wine would like to download.
		"WINEDLLOVERRIDES=winemenubuilder.exe,mscoree,mshtml=",
		"WINEPATH=Z:"+strings.ReplaceAll(bin, "/", `\`),
		// Names of files are UTF-8.
		"LC_ALL=C.UTF-8",
		"TELEMETRY_WINE_GO="+listener.Addr().String(),
	)
	if err := w.command("wine", "wineboot", "--init").Run(); err != nil {
		return fmt.Errorf("installing Wine: %w", err)
	}
	idle := w.command("wine", "cmd", "/q")
	if w.idle, err = idle.StdinPipe(); err == nil {
		err = idle.Start()
	}
	if err != nil {
		return err
	}
	if err := w.buildLibraries(); err != nil {
		return err
	}
	if err := w.writeOverlay(); err != nil {
		return err
	}
	if out, err := w.goCommand("", "build", "-o", filepath.Join(bin, "go.exe"), "./internal/wine/gocommand").CombinedOutput(); err != nil {
		return fmt.Errorf("building go.exe: %w\n%s", err, out)
	}
	go w.serveGo(listener)
	return nil
}

// stop ends what still runs under this Wine, and nothing of another.
func (w *windows) stop() {
	if w.idle != nil {
		w.idle.Close()
	}
	kill := exec.Command("wineserver", "--kill")
	kill.Env = w.env
	_ = kill.Run()
}

func (w *windows) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(w.ctx, name, args...)
	cmd.Env = w.env
	return cmd
}

// goCommand is a command of go that builds for Windows.
func (w *windows) goCommand(dir, command string, args ...string) *exec.Cmd {
	cmd := w.command("go", append([]string{command, "-overlay=" + w.overlay()}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(slices.Clip(w.env), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	return cmd
}

// buildLibraries puts libraries where Windows looks for its own.
func (w *windows) buildLibraries() error {
	sources, err := fs.Glob(libraries, "dll/*.c")
	if err != nil {
		return err
	}
	for _, name := range sources {
		source, err := libraries.ReadFile(name)
		if err != nil {
			return err
		}
		library := strings.TrimSuffix(filepath.Base(name), ".c") + ".dll"
		build := exec.Command(compiler, "-shared", "-Wall", "-Werror", "-o", filepath.Join(w.prefix(), "drive_c/windows/system32", library),
			"-x", "c", "-", "-x", "none", "-ladvapi32")
		build.Stdin = bytes.NewReader(source)
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", library, err, out)
		}
	}
	return nil
}

// changes are what is changed of Go's standard library for Wine: a file, a text that is in it
// once, and the text in its place.
var changes = [][3]string{
	// os.RemoveAll, see posixdelete.c. Wine answers its request with a status that it does not know.
	{"internal/syscall/windows/at_windows.go", "	case STATUS_INVALID_INFO_CLASS,", `	case NTStatus(0xC0000002):
		if deleted, _, _ := syscall.NewLazyDLL("posixdelete.dll").NewProc("DeletePosixByHandle").Call(uintptr(h)); deleted != 0 {
			return nil
		}
		return deleteatFallback(h)
	case STATUS_INVALID_INFO_CLASS,`},
	// os.Remove, see there too.
	{"syscall/zsyscall_windows.go", `modkernel32.NewProc("DeleteFileW")`, `NewLazyDLL("posixdelete.dll").NewProc("DeletePosix")`},
}

// writeOverlay makes what go takes as -overlay: the changed files in the place of Go's own.
func (w *windows) writeOverlay() error {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("asking for GOROOT: %w", err)
	}
	replace := map[string]string{}
	for _, change := range changes {
		file := filepath.Join(strings.TrimSpace(string(out)), "src", change[0])
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if bytes.Count(source, []byte(change[1])) != 1 {
			return fmt.Errorf("%s of Go does not have %q any more", change[0], change[1])
		}
		replace[file] = filepath.Join(w.dir, filepath.Base(file))
		if err := os.WriteFile(replace[file], bytes.Replace(source, []byte(change[1]), []byte(change[2]), 1), 0o600); err != nil {
			return err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(w.overlay(), overlay, 0o600)
}

// serveGo runs what the tests' go.exe is asked for with the machine's Go.
func (w *windows) serveGo(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			var asked struct {
				Dir  string
				Args []string
			}
			if err := json.NewDecoder(conn).Decode(&asked); err != nil || len(asked.Args) == 0 {
				return
			}
			for i, arg := range asked.Args {
				asked.Args[i] = w.native(arg)
			}
			cmd := w.goCommand(w.native(asked.Dir), asked.Args[0], asked.Args[1:]...)
			out, err := cmd.CombinedOutput()
			if err != nil && len(out) == 0 {
				out = []byte(err.Error())
			}
			_ = json.NewEncoder(conn).Encode(struct {
				Output string
				Code   int
			}{string(out), cmd.ProcessState.ExitCode()})
		}()
	}
}

// native turns a path of Windows into that of the machine. Anything else stays as it is.
func (w *windows) native(path string) string {
	switch {
	case strings.HasPrefix(path, `Z:\`):
		return filepath.FromSlash(strings.ReplaceAll(path[len(`Z:`):], `\`, "/"))
	case strings.HasPrefix(path, `C:\`):
		return filepath.Join(w.prefix(), "drive_c", strings.ReplaceAll(path[len(`C:\`):], `\`, "/"))
	default:
		return path
	}
}
