// Package exit holds no code: its tests run a real program under every weather of the
// network, in every place where programs run, and look at what its end costs and what
// becomes of its events. They hold docs/explanation/exit.md to what it says about that.
package exit
