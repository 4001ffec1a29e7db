// SPDX-License-Identifier: Apache-2.0

package client

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// maxClientID bounds a sealed client id: it travels in URLs and cookies.
const maxClientID = 1 << 10

// RegistrationLife is how long a self-registered client id is good for.
const RegistrationLife = 365 * 24 * time.Hour

// uses of secrets that derive from a client id.
const (
	useClientSecret      = "client_secret"
	useRegistrationToken = "registration_access_token"
)

// document is what a self-registered client id seals.
type document struct {
	Name     string          `json:"n,omitempty"`
	Redirect []string        `json:"r"`
	Method   string          `json:"m"`
	Refresh  bool            `json:"g,omitempty"`
	Native   bool            `json:"a,omitempty"`
	JWKS     json.RawMessage `json:"j,omitempty"`
	// Vendor binds the client to one issuer; empty at the generic endpoint.
	Vendor string `json:"v,omitempty"`
	Issued int64  `json:"i"`
}

// Registered is a client that registered itself, with what it is told once.
type Registered struct {
	ID, Vendor string
	Metadata   *Metadata
	IssuedAt   time.Time
	ExpiresAt  time.Time
	// Secret is empty for public clients and those with keys.
	Secret secret.Text
	// RegistrationToken reads the registration (RFC 7592).
	RegistrationToken secret.Text
}

// Register makes a client of the broker: nothing is stored, the client id is
// the sealed registration. vendor is empty at the generic endpoint.
func Register(r *seal.Ring, m *Metadata, vendor string, now time.Time) (*Registered, error) {
	d := document{
		Name: m.ClientName, Redirect: m.RedirectURIs, Method: m.AuthMethod, Refresh: slices.Contains(m.GrantTypes, grantRefreshToken),
		Native: m.ApplicationType == applicationNative, JWKS: m.JWKS, Vendor: vendor, Issued: now.Unix(),
	}
	expires := now.Add(RegistrationLife)
	id, err := r.Seal(seal.ClientID, expires, "", d)
	if err != nil {
		return nil, err
	}
	if len(id) > maxClientID {
		return nil, oauth.Errorf(InvalidClientMetadata, "the registration is too large: use fewer or shorter redirect_uris, a shorter client_name, or an EC key")
	}
	reg := &Registered{ID: id, Vendor: vendor, Metadata: m, IssuedAt: now, ExpiresAt: expires}
	return reg, reg.derive(r)
}

func (g *Registered) derive(r *seal.Ring) (err error) {
	if g.Metadata.AuthMethod == authBasic || g.Metadata.AuthMethod == authPost {
		if g.Secret, err = r.Derive(g.ID, useClientSecret); err != nil {
			return err
		}
	}
	g.RegistrationToken, err = r.Derive(g.ID, useRegistrationToken)
	return err
}

// Read opens the registration that a client id seals.
func Read(r *seal.Ring, id string) (*Registered, error) {
	var d document
	if len(id) > maxClientID {
		return nil, seal.ErrMalformed
	}
	if err := r.Open(seal.ClientID, id, "", &d); err != nil {
		return nil, err
	}
	m := &Metadata{
		ClientName: d.Name, RedirectURIs: d.Redirect, AuthMethod: d.Method, GrantTypes: []string{grantAuthorizationCode},
		ResponseTypes: []string{responseTypeCode}, ApplicationType: applicationWeb, JWKS: d.JWKS,
	}
	if d.Refresh {
		m.GrantTypes = append(m.GrantTypes, grantRefreshToken)
	}
	if d.Native {
		m.ApplicationType = applicationNative
	}
	issued := time.Unix(d.Issued, 0)
	reg := &Registered{ID: id, Vendor: d.Vendor, Metadata: m, IssuedAt: issued, ExpiresAt: issued.Add(RegistrationLife)}
	return reg, reg.derive(r)
}

// Client is the registration as the endpoints see clients.
func (g *Registered) Client() *runtimeconfig.Client {
	c := g.Metadata.client(g.ID)
	if g.Vendor != "" {
		c.Vendors = []runtimeconfig.AllowedVendor{{Name: g.Vendor}}
	}
	if !g.Secret.Empty() {
		sum := sha256.Sum256([]byte(g.Secret.Reveal()))
		c.SecretSHA256 = []string{hex.EncodeToString(sum[:])}
	}
	return c
}

func (m *Metadata) client(id string) *runtimeconfig.Client {
	c := &runtimeconfig.Client{
		ID: id, SelfRegistered: true, DisplayName: m.ClientName, RedirectURIs: m.RedirectURIs,
		Native: m.ApplicationType == applicationNative, JWKS: string(m.JWKS), NoRefresh: !slices.Contains(m.GrantTypes, grantRefreshToken),
	}
	switch m.AuthMethod {
	case authNone:
		c.Auth = runtimeconfig.ClientNone
	case authPrivateKeyJWT:
		c.Auth = runtimeconfig.ClientPrivateKeyJWT
	default:
		c.Auth = runtimeconfig.ClientSecret
	}
	return c
}

// CheckRegistrationToken tells whether token reads the registration of g.
func (g *Registered) CheckRegistrationToken(token secret.Text) error {
	if token.Empty() || !g.RegistrationToken.Equal(token) {
		return errors.New("wrong registration access token")
	}
	return nil
}
