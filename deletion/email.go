package deletion

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Email is the Requestor for authors who have no server: the person sends them a mail,
// which is written and only has to be sent. Every request is Manual, with the mail as a
// mailto: link in the receipt's URL. Nothing is sent, opened or started here: on a desktop
// `mytool telemetry reset` opens the link, elsewhere it prints the mail.
type Email struct {
	// To is the address that requests go to.
	To string
}

// Check returns an error where To is not one plain address.
func (e Email) Check() error {
	local, domain, found := strings.Cut(e.To, "@")
	if !found || local == "" || domain == "" || strings.ContainsAny(plaintext.Clean(e.To), " ,;:<>?&%\"\\") || strings.Contains(domain, "@") {
		return errors.New("email: To is not one plain address, like privacy@example.com")
	}
	return nil
}

// RequestDeletion returns the mail. The only errors are ErrInvalidID and those of Check.
func (e Email) RequestDeletion(ctx context.Context, req Request) (Receipt, error) {
	if err := errors.Join(req.Validate(), e.Check(), ctx.Err()); err != nil {
		return Receipt{}, err
	}
	return Receipt{
		State:  Manual,
		Detail: "Send the prepared mail to " + e.To + ": without it the authors do not learn of your request.",
		URL:    e.link(req),
	}, nil
}

// link is a mailto: URL as RFC 6068 has it: lines end in CR LF, spaces are not "+".
func (e Email) link(req Request) string {
	body := strings.Join([]string{
		"Please delete everything that is stored under this machine ID.",
		"",
		"Tool: " + req.Tool,
		"Machine ID: " + req.MachineID,
		// The key is of no use but to prove that the request comes from where the data does.
		"Deletion key: " + req.DeletionKey,
		"Asked for: " + req.RequestedAt.UTC().Format(time.RFC3339),
		"",
	}, "\r\n")
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	return "mailto:" + e.To + "?subject=" + escape("Deletion request for "+req.Tool) + "&body=" + escape(body)
}
