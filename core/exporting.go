package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/backends/file"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// keysWarning is Export.Warning.
const keysWarning = "This document holds keys. Who has one can have everything deleted that was sent under its machine ID: keep it as you keep a password."

// exporting gathers an Export.
type exporting struct {
	m        *Manager
	to       Export
	withKeys bool
	keys     map[string]string // by machine ID
}

// Export returns everything about this installation that is on this machine, with the deletion
// keys only where withKeys is set. It sends nothing and changes nothing. What cannot be read
// is told in Export.Problems; the error says that nothing can be, or that ctx ended.
func (m *Manager) Export(ctx context.Context, withKeys bool) (Export, error) {
	if m.in.dirErr != nil {
		return Export{}, m.in.dirErr
	}
	if err := m.in.dir.Check(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Export{}, err
	}
	config := &m.in.tool.Telemetry
	e := exporting{m, Export{SchemaVersion: ExportVersion, At: m.in.now().UTC(), Problems: []string{}}, withKeys, map[string]string{}}
	if withKeys {
		e.to.Warning = keysWarning
	}
	e.to.Tool = ExportTool{
		Name: m.in.tool.Name, Version: m.in.tool.Version, Installation: config.Installation,
		Controller: e.m.in.controller(), PrivacyURL: plaintext.Clean(config.PrivacyURL),
	}
	e.decisions()
	e.identity()
	e.waiting(ctx)
	e.sent()
	e.localLog()
	e.requests()
	e.counts()
	e.files()
	e.ask()
	return e.to, ctx.Err()
}

// problem notes what could not be read.
func (e *exporting) problem(what string, err error) {
	if err != nil {
		e.to.Problems = append(e.to.Problems, plaintext.Clean(fmt.Sprintf("%s: %v", what, err)))
	}
}

func (e *exporting) decisions() {
	d := e.m.Decision()
	e.to.Decision = ExportDecision{d.Enabled, d.LocalOnly, d.Decider, string(d.Stored.Answer), d.Beyond}
	e.problem("the answer", d.Stored.Err)
	past, err := e.m.Decisions()
	e.problem("the decisions", err)
	e.to.History = ExportHistory{Decisions: []ExportPast{}, Cut: past.Cut, CutFrom: past.CutFrom, CutTo: past.CutTo, Missing: past.Missing, Problem: past.Problem}
	for _, p := range past.List {
		x := p.Export()
		if x.Shown != nil {
			shown := strings.ReplaceAll(*x.Shown, e.m.in.dir.Path(), "…") // it may hold the person's name
			x.Shown = &shown
		}
		e.to.History.Decisions = append(e.to.History.Decisions, x)
	}
	receipts, err := e.m.in.store().Receipts()
	e.problem("a receipt", err)
	e.to.Receipts = []ExportReceipt{}
	for _, r := range receipts {
		e.to.Receipts = append(e.to.Receipts, ExportReceipt{r.ID, r.At, string(r.By), r.Local, exportTerms(r.Terms)})
	}
}

func exportTerms(t consent.Terms) ExportTerms {
	return ExportTerms{
		Tool: t.Tool, Backend: t.Backend, Hosts: t.Hosts, Controller: t.Controller, Purpose: t.Purpose, Retention: t.Retention,
		Fields: t.Fields, Events: t.Events, AnyEvent: t.AnyEvent, MetadataKeys: t.MetadataKeys, AnyKey: t.AnyKey, Extended: t.Extended,
		NoticeVersion: t.NoticeVersion, NoticeDigest: t.NoticeDigest,
	}
}

// identity tells the machine IDs of this installation. Of one that is being deleted, its
// request has the key.
func (e *exporting) identity() {
	i := identifier{e.m.in}
	key, used, err := i.current()
	if err == nil {
		e.to.Identity.MachineID, e.to.Identity.Used = key.MachineID(), used
	} else if !errors.Is(err, errNoIdentity) {
		e.problem("the machine ID", err)
	}
	ids, err := i.stored().Load()
	if !errors.Is(err, errNoIdentity) {
		e.problem("the machine IDs", err)
	}
	for _, k := range ids.Keys() {
		e.keys[k.MachineID()] = k.Hex()
		if k.MachineID() != e.to.Identity.MachineID {
			e.to.Identity.Earlier = append(e.to.Identity.Earlier, k.MachineID())
		}
	}
	entries, _ := e.m.in.outbox().Entries() // requests says what is wrong with them
	for _, entry := range entries {
		if entry.Key != "" {
			e.keys[entry.MachineID] = entry.Key
		}
	}
	for _, name := range i.stored().Lost() {
		e.to.Problems = append(e.to.Problems, "the machine IDs in the file "+plaintext.Clean(name)+" cannot be read")
	}
	if e.withKeys {
		e.to.Identity.Keys = e.keys
	}
}

// ask says whom to ask for what was sent, by what is known here of it.
func (e *exporting) ask() {
	i := identifier{e.m.in}
	receivers, ids := i.stored().Receivers(e.m.in.terms().Receiver()), []string{}
	if stored, _ := i.stored().Load(); stored.Used {
		for _, key := range stored.Keys() {
			ids = append(ids, key.MachineID())
		}
	}
	entries, _ := e.m.in.outbox().Entries()
	for _, entry := range entries {
		if entry.State == deletion.Verified {
			continue // nothing is left there
		}
		ids, receivers = append(ids, entry.MachineID), append(receivers, entry.Receivers...)
		if entry.Taken != "" {
			receivers = append(receivers, entry.Taken)
		}
	}
	slices.Sort(ids)
	slices.Sort(receivers)
	who := e.to.Tool.Controller
	e.to.Ask = ExportAsk{
		Controller: who.Name, Contact: who.Contact, PrivacyURL: e.to.Tool.PrivacyURL,
		Receivers: append([]string{}, slices.Compact(receivers)...), MachineIDs: slices.Compact(ids), Erase: e.m.in.tool.Name + " telemetry reset",
	}
}

// holdsKey reports whether a text has a deletion key in it: one that is known, or whatever goes
// under the name of one.
func (e *exporting) holdsKey(text string) bool {
	for _, key := range e.keys {
		if strings.Contains(text, key) {
			return true
		}
	}
	return strings.Contains(text, deletion.KeyField) || strings.Contains(text, deletion.FormerKeyField)
}

func (e *exporting) waiting(ctx context.Context) {
	list, err := e.m.Waiting(ctx)
	e.problem("what waits", err)
	stats, _ := e.m.in.queue().Stats() // Waiting tells what is wrong with it
	for _, name := range stats.Distrusted {
		e.to.Problems = append(e.to.Problems, "what waits in queue/"+plaintext.Clean(name)+" is not listed: the file is not private and plain")
	}
	e.to.Waiting = []ExportWaiting{}
	for _, w := range list {
		w.Event = e.withoutKey(w.Event)
		e.to.Waiting = append(e.to.Waiting, w.Export())
	}
}

// withoutKey is an event without the key that a deletion request has, if keys are not
// asked for.
func (e *exporting) withoutKey(event driver.Event) driver.Event {
	if e.withKeys || event.Type != string(props.EventDeletionRequest) {
		return event
	}
	event.Metadata = maps.Clone(event.Metadata)
	delete(event.Metadata, deletion.KeyField)
	delete(event.Metadata, deletion.FormerKeyField)
	return event
}

func (e *exporting) sent() {
	log, err := e.m.Sent(time.Time{})
	e.problem("the log of what was sent", err)
	e.to.Sent = ExportSent{Deliveries: []ExportDelivery{}, Cut: log.Cut, CutFrom: log.CutFrom, CutTo: log.CutTo, Gaps: log.Gaps, Before: log.Before, Unlogged: log.Unlogged, Torn: log.Torn}
	if log.Mismatch != nil {
		e.to.Sent.Problem = log.Mismatch.Error()
	}
	for _, d := range log.Deliveries {
		x := d.Export()
		if !e.withKeys && (e.holdsKey(x.Text) || e.holdsKey(string(d.Body))) {
			x.Text, x.Body, x.NotKept = "", nil, "it holds the key of a deletion request"
		}
		e.to.Sent.Deliveries = append(e.to.Sent.Deliveries, x)
	}
}

// maxLocalLog is above what the file backend lets one of its two files grow to.
const maxLocalLog = 16 << 20

func (e *exporting) localLog() {
	dir := state.At(e.m.in.dir.Join(localDir))
	e.to.LocalLog.Events = []driver.Event{}
	for _, name := range []string{file.LogName + ".1", file.LogName} {
		content, err := dir.ReadUpTo(name, maxLocalLog)
		if !errors.Is(err, fs.ErrNotExist) {
			e.problem("what stayed on this machine", err)
		}
		for line := range bytes.Lines(content) {
			line = bytes.TrimSuffix(line, []byte{'\n'})
			event, err := record.Parse(line)
			switch {
			case len(line) == 0: // see the file backend
			case err != nil:
				e.to.LocalLog.Unreadable++
			default:
				e.to.LocalLog.Events = append(e.to.LocalLog.Events, e.withoutKey(event))
			}
		}
	}
}

func (e *exporting) requests() {
	list, err := e.m.Deletions()
	e.problem("a deletion request", err)
	e.to.Requests = []ExportRequest{}
	for _, r := range list {
		x := ExportRequest{
			MachineID: r.MachineID, State: string(r.State), Reached: map[string]time.Time{}, Receiver: r.Receiver, Partly: r.Partly(), Receipt: e.answer(r.Receipt),
			NotDeletable: r.NotDeletable, Problem: r.Problem, Attempts: r.Attempts, Next: r.Next,
		}
		for s, at := range r.Reached {
			x.Reached[string(s)] = at
		}
		e.to.Requests = append(e.to.Requests, x)
	}
}

func (e *exporting) answer(r deletion.Receipt) ExportAnswer {
	x := ExportAnswer{State: string(r.State), ID: r.ID, Detail: r.Detail, CancelUntil: r.CancelUntil}
	if e.withKeys {
		x.URL = r.URL
	}
	for _, part := range r.Parts {
		x.Parts = append(x.Parts, e.answer(part))
	}
	return x
}

func (e *exporting) counts() {
	if err := delivery.CheckNotes(e.m.in.dir); err != nil {
		e.problem("the notes of deliveries", err)
		return // a number would be false
	}
	s := Status{At: e.to.At, Lost: map[string]int{}}
	e.m.lookAtDelivery(&s)
	if s.DeliveriesGone {
		e.problem("the counts", errNotesGone)
		if s.Delivered+s.Stayed+s.TotalLost() == 0 {
			return
		}
	}
	e.to.Counts = &ExportCounts{Delivered: s.Delivered, Stayed: s.Stayed, Lost: s.Lost, LastDelivered: s.LastDelivered, LastAttempt: s.LastAttempt}
}

func (e *exporting) files() {
	e.to.Files = []ExportFile{}
	root := e.m.in.dir.Path()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // a file that was there a moment ago
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return nil // it is gone by now
		}
		name, err := filepath.Rel(root, path)
		e.to.Files = append(e.to.Files, ExportFile{plaintext.Clean(filepath.ToSlash(name)), info.Size(), info.ModTime().UTC()})
		return err
	})
	if err != nil {
		e.problem("the list of files", plaintext.Bare(err))
	}
}
