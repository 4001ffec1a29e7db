// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"slices"
	"testing"

	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// What vendors answer to the revocation of a token that is dead already counts as
// done (RFC 7009 section 2.2): "try again" would be said for ever.
func TestCatalog_deadTokensCountAsRevoked(t *testing.T) {
	w := newWorld(t)
	for name, answers := range map[string][]fakevendor.Behaviour{
		// https://www.dropbox.com/developers/documentation/http/documentation#error-handling
		"dropbox": {
			fakevendor.JSON(401, `{"error_summary":"invalid_access_token/..","error":{".tag":"invalid_access_token"}}`),
			fakevendor.JSON(401, `{"error_summary":"expired_access_token/..","error":{".tag":"expired_access_token"}}`),
		},
		// https://developers.intercom.com/docs/references/rest-api/errors/http-responses
		"intercom": {fakevendor.JSON(401, `{"type":"error.list","errors":[{"code":"unauthorized","message":"Access Token Invalid"}]}`)},
		// https://linear.app/developers/oauth-2-0-authentication, "Revoke an access token"
		"linear": {fakevendor.Answer(400, "text/plain", ""), fakevendor.Answer(401, "text/plain", "")},
		"github": {fakevendor.JSON(404, `{"message":"Not Found"}`)},
		"slack":  {fakevendor.JSON(200, `{"ok":false,"error":"token_revoked"}`)},
	} {
		for _, answer := range answers {
			e, emulator := w.endpoint(name)
			emulator.SetTimes(fakevendor.Revocation, answer, 1)
			if err := vendor.NewClient(w.h.Clock.Now, nil).Revoke(t.Context(), e, secret.New("dead"), "access_token"); err != nil {
				t.Errorf("%s: %s: %v", name, answer.Name, err)
			}
		}
	}
}

// endpoint is a vendor as the platform's app meets it.
func (w *world) endpoint(name string) (vendor.Endpoint, *fakevendor.Server) {
	v := slices.IndexFunc(w.document.Vendors, func(v runtimeconfig.Vendor) bool { return v.Name == name })
	c := slices.IndexFunc(w.document.Credentials, func(c runtimeconfig.Credential) bool {
		return c.Vendor == name && c.Source == runtimeconfig.SourceShared
	})
	e, _ := vendor.NewEndpoint(&w.document.Vendors[v], &w.document.Credentials[c])
	return e, w.emulators[name][runtimeconfig.SourceShared]
}
