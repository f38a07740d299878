//go:build notelemetry

package httpjson

import (
	"context"
	"errors"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
)

// Requestor holds what an author sets, and asks no server: a build without telemetry keeps the
// requests for one that can hand them over.
type Requestor struct {
	Endpoint  string
	Headers   map[string]string
	Insecure  bool
	Transport driver.RoundTripper
}

var _ deletion.Follower = Requestor{}

var errOmitted = errors.New("this build was made without telemetry, and can hand over no deletion request")

// Check finds no mistake, since nothing is used.
func (r Requestor) Check() error { return nil }

// RequestDeletion fails.
func (r Requestor) RequestDeletion(context.Context, deletion.Request) (deletion.Receipt, error) {
	return deletion.Receipt{}, errOmitted
}

// Status fails.
func (r Requestor) Status(_ context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	return receipt, errOmitted
}
