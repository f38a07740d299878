// Package gzip packs what is sent. It is for one batch of events in memory, which is small and
// says the same again and again; compress/gzip packs streams of anything, for which it takes
// 0.8 MB for every writer and twice the code in every tool. BenchmarkPack compares
// the two.
//
// What unpacks is compress/gzip, which net/http has anyway.
package gzip

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

const (
	// window is how far back a match may lie, and minMatch to maxMatch how long it may be:
	// RFC 1951, section 2. A match of three bytes is left out, which is seldom shorter than
	// three literals and would take a second table to find.
	window             = 32 << 10
	minMatch, maxMatch = 4, 258
	// hashBits is the size of the table that finds matches: 32 KiB, which a processor's first
	// cache holds.
	hashBits = 13
	// tries bounds how many earlier places are looked at for the longest match, so that a
	// text which repeats itself everywhere takes no more time than another.
	tries = 16
	// maxTokens is how many literals and matches have one code in common. It bounds what is
	// allocated, and lets the code follow a batch whose events change.
	maxTokens = 16 << 10
)

// Numbers of symbols, and the first of them that are no literals.
const (
	literals    = 288 // of which the last two are never used, and have a place in the code that everybody knows
	distances   = 30
	endOfBlock  = 256
	firstLength = 257
	lastLength  = 285
)

// Pack returns b in the format of RFC 1952.
func Pack(b []byte) []byte {
	// No name, no time, no system.
	p := packer{out: append(make([]byte, 0, len(b)/4+64), 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)}
	p.tokens = make([]token, 0, min(len(b), maxTokens))
	p.pack(b)
	p.out = binary.LittleEndian.AppendUint32(p.out, crc32.ChecksumIEEE(b))
	return binary.LittleEndian.AppendUint32(p.out, uint32(len(b)))
}

// token is a literal, or the length of a match and how far back it lies.
type token struct{ value, distance uint16 }

type packer struct {
	out    []byte
	bits   uint64
	n      uint
	tokens []token
}

// pack replaces what came before by matches, and writes a block whenever there are maxTokens.
func (p *packer) pack(b []byte) {
	var last [1 << hashBits]int32 // one more than the place where a hash was last seen
	earlier := make([]int32, min(len(b), window))
	remember := func(at int) (before int32) {
		hash := binary.LittleEndian.Uint32(b[at:]) * 0x9e3779b1 >> (32 - hashBits)
		before = last[hash]
		last[hash], earlier[at%window] = int32(at)+1, before
		return before
	}
	for at := 0; at < len(b); {
		length, distance := 0, 0
		if at+minMatch <= len(b) {
			candidate := int(remember(at)) - 1
			for try := 0; try < tries && candidate >= 0 && at-candidate < window; try++ {
				// One that does not have the next byte too is not longer.
				if at+length < len(b) && b[candidate+length] == b[at+length] {
					if n := common(b[candidate:], b[at:]); n > length {
						length, distance = n, at-candidate
					}
				}
				candidate = int(earlier[candidate%window]) - 1
			}
		}
		if length < minMatch {
			p.tokens = append(p.tokens, token{value: uint16(b[at])})
			at++
		} else {
			p.tokens = append(p.tokens, token{uint16(length), uint16(distance)})
			for end := at + length; ; {
				if at++; at == end {
					break
				}
				if at+minMatch <= len(b) {
					remember(at)
				}
			}
		}
		if len(p.tokens) == maxTokens && at < len(b) {
			p.block(false)
			p.tokens = p.tokens[:0]
		}
	}
	p.block(true)
	p.put(0, 7) // to the end of the last byte
}

// common is how many bytes are the same at the beginning of both, of which b is the shorter.
func common(a, b []byte) (n int) {
	for n < min(len(b), maxMatch) && a[n] == b[n] {
		n++
	}
	return n
}

// block writes the tokens, by a code of their own where that is shorter than the one that
// everybody knows.
func (p *packer) block(final bool) {
	counts := make([]int, literals+distances)
	counts[endOfBlock] = 1
	for _, t := range p.tokens {
		if t.distance == 0 {
			counts[t.value]++
			continue
		}
		length, _, _ := t.length()
		distance, _, _ := t.back()
		counts[length]++
		counts[literals+distance]++
	}
	own := append(lengths(counts[:literals], 15), lengths(counts[literals:], 15)...)
	h := newHeader(own)
	kind := uint64(2)
	if fixed := fixedLengths(); size(counts, fixed) <= size(counts, own)+h.size() {
		own, kind = fixed, 1
	}
	if final {
		p.put(1, 1)
	} else {
		p.put(0, 1)
	}
	p.put(kind, 2)
	if kind == 2 {
		h.write(p)
	}
	literal, distance := newCode(own[:literals]), newCode(own[literals:])
	for _, t := range p.tokens {
		if t.distance == 0 {
			literal.put(p, int(t.value))
			continue
		}
		symbol, rest, n := t.length()
		literal.put(p, symbol)
		p.put(rest, n)
		symbol, rest, n = t.back()
		distance.put(p, symbol)
		p.put(rest, n)
	}
	literal.put(p, endOfBlock)
}

// length returns the symbol of a match's length and the bits that follow it.
func (t token) length() (symbol int, rest uint64, n uint) {
	if t.value == maxMatch {
		return lastLength, 0, 0
	}
	over := int(t.value) - 3
	n = uint(max(bits.Len(uint(over))-3, 0))
	return firstLength + int(n)<<2 + over>>n, uint64(over) & (1<<n - 1), n
}

// back is the same of how far back it lies.
func (t token) back() (symbol int, rest uint64, n uint) {
	over := int(t.distance) - 1
	n = uint(max(bits.Len(uint(over))-2, 0))
	return int(n)<<1 + over>>n, uint64(over) & (1<<n - 1), n
}

// put writes the lowest n bits, of which there are at most 16.
func (p *packer) put(value uint64, n uint) {
	p.bits |= value << p.n
	for p.n += n; p.n >= 8; p.n -= 8 {
		p.out = append(p.out, byte(p.bits))
		p.bits >>= 8
	}
}

// size is how many bits symbols take that occur so often, without those that follow some.
func size(counts []int, lengths []byte) (bits int) {
	for i, n := range lengths {
		bits += counts[i] * int(n)
	}
	return bits
}
