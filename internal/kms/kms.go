// SPDX-License-Identifier: Apache-2.0

// Package kms wraps the key ring by AWS KMS, GCP KMS, Azure Key Vault, the
// transit engine of HashiCorp Vault, or a key in a file of one's own. It speaks
// to them through gocloud.dev/secrets, whose URLs it takes.
//
// Only a data key of 32 bytes goes there and back (internal/keyring seals the
// ring under it): once at the start and once for each change of the ring.
package kms

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// Flag is the name of the flag that takes a URL, Usage what it does.
const (
	Flag  = "keyring-kms-url"
	Usage = "what wraps the key ring: an awskms://, gcpkms://, azurekeyvault:// or hashivault:// URL, or file:///path of a file that holds a base64key:// URL; none means a ring in the clear"
)

// Codec makes the codec of a ring, for one in the clear where there is no URL. It
// calls no KMS: one that is away is told by the codec when it is used.
func Codec(rawURL string) (keyring.Codec, error) {
	if rawURL == "" {
		return keyring.Codec{}, nil
	}
	u, err := parse(rawURL)
	if err != nil {
		return keyring.Codec{}, err
	}
	return keyring.Codec{Keeper: keeper{u}}, nil
}

// parse reads a URL, from a file where it names one. Errors do not hold it: a
// local key is its own URL.
func parse(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return nil, errors.New("not a URL such as awskms:///alias/oauth-broker?region=eu-central-1")
	case u.Scheme == schemeLocal:
		return nil, errors.New("a base64key:// URL is a secret, and command lines are not: put it into a file, and give file:///path")
	case u.Scheme != "file":
		return known(u)
	case u.Host != "" || u.Path == "" || u.RawQuery != "":
		return nil, errors.New("a file is named as file:///path")
	}
	b, err := os.ReadFile(u.Path)
	if err != nil {
		return nil, fmt.Errorf("reading the URL: %w", err)
	}
	if u, err = url.Parse(strings.TrimSpace(string(b))); err != nil {
		return nil, errors.New("the file does not hold a URL such as base64key://KEY")
	}
	return known(u)
}

func known(u *url.URL) (*url.URL, error) {
	switch u.Scheme {
	case schemeAWS, schemeGCP, schemeAzure, schemeVault:
		if strings.Trim(u.Host+u.Path, "/") == "" {
			return nil, fmt.Errorf("a %s:// URL names a key", u.Scheme)
		}
		return u, nil
	case schemeLocal:
		if u.Host == "" {
			return nil, errors.New("a base64key:// URL holds 32 random bytes in base64, with - and _ for + and /")
		}
		return u, nil
	}
	return nil, errors.New("the scheme must be awskms, gcpkms, azurekeyvault or hashivault, or file for a file that holds a base64key URL")
}

// keeper implements keyring.Keeper. It opens the key for each call, of which
// there are few: credentials that came, or were renewed, later are used, too.
type keeper struct{ url *url.URL }

// Encrypt implements keyring.Keeper.
func (k keeper) Encrypt(ctx context.Context, plain []byte) ([]byte, error) {
	return k.use(ctx, func(o opened) ([]byte, error) { return o.Encrypt(ctx, plain) })
}

// Decrypt implements keyring.Keeper.
func (k keeper) Decrypt(ctx context.Context, cipher []byte) ([]byte, error) {
	return k.use(ctx, func(o opened) ([]byte, error) { return o.Decrypt(ctx, cipher) })
}

func (k keeper) use(ctx context.Context, do func(opened) ([]byte, error)) ([]byte, error) {
	o, err := open(ctx, k.url)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.url.Scheme, err)
	}
	out, err := do(o)
	if err = errors.Join(err, o.close()); err != nil {
		return nil, fmt.Errorf("%s: %w", k.url.Scheme, err)
	}
	return out, nil
}
