//go:build notelemetry || notelemetrypage

package console

// web says that there is no page: it is left out by an author who minds its size, and with the
// network.
func (c *call) web() error {
	return c.errorf("this build has no page; see %[1]s, %[2]s and %[3]s", c.hint("status"), c.hint("log"), c.hint("receipts"))
}
