// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"net/http"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// nearNames have a part in common with tenant-a, or the whole of it.
func nearNames() []string {
	return []string{"tenant", "a", "tenant-", "tenant-a-b", "my-tenant-a", "tenant-aa", "TENANT-A", "tenant-b"}
}

// nearTenants serves tenant-a with an app of its own, tenant-a-app, and a client
// for each of the near names, which may do nothing that is not said of their
// namespace. change says more.
func nearTenants(t *testing.T, change func(d *runtimeconfig.Document)) *harness.Harness {
	t.Helper()
	const appSecret = "tenant-a-app-secret-0123456789abcdef"
	h := harness.Standard(t, harness.Setup{})
	h.Plant("client secret", appSecret)
	h.Fake.AddClient(fakevendor.Client{ID: "tenant-a-app", Secret: appSecret, RedirectURIs: harness.Callbacks(harness.VendorName)})
	d := h.Document()
	d.Credentials = append(d.Credentials, harness.BYOC(harness.Namespace, harness.VendorName, "tenant-a-app", appSecret))
	for _, namespace := range nearNames() {
		d.Clients = append(d.Clients, harness.Client(namespace+".public", harness.VendorName))
	}
	change(&d)
	h.Apply(d)
	return h
}

// A namespace whose name is a part of another's, or has it as a part, uses
// neither its app, asked for or not, nor the shared app in its place.
func TestRedTeam_J03_NearNamespaceHasNoApp(t *testing.T) {
	h := nearTenants(t, func(*runtimeconfig.Document) {})
	refused := func(client string, credential ...string) {
		l := h.NewLogin(client)
		l.Params = with(l.Params, "credential", credential...)
		wantRedirect(t, client, back{l.Authorize(), l}, "unauthorized_client")
	}
	for _, namespace := range nearNames() {
		refused(namespace + ".public")
		refused(namespace+".public", "tenant-a-app")
	}
	for _, name := range []string{"tenant-a-ap", "tenant-a-app2", "app", "TENANT-A-APP", "tenant-a/tenant-a-app"} {
		refused(harness.PublicClient, name)
	}
	wantUntouched(t, h.Fake)
	l := h.NewLogin(harness.PublicClient)
	l.Params.Set("credential", "tenant-a-app")
	l.Walk()
	wantTokens(t, "tenant-a itself", l.Redeem())
	if got := h.Fake.Last(fakevendor.Token).ClientID; got != "tenant-a-app" {
		t.Errorf("the vendor saw %s of tenant-a", got)
	}
}

// The other way round: what near names may is not tenant-a's.
func TestRedTeam_J03_NearNamespacesGiveNothing(t *testing.T) {
	h := nearTenants(t, func(d *runtimeconfig.Document) {
		d.Vendors[0].SharedUse.Names = nearNames()
		d.Credentials = d.Credentials[:1] // the shared one
	})
	l := h.NewLogin(harness.PublicClient)
	wantRedirect(t, "tenant-a", back{l.Authorize(), l}, "unauthorized_client")
	wantUntouched(t, h.Fake)
}

// A near name is not trusted: its users see the consent page.
func TestRedTeam_J03_NearNamespaceIsNotTrusted(t *testing.T) {
	h := nearTenants(t, func(d *runtimeconfig.Document) { d.Vendors[0].SharedUse.Names = nearNames() })
	for _, namespace := range nearNames() {
		r := h.NewLogin(namespace + ".public").Authorize()
		if r.Status != http.StatusOK || r.Location != nil {
			t.Errorf("%s: got %d to %v, want the consent page", namespace, r.Status, r.Location)
		}
	}
	wantUntouched(t, h.Fake)
}

// Clients and vendors are found by their whole names.
func TestRedTeam_J03_NearIDsAreUnknown(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, id := range []string{"tenant-a", "tenant-a.", "tenant-a.publi", "tenant-a.public2", "tenant-a.public.", "enant-a.public", "my-tenant-a.public", "tenant-a.PUBLIC", ".public", "public", "tenant-a.*", "tenant-a.%"} {
		l := h.NewLogin(harness.PublicClient)
		l.Params = with(l.Params, "client_id", id)
		wantPage(t, id, l.Authorize(), http.StatusBadRequest)
	}
	for _, vendor := range []string{"acm", "acme2", "cme", "ACME", "a*", "acme-eu"} {
		l := h.NewLogin(harness.PublicClient)
		l.Authorization = harness.PublicURL + "/v1/vendors/" + vendor + "/authorize"
		if r := l.Authorize(); r.Status != http.StatusNotFound && r.Status != http.StatusBadRequest || r.Location != nil {
			t.Errorf("%s: got %d to %v", vendor, r.Status, r.Location)
		}
	}
	wantUntouched(t, h.Fake)
}
