package main

import (
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// more has a command that posts, so that the linker keeps what posting needs.
func more() []*cobra.Command {
	return []*cobra.Command{{
		Use:  "post URL",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			answer, err := http.Post(args[0], "application/json", strings.NewReader("[]"))
			if err != nil {
				return err
			}
			return answer.Body.Close()
		},
	}}
}
