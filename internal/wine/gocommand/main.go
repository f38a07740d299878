// Gocommand is go.exe under Wine. Tests that build programs start it, and the driver on the
// other side of a socket builds them with the Go of the machine: Go's own for Windows would be
// some hundred megabytes to download, and slow there.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "go under Wine:", err)
		os.Exit(1)
	}
}

func run() error {
	driver, err := net.Dial("tcp", os.Getenv("TELEMETRY_WINE_GO"))
	if err != nil {
		return err
	}
	defer driver.Close()
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := json.NewEncoder(driver).Encode(struct {
		Dir  string
		Args []string
	}{dir, os.Args[1:]}); err != nil {
		return err
	}
	var answer struct {
		Output string
		Code   int
	}
	if err := json.NewDecoder(driver).Decode(&answer); err != nil {
		return err
	}
	fmt.Print(answer.Output)
	os.Exit(answer.Code)
	return nil
}
