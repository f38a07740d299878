// Package victorialogs has the backends deliver to VictoriaLogs, a store for logs that
// runs as a process of its own, and asks it what it has: first each wire format with
// events that have every field, then examples/mytool with each backend, while the store
// goes away and comes back.
package victorialogs
