//go:build !notelemetry

package deletions

import (
	"net"
	"net/http"
	"sync"
)

// maxConns is how many connections a server has at most. Tools hold one for a second, so this
// is thousands of requests a second; each costs a descriptor and some 10 KiB, and processes
// often may have no more than 1024 descriptors, of which the database needs some too.
const maxConns = 512

// conns counts the connections of a server. Where there are too many, the one that has waited
// longest for a request of its client is closed: so whoever opens hundreds and sends nothing
// keeps nobody out.
type conns struct {
	max  int
	mu   sync.Mutex
	all  map[net.Conn]struct{}
	idle []net.Conn // the one that has waited longest first
}

// watch is the server's ConnState.
func (c *conns) watch(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.idle {
		if other == conn {
			c.idle = append(c.idle[:i], c.idle[i+1:]...)
			break
		}
	}
	switch state {
	case http.StateNew, http.StateIdle:
		c.all[conn] = struct{}{}
		c.idle = append(c.idle, conn)
	case http.StateClosed, http.StateHijacked:
		delete(c.all, conn)
	}
	if len(c.all) <= c.max || len(c.idle) == 0 {
		return
	}
	oldest := c.idle[0]
	c.idle = c.idle[1:]
	delete(c.all, oldest)
	oldest.Close()
}
