// Plain is a cobra tool that prints a line.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{Use: "hello"}
	root.AddCommand(&cobra.Command{Use: "world", Run: func(*cobra.Command, []string) { fmt.Println("hello") }})
	if root.Execute() != nil {
		os.Exit(1)
	}
}
