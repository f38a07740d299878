//go:build !notelemetry

package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/rootcmd"
	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/internal/tty"
)

// callTime bounds one question to a vendor, which may be several requests.
const callTime = 2 * time.Minute

// deleting is a call of the command. name is the vendor's.
type deleting struct {
	surroundings
	cmd    *cobra.Command
	out    screen.Screen
	format string

	machineID, name, tool             string
	requestedAt                       string
	dryRun, status, cancel, yes, wait bool
	every                             time.Duration
	values                            map[string]*string // of the settings, by flag

	requestor deletion.Requestor
	at        time.Time
}

func flagOf(setting string) string { return strings.ReplaceAll(setting, "_", "-") }

func (s surroundings) delete() *cobra.Command {
	e := &deleting{surroundings: s, values: map[string]*string{}}
	cmd := &cobra.Command{
		Use:     "delete --machine-id ID --vendor VENDOR [--dry-run | --status [RECEIPT] | --cancel RECEIPT]",
		Aliases: []string{"erase"}, // what it was called before 0.1.0
		Short:   "Have one machine's data deleted by hand",
		Long: "Ask a vendor to delete all that it has of one machine, without a relay and its ledger:\n" +
			"keep what it prints. It asks before it does so on a terminal, and elsewhere needs\n" +
			"--yes. That the person may ask for it is for you to know.\n\n" +
			"Vendors take days or weeks. How far it is tells --status, with the receipt that was\n" +
			"printed, and where a vendor waits before it begins, --cancel takes the request back.\n\n" +
			"Keys come from a file, which its owner alone may read, or from a variable; there is no\n" +
			"flag for the key itself, which others could see in the list of processes.\n\n" +
			"The exit code is 0 if the vendor has the request or has deleted, 1 if it refuses or\n" +
			"nothing is known, and 2 for a mistake in how this was called.",
		Example: "  telemetry-relay delete --machine-id ID --vendor posthog --instance eu --project 12345 --key-file posthog.key --dry-run\n" +
			"  telemetry-relay delete --machine-id ID --vendor datadog --tool mytool --site eu1 --retention 15d \\\n" +
			"      --api-key-env DD_API_KEY --application-key-env DD_APPLICATION_KEY",
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	e.cmd = cmd
	flags := cmd.Flags()
	flags.StringVar(&e.machineID, "machine-id", "", "whose data it is: an ID of 32 hexadecimal characters")
	flags.Var(choice{&e.name, s.vendorNames()}, "vendor", "who is asked")
	var described []string
	for _, v := range s.vendors {
		described = append(described, v.Name+"\t"+v.Doc)
	}
	complete(cmd, "vendor", described...)
	flags.StringVar(&e.tool, "tool", "", "whose events they are, where a vendor has to know")
	flags.StringVar(&e.requestedAt, "requested-at", "", "when the person asked, such as 2026-11-22T12:00:00Z; now if not given. Asking again, repeat it")
	flags.BoolVar(&e.dryRun, "dry-run", false, "show what would be deleted, and change nothing")
	flags.BoolVar(&e.status, "status", false, "show how far a request is, and change nothing; without a RECEIPT, what is there")
	flags.BoolVar(&e.cancel, "cancel", false, "take a request back, where the vendor can")
	flags.BoolVarP(&e.yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&e.wait, "wait", false, "stay until the data is known to be gone, which takes days; Ctrl-C ends the wait alone")
	flags.DurationVar(&e.every, "every", 10*time.Minute, "how often --wait looks")
	addChoice(cmd, &e.format, "output", "o", "text", "for people or for programs", "text", "json")
	e.addSettings()
	for _, name := range []string{"machine-id", "tool", "requested-at", "every"} {
		must(cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions))
	}
	flags.SortFlags = false
	cmd.Args = func(_ *cobra.Command, args []string) error { return e.check(args) }
	cmd.RunE = func(_ *cobra.Command, args []string) error { return e.run(args) }
	return cmd
}

// addSettings adds a flag for each setting, which several vendors may have alike.
func (e *deleting) addSettings() {
	flags := e.cmd.Flags()
	for _, v := range e.vendors {
		for _, set := range v.Settings {
			for _, name := range given(set) {
				help := set.Doc
				switch {
				case set.Secret && strings.HasSuffix(name, inFile):
					help = "file that holds the " + help
				case set.Secret:
					help = "variable of the environment that holds the " + help
				}
				help = v.Name + ": " + help
				if known := flags.Lookup(flagOf(name)); known != nil {
					known.Usage += "\n" + help
					continue
				}
				e.values[name] = flags.String(flagOf(name), "", help)
				if set.Secret && strings.HasSuffix(name, inFile) {
					continue // completed by the shell
				}
				complete(e.cmd, flagOf(name), set.Values...)
			}
		}
	}
}

// check finds mistakes in how the command was called, of which no key needs to be read.
func (e *deleting) check(args []string) error {
	modes := 0
	for _, on := range []bool{e.dryRun, e.status, e.cancel} {
		if on {
			modes++
		}
	}
	switch {
	case modes > 1:
		return usage("--dry-run, --status and --cancel are three things: give one of them")
	case e.wait && modes > 0 && !e.status:
		return usage("--wait goes with a deletion or with --status")
	case len(args) > 0 && !e.status && !e.cancel:
		return usage("a receipt goes with --status or --cancel; to delete, name the machine with --machine-id")
	case len(args) > 1:
		return usage("there is one receipt at a time, but %d words were given", len(args))
	case e.cancel && len(args) == 0:
		return usage("--cancel takes the receipt that was printed; --status lists the requests that there are")
	case e.wait && e.status && len(args) == 0:
		return usage("--status --wait takes the receipt that was printed")
	case e.machineID == "":
		return usage("--machine-id is required: whose data it is")
	case e.name == "":
		return usage("--vendor is required: %s", either(e.vendorNames()))
	case e.every <= 0:
		return usage("--every must be above zero")
	}
	if err := (deletion.Request{MachineID: e.machineID}).Validate(); err != nil {
		return usage("--machine-id: %w", err)
	}
	e.at = e.now().UTC().Truncate(time.Second)
	if e.requestedAt != "" {
		at, err := time.Parse(time.RFC3339, e.requestedAt)
		if err != nil || at.After(e.at) {
			return usage("--requested-at must be a time that is over, such as %s", e.at.Format(time.RFC3339))
		}
		e.at = at.UTC()
	} else if e.status || e.cancel {
		e.at = time.Time{} // not known
	}
	return e.checkSettings()
}

// checkSettings refuses what belongs to other vendors: whoever gives it means one of those.
func (e *deleting) checkSettings() error {
	owners := map[string][]string{} // by setting, as it is given
	for _, v := range e.vendors {
		for _, set := range v.Settings {
			for _, name := range given(set) {
				owners[name] = append(owners[name], v.Name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(owners)) {
		if e.cmd.Flags().Changed(flagOf(name)) && !slices.Contains(owners[name], e.name) {
			return usage("--%s is for %s and not for %s", flagOf(name), either(owners[name]), e.name)
		}
	}
	return nil
}

func (e *deleting) run(args []string) (err error) {
	values := map[string]string{}
	for name, value := range e.values {
		values[name] = *value
	}
	v, _ := e.vendor(e.name)
	e.requestor, err = e.open(v, source{
		tool: e.tool, values: values, path: func(file string) string { return file },
		wrong: func(name, problem string) error { return usage("--%s: %s", flagOf(name), problem) },
	})
	if err != nil {
		return err
	}
	if err := e.able(len(args) > 0); err != nil {
		return err
	}
	e.out = e.screen(e.cmd.OutOrStdout())
	receipt := deletion.Receipt{MachineID: e.machineID, At: e.at}
	if len(args) > 0 {
		receipt.ID = args[0]
	}
	switch {
	case e.cancel:
		return e.takeBack(e.requestor.(deletion.Canceller), receipt)
	case e.dryRun, e.status && receipt.ID == "":
		return e.look(e.requestor.(deletion.Finder))
	case e.status:
		return e.follow(receipt)
	}
	return e.ask()
}

// call is one question to the vendor.
func (e *deleting) call(do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(e.cmd.Context(), callTime)
	defer cancel()
	return do(ctx)
}

// able refuses what this vendor cannot do.
func (e *deleting) able(receipt bool) error {
	_, follows := e.requestor.(deletion.Follower)
	_, finds := e.requestor.(deletion.Finder)
	_, cancels := e.requestor.(deletion.Canceller)
	switch {
	case e.cancel && !cancels:
		return usage("%s cannot take a request back", e.name)
	case e.dryRun && !finds:
		return usage("%s cannot tell what it has of a machine: there is no --dry-run", e.name)
	case e.status && !receipt && !finds:
		return usage("%s cannot tell what it has of a machine: --status takes the receipt that was printed", e.name)
	case (e.status && receipt || e.wait) && !follows:
		return usage("%s cannot tell what became of a request", e.name)
	}
	return nil
}

// find asks the vendor what it has.
func (e *deleting) find(f deletion.Finder) (found deletion.Found, err error) {
	err = e.call(func(ctx context.Context) (err error) {
		found, err = f.Find(ctx, e.machineID)
		return err
	})
	return found, err
}

// look shows what the vendor has.
func (e *deleting) look(f deletion.Finder) error {
	found, err := e.find(f)
	if err != nil {
		return err
	}
	if e.format == "json" {
		err = screen.WriteJSON(e.out, toFoundJSON(e.machineID, e.name, found))
	} else {
		e.printFound(e.out, found)
	}
	switch {
	case err != nil || e.dryRun || found.Nothing || len(found.Requests) > 0:
		return err
	case found.Requests == nil:
		return errors.New("that is still there; whether it is going to be deleted is only to be found out with the receipt that was printed")
	}
	return errors.New("that is still there, and no request to delete it is open")
}

// foundJSON is what a vendor has. Its names are stable, but for those of the facts, which are
// the vendor's.
type foundJSON struct {
	SchemaVersion int            `json:"schema_version"`
	MachineID     string         `json:"machine_id"`
	Vendor        string         `json:"vendor"`
	Nothing       bool           `json:"nothing"`
	Found         map[string]any `json:"found"`
	// Requests is null where the vendor does not tell.
	Requests []receiptJSON `json:"requests"`
}

func toFoundJSON(machineID, vendor string, f deletion.Found) foundJSON {
	j := foundJSON{SchemaVersion: schemaVersion, MachineID: machineID, Vendor: vendor, Nothing: f.Nothing, Found: map[string]any{}}
	for _, fact := range f.Facts {
		if at, ok := fact.Value.(time.Time); ok {
			fact.Value = at.UTC()
		}
		j.Found[fact.Name] = fact.Value
	}
	if f.Requests != nil {
		j.Requests = []receiptJSON{}
	}
	for _, r := range f.Requests {
		j.Requests = append(j.Requests, toReceiptJSON(r))
	}
	return j
}

func (e *deleting) printFound(out screen.Screen, f deletion.Found) {
	if f.Nothing {
		out.Line(screen.Plain, e.name+" has nothing of this machine.")
	} else {
		out.Line(screen.Bold, e.name+" has of the machine "+e.machineID+":")
	}
	var rows []screen.Row
	for _, fact := range f.Facts {
		text := fmt.Sprint(fact.Value)
		if at, ok := fact.Value.(time.Time); ok {
			text = screen.When(at)
		}
		if fact.Note != "" {
			text += " " + fact.Note
		}
		colour := screen.Plain
		if fact.Wrong {
			colour = screen.Red
		}
		rows = append(rows, row(fact.Label, text, colour))
	}
	for _, r := range f.Requests {
		text := r.ID + ": " + r.Detail
		if !r.CancelUntil.IsZero() {
			text += " It can be cancelled until " + screen.When(r.CancelUntil) + "."
		}
		rows = append(rows, row("Request", text, screen.Plain))
	}
	out.Table(rows)
	if e.dryRun {
		fmt.Fprintln(out, "Nothing was changed.")
	}
}

// ask has the data deleted.
func (e *deleting) ask() error {
	if !e.yes {
		if !tty.Is(e.cmd.InOrStdin()) || !tty.Is(e.cmd.ErrOrStderr()) {
			return usage("there is no terminal to ask at: add --yes if this is meant, or --dry-run to see what would be deleted")
		}
		terminal := e.surroundings.screen(e.cmd.ErrOrStderr())
		if f, finds := e.requestor.(deletion.Finder); finds {
			if found, err := e.find(f); err == nil {
				e.printFound(terminal, found)
			} else {
				terminal.Line(screen.Plain, "What is there could not be looked up: "+err.Error())
			}
		}
		if err := e.confirm(e.cmd, "Deleting cannot be undone once the vendor has begun.", "Have it deleted?"); err != nil {
			return err
		}
	}
	var receipt deletion.Receipt
	request := func(ctx context.Context) (err error) {
		receipt, err = e.requestor.RequestDeletion(ctx, deletion.Request{Tool: e.tool, MachineID: e.machineID, RequestedAt: e.at})
		return err
	}
	for {
		err := e.call(request)
		if err == nil {
			break
		}
		if !e.wait || isFinal(err) {
			return e.notTaken(err)
		}
		if err := e.pause(err); err != nil {
			return e.notTaken(err)
		}
	}
	if e.wait && isOpen(receipt) {
		if e.format == "text" { // now: the wait may be cut off
			e.printReceipt(receipt)
		}
		return e.follow(receipt)
	}
	return e.tell(receipt)
}

// isFinal reports whether asking once more cannot help.
func isFinal(err error) bool {
	class := driver.Classify(err)
	return class == driver.ClassPermanent || class == driver.ClassTooLarge || errors.Is(err, deletion.ErrInvalidID)
}

func isOpen(r deletion.Receipt) bool {
	return r.State == deletion.Acknowledged || r.State == deletion.Delivered
}

// pause waits for the next look, longer where the vendor says so.
func (e *deleting) pause(last error) error {
	if last != nil {
		rootcmd.Complain(e.cmd.ErrOrStderr(), program, fmt.Errorf("%w; asking again in %v", last, max(e.every, driver.Wait(last))))
	}
	select {
	case <-e.cmd.Context().Done():
		return e.cmd.Context().Err()
	case <-time.After(max(e.every, driver.Wait(last))):
		return nil
	}
}

// follow shows how far a request is, once or until it is done.
func (e *deleting) follow(receipt deletion.Receipt) error {
	for {
		now := receipt
		err := e.call(func(ctx context.Context) (err error) {
			now, err = e.requestor.(deletion.Follower).Status(ctx, receipt)
			return err
		})
		switch {
		case errors.Is(err, deletion.ErrUnknownReceipt):
			return fmt.Errorf("%w; ask again: %s", err, e.again())
		case err != nil && (!e.wait || isFinal(err)):
			return err
		case err == nil:
			receipt = now
			if !e.wait || !isOpen(receipt) {
				return e.tell(receipt)
			}
		}
		if err := e.pause(err); err != nil {
			return err
		}
	}
}

// takeBack cancels a request.
func (e *deleting) takeBack(c deletion.Canceller, receipt deletion.Receipt) error {
	if !e.yes {
		if err := e.confirm(e.cmd, "The data of the machine "+e.machineID+" would stay at "+e.name+".", "Take the request back?"); err != nil {
			return err
		}
	}
	err := e.call(func(ctx context.Context) (err error) {
		receipt, err = c.Cancel(ctx, receipt)
		return err
	})
	if err != nil {
		return err
	}
	return e.printed(receipt)
}

// notTaken is the error of a request that the vendor does not have, as far as is known.
func (e *deleting) notTaken(err error) error {
	if early, ok := errors.AsType[*deletion.TooEarlyError](err); ok {
		return fmt.Errorf("%w; ask again in %v: %s", err, early.Wait.Round(time.Minute), e.again())
	}
	if isFinal(err) {
		return err
	}
	if wait := driver.Wait(err); wait > 0 {
		return fmt.Errorf("%w; not before %v have passed: %s", err, wait, e.again())
	}
	return fmt.Errorf("%w; to ask again, which is safe: %s", err, e.again())
}

// again is the command by which somebody asks again for the same, or goes on from it.
func (e *deleting) again(more ...string) string {
	words := []string{program, "delete"}
	e.cmd.Flags().Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "dry-run", "status", "cancel", "yes", "wait", "every", "output", "requested-at":
		default:
			words = append(words, "--"+f.Name, quote(f.Value.String()))
		}
	})
	if !e.at.IsZero() {
		words = append(words, "--requested-at", e.at.Format(time.RFC3339))
	}
	return strings.Join(append(words, more...), " ")
}

// tell prints a receipt, and is an error where the vendor will not delete.
func (e *deleting) tell(receipt deletion.Receipt) error {
	if err := e.printed(receipt); err != nil {
		return err
	}
	switch receipt.State {
	case deletion.Refused:
		return errors.New("the data is not going to be deleted before somebody has seen to it")
	case deletion.Manual:
		return errors.New("the rest is left to a person, as it says")
	}
	return nil
}

func (e *deleting) printed(receipt deletion.Receipt) error {
	if e.format == "json" {
		return screen.WriteJSON(e.out, requestedJSON{schemaVersion, e.machineID, e.tool, e.name, e.at, toReceiptJSON(receipt)})
	}
	e.printReceipt(receipt)
	return nil
}

func (e *deleting) printReceipt(r deletion.Receipt) {
	c := screen.Plain
	switch r.State {
	case deletion.Verified:
		c = screen.Green
	case deletion.Refused, deletion.Manual:
		c = screen.Red
	}
	e.out.Table(append([]screen.Row{row("State", string(r.State), c)}, receiptRows(r)...))
	if !isOpen(r) || r.ID == "" {
		return
	}
	fmt.Fprintf(e.out, "\nHow far it is: %s\n", e.again("--status", quote(r.ID)))
	if _, cancels := e.requestor.(deletion.Canceller); cancels && !r.CancelUntil.IsZero() {
		fmt.Fprintf(e.out, "To take it back: %s\n", e.again("--cancel", quote(r.ID)))
	}
}
