// Package exit holds no code: its tests run a real program under every weather of the
// network, in every place where programs run, and look at what its end costs and what
// becomes of its events. They hold the README to what it says about that.
package exit
