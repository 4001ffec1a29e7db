// SPDX-License-Identifier: Apache-2.0

package kms

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"os"

	"github.com/hashicorp/vault/api"
	"gocloud.dev/gcp"
	"gocloud.dev/secrets"
	"gocloud.dev/secrets/awskms"
	"gocloud.dev/secrets/azurekeyvault"
	"gocloud.dev/secrets/gcpkms"
	"gocloud.dev/secrets/hashivault"
	"gocloud.dev/secrets/localsecrets"
)

const (
	schemeAWS   = awskms.Scheme
	schemeAzure = azurekeyvault.Scheme
	schemeGCP   = gcpkms.Scheme
	schemeVault = hashivault.Scheme
	schemeLocal = localsecrets.Scheme
)

// opened is a keeper, and what to close besides it.
type opened struct {
	*secrets.Keeper
	more func()
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
		o.Keeper, err = (&awskms.URLOpener{}).OpenKeeperURL(ctx, u)
	case schemeAzure:
		o.Keeper, err = (&azurekeyvault.URLOpener{ClientMaker: azurekeyvault.DefaultClientMaker}).OpenKeeperURL(ctx, u)
	case schemeGCP:
		return openGCP(ctx, u)
	case schemeVault:
		return openVault(ctx, u)
	case schemeLocal:
		o.Keeper, err = (&localsecrets.URLOpener{}).OpenKeeperURL(ctx, u)
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
	if o.Keeper, err = (&gcpkms.URLOpener{Client: client}).OpenKeeperURL(ctx, u); err != nil {
		end()
	}
	return o, err
}

// openVault reads the environment that Vault's own tools read, and the names of
// gocloud.dev.
func openVault(ctx context.Context, u *url.URL) (o opened, err error) {
	address := cmp.Or(os.Getenv("VAULT_SERVER_URL"), os.Getenv("VAULT_ADDR"))
	if address == "" {
		return o, errors.New("VAULT_ADDR is not set")
	}
	token := cmp.Or(os.Getenv("VAULT_SERVER_TOKEN"), os.Getenv("VAULT_TOKEN"))
	client, err := hashivault.Dial(ctx, &hashivault.Config{Token: token, APIConfig: api.Config{Address: address}})
	if err != nil {
		return o, err
	}
	o.Keeper, err = (&hashivault.URLOpener{Client: client}).OpenKeeperURL(ctx, u)
	return o, err
}
