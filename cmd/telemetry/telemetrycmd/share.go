package telemetrycmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/internal/screen"
	"github.com/gotoolbase/telemetry/core"
)

func (s *commandSet) share() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "share",
		Short: "Print what gives a container of yours the same machine ID",
		Long: "Print the variable that gives another installation of yours the machine ID of this\n" +
			"one: a container, say, which would count as another person at every start.\n\n" +
			"The value is a secret. Who has it can have everything deleted that was sent under\n" +
			"the ID. It is no yes: that still takes an answer or a variable of its own.",
		Example: "  docker run -e \"$(" + s.hint("share") + ")\" …",
	}
	format := addOutput(cmd)
	cmd.RunE = s.run(func(cmd *cobra.Command, m *core.Manager) error {
		variable, value, err := m.Identity()
		if err != nil {
			return fmt.Errorf("nothing to share: %w; see %s", err, s.hint("status"))
		}
		if *format == formatJSON {
			return screen.WriteJSON(cmd.OutOrStdout(), struct {
				Variable string `json:"variable"`
				Value    string `json:"value"`
			}{variable, value})
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s=%s\n", variable, value)
		return nil
	})
	return cmd
}
