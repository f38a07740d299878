//go:build !notelemetry

package drivernet_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/drivernet"
)

type syslog struct {
	config  driver.Config
	address string // as drivernet.CheckAddress likes it
}

func (b *syslog) Send(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	var messages strings.Builder
	for _, e := range events {
		message := fmt.Sprintf("<14>1 %s %s - - - - %s", e.Time.Format("2006-01-02T15:04:05.000Z07:00"), e.MachineID, e.AppendJSON(nil))
		fmt.Fprintf(&messages, "%d %s", len(message), message) // octet counting, RFC 5425
	}
	conn, err := drivernet.Dial(ctx, b.config, b.address)
	if err != nil {
		return fmt.Errorf("syslog: %w", err)
	}
	if err := drivernet.WriteStream(ctx, conn, []byte(messages.String())); err != nil {
		return fmt.Errorf("syslog: %w", err)
	}
	return nil
}

func ExampleWriteStream() {
	relay, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer relay.Close()
	got := make(chan string)
	go func() {
		conn, err := relay.Accept()
		if err != nil {
			return
		}
		text, _ := io.ReadAll(conn)
		conn.Close()
		got <- string(text)
	}()
	b := &syslog{address: "tcp://" + relay.Addr().String()}
	sent := make(chan error)
	go func() {
		sent <- b.Send(context.Background(), []driver.Event{{ID: "0193b2f0-1d2a-7000-8000-000000000001", Name: "build", MachineID: "5ca1ab1e"}})
	}()
	length, message, _ := strings.Cut(<-got, " ")
	fmt.Println(length == fmt.Sprint(len(message)), strings.Contains(message, " 5ca1ab1e - - - - {"), <-sent)
	// Output: true true <nil>
}
