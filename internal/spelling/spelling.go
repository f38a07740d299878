// Package spelling tells how near two words are, for what suggests the one that was meant. It
// is for those who maintain what people type: commands, and the keys of files.
package spelling

// Distance is how many letters must be added, removed or changed to make b of a.
func Distance(a, b string) int {
	const tooLong = 64 // no word of ours, and the work is quadratic
	if len(a) > tooLong {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
