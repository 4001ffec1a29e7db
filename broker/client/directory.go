// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// ErrUnknown is a client id that names no client.
var ErrUnknown = errors.New("unknown client")

// Directory finds clients by id: those that the platform registered, those that
// registered themselves, and those with a metadata document.
type Directory struct {
	// Config and Keys are those of the request.
	Config *runtimeconfig.Snapshot
	Keys   *seal.Ring
	// SelfRegistered is true where self-registered client ids are accepted.
	SelfRegistered bool
	// Documents is nil where metadata documents are not accepted.
	Documents *Documents
	// Admit is asked before a document is looked for, since that may make the
	// broker call a host that the caller chose. It tells the caller's address.
	Admit func() (address string, err error)
}

// Find returns the client of an id.
func (d Directory) Find(ctx context.Context, id string) (*runtimeconfig.Client, error) {
	if c, ok := d.Config.Client(id); ok {
		return c, nil
	}
	switch {
	case d.SelfRegistered && seal.Is(seal.ClientID, id):
		reg, err := Read(d.Keys, id)
		if err != nil {
			return nil, errors.Join(ErrUnknown, err)
		}
		return reg.Client(), nil
	case d.Documents != nil && IsDocumentURL(id):
		address, err := d.Admit()
		if err != nil {
			return nil, errors.Join(ErrUnknown, err)
		}
		c, err := d.Documents.Client(ctx, id, address)
		if err != nil {
			return nil, errors.Join(ErrUnknown, err)
		}
		return c, nil
	}
	return nil, ErrUnknown
}
