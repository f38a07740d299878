//go:build !notelemetry

package events_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/store"
)

// A gateway takes what the http backend of tools posts. Here it keeps the events itself.
func Example() {
	temp, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(temp)

	db, err := store.Open(context.Background(), "sqlite:"+filepath.Join(temp, "data", "relay.db"), events.Schema())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	d := events.StoreDriver(db)
	backend, err := d.Open(driver.Config{Tool: "mytool"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close()
	gateway, err := events.New(events.Config{
		DB: db,
		Tools: map[string]events.Tool{"mytool": {
			Destinations: []events.Destination{{Name: events.StoreName, Driver: d, Backend: backend}},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	request := httptest.NewRequest(http.MethodPost, events.Path, strings.NewReader(
		`[{"id":"0193b2f0-1d2a-7000-8000-000000000001","type":"command.invocation","name":"build","timestamp":"2026-11-25T12:00:00Z",`+
			`"tool_name":"mytool","os":"linux","arch":"amd64","ci":false,"interactive":false,"container":false}]`))
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	gateway.ServeHTTP(answer, request)
	fmt.Println(answer.Code) // each destination has the event
	// Output: 204
}
