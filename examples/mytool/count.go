package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

func newCount() *cobra.Command {
	return &cobra.Command{
		Use:   "count [FILE]...",
		Short: "Count the lines, words and bytes of files",
		Long: "Count the lines, words and bytes of files, as wc does. A word is what stands between\n" +
			"white space and has a printable character, which depends on the locale as it does for wc.\n" +
			"Without FILE, or where FILE is -, standard input is counted.",
		RunE: func(cmd *cobra.Command, names []string) error {
			c := counter{stdin: cmd.InOrStdin(), utf8: localeIsUTF8(os.Getenv)}
			return c.count(cmd.OutOrStdout(), names)
		},
	}
}

type counts struct{ lines, words, bytes int64 }

func (c *counts) add(other counts) {
	c.lines += other.lines
	c.words += other.words
	c.bytes += other.bytes
}

type counter struct {
	stdin io.Reader
	utf8  bool // characters are UTF-8, not single bytes
}

// localeIsUTF8 reads the variables that say what a character is, in their order.
func localeIsUTF8(getenv func(string) string) bool {
	locale := cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG"))
	return strings.Contains(strings.ReplaceAll(strings.ToUpper(locale), "-", ""), "UTF8")
}

// count prints a row for each file that can be read and, of several, their total. The
// error names those that cannot.
func (c counter) count(out io.Writer, names []string) error {
	type row struct {
		counts
		label string
	}
	var (
		rows     []row
		total    counts
		failures []error
	)
	add := func(name, label string) {
		sum, err := c.file(name)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", name, err))
			return
		}
		rows = append(rows, row{sum, label})
		total.add(sum)
	}
	for _, name := range names {
		add(name, " "+name)
	}
	switch len(names) {
	case 0:
		add("-", "")
	case 1:
	default:
		rows = append(rows, row{total, " total"})
	}
	width := len(strconv.FormatInt(total.bytes, 10)) // there are no more lines or words than bytes
	for _, r := range rows {
		if _, err := fmt.Fprintf(out, "%*d %*d %*d%s\n", width, r.lines, width, r.words, width, r.bytes, r.label); err != nil {
			return err
		}
	}
	return errors.Join(failures...)
}

func (c counter) file(name string) (counts, error) {
	if name == "-" {
		return c.read(c.stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return counts{}, bare(err)
	}
	defer f.Close()
	sum, err := c.read(f)
	return sum, bare(err)
}

// bare leaves out the path that the os package repeats.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// nextLine is white space for Unicode and a control character, which is nothing, for wc.
const nextLine = 0x85

func (c counter) read(r io.Reader) (counts, error) {
	var sum counts
	inWord := false
	for buffered := bufio.NewReaderSize(r, 64<<10); ; {
		char, size, err := c.next(buffered)
		if err == io.EOF {
			if inWord {
				sum.words++
			}
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
		sum.bytes += int64(size)
		switch {
		case unicode.IsSpace(char) && char != nextLine:
			if char == '\n' {
				sum.lines++
			}
			if inWord {
				sum.words++
				inWord = false
			}
		case unicode.IsGraphic(char) || unicode.In(char, unicode.Cf, unicode.Co):
			inWord = true
		}
	}
}

// next returns the next character, -1 for a byte that is none.
func (c counter) next(r *bufio.Reader) (rune, int, error) {
	if !c.utf8 {
		b, err := r.ReadByte()
		if b >= utf8.RuneSelf {
			return -1, 1, err
		}
		return rune(b), 1, err
	}
	char, size, err := r.ReadRune()
	if char == utf8.RuneError && size == 1 {
		return -1, 1, err
	}
	return char, size, err
}
