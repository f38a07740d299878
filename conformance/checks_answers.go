package conformance

import "slices"

// everyStatus lists the statuses that a vendor, or what is in between, has been seen to
// answer with: those that are registered, and those of web servers and of cloud edges.
func everyStatus() []int {
	return slices.Concat(span(200, 208), []int{226}, span(300, 308), span(400, 431), []int{444, 451, 460, 499}, span(500, 511),
		edgeStatuses())
}

// edgeStatuses are what content delivery networks answer with when they get no answer
// themselves.
func edgeStatuses() []int { return append(span(520, 530), 598, 599) }

// span lists the numbers from first to last.
func span(first, last int) []int {
	list := make([]int, 0, last-first+1)
	for n := first; n <= last; n++ {
		list = append(list, n)
	}
	return slices.Clip(list)
}
