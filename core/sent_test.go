package core_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
)

// runSend records and sends in a process of its own, until that is killed.
func runSend(dir, url string) {
	tool := toolFor(url)
	options := []core.Option{core.WithStateDir(dir), environment(nil), core.WithUploadCommand("die")}
	for {
		c, err := core.Open(tool, options...)
		if err != nil {
			os.Exit(1)
		}
		for range 1 + rand.IntN(40) {
			c.Track("feature.used", "x", extra)
		}
		_ = c.Flush(context.Background())
	}
}

// bodies is a server that keeps what it gets, and tells of the first.
type bodies struct {
	*httptest.Server
	mu   sync.Mutex
	all  [][]byte
	busy chan struct{}
}

func TestWhatAServerGotIsInTheLogWhicheverSenderIsKilled(t *testing.T) {
	t.Parallel()
	server := &bodies{busy: make(chan struct{}, 1000)}
	server.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what came of it, also of one that was cut
		server.mu.Lock()
		server.all = append(server.all, body)
		server.mu.Unlock()
		select {
		case server.busy <- struct{}{}:
		default:
		}
		time.Sleep(rand.N(20 * time.Millisecond)) // so that some are killed while they wait
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	tool := toolFor(server.URL)
	options := enabled(t, tool, nil)
	m := core.NewManager(tool, options...)
	dir := m.Status().StateDir
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		process := exec.Command(os.Args[0], "send", dir, server.URL)
		process.Env = append(os.Environ(), "TELEMETRY_ENABLED=")
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		for len(server.busy) > 0 { // of the one before
			<-server.busy
		}
		for range 1 + rand.IntN(4) {
			select {
			case <-server.busy:
			case <-time.After(30 * time.Second):
				t.Error("a sender sent nothing")
			}
		}
		time.Sleep(rand.N(30 * time.Millisecond)) // to a random moment of its work
		_ = process.Process.Kill()
		_ = process.Wait()
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	log, err := m.Sent(time.Time{})
	if err != nil || log.Mismatch != nil || log.Gaps > 0 || log.Cut > 0 {
		t.Fatalf("%v, %v, %d gaps, %d cut", err, log.Mismatch, log.Gaps, log.Cut)
	}
	logged := map[string]int{}
	for _, d := range log.Deliveries {
		logged[string(d.Body)]++
	}
	for i, body := range server.all {
		found := false
		for text := range logged {
			found = found || strings.HasPrefix(text, string(body))
		}
		if !found {
			t.Errorf("request %d of %d, of %d bytes, is not in the log", i+1, len(server.all), len(body))
		}
	}
	if len(server.all) < rounds || len(log.Deliveries) < len(server.all) {
		t.Errorf("%d requests and %d deliveries in %d rounds", len(server.all), len(log.Deliveries), rounds)
	}
	t.Logf("%d requests, %d deliveries, %d without an answer", len(server.all), len(log.Deliveries), unanswered(log))
	if log.Mismatch != nil {
		t.Error(log.Mismatch)
	}
}

func unanswered(log core.SentLog) (n int) {
	for _, d := range log.Deliveries {
		if !d.Answered {
			n++
		}
	}
	return n
}

// sending is an installation with a server that accepts.
type sending struct {
	t       *testing.T
	in      *intake
	tool    props.Tool
	options []core.Option
	m       *core.Manager
	dir     string
}

func newSending(t *testing.T) *sending {
	s := &sending{t: t, in: newIntake(t)}
	s.tool = toolFor(s.in.URL)
	s.options = enabled(t, s.tool, nil)
	s.m = core.NewManager(s.tool, s.options...)
	s.dir = s.m.Status().StateDir
	return s
}

// send records and sends one event.
func (s *sending) send() {
	s.t.Helper()
	recordCommands(s.t, s.tool, s.options, 1)
	if _, err := s.m.Flush(s.t.Context(), nil); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sending) log() core.SentLog {
	s.t.Helper()
	log, err := s.m.Sent(time.Time{})
	if err != nil {
		s.t.Fatal(err)
	}
	return log
}

func TestALogThatCannotBeWrittenCostsNoDeliveryAndIsTold(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.send()
	path := filepath.Join(s.dir, "sent.log")
	if err := errors.Join(os.Rename(path, path+".away"), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	s.send()
	s.send()
	if n := s.in.postCount(); n != 3 {
		t.Errorf("%d requests arrived", n)
	}
	if gaps := s.m.Status().Log.Gaps; gaps != 2 {
		t.Errorf("status tells of %d gaps", gaps)
	}
	if err := errors.Join(os.Remove(path), os.Rename(path+".away", path)); err != nil {
		t.Fatal(err)
	}
	s.send()
	log := s.log()
	if len(log.Deliveries) != 2 || log.Gaps != 2 || log.Deliveries[1].GapBefore != 2 || log.Mismatch != nil {
		t.Errorf("%+v", log)
	}
	s.send()
	if log = s.log(); log.Gaps != 2 || log.Deliveries[2].GapBefore != 0 {
		t.Errorf("%+v", log)
	}
}

func TestWhatTheLogLacksStaysCountedWhenItIsCut(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.send()
	path := filepath.Join(s.dir, "sent.log")
	if err := errors.Join(os.Rename(path, path+".away"), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	s.send()
	if err := errors.Join(os.Remove(path), os.Rename(path+".away", path)); err != nil {
		t.Fatal(err)
	}
	s.send()
	gap := s.log().Deliveries[1]
	if gap.GapBefore != 1 {
		t.Fatalf("%+v", gap)
	}
	for s.log().Cut < gap.N {
		recordCommands(t, s.tool, s.options, 500)
		if _, err := s.m.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if log := s.log(); log.Gaps != 1 || log.Mismatch != nil {
			t.Fatalf("%d entries are cut, and of 1 request that is not in it the log tells %d: %v", log.Cut, log.Gaps, log.Mismatch)
		}
	}
	s.send()
	if log := s.log(); log.Gaps != 1 {
		t.Errorf("in the end there are %d gaps", log.Gaps)
	}
}

func TestALogThatIsGoneWithAllThatBelongsToItIsMissed(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.send()
	s.send()
	path := filepath.Join(s.dir, "sent.log")
	if err := errors.Join(os.Remove(path), os.Remove(path+".head")); err != nil {
		t.Fatal(err)
	}
	missed := func(when string) {
		t.Helper()
		if found := s.log().Mismatch; found == nil || found.Entry != 1 {
			t.Errorf("%s: %v", when, found)
		}
		if faults := strings.Join(s.m.Status().Faults, "\n"); !strings.Contains(faults, "the log of what was sent does not fit: entry 1 is missing") {
			t.Errorf("%s status says %q", when, faults)
		}
	}
	missed("before another delivery")
	s.send()
	missed("after one")
	if log := s.log(); len(log.Deliveries) != 1 || log.Deliveries[0].N != 5 {
		t.Errorf("after four entries that are gone there is %+v", log.Deliveries)
	}
	s.send()
	missed("after two")
	// Who erases it on purpose misses nothing.
	whole := func(when string) {
		t.Helper()
		if found := s.log().Mismatch; found != nil {
			t.Errorf("%s: %v", when, found)
		}
	}
	if err := s.m.EraseSent(t.Context()); err != nil {
		t.Fatal(err)
	}
	whole("erased")
	s.send()
	whole("erased, after a delivery")
	if _, err := s.m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	whole("after a reset")
	if err := s.m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	s.send()
	whole("after a reset and a delivery")
}

func TestOnAFullDiskEventsAreSentAndTheGapIsTold(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs a small file system of its own")
	}
	small := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", small).Run() })
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := []core.Option{core.WithStateDir(filepath.Join(small, "telemetry")), environment(nil)}
	m := core.NewManager(tool, options...)
	if err := m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	recordCommands(t, tool, options, 3)
	for i := 0; ; i++ {
		if err := os.WriteFile(filepath.Join(small, fmt.Sprint(i)), make([]byte, 4096), 0o600); err != nil {
			break
		}
	}
	report, err := m.Flush(t.Context(), nil)
	if err != nil || report.Sent != 3 {
		t.Errorf("%+v, %v", report, err)
	}
	if log := m.Status().Log; log.Gaps != 1 || log.Requests != 0 {
		t.Errorf("%+v", log)
	}
}

func TestTheKeyOfADeletionRequestIsInNoAnswerThatIsKept(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 400, 401, 413, 429, 500} {
		var keys []string
		var mu sync.Mutex
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			text := plainBody(r.Header, body)
			mu.Lock()
			for _, found := range deletionKeys.FindAllSubmatch(text, -1) {
				keys = append(keys, string(found[1]))
			}
			key := ""
			if len(keys) > 0 {
				key = keys[len(keys)-1]
			}
			mu.Unlock()
			if key != "" {
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, "not so: %s %s %x", key, base64.StdEncoding.EncodeToString([]byte(key)), key)
			}
		}))
		defer server.Close()
		tool := toolFor(server.URL)
		options := enabled(t, tool, nil)
		m := core.NewManager(tool, options...)
		recordCommands(t, tool, options, 1)
		if _, err := m.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Reset(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		log, err := m.Sent(time.Time{})
		if err != nil || len(keys) == 0 || len(log.Deliveries) == 0 {
			t.Fatalf("%d: %d keys, %d deliveries, %v", status, len(keys), len(log.Deliveries), err)
		}
		kept, err := os.ReadFile(filepath.Join(m.Status().StateDir, "sent.log"))
		if err != nil {
			t.Fatal(err)
		}
		_, document := exported(t, m, false)
		for _, key := range keys {
			for _, form := range []string{key, hex.EncodeToString([]byte(key)), base64.StdEncoding.EncodeToString([]byte(key))} {
				if bytes.Contains(kept, []byte(form[:40])) || strings.Contains(document, form[:40]) {
					t.Errorf("%d: a key is in the log or in an export of it, as %s", status, form)
				}
			}
		}
	}
}

var deletionKeys = regexp.MustCompile(`"` + deletion.KeyField + `":"([^"]+)"`)

func TestWhatAProcessCouldNotCountItCountsWhenItCan(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs a file system of its own")
	}
	disk := t.TempDir()
	mount := func(options string) {
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", disk).CombinedOutput(); err != nil {
			t.Skipf("no tmpfs here: %s", out)
		}
	}
	mount("size=1m")
	t.Cleanup(func() { _ = exec.Command("umount", "-l", disk).Run() })
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := []core.Option{core.WithStateDir(filepath.Join(disk, "telemetry")), environment(map[string]string{"CI": "1", "SOMETOOL_TELEMETRY": "on"})}
	m := core.NewManager(tool, options...)
	mount("remount,ro")
	c := open(t, tool, options)
	for range 2 {
		c.Track("feature.used", "x", nil)
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := in.postCount(); n != 2 || !m.Status().Log.Unlogged {
		t.Fatalf("%d requests arrived, %+v", n, m.Status().Log)
	}
	mount("remount,rw")
	c.Track("feature.used", "x", nil)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	log, err := m.Sent(time.Time{})
	if n := in.postCount(); err != nil || n-len(log.Deliveries) != log.Gaps || log.Gaps < 2 || log.Unlogged {
		t.Errorf("%d requests arrived, %d are in the log, %d are counted, %v", n, len(log.Deliveries), log.Gaps, err)
	}
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if log, err := m.Sent(time.Time{}); err != nil || log.Gaps > 0 {
		t.Errorf("after a reset %d are counted, %v", log.Gaps, err)
	}
}

func TestResetErasesTheLogADisableKeepsIt(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.send()
	if _, err := s.m.Disable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if log := s.log(); len(log.Deliveries) != 1 {
		t.Errorf("after a disable: %+v", log)
	}
	if err := s.m.EraseSent(t.Context()); err != nil {
		t.Fatal(err)
	}
	if log := s.log(); len(log.Deliveries) != 0 || log.Mismatch != nil || log.Bytes > 0 {
		t.Errorf("after it was erased: %+v", log)
	}
	if err := s.m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	s.send()
	event := s.log().Deliveries[0].IDs[0]
	if _, err := s.m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(s.dir, "sent.log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) || bytes.Contains(content, []byte(event)) {
		t.Errorf("after a reset the log holds %q, %v", content, err)
	}
	// The deletion request that the reset made is the one thing that was sent since.
	if log := s.log(); len(log.Deliveries) != 1 || log.Mismatch != nil {
		t.Errorf("after a reset: %+v", log)
	} else if text, err := log.Deliveries[0].Readable(); err != nil || !strings.Contains(text, "data.deletion_request") {
		t.Errorf("after a reset: %s, %v", text, err)
	}
}

// What was damaged and set aside to be looked at holds what the whole one held.
func TestAResetErasesWhatWasSetAsideToo(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.send()
	receipt := s.m.Stored().Receipt
	for _, name := range []string{"consent", "delivery"} {
		path := filepath.Join(s.dir, name)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(content, "receipt "+receipt...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.m.Flush(t.Context(), nil); err != nil && !errors.Is(err, core.ErrOff) {
		t.Fatal(err)
	}
	if _, err := s.m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(receipt)) {
			t.Errorf("%s holds the receipt of before", entry.Name())
		}
		return err
	})
	if err != nil || receipt == "" {
		t.Errorf("%q, %v", receipt, err)
	}
}

func TestAChangedLogIsToldByTheFirstEntryThatDoesNotFit(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	for range 3 {
		s.send()
	}
	mismatch := func() *core.SentMismatch {
		log, err := s.m.Sent(time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return log.Mismatch
	}
	if found := mismatch(); found != nil {
		t.Fatal(found)
	}
	path := filepath.Join(s.dir, "sent.log")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(content, []byte(`class="accepted"`), []byte(`class="refused!"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if found := mismatch(); found == nil || found.Entry != 3 { // the second, an answer, was changed
		t.Errorf("%+v", found)
	}
	if faults := strings.Join(s.m.Status().Faults, "\n"); !strings.Contains(faults, "the log of what was sent") {
		t.Errorf("status says %q", faults)
	}
	if err := os.Truncate(path, int64(bytes.LastIndexByte(content[:len(content)-1], '\n')+1)); err != nil {
		t.Fatal(err)
	}
	if mismatch() == nil {
		t.Error("the end is missing, and nothing says so")
	}
}

func TestTheLogTellsWhenAndWhatTheReceiverAnswered(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.in.answer = func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "out of\x1b[31m order\u202e\n")
	}
	recordCommands(t, s.tool, s.options, 1)
	_, _ = s.m.Flush(t.Context(), nil)
	if _, err := s.m.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	log := s.log()
	if len(log.Deliveries) != 2 {
		t.Fatalf("%+v", log)
	}
	for _, d := range log.Deliveries {
		if d.Status != 500 || d.Class != "unknown" || d.Answer != "out of [31m order  " || d.Reason == "" || d.Backend != "http" ||
			"http://"+d.Host != s.in.URL || d.Method != "POST" || d.Header.Get("User-Agent") == "" || d.Events != 1 {
			t.Errorf("%+v", d)
		}
	}
	if later, err := s.m.Sent(log.Deliveries[1].At); err != nil || len(later.Deliveries) != 1 || later.Deliveries[0].N != log.Deliveries[1].N {
		t.Errorf("since the second: %+v, %v", later, err)
	}
	if _, err := (core.Request{Body: []byte{0, 1, 2}}).Readable(); err == nil {
		t.Error("bytes are text")
	}
}

func TestTheTimesOfACopyAreNoNumbers(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	m, _ := sentFrom(t, tool)
	dir := m.Status().StateDir
	if err := os.WriteFile(filepath.Join(dir, "losses-unwritten"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{
		time.Unix(0, 0),
		time.Date(1979, 11, 30, 0, 0, 0, 0, time.UTC), // of a ZIP archive without times
		time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),   // of images that are to be the same each time
		time.Now(),
	} {
		for _, file := range files(dir) {
			if err := os.Chtimes(file, at, at); err != nil {
				t.Fatal(err)
			}
		}
		s := m.Status()
		log, err := m.Sent(time.Time{})
		if err != nil || s.Log.Gaps != 0 || log.Gaps != 0 || s.TotalLost() != 0 || s.Unnoted != 0 || s.Delivered != 1 {
			t.Errorf("at %v: %d and %d gaps, %v lost, %d unnoted, %d delivered, %v", at, s.Log.Gaps, log.Gaps, s.Lost, s.Unnoted, s.Delivered, err)
		}
	}
}
