// SPDX-License-Identifier: Apache-2.0

package kms

import (
	"context"
	"errors"
	"io"
	"net/url"

	"gocloud.dev/gcp"
	"gocloud.dev/secrets/awskms"
	"gocloud.dev/secrets/azurekeyvault"
	"gocloud.dev/secrets/gcpkms"
	"gocloud.dev/secrets/localsecrets"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

const (
	schemeAWS   = awskms.Scheme
	schemeAzure = azurekeyvault.Scheme
	schemeGCP   = gcpkms.Scheme
	schemeVault = "hashivault"
	schemeLocal = localsecrets.Scheme
)

// opened is a keeper, and what to close besides it.
type opened struct {
	closing
	more func()
}

// closing is what a driver is: a keeper with connections.
type closing interface {
	keyring.Keeper
	io.Closer
}

func (o opened) close() error {
	if o.more != nil {
		defer o.more()
	}
	return o.Close()
}

// open opens the key of a URL with the credentials of the environment. The
// drivers' own openers for URLs would keep their first failure for ever.
func open(ctx context.Context, u *url.URL) (o opened, err error) {
	switch u.Scheme {
	case schemeAWS:
		o.closing, err = (&awskms.URLOpener{}).OpenKeeperURL(ctx, u)
	case schemeAzure:
		o.closing, err = (&azurekeyvault.URLOpener{ClientMaker: azurekeyvault.DefaultClientMaker}).OpenKeeperURL(ctx, u)
	case schemeGCP:
		return openGCP(ctx, u)
	case schemeVault:
		o.closing, err = openVault(u)
	case schemeLocal:
		o.closing, err = (&localsecrets.URLOpener{}).OpenKeeperURL(ctx, u)
	default:
		err = errors.New("unknown scheme")
	}
	return o, err
}

func openGCP(ctx context.Context, u *url.URL) (o opened, err error) {
	credentials, err := gcp.DefaultCredentials(ctx)
	if err != nil {
		return o, err
	}
	client, end, err := gcpkms.Dial(ctx, credentials.TokenSource)
	if err != nil {
		return o, err
	}
	o.more = end
	if o.closing, err = (&gcpkms.URLOpener{Client: client}).OpenKeeperURL(ctx, u); err != nil {
		end()
	}
	return o, err
}
