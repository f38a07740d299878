//go:build notelemetry

package console

// web says that there is no page: what serves it is left out with the network.
func (c *call) web() error {
	return c.errorf("this build is one without telemetry and has no page; see %[1]s, %[2]s and %[3]s", c.hint("status"), c.hint("log"), c.hint("receipts"))
}
