// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// Limits of an answer, longer than any vendor's: what is taken is kept in a
// Secret and in status, which refuse what is too long or has no date.
const (
	maxClientID  = 1024
	maxAppMember = 8 << 10
	// maxExpiry is the last second that RFC 3339 can write.
	maxExpiry = 253402300799
)

// AppMetadata is what an app is registered as (RFC 7591 section 2).
type AppMetadata struct {
	RedirectURI string
	// ClientName may be empty.
	ClientName string
	// SoftwareID tells this registration from all others.
	SoftwareID string
	AuthMethod string
	GrantTypes []string
	// Scopes may be empty.
	Scopes []string
	// JWKS has the public key that checks the app's assertions, which are signed with
	// SigningAlgorithm; both are empty but for private_key_jwt.
	JWKS, SigningAlgorithm string
}

// App is an OAuth app as the vendor registered it (RFC 7591 section 3.2.1).
type App struct {
	ClientID     string
	ClientSecret secret.Text
	// AuthMethod is the registered token_endpoint_auth_method.
	AuthMethod string
	// SecretExpiresAt is zero where the client secret does not expire.
	SecretExpiresAt time.Time
	// ManagementURL and AccessToken manage the app (RFC 7592); both are empty where
	// the vendor gave none, or a URL of another origin than its registration
	// endpoint's: the token is for no one else.
	ManagementURL string
	AccessToken   secret.Text
}

// CreateApp registers an app at the vendor (RFC 7591 section 3.1). Errors are of
// type *Error. Where the vendor made an app that cannot be used, both are
// returned.
func (c *Client) CreateApp(ctx context.Context, e Endpoint, m AppMetadata) (*App, error) {
	var app *App
	err := c.callRegistration(ctx, e, registrationCall{
		leg: legRegister, method: http.MethodPost, url: e.Target.Endpoints.Registration, authorization: e.initialAccess(),
		body: e.clientMetadata(m.members(), m.RedirectURI),
		judge: func(a answer) (err error) {
			app, err = e.judgeApp(a, m, &App{AuthMethod: m.AuthMethod}, c.Now())
			return err
		},
	})
	return app, err
}

// UpdateApp changes an app (RFC 7592 section 2.2), which may give it a new secret
// and a new access token. Errors are of type *Error.
func (c *Client) UpdateApp(ctx context.Context, e Endpoint, app *App, m AppMetadata) (*App, error) {
	members := e.clientMetadata(m.members(), m.RedirectURI)
	members["client_id"] = quoted(app.ClientID)
	if !app.ClientSecret.Empty() {
		members["client_secret"] = quoted(app.ClientSecret.Reveal())
	}
	var next *App
	err := c.callRegistration(ctx, e, registrationCall{
		leg: "register_update", method: http.MethodPut, url: app.ManagementURL, authorization: "Bearer " + app.AccessToken.Reveal(), body: members,
		judge: func(a answer) (err error) {
			next, err = e.judgeApp(a, m, app, c.Now())
			if err == nil && next.ClientID != app.ClientID {
				err = failed(OutcomeMalformed, "the vendor answered an update with another client_id")
			}
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	return next, nil
}

// DeleteApp deletes an app (RFC 7592 section 2.3). Errors are of type *Error.
func (c *Client) DeleteApp(ctx context.Context, e Endpoint, app *App) error {
	return c.callRegistration(ctx, e, registrationCall{
		leg: "register_delete", method: http.MethodDelete, url: app.ManagementURL, authorization: "Bearer " + app.AccessToken.Reveal(),
		judge: func(a answer) error {
			if a.status >= 300 {
				return registrationError(a, c.Now())
			}
			return nil
		},
	})
}

func (m AppMetadata) members() map[string]json.RawMessage {
	members := map[string]json.RawMessage{
		"software_id": quoted(m.SoftwareID), "token_endpoint_auth_method": quoted(m.AuthMethod),
		"grant_types": encoded(m.GrantTypes), "response_types": encoded([]string{"code"}),
	}
	if m.ClientName != "" {
		members["client_name"] = quoted(m.ClientName)
	}
	if m.JWKS != "" {
		members["jwks"], members["token_endpoint_auth_signing_alg"] = json.RawMessage(m.JWKS), quoted(m.SigningAlgorithm)
	}
	if len(m.Scopes) > 0 {
		members["scope"] = quoted(strings.Join(m.Scopes, " "))
	}
	return members
}

// judgeApp reads the client information response. What it leaves out is as it
// was before.
func (e Endpoint) judgeApp(a answer, m AppMetadata, before *App, now time.Time) (*App, error) {
	if a.status >= 300 {
		return nil, registrationError(a, now)
	}
	members, err := jsonObject(a)
	if err != nil {
		return nil, err
	}
	app := *before
	if !take(members, "client_id", &app.ClientID) || app.ClientID == "" || len(app.ClientID) > maxClientID ||
		strings.ContainsFunc(app.ClientID, unicode.IsControl) {
		return nil, failed(OutcomeMalformed, "the vendor's registration answer has no usable client_id")
	}
	var clientSecret, token, place string
	for name, to := range map[string]*string{
		"client_secret": &clientSecret, "token_endpoint_auth_method": &app.AuthMethod, "registration_access_token": &token, "registration_client_uri": &place,
	} {
		if !take(members, name, to) || len(*to) > maxAppMember {
			return &app, failed(OutcomeMalformed, "a member of the vendor's registration answer is not a string, or too long: "+name)
		}
	}
	if clientSecret != "" {
		app.ClientSecret, app.SecretExpiresAt = secret.New(clientSecret), time.Time{}
	}
	if token != "" {
		app.AccessToken = secret.New(token)
	}
	if place != "" {
		app.ManagementURL = place
	}
	if app.AccessToken.Empty() || !sameOrigin(app.ManagementURL, e.Target.Endpoints.Registration) {
		app.ManagementURL, app.AccessToken = "", secret.Text{}
	}
	if err := app.takeExpiry(members["client_secret_expires_at"]); err != nil {
		return &app, err
	}
	if !app.SecretExpiresAt.IsZero() && !app.SecretExpiresAt.After(now) {
		return &app, failed(OutcomeMalformed, "the vendor registered a client secret that has ended already")
	}
	algorithm := m.SigningAlgorithm
	if !take(members, "token_endpoint_auth_signing_alg", &algorithm) || m.SigningAlgorithm != "" && algorithm != m.SigningAlgorithm {
		return &app, failed(OutcomeMalformed, "the vendor registered the app for another algorithm of client assertions (token_endpoint_auth_signing_alg) than "+m.SigningAlgorithm)
	}
	return &app, checkRedirectURIs(members, m.RedirectURI)
}

// takeExpiry reads client_secret_expires_at: seconds, 0 for never. Some vendors
// write the number as a string.
func (app *App) takeExpiry(v json.RawMessage) error {
	if len(v) == 0 || isNull(string(v)) {
		return nil
	}
	seconds, err := strconv.ParseInt(text(string(v)), 10, 64)
	if err != nil || seconds < 0 || seconds > maxExpiry {
		return failed(OutcomeMalformed, "client_secret_expires_at of the vendor's registration answer is not a time")
	}
	app.SecretExpiresAt = time.Time{}
	if seconds > 0 {
		app.SecretExpiresAt = time.Unix(seconds, 0).UTC()
	}
	return nil
}

// take reads a member that is a string, where it is there; it is false where the
// member is something else.
func take(members map[string]json.RawMessage, name string, to *string) bool {
	v, ok := members[name]
	return !ok || isNull(string(v)) || json.Unmarshal(v, to) == nil
}

// sameOrigin compares scheme, host and port.
func sameOrigin(a, b string) bool {
	ua, errA := url.Parse(a)
	ub, errB := url.Parse(b)
	return errA == nil && errB == nil && ua.User == nil && ua.Host != "" && ua.Scheme == ub.Scheme && strings.EqualFold(ua.Host, ub.Host)
}
