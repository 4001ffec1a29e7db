// SPDX-License-Identifier: Apache-2.0

package login_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

const (
	byocSecret = "byoc-app-secret-0123456789abcdef"
	envSecret  = "env-app-secret-0123456789abcdef"
)

// threeApps has an app for each source of credentials.
func threeApps(t *testing.T) *harness.Harness {
	t.Helper()
	h := harness.Standard(t, harness.Setup{Options: harness.Options{Env: map[string]string{
		"OAUTH_BROKER_ACME_CLIENT_ID": "env-app", "OAUTH_BROKER_ACME_CLIENT_SECRET": envSecret,
	}}})
	h.Plant("client secret", byocSecret)
	h.Plant("client secret", envSecret)
	h.Fake.AddClient(fakevendor.Client{ID: "byoc-app", Secret: byocSecret, RedirectURIs: harness.Callbacks("acme")})
	h.Fake.AddClient(fakevendor.Client{ID: "env-app", Secret: envSecret, RedirectURIs: harness.Callbacks("acme")})
	return h
}

func TestLogin_orderOfCredentials(t *testing.T) {
	h := threeApps(t)
	environment := &runtimeconfig.Environment{ClientIDVariable: "OAUTH_BROKER_ACME_CLIENT_ID", ClientSecretVariable: "OAUTH_BROKER_ACME_CLIENT_SECRET"}
	byoc, shared := harness.BYOC(harness.Namespace, "acme", "byoc-app", byocSecret), harness.Shared("acme", harness.App, harness.AppSecret)
	foreign := harness.BYOC("tenant-b", "acme", "byoc-app", byocSecret)
	for want, credentials := range map[string][]runtimeconfig.Credential{
		"byoc-app": {shared, byoc}, harness.App: {foreign, shared}, "env-app": {foreign},
	} {
		d := h.Document()
		d.Credentials, d.Vendors[0].Environment = credentials, environment
		h.Apply(d)
		l := h.Login(harness.WebClient)
		r := good(t, l.Redeem())
		if got := h.Fake.Last(fakevendor.Token).ClientID; got != want {
			t.Errorf("the vendor saw %q at the code, want %q", got, want)
		}
		good(t, l.Refresh(r.Text("refresh_token")))
		if got := h.Fake.Last(fakevendor.Refresh).ClientID; got != want {
			t.Errorf("the vendor saw %q at the refresh, want %q", got, want)
		}
	}
}

func TestLogin_sharedNeedsThePlatformsLeave(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Edit: vendor(func(v *runtimeconfig.Vendor) { v.SharedUse = runtimeconfig.NamespaceSet{} })})
	l := h.NewLogin(harness.WebClient)
	if r := l.Authorize(); r.Query("error") != "unauthorized_client" || h.Fake.Count(fakevendor.Authorize) != 0 {
		t.Errorf("got %v", r.Location)
	}
}

func TestLogin_brokenCredentialDoesNotFallBack(t *testing.T) {
	h := threeApps(t)
	d := h.Document()
	broken := harness.BYOC(harness.Namespace, "acme", "byoc-app", "")
	broken.NotReady = "SecretNotFound"
	d.Credentials = append(d.Credentials, broken)
	h.Apply(d)
	l := h.NewLogin(harness.WebClient)
	if r := l.Authorize(); r.Query("error") != "temporarily_unavailable" || !strings.Contains(r.Query("error_description"), "BYOCCredential tenant-a/byoc-app") {
		t.Errorf("got %v", r.Location)
	}
}

func TestLogin_credentialChangesMeanwhile(t *testing.T) {
	h := threeApps(t)
	byoc := harness.BYOC(harness.Namespace, "acme", "byoc-app", byocSecret)
	with, without := h.Document(), h.Document()
	with.Credentials = append(with.Credentials, byoc)
	h.Apply(without)
	l := h.Login(harness.WebClient)
	h.Apply(with) // the login stays with the shared app that it began with
	refresh := good(t, l.Redeem()).Text("refresh_token")
	if got := h.Fake.Last(fakevendor.Token).ClientID; got != harness.App {
		t.Errorf("the vendor saw %q", got)
	}
	gone := h.Document()
	gone.Credentials = []runtimeconfig.Credential{byoc}
	h.Apply(gone)
	before := h.Fake.Count(fakevendor.Refresh)
	if r := l.Refresh(refresh); r.Status != http.StatusBadRequest || r.Text("error") != "invalid_grant" || h.Fake.Count(fakevendor.Refresh) != before {
		t.Errorf("refresh without its credential: %d %s", r.Status, r.Body)
	}
	rotated := h.Document()
	rotated.Credentials[0].ClientSecret = secret.New("rotated-secret-0123456789abcdef")
	h.Fake.AddClient(fakevendor.Client{ID: harness.App, Secret: "rotated-secret-0123456789abcdef", RedirectURIs: harness.Callbacks("acme")})
	h.Apply(rotated) // a new secret of the same app changes nothing for users
	good(t, l.Refresh(refresh))
}

func TestLogin_vendorRefusesTheCredential(t *testing.T) {
	for name, c := range map[string]struct {
		credentials []runtimeconfig.Credential
		app         string
	}{
		"shared credential of OAuthVendor acme": {[]runtimeconfig.Credential{harness.Shared("acme", harness.App, harness.AppSecret)}, harness.App},
		"BYOCCredential tenant-a/byoc-app":      {[]runtimeconfig.Credential{harness.BYOC(harness.Namespace, "acme", "byoc-app", byocSecret)}, "byoc-app"},
	} {
		h := threeApps(t)
		d := h.Document()
		d.Credentials = c.credentials
		h.Apply(d)
		l := h.Login(harness.WebClient)
		r := good(t, l.Redeem())
		second := h.Login(harness.WebClient)
		h.Pin(1)
		h.Fake.AddClient(fakevendor.Client{ID: c.app, Secret: "revoked-and-renewed-0123456789"})
		for leg, r := range map[string]*harness.Response{"code": second.Redeem(), "refresh": second.Refresh(r.Text("refresh_token"))} {
			if d := r.Text("error_description"); r.Status != http.StatusBadGateway || r.Text("error") != "server_error" || !strings.Contains(d, name) {
				t.Errorf("%s: %d %s, want the name of %s", leg, r.Status, r.Body, name)
			}
		}
		if want := `oauth_broker_credential_refusals_total{credential="` + name + `",vendor="acme"} 2`; !strings.Contains(h.Metrics(), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func TestLogin_privateKeyJWTAtTheVendor(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	key := h.Key()
	h.Fake.AddClient(fakevendor.Client{ID: "keyed-app", PublicKey: key.Public(), RedirectURIs: harness.Callbacks("acme")})
	d := h.Document()
	d.Vendors[0].ClientAuth = runtimeconfig.ClientAuth{Method: runtimeconfig.AuthPrivateKeyJWT, Algorithm: "ES256", KeyID: "key-1"}
	d.Credentials[0] = harness.Shared("acme", "keyed-app", "")
	d.Credentials[0].PrivateKey = secret.New(harness.PEM(t, key))
	h.Plant("private key", harness.PEM(t, key))
	h.Apply(d)
	l := h.Login(harness.PublicClient)
	good(t, l.Refresh(good(t, l.Redeem()).Text("refresh_token")))
	if last := h.Fake.Last(fakevendor.Refresh); last.AuthMethod != fakevendor.MethodPrivateKeyJWT || last.ClientID != "keyed-app" {
		t.Errorf("the vendor saw %s by %s", last.ClientID, last.AuthMethod)
	}
}

func TestLogin_publicAppAtTheVendor(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	h.Fake.AddClient(fakevendor.Client{ID: "public-app", RedirectURIs: harness.Callbacks("acme")})
	d := h.Document()
	d.Vendors[0].ClientAuth.Method, d.Credentials[0] = runtimeconfig.AuthNone, harness.Shared("acme", "public-app", "")
	h.Apply(d)
	good(t, h.Login(harness.PublicClient).Redeem())
}
