// SPDX-License-Identifier: Apache-2.0

package login_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

func TestLogin_answerPassesThroughWithoutLoss(t *testing.T) {
	extra := map[string]any{
		"instance_url": "https://na1.acme.example/?a=b&c=<d>", "workspace": map[string]any{"id": json.Number("12345678901234567890"), "name": "Ünïcode \u2028"},
		"list": []any{"a", json.Number("1.50"), nil, true}, "x_refresh_token_expires_in": json.Number("8726400"), "null_member": nil,
	}
	h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{Shape: fakevendor.Shape{Extra: extra, Expiry: fakevendor.ExpiryAbsent, TokenType: "bearer"}}})
	l := h.NewLogin(harness.WebClient)
	l.Params.Set("scope", "openid read")
	l.Walk()
	var idToken string
	h.Fake.Set(fakevendor.Token, fakevendor.Behaviour{Name: "look", Edit: func(a map[string]any) { idToken, _ = a["id_token"].(string) }})
	r := good(t, l.Redeem())
	answer := r.JSON()
	for name, want := range extra {
		if diff := cmp.Diff(want, answer[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if answer["id_token"] != idToken || idToken == "" {
		t.Error("the id_token is not the vendor's")
	}
	if _, there := answer["expires_in"]; there {
		t.Error("expires_in was made up")
	}
	if answer["token_type"] != "bearer" || answer["scope"] != "openid read" || r.Header.Get("Content-Type") != "application/json" || strings.Contains(r.Body, "vendor-refresh-") {
		t.Errorf("answer = %s", r.Body)
	}
}

// A client that speaks OpenID Connect checks the ID token against its own nonce;
// so does the broker.
func TestLogin_clientNonceReachesTheIDToken(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	l.Params.Set("scope", "openid read")
	l.Params.Set("nonce", "the-clients-own-nonce")
	l.Walk()
	var claims jwt.MapClaims
	if _, _, err := jwt.NewParser().ParseUnverified(good(t, l.Redeem()).Text("id_token"), &claims); err != nil || claims["nonce"] != "the-clients-own-nonce" {
		t.Errorf("nonce = %v, %v", claims["nonce"], err)
	}
	l = h.NewLogin(harness.PublicClient)
	l.Params.Set("scope", "read")
	l.Params.Set("nonce", "the-clients-own-nonce")
	if l.Authorize().Location.Query().Has("nonce") {
		t.Error("a nonce without openid")
	}
}

func TestLogin_nonceReachesTheIDToken(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.WebClient)
	l.Params.Set("scope", "openid")
	toVendor := l.Authorize()
	l.Finish(toVendor)
	var claims jwt.MapClaims
	if _, _, err := jwt.NewParser().ParseUnverified(good(t, l.Redeem()).Text("id_token"), &claims); err != nil {
		t.Fatal(err)
	}
	if nonce := toVendor.Query("nonce"); nonce == "" || claims["nonce"] != nonce || claims["aud"] != harness.App || claims["iss"] != h.Fake.Issuer() {
		t.Errorf("claims = %v", claims)
	}
	l = h.NewLogin(harness.WebClient)
	if l.Authorize().Location.Query().Has("nonce") {
		t.Error("a nonce without openid")
	}
}

// Slack nests the user's tokens: the standard members are filled, the rest stays,
// and the vendor's refresh token stands nowhere.
func TestLogin_nestedAnswer(t *testing.T) {
	shape := fakevendor.Slack()
	h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{Shape: shape}, Edit: vendor(func(v *runtimeconfig.Vendor) {
		v.Scopes.Separator, v.Scopes.Parameter = ",", "user_scope"
		v.TokenResponse = runtimeconfig.TokenResponse{
			Format: runtimeconfig.FormatJSON, ErrorPath: "ok", ErrorEquals: "false", ErrorCodePath: "error", Paths: shape.Paths, TokenTypes: []string{"user"}, ScopeSeparator: ",",
		}
	})})
	l := h.NewLogin(harness.WebClient)
	l.Params.Set("scope", "chat:write users:read")
	toVendor := l.Authorize()
	if got := toVendor.Query("user_scope"); got != "chat:write,users:read" || toVendor.Location.Query().Has("scope") {
		t.Errorf("user_scope = %q", got)
	}
	l.Finish(toVendor)
	r := good(t, l.Redeem())
	answer := r.JSON()
	user, _ := answer["authed_user"].(map[string]any)
	if answer["ok"] != true || user["access_token"] != answer["access_token"] || answer["scope"] != "chat:write users:read" || answer["app_id"] != "A1" || user["scope"] != "chat:write,users:read" {
		t.Errorf("answer = %s", r.Body)
	}
	if strings.Contains(r.Body, "vendor-refresh-") || user["refresh_token"] != answer["refresh_token"] {
		t.Errorf("the vendor's refresh token came through: %s", r.Body)
	}
	good(t, l.Refresh(r.Text("refresh_token")))
}

func TestLogin_gitHubLikeAnswer(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{Shape: fakevendor.GitHub(), Refresh: fakevendor.RefreshNone}, Edit: vendor(func(v *runtimeconfig.Vendor) {
		v.Scopes.Separator, v.TokenResponse.ScopeSeparator, v.TokenResponse.Format = ",", ",", runtimeconfig.FormatByContentType
		v.Refresh.Unsupported = true
	})})
	l := h.NewLogin(harness.WebClient)
	l.Params.Set("scope", "repo read:org")
	l.Walk()
	r := good(t, l.Redeem())
	if answer := r.JSON(); answer["scope"] != "repo read:org" || answer["refresh_token"] != nil || answer["expires_in"] != nil {
		t.Errorf("answer = %s", r.Body)
	}
	if r := l.Refresh("obr1.x.y"); r.Status != http.StatusBadRequest || h.Fake.Count(fakevendor.Refresh) != 0 {
		t.Errorf("refresh: %d %s", r.Status, r.Body)
	}
}

func TestLogin_unusualRequests(t *testing.T) {
	renames := map[string]string{"client_id": "client_key", "redirect_uri": "redirect_url"}
	h := harness.Standard(t, harness.Setup{
		Vendor: fakevendor.Options{PKCE: fakevendor.PKCERefused, Shape: fakevendor.Shape{
			JSONRequests: true, Renames: renames, OmitResponseType: true, CodeParameter: "auth_code", CallbackExtra: url.Values{"realmId": {"42"}},
		}},
		Edit: vendor(func(v *runtimeconfig.Vendor) {
			v.PKCE, v.TokenRequest.JSON, v.Authorize.OmitResponseType, v.Authorize.Renames = false, true, true, renames
			v.Callback.CodeParameter, v.Callback.CaptureParameters = "auth_code", []string{"realmId"}
			v.TokenRequest.Headers = []runtimeconfig.Parameter{{Name: "X-Version", Value: "2026-01-01"}}
		}),
	})
	r := good(t, h.Login(harness.WebClient).Redeem())
	captured, _ := r.JSON()["vendor_callback"].(map[string]any)
	if captured["realmId"] != "42" || h.Fake.Last(fakevendor.Token).Header.Get("X-Version") != "2026-01-01" {
		t.Errorf("answer = %s", r.Body)
	}
}

// A vendor with a name of its own for state answers with that name.
func TestLogin_renamedState(t *testing.T) {
	renames := map[string]string{"state": "csrf"}
	h := harness.Standard(t, harness.Setup{
		Vendor: fakevendor.Options{Shape: fakevendor.Shape{Renames: renames}},
		Edit: vendor(func(v *runtimeconfig.Vendor) {
			v.Authorize.Renames, v.Callback.Path = renames, runtimeconfig.CallbackVendor
		}),
	})
	h.Fake.Set(fakevendor.Authorize, fakevendor.Behaviour{Name: "renamed", Callback: func(q url.Values) {
		q.Set("csrf", q.Get("state"))
		q.Del("state")
	}})
	good(t, h.Login(harness.WebClient).Redeem())
}

func TestLogin_encryptedAnswer(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for algorithm, c := range map[jose.KeyAlgorithm]struct{ public, private any }{jose.RSA_OAEP_256: {rsaKey.Public(), rsaKey}, jose.ECDH_ES: {ecKey.Public(), ecKey}} {
		jwk, err := json.Marshal(jose.JSONWebKey{Key: c.public, KeyID: "enc-1", Use: "enc"})
		if err != nil {
			t.Fatal(err)
		}
		h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
			d.Clients[1].Encryption = &runtimeconfig.Encryption{Algorithm: string(algorithm), JWK: string(jwk)}
		}})
		l := h.NewLogin(harness.WebClient)
		l.Params.Set("scope", "openid read")
		l.Walk()
		refresh, _ := decrypted(t, l.Redeem(), algorithm, c.private)["refresh_token"].(string)
		decrypted(t, l.Refresh(refresh), algorithm, c.private)
		if r := l.Redeem(); r.Header.Get("Content-Type") != "application/json" || r.Text("error") != "invalid_grant" {
			t.Errorf("an error: %s %s, want JSON", r.Header.Get("Content-Type"), r.Body)
		}
	}
}

func decrypted(t *testing.T, r *harness.Response, algorithm jose.KeyAlgorithm, key any) map[string]any {
	t.Helper()
	if r.Status != http.StatusOK || r.Header.Get("Content-Type") != "application/jwt" || r.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", r.Status, r.Header.Get("Content-Type"))
	}
	jwe, err := jose.ParseEncryptedCompact(r.Body, []jose.KeyAlgorithm{algorithm}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := jwe.Decrypt(key)
	if err != nil || jwe.Header.KeyID != "enc-1" {
		t.Fatalf("kid %q: %v", jwe.Header.KeyID, err)
	}
	var answer map[string]any
	if err := json.Unmarshal(plain, &answer); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope"} {
		if answer[name] == nil && name != "id_token" {
			t.Errorf("%s is lost", name)
		}
	}
	return answer
}
