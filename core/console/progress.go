package console

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gotoolbase/telemetry/internal/screen"
)

const (
	// progressAfter is when a person begins to wonder, progressEvery how often they look.
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

// progress is how far something is.
type progress struct{ done, total atomic.Int64 }

func (p *progress) set(done, total int) {
	p.done.Store(int64(done))
	p.total.Store(int64(total))
}

// show draws the progress on a terminal once it takes long, until the returned function
// is called. Elsewhere it draws nothing.
func (p *progress) show(s *settings, out screen.Screen, doing string, unit func(int) string) (stop func()) {
	if !out.Terminal {
		return func() {}
	}
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		timer := time.NewTimer(progressAfter)
		defer timer.Stop()
		drawn := false
		for {
			select {
			case <-quit:
				if drawn && out.Colour {
					fmt.Fprint(out, "\r\x1b[K")
				}
				return
			case <-timer.C:
			}
			text := s.text("%s …", doing)
			if total := p.total.Load(); total > 0 {
				text = s.text("%[1]s: %[2]d of %[3]s …", doing, p.done.Load(), unit(int(total)))
			}
			switch {
			case out.Colour:
				fmt.Fprint(out, "\r\x1b[K", text)
			case !drawn: // a terminal that cannot go back to the start of a line
				fmt.Fprintln(out, text)
			}
			drawn = true
			timer.Reset(progressEvery)
		}
	}()
	return func() { close(quit); <-gone }
}
