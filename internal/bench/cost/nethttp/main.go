// Nethttp is plain with net/http, which it would use if it were told where to post to.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

var nowhere string // nothing sets it

func main() {
	root := &cobra.Command{Use: "hello"}
	root.AddCommand(&cobra.Command{Use: "world", Run: func(*cobra.Command, []string) {
		fmt.Println("hello")
		if nowhere == "" {
			return
		}
		if answer, err := http.Post(nowhere, "application/json", strings.NewReader("[]")); err == nil {
			answer.Body.Close()
		}
	}})
	if root.Execute() != nil {
		os.Exit(1)
	}
}
