package redact

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestBlind(t *testing.T) {
	s := corpusScrubber()
	read := func(p string) (out [][]string) {
		d, _ := os.ReadFile(p)
		for i, l := range strings.Split(string(d), "\n") {
			if l == "" || l[0] == '#' {
				continue
			}
			l = strings.NewReplacer("¦", "", "␤", "\n").Replace(l)
			out = append(out, append([]string{fmt.Sprint(i + 1)}, strings.SplitN(l, "\t", 3)...))
		}
		return
	}
	report := func(name string, list []sample) {
		bad := 0
		for _, c := range list {
			if w := c.wrong(s); w != nil {
				bad++
				for _, w := range w {
					t.Log(w)
				}
			}
		}
		t.Logf("BLIND %s: %d of %d right, %.1f %%", name, len(list)-bad, len(list), 100*float64(len(list)-bad)/float64(len(list)))
	}
	var a, b, c []sample
	for _, f := range read("/tmp/redact/blind_secrets.txt") {
		a = append(a, sample{"s" + f[0], "both", f[1], strings.Split(f[2], "|"), f[3]})
	}
	for _, f := range read("/tmp/redact/blind_tokens.tsv") {
		b = append(b, sample{"t" + f[0], "both", f[1], []string{f[2]}, f[2]})
		b = append(b, sample{"t" + f[0] + "f", "both", f[1], []string{f[2]}, "request with " + f[2] + " failed"})
	}
	for _, f := range read("/tmp/redact/blind_ordinary.txt") {
		c = append(c, sample{line: "o" + f[0], where: f[1], kind: f[2], text: f[3]})
	}
	report("secrets", a)
	report("tokens", b)
	report("ordinary", c)
}
