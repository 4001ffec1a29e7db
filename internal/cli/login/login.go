// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/cli/reach"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// maxAnswer bounds what is read of any answer.
const maxAnswer = 1 << 20

// Flow is one login. Broker, Vendor, HTTP and Open are required.
type Flow struct {
	// Broker is the base URL.
	Broker string
	// Vendor to sign in at.
	Vendor string
	// ClientID of a BrokerClient; empty registers one.
	ClientID string
	// ClientSecret of a confidential client; empty is a public one.
	ClientSecret secret.Text
	// RedirectURI is a loopback URL; a port of 0 or none takes a free one.
	RedirectURI string
	// Scopes and Resource to ask for; empty leaves them to the broker.
	Scopes   []string
	Resource string
	// Credential names a BYOCCredential, where the default is not meant.
	Credential string
	// Refresh and Revoke the tokens after the login.
	Refresh, Revoke bool
	// HTTP follows no redirects.
	HTTP *http.Client
	// Open sends the user's browser to a URL.
	Open func(context.Context, string) error
	// Step tells what is being done; nil tells nothing.
	Step func(string)
}

// Result is what came back. The token responses are as the broker sent them.
type Result struct {
	Issuer   string
	ClientID string
	// Registered tells whether the client registered itself.
	Registered bool
	Token      map[string]any
	Refreshed  map[string]any
	Revoked    bool
}

// Denied is an error that came back by redirect (RFC 6749 section 4.1.2.1).
type Denied struct{ Code, Description string }

func (e *Denied) Error() string {
	text := "the login was refused: " + e.Code
	if e.Description != "" {
		text += " (" + e.Description + ")"
	}
	return text + ". " + advice(e.Code)
}

// advice says what to do about an error code.
func advice(code string) string {
	switch code {
	case "access_denied":
		return "Somebody pressed Cancel, or the vendor's administrators do not allow the app"
	case "unauthorized_client":
		return "Name this vendor in spec.vendors of the BrokerClient, and let its namespace use the vendor's credentials (credentials.allowedNamespaces of the OAuthVendor) or bring its own"
	case "invalid_scope":
		return "Ask for scopes that spec.scopes.allowed of the OAuthVendor and the BrokerClient have"
	case "temporarily_unavailable":
		return "Try again; if it stays, see the status of the credential: oauth-broker doctor"
	case "server_error":
		return "See the broker's log; often the OAuth app's id or secret is wrong, or the redirect URI is not registered at the vendor: oauth-broker doctor"
	case "invalid_target":
		return "Leave out --resource, or name one that spec.resource of the OAuthVendor allows"
	}
	return "The broker's log has the reason"
}

// Refused is a page of the broker instead of a redirect: nothing of the request
// was trusted.
type Refused struct {
	Status          int
	Title, Text, ID string
	redirectURI     string
}

func (e *Refused) Error() string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "the broker refused the request (status %d): %s", e.Status, e.Title)
	if e.Text != "" {
		fmt.Fprintf(b, ": %s", e.Text)
	}
	if strings.Contains(e.Text, "redirect_uri") {
		fmt.Fprintf(b, " Add %s to spec.redirectURIs of the BrokerClient (with applicationType: Native any port is good), or say the registered one with --redirect-uri.", withoutPort(e.redirectURI))
	}
	if strings.Contains(e.Text, "client_id") {
		b.WriteString(" The client id of a BrokerClient is <namespace>.<name>.")
	}
	if e.ID != "" {
		fmt.Fprintf(b, " More: oauth-broker explain %s", e.ID)
	}
	return b.String()
}

func withoutPort(uri string) string {
	if u, err := url.Parse(uri); err == nil {
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
		return u.String()
	}
	return uri
}

// metadata is what a client reads of RFC 8414.
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Registration  string   `json:"registration_endpoint"`
	Revocation    string   `json:"revocation_endpoint"`
	Challenges    []string `json:"code_challenge_methods_supported"`
}

// Run does the login. Where only a refresh or revocation after it fails, there is
// a result besides the error.
func (f *Flow) Run(ctx context.Context) (*Result, error) {
	issuer := strings.TrimRight(f.Broker, "/") + "/v1/vendors/" + url.PathEscape(f.Vendor)
	f.step("reading " + issuer)
	m, err := f.discover(ctx, issuer)
	if err != nil {
		return nil, err
	}
	l, err := listen(ctx, f.RedirectURI)
	if err != nil {
		return nil, err
	}
	defer l.close()
	r := &Result{Issuer: issuer, ClientID: f.ClientID}
	if r.ClientID == "" {
		f.step("registering a client")
		if r.ClientID, err = f.register(ctx, m, l.redirectURI); err != nil {
			return nil, err
		}
		r.Registered = true
	}
	code, verifier, err := f.authorize(ctx, m, l, r.ClientID)
	if err != nil {
		return nil, err
	}
	f.step("redeeming the code")
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {l.redirectURI}, "code_verifier": {verifier}}
	if r.Token, err = f.token(ctx, m.Token, r.ClientID, form); err != nil {
		return nil, err
	}
	return r, f.after(ctx, m, r)
}

// after refreshes and revokes, as asked.
func (f *Flow) after(ctx context.Context, m *metadata, r *Result) error {
	latest := r.Token
	if f.Refresh {
		refresh, _ := latest["refresh_token"].(string)
		if refresh == "" {
			return errors.New("no refresh token came, so there is nothing to refresh. Ask for the scope that gives one (often offline_access)")
		}
		f.step("refreshing")
		var err error
		if r.Refreshed, err = f.token(ctx, m.Token, r.ClientID, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}); err != nil {
			return err
		}
		if _, again := r.Refreshed["refresh_token"].(string); again {
			latest = r.Refreshed
		}
	}
	if f.Revoke {
		f.step("revoking")
		if err := f.revoke(ctx, m, r.ClientID, latest); err != nil {
			return err
		}
		r.Revoked = true
	}
	return nil
}

func (f *Flow) step(text string) {
	if f.Step != nil {
		f.Step(text)
	}
}

// discover reads the issuer's metadata; the well-known part comes before its path.
func (f *Flow) discover(ctx context.Context, issuer string) (*metadata, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("--broker %q is no URL like https://broker.example.com", f.Broker)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, fmt.Errorf("--broker %q must be https: codes, tokens and the client secret go there; http is for a loopback host", f.Broker)
	}
	u.Path = "/.well-known/oauth-authorization-server" + u.Path
	status, body, err := f.get(ctx, u.String())
	if err != nil {
		return nil, reach.Why(err, f.Broker)
	}
	switch {
	case status == http.StatusNotFound:
		return nil, fmt.Errorf("%s serves no vendor %q, or is no OAuth Broker. See which there are: oauth-broker vendors list", f.Broker, f.Vendor)
	case status == http.StatusServiceUnavailable:
		return nil, fmt.Errorf("%s is not ready (status 503): it has no configuration yet. Look at it with: oauth-broker doctor", f.Broker)
	case status != http.StatusOK:
		return nil, fmt.Errorf("%s answered %d to a request for its metadata", f.Broker, status)
	}
	var m metadata
	if err := json.Unmarshal(body, &m); err != nil || m.Authorization == "" || m.Token == "" {
		return nil, fmt.Errorf("%s is no authorization server metadata: is this an OAuth Broker?", u)
	}
	if m.Issuer != issuer {
		return nil, fmt.Errorf("the metadata is that of %s. Use the broker's public URL as it stands there", oneLine(m.Issuer))
	}
	return &m, nil
}

func (f *Flow) get(ctx context.Context, address string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("making the request: %w", err)
	}
	return f.do(r)
}

func (f *Flow) do(r *http.Request) (int, []byte, error) {
	answer, err := f.HTTP.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := readAll(answer)
	return answer.StatusCode, body, err
}

func readAll(answer *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return body, nil
}

// Timeout is how long a person may take to sign in; the broker's own limit is
// ten minutes.
const Timeout = 5 * time.Minute
