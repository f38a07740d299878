package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// people are those of the stories with an operator: a person with mytool, and an operator with
// telemetry-relay.
type people struct {
	*story
	ctx      context.Context
	tool     *tool
	operator *tool
	url      string // where deletion requests go
	admin    string // of the relay
	relay    *exec.Cmd
	id       string // the person's machine ID
}

// reserve finds addresses at which nobody answers for now.
func reserve(n int) (addresses []string) {
	for range n {
		reserved := got(net.Listen("tcp", "127.0.0.1:0"))
		defer reserved.Close() //nolint:errcheck // and no earlier, so that no two are the same
		addresses = append(addresses, reserved.Addr().String())
	}
	return addresses
}

func (p *people) write(name, content string) {
	must(os.WriteFile(filepath.Join(p.operator.dir, name), []byte(content), 0o600))
}

// person runs mytool, operate telemetry-relay; both print it.
func (p *people) person(args ...string) result {
	r := got(p.tool.run(p.ctx, args...))
	p.command("mytool "+strings.Join(args, " "), r.output())
	return r
}

func (p *people) operate(args ...string) result {
	r := got(p.operator.run(p.ctx, args...))
	p.command("telemetry-relay "+strings.Join(args, " "), r.output())
	return r
}

// request is what `reset --status -o json` says of one.
type request struct {
	MachineID string `json:"machine_id"`
	State     string `json:"state"`
	ID        string `json:"id"`
}

// requests asks without printing.
func (p *people) requests() []request {
	r := got(p.tool.run(p.ctx, "telemetry", "reset", "--status", "--output", "json"))
	var said struct{ Requests []request }
	must(json.Unmarshal([]byte(r.stdout), &said))
	return said.Requests
}

func (p *people) theOnly(state string) request {
	all := p.requests()
	p.claim(len(all) == 1 && all[0].MachineID == p.id && all[0].State == state,
		"the person is told: "+state, fmt.Sprintf("%+v", all))
	return all[0]
}

func (p *people) startRelay() {
	cmd := p.operator.command(p.ctx, "serve", "--config", "relay.yaml")
	log := got(os.OpenFile(filepath.Join(p.operator.dir, "relay.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600))
	defer log.Close()
	cmd.Stderr = log
	must(cmd.Start())
	p.relay = cmd
	p.command("telemetry-relay serve --config relay.yaml &", "")
	must(poll("the relay answered", func() (bool, error) {
		resp, err := http.Get(p.admin + "/healthz")
		if err != nil {
			return false, nil
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK, nil
	}))
}

func (p *people) stopRelay(with os.Signal) {
	if p.relay != nil {
		_ = p.relay.Process.Signal(with)
		_ = p.relay.Wait()
		p.relay = nil
	}
}

// deletion is what `deletions export` says of one, in JSON.
type entry struct {
	ID        string `json:"id"`
	MachineID string `json:"machine_id"`
	State     string `json:"state"`
}

func (p *people) ledger() []entry {
	r := got(p.operator.run(p.ctx, "deletions", "export", "--config", "relay.yaml"))
	if r.code != 0 {
		must(fmt.Errorf("export ended with %d: %s", r.code, r.stderr))
	}
	var all []entry
	for line := range strings.Lines(r.stdout) {
		var e entry
		must(json.Unmarshal([]byte(line), &e))
		all = append(all, e)
	}
	return all
}
