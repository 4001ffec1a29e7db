// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// What is relayed of a registration is a JSON object with a status that may be
// relayed, and never an app with other redirect URIs than ours.
func FuzzRegistrationAnswer(f *testing.F) {
	const own = "https://broker.example/v1/callback"
	f.Add(201, "application/json", `{"client_id":"a","redirect_uris":["`+own+`"]}`)
	f.Add(201, "application/json", `{"client_id":"a","redirect_uris":["https://evil.example/"]}`)
	f.Add(400, "application/json; charset=utf-8", `{"error":"invalid_redirect_uri"}`)
	f.Add(200, "text/html", `<html>`)
	f.Add(302, "application/json", `{}`)
	f.Add(201, "application/json", `{"redirect_uris":null}`)
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		got, err := judgeRegistration(answered(status, contentType, body), own, time.Now())
		if err != nil {
			return
		}
		var members map[string]json.RawMessage // a struct would take Redirect_URIs, too
		var uris []string
		err = json.Unmarshal(got.Body, &members)
		if raw, ok := members["redirect_uris"]; ok && got.Status != 400 {
			err = errors.Join(err, json.Unmarshal(raw, &uris))
		}
		if err != nil || got.Status != 200 && got.Status != 201 && got.Status != 400 {
			t.Fatalf("relayed %d %q: %v", got.Status, got.Body, err)
		}
		for _, uri := range uris {
			if uri != own {
				t.Errorf("relayed an app with %q", uri)
			}
		}
	})
}

// A revocation counts as done only where the vendor said so.
func FuzzRevocationAnswer(f *testing.F) {
	f.Add(200, "application/json", `{}`)
	f.Add(200, "application/json", `{"ok":false,"error":"internal_error"}`)
	f.Add(400, "application/json", `{"error":"invalid_token"}`)
	f.Add(404, "text/html", `gone`)
	f.Add(503, "application/json", `{"error":"invalid_grant"}`)
	e := Endpoint{Vendor: &runtimeconfig.Vendor{
		Revocation:    runtimeconfig.Revocation{Style: "RFC7009", GoneStatus: []int{404}},
		TokenResponse: runtimeconfig.TokenResponse{ErrorPath: "ok", ErrorEquals: "false", ErrorCodePath: "error"},
	}}
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		err := e.judgeRevocation(answered(status, contentType, body), time.Now())
		if err == nil && status >= 300 && status != 404 && body == "" {
			t.Errorf("%d without a word counts as revoked", status)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "7", "-1", "1e9", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "soon"} {
		f.Add(s)
	}
	now := time.Unix(1_700_000_000, 0)
	f.Fuzz(func(t *testing.T, header string) {
		if d := retryAfter(http.Header{"Retry-After": {header}}, now); d < 0 || d > maxRetryAfter {
			t.Errorf("%q: %s", header, d)
		}
	})
}
