package driver_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// printer is a backend: it makes one attempt, and says what became of the events.
type printer struct{ greeting string }

func (b printer) Send(ctx context.Context, events []driver.Event) error {
	for _, e := range events {
		fmt.Println(b.greeting, e.Name)
	}
	return ctx.Err()
}

func (printer) Close() error { return nil }

// printerDriver is what the package of a backend exports as Driver.
func printerDriver() driver.Driver {
	return driver.Driver{
		Name:     "printer",
		Doc:      "prints the names of events",
		Settings: []driver.Setting{{Name: "greeting", Doc: "what is before a name", Default: "hello"}},
		Local:    true,
		Open: func(c driver.Config) (driver.Backend, error) {
			return printer{c.Settings["greeting"]}, nil
		},
	}
}

// A driver describes a backend and opens it. It is a plain value, and the collector does the rest:
// consent, the queue, repetition.
func Example() {
	d := printerDriver()
	settings, err := d.Resolve(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	backend, err := d.Open(driver.Config{Settings: settings})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close()
	fmt.Println(backend.Send(context.Background(), []driver.Event{{Name: "build"}}))
	// Output:
	// hello build
	// <nil>
}

// A misspelt setting is never ignored.
func ExampleDriver_Resolve() {
	_, err := printerDriver().Resolve(map[string]string{"greetings": "hi"})
	fmt.Println(err)
	// Output: Telemetry.Settings[greetings]: unknown to backend "printer", which takes greeting
}

// What Send returns says whether the events are settled, and when to come again.
func ExampleClassify() {
	problem := errors.New("the quota is used up")
	fmt.Println(driver.Classify(nil))
	fmt.Println(driver.Classify(problem))
	fmt.Println(driver.Classify(driver.Permanent(problem)))
	throttled := driver.Throttled(problem, time.Hour)
	fmt.Println(driver.Classify(throttled), driver.Wait(throttled))
	// Output:
	// accepted
	// unknown
	// permanent
	// throttled 1h0m0s
}
