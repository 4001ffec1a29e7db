// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// Registration is a vendor's answer to a registration, as the vendor wrote it.
type Registration struct {
	// Status is 200, 201 or 400.
	Status int
	Body   []byte
}

// legRegister is the leg of registrations.
const legRegister = "register"

// registrationMembers are the members of a caller's request that go on to the
// vendor. redirect_uris is always the broker's.
func registrationMembers() []string {
	return []string{
		"client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri", "contacts", "scope", "grant_types", "response_types",
		"token_endpoint_auth_method", "application_type", "software_id", "software_version",
	}
}

// Register registers an OAuth app at the vendor (RFC 7591 section 3.1) with the
// vendor's initial access token where there is one. Nothing is kept. A JSON
// answer with 200, 201 or 400 is returned as it is; everything else is an error
// of type *Error.
func (c *Client) Register(ctx context.Context, v *runtimeconfig.Vendor, asked map[string]json.RawMessage, redirectURI string) (*Registration, error) {
	e := Endpoint{Vendor: v, Credential: &runtimeconfig.Credential{}, Target: v.Target}
	members := map[string]json.RawMessage{}
	for _, name := range registrationMembers() {
		if v, ok := asked[name]; ok {
			members[name] = v
		}
	}
	var out *Registration
	err := c.callRegistration(ctx, e, registrationCall{
		leg: legRegister, method: http.MethodPost, url: v.Target.Endpoints.Registration, authorization: e.initialAccess(),
		body:  e.clientMetadata(members, redirectURI),
		judge: func(a answer) (err error) { out, err = judgeRegistration(a, redirectURI, c.Now()); return err },
	})
	return out, err
}

// initialAccess is the Authorization header of a registration; empty where the
// vendor's endpoint is open.
func (e Endpoint) initialAccess() string {
	r := e.Vendor.Registration
	if r.InitialAccessToken.Empty() {
		return ""
	}
	return r.Scheme + " " + r.InitialAccessToken.Reveal()
}

// clientMetadata completes members with what the vendor's own metadata and the
// broker say: they come last.
func (e Endpoint) clientMetadata(members map[string]json.RawMessage, redirectURI string) map[string]json.RawMessage {
	for _, m := range e.Vendor.Registration.Metadata {
		members[m.Name] = quoted(m.Value)
	}
	members["redirect_uris"] = encoded([]string{redirectURI})
	return members
}

// registrationCall is one request to a registration or management endpoint.
type registrationCall struct {
	leg, method, url, authorization string
	body                            map[string]json.RawMessage // nil for none
	// judge takes the answer.
	judge func(answer) error
}

// callRegistration sends one request, within the vendor's limits of time and size.
func (c *Client) callRegistration(ctx context.Context, e Endpoint, call registrationCall) error {
	_, err := c.observed(ctx, e, call.leg, func() (*Result, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(e.Vendor.Transport.TimeoutSeconds)*time.Second)
		defer cancel()
		req, err := call.request(ctx)
		if err != nil {
			return nil, err
		}
		a, err := c.do(e, req)
		if err != nil {
			return nil, err
		}
		return nil, call.judge(a)
	})
	return err
}

func (call registrationCall) request(ctx context.Context) (*http.Request, error) {
	content := []byte(nil)
	if call.body != nil {
		var err error
		if content, err = json.Marshal(call.body); err != nil {
			return nil, unsent("the request cannot be encoded")
		}
	}
	req, err := http.NewRequestWithContext(ctx, call.method, call.url, bytes.NewReader(content))
	if err != nil {
		return nil, unsent("the registration endpoint is not a valid URL")
	}
	req.Header.Set("Accept", "application/json")
	if call.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if call.authorization != "" {
		req.Header.Set("Authorization", call.authorization)
	}
	return req, nil
}

// registrationError judges an answer that registered nothing.
func registrationError(a answer, now time.Time) *Error {
	var err *Error
	switch {
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		err = failed(OutcomeCredentialRefused, "the vendor refused the registration"+errorCode(a.body))
	case a.status >= 300 && a.status < 400:
		err = failed(OutcomeMalformed, "the vendor's registration endpoint answered with a redirect, which is never followed")
	case a.status >= 400 && a.status < 500 && a.status != http.StatusTooManyRequests:
		err = failed(OutcomeMalformed, "the vendor refused the registration"+errorCode(a.body))
	default:
		err = statusError(a.status, a.header, now)
	}
	err.Status = a.status
	return err
}

// errorCode is the error code of an answer, in brackets; empty where it is none
// that a standard has. Nothing else of the vendor's text goes further.
func errorCode(body string) string {
	members, err := oauth.ParseObject(body)
	if err != nil {
		return ""
	}
	switch code := text(members.Get("error")); code {
	case "invalid_redirect_uri", "invalid_client_metadata", "invalid_software_statement", "unapproved_software_statement", // RFC 7591
		"invalid_request", "invalid_client", "invalid_scope", "unauthorized_client", "access_denied", "server_error", // RFC 6749
		"invalid_token", "insufficient_scope": // RFC 6750
		return " (" + code + ")"
	}
	return ""
}

// judgeRegistration accepts what may be relayed. A vendor that registered other
// redirect URIs than the broker's registered an app that cannot work, or that
// sends codes elsewhere.
func judgeRegistration(a answer, redirectURI string, now time.Time) (*Registration, error) {
	switch a.status {
	case http.StatusOK, http.StatusCreated, http.StatusBadRequest:
	default:
		return nil, registrationError(a, now)
	}
	members, err := jsonObject(a)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusBadRequest {
		if err := checkRedirectURIs(members, redirectURI); err != nil {
			return nil, err
		}
	}
	return &Registration{Status: a.status, Body: []byte(a.body)}, nil
}

// jsonObject is an answer's members, where it is JSON, whatever its header says: what
// was registered cannot be registered back, and would be lost with the answer.
func jsonObject(a answer) (map[string]json.RawMessage, error) {
	members, err := oauth.DecodeObject([]byte(a.body))
	if err != nil {
		return nil, failed(OutcomeMalformed, "the vendor's registration answer is not a JSON object")
	}
	return members, nil
}

func checkRedirectURIs(members map[string]json.RawMessage, redirectURI string) error {
	v, ok := members["redirect_uris"]
	if !ok || isNull(string(v)) {
		return nil
	}
	var uris []string
	if json.Unmarshal(v, &uris) != nil || !slices.Equal(uris, []string{redirectURI}) {
		return failed(OutcomeMalformed, "the vendor registered other redirect URIs than the broker's")
	}
	return nil
}
