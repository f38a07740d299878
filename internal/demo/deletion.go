package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/internal/standin/datadog"
)

// forgetting is the cast of the second story: the people, and somebody who stands in for
// Datadog.
type forgetting struct {
	*people
	vendor *datadog.Server
}

func runDeletion(ctx context.Context, dir string) {
	f := &forgetting{people: &people{story: newStory(), ctx: ctx}, vendor: datadog.New(datadog.Options{})}
	intake := got(net.Listen("tcp", "127.0.0.1:0"))
	server := &http.Server{Handler: f.vendor, ReadHeaderTimeout: deadline}
	go server.Serve(intake) //nolint:errcheck // until Close
	defer server.Close()
	vendorURL := "http://" + intake.Addr().String()

	addresses := reserve(2)
	f.url, f.admin = "http://"+addresses[0]+"/v1/deletions", "http://"+addresses[1]

	f.tool = got(build(ctx, dir, "examples/mytool", "-tags", "vendors", "-ldflags", "-X main.version=1.0.0 -X main.backend=datadog "+
		"-X main.settings=api_key="+datadog.APIKey+",endpoint="+vendorURL+" -X main.deletions="+f.url))
	f.operator = got(build(ctx, dir, "cmd/telemetry-relay"))
	must(os.WriteFile(filepath.Join(f.tool.dir, secretName), []byte("Dear Ada,\nthree lines,\nand a word.\n"), 0o600))
	f.write("relay.yaml", fmt.Sprintf(`listen: %s
admin: %s
database: sqlite:data/relay.db
quiet: 3s
poll: 1s
tools:
  mytool:
    deletions:
      - {vendor: datadog, endpoint: %q, retention: 15d, api_key_file: api.key, application_key_file: application.key, canary: %s}
`, addresses[0], addresses[1], vendorURL, somebody))
	f.write("api.key", datadog.APIKey+"\n")
	f.write("application.key", datadog.ApplicationKey+"\n")
	defer f.stopRelay(os.Interrupt)

	f.events()
	f.reset()
	f.thief()
	f.handOver()
	f.accident()
	f.asked()
	f.gone()
	f.evidence()
	fmt.Fprintf(f.out, "\nAll %d claims hold.\n", f.claims)
}

const somebody = "0dd5a1ad0dd5a1ad0dd5a1ad0dd5a1ad"

func (f *forgetting) events() {
	f.title("Data at a vendor")
	f.say("Somebody stands in for Datadog on this machine. mytool sends there, and two logs of somebody else are there already.")
	for range 2 {
		f.vendor.Store(datadog.Log{Host: somebody, Service: "mytool", Date: time.Now(), Received: time.Now()})
	}
	f.person("telemetry", "enable")
	f.person("count", secretName)
	r := f.person("telemetry", "flush")
	f.claim(r.code == 0, "flush ends with exit code 0")
	f.id = got(f.tool.status(f.ctx)).MachineID
	f.claim(len(f.vendor.Stored(f.id)) == 1, "the vendor has a log under the machine ID "+f.id)
	f.person("count", secretName)
}

func (f *forgetting) reset() {
	f.title("To be forgotten, while nobody listens")
	f.say("The operator's relay is not running.")
	r := f.person("telemetry", "reset")
	f.claim(r.code == 1, "reset ends with exit code 1 and says that nobody has the request", r.code)
	f.theOnly("requested")
	s := got(f.tool.status(f.ctx))
	f.claim(s.State == "off" && s.MachineID == "" && s.Queue.Events == 0, "all the same telemetry is off, the ID is retired, and what waited is deleted")
	r = f.person("telemetry", "reset", "--resume")
	f.claim(r.code == 1 && len(f.requests()) == 1, "to insist changes nothing, and loses nothing")
}

func (f *forgetting) thief() {
	f.title("A thief")
	f.startRelay()
	f.say("Everybody who reads the events knows the machine IDs. Somebody asks for the deletion of an ID without its key.")
	body, _ := json.Marshal(map[string]string{"machine_id": f.id, "deletion_key": strings.Repeat("ab", 32), "tool": "mytool"})
	resp := got(http.Post(f.url, "application/json", bytes.NewReader(body)))
	defer resp.Body.Close()
	var said struct{ Error string }
	must(json.NewDecoder(resp.Body).Decode(&said))
	f.claim(resp.StatusCode == http.StatusForbidden && said.Error == "proof_mismatch", "the relay answers 403 proof_mismatch", resp.Status, said)
	f.claim(len(f.vendor.Requests()) == 0, "and asks nobody")
}

func (f *forgetting) handOver() {
	f.title("The relay takes the request")
	f.say("Later commands would hand it over by themselves, in the background; here the person does not wait for one.")
	r := f.person("telemetry", "reset", "--resume")
	f.claim(r.code == 0, "--resume ends with exit code 0", r.code)
	receipt := f.theOnly("acknowledged")
	f.claim(receipt.ID != "", "and has a receipt")
}

func (f *forgetting) accident() {
	f.title("An accident")
	f.stopRelay(os.Kill)
	f.say("The relay is killed with SIGKILL, and started again.")
	f.startRelay()
	r := f.operate("deletions", "list", "--config", "relay.yaml")
	f.claim(r.code == 0 && strings.Contains(r.stdout, "mytool"), "the ledger still has the request")
}

func (f *forgetting) asked() {
	f.title("The vendor is asked")
	must(poll("the vendor was asked", func() (bool, error) { return len(f.vendor.Requests()) == 1, nil }))
	q := f.vendor.Requests()[0]
	f.claim(q.Query == "host:"+f.id+" service:mytool", "after the quiet period (three seconds here, a day otherwise) the vendor is asked to delete "+q.Query, q.Query)
	f.claim(len(f.vendor.Stored(f.id)) == 1, "it can be cancelled for ten days, so the log is still there, and nobody claims otherwise")
	f.theOnly("acknowledged")
	all := f.ledger()
	f.claim(len(all) == 1 && all[0].State == "acknowledged" && all[0].MachineID == f.id, "nor does the ledger", fmt.Sprintf("%+v", all))
}

func (f *forgetting) gone() {
	f.title("Ten days later")
	f.say("The clock of the stand-in is put forward, and it deletes. The relay looks how far it is, and counts what is left.")
	f.vendor.Advance(datadog.CancelWindow + time.Hour)
	for range 3 {
		f.vendor.Run()
	}
	f.claim(len(f.vendor.Stored(f.id)) == 0, "the vendor has nothing more under the machine ID")
	f.claim(len(f.vendor.Stored(somebody)) == 2, "and still has the two logs of somebody else")
	must(poll("the relay has verified it", func() (bool, error) {
		return slices.ContainsFunc(f.ledger(), func(e entry) bool { return e.State == "verified" }), nil
	}))
	f.operate("deletions", "show", f.ledger()[0].ID, "--config", "relay.yaml")
	r := f.person("telemetry", "reset", "--resume")
	f.claim(r.code == 0 && strings.Contains(r.stdout, "verified"), "the person is told that it was verified")
	f.theOnly("verified")
	f.claim(len(f.vendor.Requests()) == 1, "the vendor was asked once, through all that went wrong")
}

func (f *forgetting) evidence() {
	f.title("Evidence")
	r := f.operate("deletions", "verify", "--config", "relay.yaml")
	f.claim(r.code == 0, "the ledger's chain of hashes holds", r.code)
	r = f.operate("deletions", "export", "--format", "csv", "--config", "relay.yaml")
	f.claim(r.code == 0 && strings.Contains(r.stdout, f.id), "an auditor gets it as CSV")
	state := got(f.tool.status(f.ctx)).StateDir
	var holding []string
	for _, where := range []string{state, filepath.Join(f.operator.dir, "data")} {
		for _, file := range got(files(where)) {
			content, err := os.ReadFile(file)
			if err != nil {
				continue // a directory
			}
			if bytes.Contains(content, []byte("deletion_key")) {
				holding = append(holding, file)
			}
		}
	}
	f.claim(len(holding) == 0, "no file on either side holds the key of the deletion any more", holding)
	log := string(got(os.ReadFile(filepath.Join(f.operator.dir, "relay.log"))))
	f.claim(!strings.Contains(log, f.id) && !strings.Contains(log, datadog.ApplicationKey) && strings.Contains(log, "mytool"),
		"the relay's log names the tool, and neither a machine ID nor a key", log)
	content := got(os.ReadFile(f.tool.exe))
	f.claim(!bytes.Contains(content, []byte(datadog.ApplicationKey)) && !bytes.Contains(content, []byte("deletion/data/logs")),
		"mytool holds no key that deletes, and no call that does")
}
