//go:build !notelemetry && !unix

package relaycmd

// stop ends a relay, where there are no signals by which to do it gently.
func (r *running) stop() {
	r.p.Helper()
	_ = r.cmd.Process.Kill()
	r.wait()
}
