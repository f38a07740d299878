// Cobra is nethttp as a cobra command.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func main() {
	if len(os.Args) < 2 {
		return // size measures the time up to here
	}
	root := &cobra.Command{Use: "hello", Args: cobra.ArbitraryArgs, Run: func(*cobra.Command, []string) {
		fmt.Println("hello")
		if answer, err := http.Post("https://telemetry.example.com/events", "application/json", strings.NewReader("[]")); err == nil {
			answer.Body.Close()
		}
	}}
	if root.Execute() != nil {
		os.Exit(1)
	}
}
