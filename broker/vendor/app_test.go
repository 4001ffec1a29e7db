// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

func registering() Endpoint {
	return Endpoint{
		Vendor: &runtimeconfig.Vendor{Name: "acme"},
		Target: &runtimeconfig.Target{Endpoints: runtimeconfig.Endpoints{Registration: "https://acme.example/register"}},
	}
}

// TestJudgeApp_usable: what of a vendor's answer is kept.
func TestJudgeApp_usable(t *testing.T) {
	const managed = `,"registration_access_token":"t","registration_client_uri":"`
	now := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		more, method, place string
		expires             int64
	}{
		"least":                 {``, "client_secret_basic", "", 0},
		"with nulls":            {`,"client_secret":null,"client_secret_expires_at":null,"redirect_uris":null,"scope":null`, "client_secret_basic", "", 0},
		"never expires":         {`,"client_secret":"s","client_secret_expires_at":0`, "client_secret_basic", "", 0},
		"expires":               {`,"client_secret":"s","client_secret_expires_at":2000`, "client_secret_basic", "", 2000},
		"expires, as a string":  {`,"client_secret":"s","client_secret_expires_at":"2000"`, "client_secret_basic", "", 2000},
		"another method":        {`,"token_endpoint_auth_method":"none"`, "none", "", 0},
		"scope as a list":       {`,"scope":["a","b"]`, "client_secret_basic", "", 0},
		"managed":               {managed + `https://acme.example/register/a"`, "client_secret_basic", "https://acme.example/register/a", 0},
		"managed elsewhere":     {managed + `https://evil.example/register/a"`, "client_secret_basic", "", 0},
		"managed inside":        {managed + `http://169.254.169.254/"`, "client_secret_basic", "", 0},
		"managed by a user":     {managed + `https://u:p@acme.example/"`, "client_secret_basic", "", 0},
		"managed without token": {`,"registration_client_uri":"https://acme.example/register/a"`, "client_secret_basic", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := answered(http.StatusCreated, "application/json", `{"client_id":"a"`+c.more+`}`)
			app, err := registering().judgeApp(a, AppMetadata{RedirectURI: "https://b.example/cb"}, &App{AuthMethod: "client_secret_basic"}, now)
			if err != nil {
				t.Fatal(err)
			}
			expires := int64(0)
			if !app.SecretExpiresAt.IsZero() {
				expires = app.SecretExpiresAt.Unix()
			}
			if app.ClientID != "a" || app.AuthMethod != c.method || app.ManagementURL != c.place || app.AccessToken.Empty() != (c.place == "") || expires != c.expires {
				t.Errorf("got %+v", app)
			}
		})
	}
}

// TestJudgeApp_unusable: an app that was made is returned, so that it can be
// deleted; the reason holds nothing of the vendor's but a standard error code.
func TestJudgeApp_unusable(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		kind, body string
		want       string
		made       bool
	}{
		"refused":               {400, "application/json", `{"error":"invalid_redirect_uri","error_description":"vendor-text"}`, "(invalid_redirect_uri)", false},
		"refused, own code":     {400, "application/json", `{"error":"vendor-text"}`, "refused the registration", false},
		"unauthorized":          {401, "application/json", `{"error":"invalid_token"}`, "(invalid_token)", false},
		"page":                  {201, "text/html", `<p>vendor-text`, "not a JSON object", false},
		"page that says JSON":   {201, "application/json", `<p>vendor-text`, "not a JSON object", false},
		"no client_id":          {201, "application/json", `{"client_secret":"vendor-text"}`, "no usable client_id", false},
		"client_id of controls": {201, "application/json", `{"client_id":"a\nvendor-text"}`, "no usable client_id", false},
		"secret is a number":    {201, "application/json", `{"client_id":"a","client_secret":7}`, "client_secret", true},
		"expiry is no time":     {201, "application/json", `{"client_id":"a","client_secret":"s","client_secret_expires_at":"vendor-text"}`, "not a time", true},
		"expires after 9999":    {201, "application/json", `{"client_id":"a","client_secret":"s","client_secret_expires_at":999999999999}`, "not a time", true},
		"long secret":           {201, "application/json", `{"client_id":"a","client_secret":"` + strings.Repeat("s", 9<<10) + `"}`, "client_secret", true},
		"long token":            {201, "application/json", `{"client_id":"a","registration_access_token":"` + strings.Repeat("s", 9<<10) + `"}`, "registration_access_token", true},
		"long URL":              {201, "application/json", `{"client_id":"a","registration_client_uri":"https://acme.example/` + strings.Repeat("s", 9<<10) + `"}`, "registration_client_uri", true},
		"long method":           {201, "application/json", `{"client_id":"a","token_endpoint_auth_method":"` + strings.Repeat("s", 9<<10) + `"}`, "token_endpoint_auth_method", true},
		"has ended":             {201, "application/json", `{"client_id":"a","client_secret":"s","client_secret_expires_at":7}`, "has ended already", true},
		"other redirect_uris":   {201, "application/json", `{"client_id":"a","redirect_uris":["https://vendor-text.example/"]}`, "other redirect URIs", true},
	} {
		t.Run(name, func(t *testing.T) {
			app, err := registering().judgeApp(answered(c.status, c.kind, c.body), AppMetadata{RedirectURI: "https://b.example/cb"}, &App{}, time.Unix(1000, 0))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "vendor-text") || (app != nil) != c.made {
				t.Errorf("got %+v, %v; want %q", app, err, c.want)
			}
		})
	}
}

// TestJudgeApp_algorithm: an app whose assertions would be refused is not used.
func TestJudgeApp_algorithm(t *testing.T) {
	for answer, good := range map[string]bool{``: true, `,"token_endpoint_auth_signing_alg":"ES256"`: true, `,"token_endpoint_auth_signing_alg":"RS256"`: false} {
		m := AppMetadata{RedirectURI: "https://b.example/cb", JWKS: `{}`, SigningAlgorithm: "ES256"}
		app, err := registering().judgeApp(answered(http.StatusCreated, "application/json", `{"client_id":"a"`+answer+`}`), m, &App{AuthMethod: "private_key_jwt"}, time.Unix(1000, 0))
		if app == nil || (err == nil) != good {
			t.Errorf("%s: got %v", answer, err)
		}
	}
}
