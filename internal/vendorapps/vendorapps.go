// SPDX-License-Identifier: Apache-2.0

// Package vendorapps makes the operator's calls to vendors' registration
// endpoints with the broker's own vendor client: one reader of answers, one set of
// limits, no redirects. It is the only place where the two meet, since operator
// and broker import nothing of each other.
package vendorapps

import (
	"context"
	"errors"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/controllers/registration"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// Vendors implements registration.Vendor.
type Vendors struct{ client *vendor.Client }

// New makes the calls with a client of their own; now is the clock.
func New(now func() time.Time) *Vendors { return &Vendors{client: vendor.NewClient(now, nil)} }

// Register makes an app.
func (v *Vendors) Register(ctx context.Context, r *translate.Registration, softwareID string) (*registration.App, error) {
	key, err := keyFor(r, secret.Text{})
	if err != nil {
		return nil, err
	}
	app, err := v.client.CreateApp(ctx, endpointOf(r), metadata(r, softwareID, key))
	if app == nil {
		return nil, convert(err)
	}
	return finished(r, app, softwareID, key), convert(err)
}

// Update changes an app. It keeps its key while that fits.
func (v *Vendors) Update(ctx context.Context, r *translate.Registration, app *registration.App) (*registration.App, error) {
	key, err := keyFor(r, app.PrivateKey)
	if err != nil {
		return nil, err
	}
	next, err := v.client.UpdateApp(ctx, endpointOf(r), appOf(app), metadata(r, app.SoftwareID, key))
	if err != nil {
		return nil, convert(err)
	}
	return finished(r, next, app.SoftwareID, key), nil
}

// Delete deletes an app.
func (v *Vendors) Delete(ctx context.Context, app *registration.App) error {
	e := endpoint(app.Vendor, app.Endpoint, app.Transport)
	return convert(v.client.DeleteApp(ctx, e, appOf(app)))
}

func endpointOf(r *translate.Registration) vendor.Endpoint {
	e := endpoint(r.Vendor, r.Endpoint, r.Transport)
	e.Vendor.Registration = r.Policy
	return e
}

func endpoint(name, url string, t runtimeconfig.Transport) vendor.Endpoint {
	return vendor.Endpoint{
		Vendor: &runtimeconfig.Vendor{Name: name, Transport: t}, Credential: &runtimeconfig.Credential{},
		Target: &runtimeconfig.Target{Endpoints: runtimeconfig.Endpoints{Registration: url}},
	}
}

func metadata(r *translate.Registration, softwareID string, key secret.Text) vendor.AppMetadata {
	return vendor.AppMetadata{
		RedirectURI: r.RedirectURI, ClientName: r.ClientName, SoftwareID: softwareID,
		AuthMethod: r.AuthMethod, GrantTypes: r.GrantTypes, Scopes: r.Scopes,
		JWKS: translate.PublicJWKS(key, r.Algorithm, r.KeyID), SigningAlgorithm: r.Algorithm,
	}
}

func appOf(a *registration.App) *vendor.App {
	return &vendor.App{
		ClientID: a.ClientID, ClientSecret: a.ClientSecret, AuthMethod: a.AuthMethod, SecretExpiresAt: a.SecretExpires,
		ManagementURL: a.ManagementURL, AccessToken: a.AccessToken,
	}
}

func finished(r *translate.Registration, a *vendor.App, softwareID string, key secret.Text) *registration.App {
	return &registration.App{
		Vendor: r.Vendor, SoftwareID: softwareID, Endpoint: r.Endpoint, Transport: r.Transport,
		ClientID: a.ClientID, ClientSecret: a.ClientSecret, PrivateKey: key, AuthMethod: a.AuthMethod, SecretExpires: a.SecretExpiresAt,
		ManagementURL: a.ManagementURL, AccessToken: a.AccessToken,
	}
}

func convert(err error) error {
	e, ok := errors.AsType[*vendor.Error](err)
	if !ok {
		return err
	}
	return &registration.Error{Message: e.Reason, Status: e.Status, Unsent: e.NotSent, RetryAfter: e.RetryAfter}
}
