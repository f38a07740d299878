package gzip

import "math/bits"

// lengths returns how many bits each symbol gets in the best prefix code for those counts, and
// 0 for symbols that do not occur. None gets more than limit: then the counts are made more
// alike, which costs next to nothing, since such a symbol is rare.
func lengths(counts []int, limit int) []byte {
	all := make([]byte, len(counts))
	for shift := 0; ; shift++ {
		// A tree is a list of the symbols in it: whenever two are joined, all of theirs get a
		// bit more. There are at most 286, so a list is as fast as a heap.
		type tree struct {
			count   int
			symbols []int
		}
		var trees []tree
		for i, n := range counts {
			all[i] = 0
			if n > 0 {
				trees = append(trees, tree{max(n>>shift, 1), []int{i}})
			}
		}
		if len(trees) == 1 {
			all[trees[0].symbols[0]] = 1
		}
		for len(trees) > 1 {
			// The two rarest are moved to the end.
			for end := len(trees) - 1; end >= len(trees)-2; end-- {
				for i := range end {
					if trees[i].count < trees[end].count {
						trees[i], trees[end] = trees[end], trees[i]
					}
				}
			}
			a, b := trees[len(trees)-1], trees[len(trees)-2]
			a.count, a.symbols = a.count+b.count, append(a.symbols, b.symbols...)
			for _, i := range a.symbols {
				all[i]++
			}
			trees = append(trees[:len(trees)-2], a)
		}
		if most(all) <= limit {
			return all
		}
	}
}

func most(lengths []byte) (n int) {
	for _, l := range lengths {
		n = max(n, int(l))
	}
	return n
}

// fixedLengths are those of the code that needs no header: RFC 1951, section 3.2.6.
func fixedLengths() []byte {
	all := make([]byte, literals+distances)
	for i := range all {
		switch {
		case i < 144:
			all[i] = 8
		case i < 256:
			all[i] = 9
		case i < 280:
			all[i] = 7
		case i < literals:
			all[i] = 8
		default:
			all[i] = 5
		}
	}
	return all
}

// code is what is written for each symbol.
type code struct {
	bits    []uint16
	lengths []byte
}

// newCode returns the one code that has those lengths: RFC 1951, section 3.2.2.
func newCode(lengths []byte) code {
	c := code{make([]uint16, len(lengths)), lengths}
	next := 0
	for length := byte(1); length <= 15; length++ {
		for i, n := range lengths {
			if n == length {
				c.bits[i] = bits.Reverse16(uint16(next)) >> (16 - length)
				next++
			}
		}
		next <<= 1
	}
	return c
}

func (c code) put(p *packer, symbol int) { p.put(uint64(c.bits[symbol]), uint(c.lengths[symbol])) }

// header tells the lengths of a block's own code: RFC 1951, section 3.2.7.
type header struct {
	literals, distances int
	// symbols are lengths up to 15, and what stands for several: 16 for the one before, 17 and
	// 18 for zeros. extra is how many more than the least of each.
	symbols, extra []byte
	lengths        []byte
	used           int
}

// headerOrder is the order in which the lengths of the header's own code are told.
var headerOrder = [...]byte{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// headerExtra is how many bits follow a symbol.
func headerExtra(symbol byte) uint {
	switch symbol {
	case 16:
		return 2
	case 17:
		return 3
	case 18:
		return 7
	}
	return 0
}

func newHeader(all []byte) header {
	h := header{literals: literals, distances: distances}
	for h.literals > firstLength && all[h.literals-1] == 0 {
		h.literals--
	}
	for h.distances > 1 && all[literals+h.distances-1] == 0 {
		h.distances--
	}
	told := append(append([]byte{}, all[:h.literals]...), all[literals:literals+h.distances]...)
	for len(told) > 0 {
		run := 1
		for run < len(told) && told[run] == told[0] {
			run++
		}
		switch value := told[0]; {
		case value == 0 && run > 10:
			run = min(run, 138)
			h.add(18, run-11)
		case value == 0 && run > 2:
			h.add(17, run-3)
		case value != 0 && run > 3:
			run = min(run, 7)
			h.add(value, 0)
			h.add(16, run-4)
		default:
			run = 1
			h.add(value, 0)
		}
		told = told[run:]
	}
	h.lengths = lengths(h.counts(), 7)
	h.used = len(headerOrder)
	for h.lengths[headerOrder[h.used-1]] == 0 {
		h.used--
	}
	return h
}

func (h *header) add(symbol byte, extra int) {
	h.symbols, h.extra = append(h.symbols, symbol), append(h.extra, byte(extra))
}

func (h *header) counts() []int {
	counts := make([]int, len(headerOrder))
	for _, s := range h.symbols {
		counts[s]++
	}
	return counts
}

// size is how many bits it takes.
func (h *header) size() int {
	total := 5 + 5 + 4 + 3*h.used + size(h.counts(), h.lengths)
	for _, s := range h.symbols {
		total += int(headerExtra(s))
	}
	return total
}

func (h *header) write(p *packer) {
	p.put(uint64(h.literals-firstLength), 5)
	p.put(uint64(h.distances-1), 5)
	p.put(uint64(h.used-4), 4)
	for _, s := range headerOrder[:h.used] {
		p.put(uint64(h.lengths[s]), 3)
	}
	c := newCode(h.lengths)
	for i, s := range h.symbols {
		c.put(p, int(s))
		p.put(uint64(h.extra[i]), headerExtra(s))
	}
}
