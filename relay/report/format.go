//go:build !notelemetry

package report

import (
	"math"
	"strconv"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// thin is a narrow space that does not break a line.
const thin = "\u202f"

// number groups digits by narrow spaces, which every language reads.
func number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + thin + digits[i:]
	}
	return digits
}

// percent is a share for people: with a decimal where that is not lost in the noise.
func percent(part, of int64) string {
	if of == 0 {
		return "–"
	}
	p := 100 * float64(part) / float64(of)
	switch {
	case part > 0 && p < 0.1:
		return "under 0.1" + thin + "%"
	case part < of && p > 99.9:
		return "over 99.9" + thin + "%"
	case p < 10 && p != math.Trunc(p):
		return strconv.FormatFloat(p, 'f', 1, 64) + thin + "%"
	}
	return strconv.FormatFloat(p, 'f', 0, 64) + thin + "%"
}

// ratio is a share for programs.
func ratio(part, of int64) string {
	if of == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(part)/float64(of), 'f', 6, 64)
}

// millis is a duration for people.
func millis(ms int64) string {
	switch {
	case ms < 1000:
		return number(ms) + thin + "ms"
	case ms < 60_000:
		return strconv.FormatFloat(float64(ms)/1000, 'f', -1, 64) + thin + "s"
	}
	return strconv.FormatFloat(float64(ms)/60_000, 'f', -1, 64) + thin + "min"
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return number(n) + " " + one
	}
	return number(n) + " " + many
}

func shortDate(t time.Time) string { return t.Format("2 Jan") }
func longDate(t time.Time) string  { return t.Format("2 Jan 2006") }

// timed is how many durations are in the histogram.
func (n numbers) timed() int64 {
	sum := int64(0)
	for _, v := range n.buckets {
		sum += v
	}
	return sum
}

// enough is how many durations there are at least where one in twenty is told.
const enough = 20

// quantile is the place of the histogram in which a quantile lies, or -1.
func (n numbers) quantile(q float64) int {
	rank := int64(math.Ceil(q * float64(n.timed())))
	if rank == 0 {
		return -1
	}
	for i, v := range n.buckets {
		if rank -= v; rank <= 0 {
			return i
		}
	}
	return -1
}

// bucketEnds are the ends of a place: it begins after the first, and the second is in it. The
// last has none, and gives -1.
func bucketEnds(i int) (from, to int64) {
	bounds := driver.DurationBounds()
	if i > 0 {
		from = bounds[i-1]
	}
	if i == len(bounds) {
		return from, -1
	}
	return from, bounds[i]
}

// between says in words where a quantile lies.
func between(i int) string {
	if i < 0 {
		return "–"
	}
	from, to := bucketEnds(i)
	switch {
	case to < 0:
		return "over " + millis(from)
	case from == 0:
		return "up to " + millis(to)
	}
	return millis(from) + " to " + millis(to)
}
