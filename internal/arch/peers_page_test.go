package arch

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs reads a file of the module, which exists where its command was run.
func docs(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// written is the row by which a page of `make peers` says which run it is of.
var written = regexp.MustCompile(`(?m)^\| Date \| (\d{4}-\d\d-\d\d), in \S+, seed (\d+), PEERS=(1|full) \|$`)

func TestThePageOfPeersIsWhatItsCommandWrites(t *testing.T) {
	t.Parallel()
	page := docs(t, "docs", "measurements", "peers.md")
	if !strings.Contains(page, "\n`make peers` writes this page and [its chart](peers.svg): nothing in them is typed.") {
		t.Error("it does not say who writes it")
	}
	if len(written.FindAllString(page, -1)) != 1 {
		t.Error("it does not say when it was written, and with which seed")
	}
	for _, row := range []string{"\n| Machine | ", "\n| Load average before and after | ", "\n| Go | go1."} {
		if !strings.Contains(page, row) {
			t.Errorf("it has no row %q", strings.TrimSpace(row))
		}
	}
	_, measured, _ := strings.Cut(page, "\n## Who\n")
	tables := 0
	for block := range strings.SplitSeq(measured, "\n\n") {
		rows := strings.Split(strings.TrimSpace(block), "\n")
		if !strings.HasPrefix(rows[0], "| |") {
			continue
		}
		tables++
		for _, row := range rows {
			if strings.Count(row, "|") != strings.Count(rows[0], "|") {
				t.Errorf("this row is not one of its table: %s", row)
			}
		}
		for _, whom := range []string{"\n| *floor: append* |", "\n| *floor: net/http* |", "\n| **this module"} {
			if !strings.Contains(block, whom) {
				t.Errorf("the table %s has no row %s", rows[0], strings.TrimSpace(whom))
			}
		}
	}
	if tables != 9 {
		t.Errorf("it has %d tables", tables)
	}
}

// The chart is of the same run, is well-formed, says in words what it shows, and has no figure
// that the page does not have.
func TestTheChartOfPeersShowsThePage(t *testing.T) {
	t.Parallel()
	page, chart := docs(t, "docs", "measurements", "peers.md"), docs(t, "docs", "measurements", "peers.svg")
	run := written.FindStringSubmatch(page)
	if run == nil {
		t.Fatal("the page does not say which run it is of")
	}
	var path []string
	said := map[string]string{}
	figures := 0
	for d := xml.NewDecoder(strings.NewReader(chart)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			at := strings.Join(path, "/")
			text := string(bytes.TrimSpace(token))
			said[at] += text
			if at == "svg/text" && regexp.MustCompile(`^−?\d[\d .]*$`).MatchString(text) && text != "200" && text != "500" && text != "429" {
				figures++
				if !strings.Contains(page, "| "+text+" ") {
					t.Errorf("the page does not have the chart's %s", text)
				}
			}
		}
	}
	if figures < 50 {
		t.Errorf("the chart has only %d figures", figures)
	}
	if said["svg/title"] == "" || !strings.Contains(said["svg/desc"], run[1]+", seed "+run[2]) {
		t.Errorf("the chart is called %q and described as %q", said["svg/title"], said["svg/desc"])
	}
}

func TestReadmeQuotesOnlyFiguresThatThePageOfSizesHas(t *testing.T) {
	t.Parallel()
	page, quoted := docs(t, "docs", "measurements", "size.md"), 0
	for block := range strings.SplitSeq(docs(t, "README.md"), "\n\n") {
		if !strings.Contains(block, "docs/measurements/size.md") {
			continue
		}
		for _, f := range regexp.MustCompile(`\d+`).FindAllString(block, -1) {
			quoted++
			if !strings.Contains(page, "| +"+f+" |") {
				t.Errorf("docs/measurements/size.md does not have +%s of\n%s", f, block)
			}
		}
	}
	if quoted != 2 {
		t.Errorf("the README quotes %d figures of sizes", quoted)
	}
}

// A paragraph or table of the README that leads to the page, and a table right after it, has no
// figure that is not in the page.
func TestReadmeQuotesOnlyFiguresThatThePageOfPeersHas(t *testing.T) {
	t.Parallel()
	figure := regexp.MustCompile(`\d{1,3}(?:[  ]\d{3})+|\d+(?:\.\d+)?`)
	inPage := map[string]bool{}
	for _, f := range figure.FindAllString(docs(t, "docs", "measurements", "peers.md"), -1) {
		inPage[f] = true
	}
	quotes := false
	for block := range strings.SplitSeq(docs(t, "README.md"), "\n\n") {
		leads := strings.Contains(block, "docs/measurements/peers.")
		if quotes = leads || quotes && strings.HasPrefix(block, "|"); !quotes {
			continue
		}
		for _, f := range figure.FindAllString(block, -1) {
			if !inPage[f] {
				t.Errorf("docs/measurements/peers.md does not have the figure %s of\n%s", f, block)
			}
		}
	}
}
