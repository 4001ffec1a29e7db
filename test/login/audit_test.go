// SPDX-License-Identifier: Apache-2.0

package login_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// records waits for n records, and holds each line against the schema.
func records(t *testing.T, h *harness.Harness, n int) []map[string]any {
	t.Helper()
	poll.Until(t, 20*time.Second, func() error {
		if strings.Count(h.Audit(), "\n") < n {
			return fmt.Errorf("want %d records, got\n%s", n, h.Audit())
		}
		return nil
	})
	return harness.AuditRecords(t, h.Audit())
}

// TestAudit_example: the record that the guide shows is one.
func TestAudit_example(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guides/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(guide), "```json\n")
	example, _, _ = strings.Cut(example, "```")
	if got := harness.AuditRecords(t, example); len(got) != 1 {
		t.Errorf("the guide shows %d records", len(got))
	}
}

// told is a record without what differs from run to run.
func told(r map[string]any) string {
	var words []string
	for _, name := range []string{"action", "outcome", "reason", "client", "tenant", "vendor", "credential"} {
		if v, ok := r[name]; ok {
			words = append(words, fmt.Sprint(v))
		}
	}
	return strings.Join(words, " ")
}

// TestAudit_tellsOfEachKind walks through what somebody is given or refused, and
// finds each in the log, once, valid against the schema.
func TestAudit_tellsOfEachKind(t *testing.T) {
	h := harness.Standard(t, harness.Setup{
		Options: harness.Options{Audit: true, Registration: broker.Registration{Mode: broker.RegistrationOpen}},
		Edit: func(d *runtimeconfig.Document) {
			d.Vendors[0].SelfRegisteredUse = true
			d.Clients[0].AlwaysConsent = true // PublicClient
		},
	})
	h.Pin(1) // each replica writes in its own time
	l := h.Login(harness.WebClient)
	token := good(t, l.Redeem()).Text("refresh_token")
	good(t, l.Refresh(token))
	l.Redeem()               // the vendor refuses a second time
	l.Refresh("not-a-token") // and this is none of ours
	asked := h.NewLogin(harness.PublicClient)
	page := asked.Authorize()
	asked.Browser.Post(harness.PublicURL+"/v1/consent", consentForm(page, "cancel"))
	bad := h.NewLogin(harness.WebClient)
	bad.Params.Set("response_type", "token")
	bad.Authorize()
	h.Fake.Set(fakevendor.Authorize, fakevendor.Deny())
	denied := h.NewLogin(harness.WebClient)
	denied.Finish(denied.Authorize())
	h.Fake.Behave()
	h.Fake.Set(fakevendor.Token, fakevendor.OAuthError(http.StatusBadGateway, "server_error"))
	h.Login(harness.WebClient).Redeem()
	h.Send(http.MethodPost, harness.PublicURL+"/v1/register", `{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`, http.Header{"Content-Type": {"application/json"}})
	h.Token(harness.PublicURL+"/v1/vendors/"+harness.VendorName+"/revoke", url.Values{"token": {token}}, h.Auth(harness.WebClient))
	h.Send(http.MethodGet, harness.PublicURL+"/healthz", "", nil)
	h.Send(http.MethodPut, harness.PublicURL+"/v1/token", "", nil)

	const who, with = harness.WebClient + " tenant-a acme", " shared credential of OAuthVendor acme"
	want := []string{
		"authorization success " + who + with,
		"token.issue success " + who + with,
		"token.refresh success " + who + with,
		"token.issue denied invalid_grant " + who + with,
		"token.refresh denied invalid_grant " + who,
		"consent denied access_denied " + harness.PublicClient + " tenant-a acme" + with,
		"authorization denied unsupported_response_type " + who,
		"authorization denied access_denied " + who + with,
		"authorization success " + who + with,
		"token.issue failure temporarily_unavailable " + who + with,
		"client.register success self-registered:",
		"token.revoke ",
	}
	got := records(t, h, len(want))
	for i, w := range want {
		if i < len(got) && !strings.HasPrefix(told(got[i]), w) {
			t.Errorf("record %d: %s, want %s", i, told(got[i]), w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d records, want %d:\n%s", len(got), len(want), h.Audit())
	}
	for _, r := range got {
		if id, ok := r["requestID"].(string); !ok || !strings.Contains(h.Logs(), `"requestID":"`+id+`"`) {
			t.Errorf("the log knows no request %v", r["requestID"])
		}
	}
}
