package redact

import "strings"

// What is known of words: words.txt says it, tables.go holds it.

// known is something that is known of a word.
type known uint8

// buckets is how many lists the words are spread over.
const buckets = 32

// is reports that something is known of the word, in any case.
//
//go:noinline
func is(what known, word string) bool { return among(what, headsOf(word)) }

// headsOf returns all that is known of the word.
//
//go:noinline
func headsOf(word string) string {
	if word == "" {
		return ""
	}
	last := lower(word[len(word)-1])
	bucket := wordTable[word[0]&(buckets-1)]
	for len(bucket) > len(word) { // The shorter ones come first.
		n, heads := int(bucket[0]), int(bucket[1])
		if n > len(word) {
			break
		}
		if n == len(word) && bucket[1+heads+n] == last && equalFold(bucket[2+heads:2+heads+n], word) {
			return bucket[2 : 2+heads]
		}
		bucket = bucket[2+heads+n:]
	}
	return ""
}

func among(what known, heads string) bool { return strings.IndexByte(heads, byte(what)) >= 0 }

// spoken returns what the word says of what follows it behind a space, 0 if nothing.
//
//go:noinline
func spoken(word string) known {
	if word == "" {
		return 0
	}
	bucket := spokenTable[word[0]&(buckets-1)]
	for len(bucket) > 0 {
		n := int(bucket[0])
		if n == len(word) && equalFold(bucket[2:2+n], word) {
			return known(bucket[1])
		}
		bucket = bucket[2+n:]
	}
	if len(word) > 3 && word[len(word)-1] == '.' {
		return spoken(word[:len(word)-1]) // Tel.
	}
	return 0
}
