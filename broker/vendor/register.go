// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"bytes"
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// Registration is a vendor's answer to a registration, as the vendor wrote it.
type Registration struct {
	// Status is 200, 201 or 400.
	Status int
	Body   []byte
}

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
	var out *Registration
	e := Endpoint{Vendor: v, Credential: &runtimeconfig.Credential{}, Target: v.Target}
	_, err := c.observed(e, "register", func() (*Result, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(v.Transport.TimeoutSeconds)*time.Second)
		defer cancel()
		req, err := e.registration(ctx, asked, redirectURI)
		if err != nil {
			return nil, err
		}
		a, err := c.do(e, req)
		if err != nil {
			return nil, err
		}
		out, err = judgeRegistration(a, redirectURI, c.Now())
		return nil, err
	})
	return out, err
}

func (e Endpoint) registration(ctx context.Context, asked map[string]json.RawMessage, redirectURI string) (*http.Request, error) {
	body := map[string]json.RawMessage{}
	for _, name := range registrationMembers() {
		if v, ok := asked[name]; ok {
			body[name] = v
		}
	}
	for _, m := range e.Vendor.Registration.Metadata {
		body[m.Name] = quoted(m.Value)
	}
	uris, err := json.Marshal([]string{redirectURI})
	if err != nil {
		return nil, failed(OutcomeMalformed, "the redirect URI cannot be encoded")
	}
	body["redirect_uris"] = uris
	b, err := json.Marshal(body)
	if err != nil {
		return nil, failed(OutcomeMalformed, "the request cannot be encoded")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Target.Endpoints.Registration, bytes.NewReader(b))
	if err != nil {
		return nil, failed(OutcomeMalformed, "the registration endpoint is not a valid URL")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if token := e.Vendor.Registration.InitialAccessToken; !token.Empty() {
		req.Header.Set("Authorization", e.Vendor.Registration.Scheme+" "+token.Reveal())
	}
	return req, nil
}

// judgeRegistration accepts what may be relayed. A vendor that registered other
// redirect URIs than the broker's registered an app that cannot work, or that
// sends codes elsewhere.
func judgeRegistration(a answer, redirectURI string, now time.Time) (*Registration, error) {
	switch a.status {
	case http.StatusOK, http.StatusCreated, http.StatusBadRequest:
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, failed(OutcomeCredentialRefused, "the vendor refused the registration")
	default:
		return nil, statusError(a.status, a.header, now)
	}
	mt, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	members, jsonErr := decodeObject(a.body)
	if err != nil || jsonErr != nil || mt != "application/json" && !strings.HasSuffix(mt, "+json") {
		return nil, failed(OutcomeMalformed, "the vendor's registration answer is not a JSON object")
	}
	if v, ok := members["redirect_uris"]; ok && a.status != http.StatusBadRequest {
		var uris []string
		if json.Unmarshal(v, &uris) != nil || !slices.Equal(uris, []string{redirectURI}) {
			return nil, failed(OutcomeMalformed, "the vendor registered other redirect URIs than the broker's")
		}
	}
	return &Registration{Status: a.status, Body: a.body}, nil
}
