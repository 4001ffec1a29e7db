// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// RFC 8707, as each vendor has it.
func TestRedTeam_Resource_Modes(t *testing.T) {
	const fixed, asked = "https://fixed.example/", "https://asked.example/"
	all := func(r *runtimeconfig.Resource) { r.OnAuthorize, r.OnToken, r.OnRefresh = true, true, true }
	for what, c := range map[string]struct {
		change func(r *runtimeconfig.Resource)
		asked  []string
		want   []string // at authorize, token and refresh
		name   string
	}{
		"pass": {all, []string{asked}, []string{asked, asked, asked}, "resource"}, "pass two": {all, []string{asked, fixed}, []string{asked + " " + fixed, asked + " " + fixed, asked + " " + fixed}, "resource"}, "pass none": {all, nil, []string{"", "", ""}, "resource"},
		"pass at authorize only": {func(r *runtimeconfig.Resource) { r.OnAuthorize, r.OnToken, r.OnRefresh = true, false, false }, []string{asked}, []string{asked, "", ""}, "resource"},
		"pass at token only":     {func(r *runtimeconfig.Resource) { r.OnAuthorize, r.OnToken, r.OnRefresh = false, true, false }, []string{asked}, []string{"", asked, ""}, "resource"},
		"another name":           {func(r *runtimeconfig.Resource) { all(r); r.Parameter = "audience" }, []string{asked}, []string{asked, asked, asked}, "audience"},
		"fixed":                  {func(r *runtimeconfig.Resource) { all(r); r.Mode = runtimeconfig.ResourceFixed }, []string{fixed}, []string{fixed, fixed, fixed}, "resource"},
		"fixed, not asked":       {func(r *runtimeconfig.Resource) { all(r); r.Mode = runtimeconfig.ResourceFixed }, nil, []string{fixed, fixed, fixed}, "resource"},
		"omit":                   {func(r *runtimeconfig.Resource) { all(r); r.Mode = runtimeconfig.ResourceOmit }, []string{asked}, []string{"", "", ""}, "resource"},
	} {
		h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) {
			v.Target.Resource = fixed
			c.change(&v.Resource)
		}))
		l := h.NewLogin(harness.WebClient)
		l.Params["resource"] = c.asked
		toVendor := l.Authorize()
		l.Finish(toVendor)
		refresh := l.Redeem().Text("refresh_token")
		wantTokens(t, what, l.Refresh(refresh))
		got := []string{
			strings.Join(toVendor.Location.Query()[c.name], " "), strings.Join(h.Fake.Last(fakevendor.Token).Form[c.name], " "), strings.Join(h.Fake.Last(fakevendor.Refresh).Form[c.name], " "),
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		if c.name != "resource" && h.Fake.Last(fakevendor.Token).Form.Has("resource") {
			t.Errorf("%s: resource went out too", what)
		}
	}
}

// corsPaths are what scripts of configured origins may call.
func corsPaths() []string {
	return []string{"/v1/token", "/v1/vendors/acme/token", "/v1/revoke", "/v1/vendors/acme/revoke", "/v1/introspect", "/v1/vendors/acme/introspect", "/v1/par", "/v1/vendors/acme/par", "/register", "/v1/register", "/v1/vendors/acme/register"}
}

func preflightOf(h *harness.Harness, path, origin, method string) *harness.Response {
	return h.Send(http.MethodOptions, harness.PublicURL+path, "", http.Header{"Origin": {origin}, "Access-Control-Request-Method": {method}, "Access-Control-Request-Headers": {"authorization,content-type"}})
}

func TestRedTeam_F18_CORSForConfiguredOrigins(t *testing.T) {
	const app = "https://app.example"
	h := harness.Standard(t, harness.Setup{Options: harness.Options{CORSOrigins: []string{app, "http://localhost:6274"}}})
	for _, path := range corsPaths() {
		r := preflightOf(h, path, app, "POST")
		if r.Status != http.StatusNoContent || r.Header.Get("Access-Control-Allow-Origin") != app || r.Header.Get("Access-Control-Allow-Methods") != "POST" || !strings.Contains(r.Header.Get("Access-Control-Allow-Headers"), "Authorization") || !slices.Contains(r.Header.Values("Vary"), "Origin") {
			t.Errorf("%s: %d %v", path, r.Status, r.Header)
		}
		answer := h.Send(http.MethodPost, harness.PublicURL+path, "", http.Header{"Origin": {app}})
		if answer.Header.Get("Access-Control-Allow-Origin") != app || answer.Status < 400 {
			t.Errorf("%s: an error cannot be read: %d %v", path, answer.Status, answer.Header)
		}
		for _, origin := range []string{"https://evil.example", "null", "https://app.example.evil.example", "https://evil-app.example", "http://app.example", "https://app.example:8443", "https://APP.example", "https://app.example/", "*", ""} {
			r := preflightOf(h, path, origin, "POST")
			wantNoCORS(t, origin, r)
			if r.Status != http.StatusMethodNotAllowed {
				t.Errorf("%s from %q: %d", path, origin, r.Status)
			}
			wantNoCORS(t, origin, h.Send(http.MethodPost, harness.PublicURL+path, "", http.Header{"Origin": {origin}}))
		}
		for _, r := range []*harness.Response{r, answer} {
			if r.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s: credentials are allowed", path)
			}
		}
	}
	neverShared(t, h, app)
}

// neverShared: pages are for people, whatever origins are configured.
func neverShared(t *testing.T, h *harness.Harness, origin string) {
	t.Helper()
	for _, path := range []string{"/v1/authorize", "/v1/vendors/acme/authorize", "/v1/consent", "/v1/callback", "/v1/callback/acme", "/v1/register/obi1.x.y", "/", "/nothing"} {
		for _, method := range []string{"GET", "POST"} {
			wantNoCORS(t, path, preflightOf(h, path, origin, method))
			wantNoCORS(t, path, h.Send(method, harness.PublicURL+path, "", http.Header{"Origin": {origin}}))
		}
	}
	l := h.NewLogin(harness.PublicClient)
	wantNoCORS(t, "authorize", h.Send(http.MethodGet, l.Authorization+"?"+l.Params.Encode(), "", http.Header{"Origin": {origin}}))
}

func TestRedTeam_F18_CORSForEverybody(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Options: harness.Options{CORSOrigins: []string{"*"}}})
	for _, path := range corsPaths() {
		if r := preflightOf(h, path, "https://any.example", "POST"); r.Status != http.StatusNoContent || r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", path, r.Status, r.Header)
		}
	}
	neverShared(t, h, "https://any.example")
	// Metadata and keys hold nothing of anybody.
	h = harness.Standard(t, harness.Setup{})
	for _, path := range append(metadataPaths(), "/v1/jwks") {
		if r := h.Send(http.MethodGet, harness.PublicURL+path, "", http.Header{"Origin": {"https://any.example"}}); r.Status != http.StatusOK || r.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", path, r.Status, r.Header)
		}
		// Caches may give a script what they kept of a request that had no origin.
		if r := h.Send(http.MethodGet, harness.PublicURL+path, "", http.Header{}); r.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s without an origin: %v", path, r.Header)
		}
	}
}

func metadataPaths() []string {
	return []string{"/.well-known/oauth-authorization-server/v1/vendors/acme", "/.well-known/openid-configuration/v1/vendors/acme", "/v1/vendors/acme/.well-known/openid-configuration"}
}

// everything is a Setup that offers all that there is.
func everything() harness.Setup {
	s := revoking(rfc7009(), func(v *runtimeconfig.Vendor) {
		v.SelfRegisteredUse, v.Scopes.Allowed = true, []string{"read", "write", "openid"}
	})
	s.Registration = broker.Registration{Mode: broker.RegistrationInitialAccessToken, Token: secret.New(accessToken)}
	return s
}

// The members are exactly these: clients that read only metadata need no other.
func TestRedTeam_Metadata_ExactMembers(t *testing.T) {
	methods := []any{"none", "client_secret_basic", "client_secret_post", "private_key_jwt"}
	algs := []any{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	base := map[string]any{
		"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "pushed_authorization_request_endpoint": issuer + "/par",
		"client_id_metadata_document_supported": false, "response_types_supported": []any{"code"}, "response_modes_supported": []any{"query"}, "grant_types_supported": []any{"authorization_code", "refresh_token"},
		"token_endpoint_auth_methods_supported": methods, "token_endpoint_auth_signing_alg_values_supported": algs, "code_challenge_methods_supported": []any{"S256"},
		"authorization_response_iss_parameter_supported": true, "request_parameter_supported": false, "request_uri_parameter_supported": false, "ui_locales_supported": []any{"en", "de"},
	}
	more := map[string]any{
		"revocation_endpoint": issuer + "/revoke", "revocation_endpoint_auth_methods_supported": methods, "revocation_endpoint_auth_signing_alg_values_supported": algs,
		"introspection_endpoint": issuer + "/introspect", "introspection_endpoint_auth_methods_supported": methods[1:], "introspection_endpoint_auth_signing_alg_values_supported": algs,
		"registration_endpoint": issuer + "/register", "scopes_supported": []any{"read", "write", "openid"},
	}
	for _, full := range []bool{false, true} {
		s := harness.Setup{}
		if full {
			s = everything()
		}
		h := harness.Standard(t, s)
		for i, path := range metadataPaths() {
			want := maps.Clone(base)
			if full {
				maps.Copy(want, more)
			}
			if i > 0 { // the OpenID Connect form
				want["jwks_uri"], want["subject_types_supported"], want["id_token_signing_alg_values_supported"] = h.Fake.URL(fakevendor.JWKS), []any{"public"}, []any{"RS256"}
			}
			r := h.Send(http.MethodGet, harness.PublicURL+path, "", http.Header{})
			got := r.JSON()
			for _, name := range []string{"token_endpoint_auth_signing_alg_values_supported", "revocation_endpoint_auth_signing_alg_values_supported", "introspection_endpoint_auth_signing_alg_values_supported"} {
				if list, ok := got[name].([]any); ok && (len(list) == 0 || slices.Contains(list, any("none")) || slices.Contains(list, any("HS256"))) {
					t.Errorf("%s: %s = %v", path, name, list)
				}
				if _, ok := want[name]; ok {
					want[name] = got[name]
				}
			}
			if diff := cmp.Diff(want, got); diff != "" || r.Status != http.StatusOK || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Cache-Control") != "public, max-age=300" {
				t.Errorf("%s: %d %v\n%s", path, r.Status, r.Header, diff)
			}
		}
	}
}

// Every endpoint that metadata names is there, and takes the method that it should.
func TestRedTeam_Metadata_EveryEndpointAnswers(t *testing.T) {
	h := harness.Standard(t, everything())
	m := h.Send(http.MethodGet, harness.PublicURL+metadataPaths()[0], "", http.Header{}).JSON()
	endpoints := 0
	for name, v := range m {
		address, isText := v.(string)
		if !isText || !strings.HasSuffix(name, "_endpoint") {
			continue
		}
		endpoints++
		method := http.MethodPost
		if name == "authorization_endpoint" {
			method = http.MethodGet
		}
		r := h.Send(method, address, "", http.Header{})
		if r.Status == http.StatusNotFound || r.Status == http.StatusMethodNotAllowed || r.Status >= 500 {
			t.Errorf("%s %s: %d %s", name, address, r.Status, r.Body)
		}
		if method == http.MethodPost && r.Text("error") == "" {
			t.Errorf("%s answers a program with %s", name, r.Body)
		}
	}
	if endpoints != 6 {
		t.Errorf("%d endpoints", endpoints)
	}
	if r := h.Send(http.MethodGet, harness.PublicURL+"/v1/jwks", "", http.Header{}); r.Status != http.StatusOK || r.Body != `{"keys":[]}` {
		t.Errorf("JWKS: %d %s", r.Status, r.Body)
	}
	for _, path := range metadataPaths() {
		r := h.Send(http.MethodGet, harness.PublicURL+strings.Replace(path, "acme", "nobody", 1), "", http.Header{})
		wantJSON(t, path, r, failure{http.StatusNotFound, "invalid_request"})
	}
}

// What cannot be used is not offered.
func TestRedTeam_Metadata_OffersWhatWorks(t *testing.T) {
	for what, c := range map[string]struct {
		mode  broker.RegistrationMode
		takes bool
		want  bool
	}{
		"open": {broker.RegistrationOpen, true, true}, "token": {broker.RegistrationInitialAccessToken, true, true}, "disabled": {broker.RegistrationDisabled, true, false}, "unset": {"", true, false},
		"vendor takes none": {broker.RegistrationOpen, false, false},
	} {
		h := harness.Standard(t, harness.Setup{
			Options: harness.Options{Registration: broker.Registration{Mode: c.mode, Token: secret.New(accessToken)}},
			Edit: func(d *runtimeconfig.Document) {
				d.Vendors[0].SelfRegisteredUse, d.Vendors[0].Refresh.Unsupported = c.takes, true
			},
		})
		m := h.Send(http.MethodGet, harness.PublicURL+metadataPaths()[0], "", http.Header{}).JSON()
		if _, offered := m["registration_endpoint"]; offered != c.want {
			t.Errorf("%s: registration offered %v", what, offered)
		}
		if r := sendJSON(t, h, issuer+"/register", metadata(), "Bearer "+accessToken); (r.Status == http.StatusCreated) != c.want {
			t.Errorf("%s: registration answers %d", what, r.Status)
		}
		if diff := cmp.Diff([]any{"authorization_code"}, m["grant_types_supported"]); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	s := newSite(t)
	for _, takes := range []bool{true, false} {
		o := s.setup("127.0.0.1")
		o.Edit = func(d *runtimeconfig.Document) { d.Vendors[0].SelfRegisteredUse = takes }
		h := harness.Standard(t, o)
		if m := h.Send(http.MethodGet, harness.PublicURL+metadataPaths()[0], "", http.Header{}).JSON(); m["client_id_metadata_document_supported"] != takes {
			t.Errorf("takes %v: %v", takes, m["client_id_metadata_document_supported"])
		}
	}
}

// A client that wants its tokens encrypted still gets errors that it can read.
func TestRedTeam_JWE_ErrorsStayJSON(t *testing.T) {
	key, encryption := newEncryption(t)
	s := revoking(rfc7009(), nil)
	edit := s.Edit
	s.Edit = func(d *runtimeconfig.Document) {
		edit(d)
		d.Clients[1].Encryption = encryption
	}
	h := harness.Standard(t, s)
	l := h.Login(harness.WebClient)
	wantJSON(t, "wrong verifier", l.Send(with(l.Form(), "code_verifier", strings.Repeat("A", 43))), failure{http.StatusBadRequest, "invalid_grant"})
	wantJSON(t, "wrong secret", h.Token(tokenURL, l.Form(), harness.Basic(harness.WebClient, "wrong-client-secret-0123456789")), failure{http.StatusUnauthorized, "invalid_client"})
	for status, want := range map[int]failure{503: {503, "temporarily_unavailable"}, 400: {502, "server_error"}} {
		h.Fake.Set(fakevendor.Token, fakevendor.JSON(status, "{}"))
		wantJSON(t, "vendor", l.Redeem(), want)
	}
	h.Fake.Behave()
	r := l.Redeem()
	if r.Status != http.StatusOK || r.Header.Get("Content-Type") != "application/jwt" || strings.Count(r.Body, ".") != 4 || r.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", r.Status, r.Header, r.Body)
	}
	jwe, err := jose.ParseEncryptedCompact(r.Body, []jose.KeyAlgorithm{jose.ECDH_ES}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := jwe.Decrypt(key)
	if err != nil {
		t.Fatal(err)
	}
	var tokens struct {
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(plain, &tokens); err != nil {
		t.Fatal(err)
	}
	wantJSON(t, "refresh", l.Refresh(tokens.Refresh, "scope", "admin"), failure{http.StatusBadRequest, "invalid_scope"})
	if r := l.Refresh(tokens.Refresh); r.Header.Get("Content-Type") != "application/jwt" {
		t.Errorf("refresh: %d %v", r.Status, r.Header)
	}
	wantJSON(t, "PAR", h.Token(parURL, url.Values{}, h.Auth(l.Client)), failure{http.StatusBadRequest, "unsupported_response_type"})
	if r := introspect(h, "obr1.x.y", h.Auth(l.Client)); r.Body != `{"active":false}` {
		t.Errorf("introspection: %s", r.Body)
	}
}
