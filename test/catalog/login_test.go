// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/google/go-cmp/cmp"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// Two namespaces, each with one confidential client: the one uses the
// platform's apps, the other brings its own.
const (
	sharedNamespace, sharedClient = "team-a", "team-a.web"
	ownNamespace, ownClient       = "team-b", "team-b.web"
	brokerSecret                  = "broker-client-secret-0123456789abcdef"
)

// world is the whole catalog behind real brokers, every vendor emulated as its
// manifest documents it.
type world struct {
	h        *harness.Harness
	document runtimeconfig.Document
	// emulators by vendor and source of the credential: tenants may be elsewhere.
	emulators map[string]map[runtimeconfig.Source]*fakevendor.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{h: harness.Start(t, harness.Options{}), document: documentOf(t), emulators: map[string]map[runtimeconfig.Source]*fakevendor.Server{}}
	keys := &fakevendor.Keys{}
	var names []string
	for i := range w.document.Vendors {
		v := &w.document.Vendors[i]
		names = append(names, v.Name)
		w.emulators[v.Name] = map[runtimeconfig.Source]*fakevendor.Server{}
		v.Trusted = runtimeconfig.NamespaceSet{All: true}
		for j := range w.document.Credentials {
			if c := &w.document.Credentials[j]; c.Vendor == v.Name {
				w.emulate(v, c, keys)
			}
		}
	}
	for _, id := range []string{sharedClient, ownClient} {
		w.document.Clients = append(w.document.Clients, harness.WithSecret(harness.Client(id, names...), brokerSecret))
	}
	w.h.Plant("client secret at the broker", brokerSecret)
	w.h.Apply(w.document)
	return w
}

// documentOf is what the operator makes of the catalog and of a tenant that
// brings an app for every vendor.
func documentOf(t *testing.T) runtimeconfig.Document {
	t.Helper()
	vendors := Vendors(t)
	in := Inputs(vendors)
	in.Discovered = Discovered(t)
	for _, v := range vendors {
		if c := v.Spec.Credentials; c != nil {
			c.AllowedNamespaces = &oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesByName, Names: []string{sharedNamespace}}
		}
		own := &oauthv1alpha1.BYOCCredential{
			ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: "own-" + v.Name[:min(len(v.Name), 50)], UID: types.UID("uid-own-" + v.Name)},
			Spec:       oauthv1alpha1.BYOCCredentialSpec{Vendor: v.Name, SecretRef: &oauthv1alpha1.SecretReference{Name: "own"}},
		}
		for _, x := range v.Spec.Variables {
			if x.Pattern != "" {
				own.Spec.Variables = append(own.Spec.Variables, oauthv1alpha1.VariableValue{Name: x.Name, Value: good()[v.Name+"/"+x.Name][0]})
			}
		}
		in.Credentials = append(in.Credentials, own)
	}
	in.Secrets[types.NamespacedName{Namespace: ownNamespace, Name: "own"}] = App("own-app")
	out := translate.Translate(in)
	for _, v := range out.Verdicts {
		if !v.Accepted.OK || !v.ResolvedRefs.OK {
			t.Fatalf("%+v", v)
		}
	}
	return out.Document
}

// emulate starts the vendor for one credential and points the document there.
func (w *world) emulate(v *runtimeconfig.Vendor, c *runtimeconfig.Credential, keys *fakevendor.Keys) {
	target := runtimeconfig.TargetOf(v, c)
	if target == nil {
		return
	}
	callback := harness.PublicURL + "/v1/callback/" + v.Name
	if v.Callback.Path == runtimeconfig.CallbackCredential && c.Source == runtimeconfig.SourceBYOC {
		callback += "/" + c.Namespace + "." + c.Name
	}
	o := fakevendor.ForVendor(v, target)
	o.Clients, o.Keys = []fakevendor.Client{fakevendor.ClientFor(v, c.ClientID, c.ClientSecret.Reveal(), callback)}, keys
	server := w.h.StartVendor(o)
	c.Target = server.Emulate(target)
	v.Transport.CABundle = string(server.CAPEM()) // one certificate for all emulators
	w.emulators[v.Name][c.Source] = server
}

func (w *world) login(vendor, client string) *harness.Login {
	l := w.h.NewLogin(client)
	l.Authorization = harness.PublicURL + "/v1/vendors/" + vendor + "/authorize"
	l.TokenURL = harness.PublicURL + "/v1/vendors/" + vendor + "/token"
	return l
}

func (w *world) token(l *harness.Login, form url.Values) *harness.Response {
	return w.h.Token(l.TokenURL, form, harness.Basic(l.Client, brokerSecret))
}

// TestCatalog_everyVendorLogsIn walks a login, a refresh, a revocation and a
// denial through every manifest, with the platform's app and a tenant's own.
func TestCatalog_everyVendorLogsIn(t *testing.T) {
	w := newWorld(t)
	for i := range w.document.Vendors {
		v := &w.document.Vendors[i]
		for source, client := range map[runtimeconfig.Source]string{runtimeconfig.SourceShared: sharedClient, runtimeconfig.SourceBYOC: ownClient} {
			emulator := w.emulators[v.Name][source]
			if emulator == nil {
				if source == runtimeconfig.SourceBYOC || v.Target != nil {
					t.Errorf("%s: no %s credential", v.Name, source)
				}
				continue
			}
			t.Run(v.Name+"/"+string(source), func(t *testing.T) {
				c := &walk{t: t, w: w, v: v, vendor: emulator, login: w.login(v.Name, client), shared: source == runtimeconfig.SourceShared}
				c.signIn()
				c.refresh()
				c.revoke()
				c.deny()
			})
		}
	}
}

// walk is one credential's walk through a vendor.
type walk struct {
	t      *testing.T
	w      *world
	v      *runtimeconfig.Vendor
	vendor *fakevendor.Server
	login  *harness.Login
	shared bool
	tokens map[string]any
}

func (c *walk) signIn() {
	c.t.Helper()
	c.login.Walk()
	answer := c.w.token(c.login, c.login.Form())
	if answer.Status != http.StatusOK {
		c.t.Fatalf("token: %d %s; the vendor said %q", answer.Status, answer.Body, c.vendor.Last(fakevendor.Token).Error)
	}
	c.tokens = answer.JSON()
	want := "own-app"
	if c.shared {
		want = "shared-app"
	}
	if r := c.vendor.Last(fakevendor.Token); r.ClientID != want || r.AuthMethod != string(c.v.ClientAuth.Method) {
		c.t.Errorf("the vendor saw client %q by %q", r.ClientID, r.AuthMethod)
	}
	if !c.vendor.AccessTokenWorks(answer.Text("access_token")) {
		c.t.Errorf("the client got no token of the vendor: %s", answer.Body)
	}
	if _, has := c.tokens["refresh_token"]; has == c.v.Refresh.Unsupported {
		c.t.Errorf("refresh_token is there: %v", has)
	}
	c.lossless()
}

// lossless compares what the client got with what the vendor sent.
func (c *walk) lossless() {
	c.t.Helper()
	extra, _ := json.Marshal(c.tokens["vendor_extra"])
	want := `{"list":[1,"two",null],"text":"kept as it is"}`
	if c.v.TokenResponse.Format == runtimeconfig.FormatByContentType {
		want = `"kept as it is"`
	}
	if string(extra) != want {
		c.t.Errorf("vendor_extra is %s", extra)
	}
	if _, has := c.tokens["expires_in"]; has == c.v.Refresh.Unsupported {
		c.t.Errorf("expires_in is there: %v", has)
	}
	for standard, path := range c.v.TokenResponse.Paths {
		head, _, _ := strings.Cut(path, ".")
		if _, nested := c.tokens[head].(map[string]any); !nested {
			c.t.Errorf("%s, where the vendor keeps %s, is gone", head, standard)
		}
	}
	captured, _ := c.tokens["vendor_callback"].(map[string]any)
	for _, name := range c.v.Callback.CaptureParameters {
		if captured[name] != "captured-"+name {
			c.t.Errorf("vendor_callback has no %s: %v", name, captured)
		}
	}
}

func (c *walk) refresh() {
	c.t.Helper()
	if c.v.Refresh.Unsupported {
		return
	}
	for range 2 { // the second with what the first gave
		before, _ := c.tokens["access_token"].(string)
		refresh, _ := c.tokens["refresh_token"].(string)
		answer := c.w.token(c.login, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
		if answer.Status != http.StatusOK {
			c.t.Fatalf("refresh: %d %s; the vendor said %q", answer.Status, answer.Body, c.vendor.Last(fakevendor.Refresh).Error)
		}
		after := answer.Text("access_token")
		if after == before || !c.vendor.AccessTokenWorks(after) {
			c.t.Error("refresh gave no new token")
		}
		c.tokens["access_token"] = after
		if again := answer.Text("refresh_token"); again != "" {
			c.tokens["refresh_token"] = again
		}
	}
}

// revoke revokes the refresh token where the vendor's rules allow that.
func (c *walk) revoke() {
	c.t.Helper()
	refresh, _ := c.tokens["refresh_token"].(string)
	if refresh == "" {
		return
	}
	answer := c.w.h.Token(strings.TrimSuffix(c.login.TokenURL, "token")+"revoke", url.Values{"token": {refresh}}, harness.Basic(c.login.Client, brokerSecret))
	r := c.v.Revocation
	possible := r.Style != "None" && r.Tokens != "Access" && (!r.SharedDenied || !c.shared)
	switch {
	case possible && answer.Status != http.StatusOK:
		c.t.Errorf("revocation: %d %s; the vendor said %q", answer.Status, answer.Body, c.vendor.Last(fakevendor.Revocation).Error)
	case possible && c.vendor.Stats().Revocations != 1:
		c.t.Errorf("the vendor revoked nothing: %+v", c.vendor.Last(fakevendor.Revocation))
	case !possible && answer.Text("error") != "unsupported_token_type":
		c.t.Errorf("revocation: %d %s", answer.Status, answer.Body)
	case !possible && c.vendor.Count(fakevendor.Revocation) > 0:
		c.t.Error("the vendor was asked to revoke what it does not")
	}
}

// deny is a user who says no.
func (c *walk) deny() {
	c.t.Helper()
	c.vendor.SetTimes(fakevendor.Authorize, fakevendor.Deny(), 1)
	l := c.w.login(c.v.Name, c.login.Client)
	back := l.Finish(l.Authorize())
	if back.Query("error") != "access_denied" || back.Query("state") != l.State || back.Query("iss") == "" || l.Code != "" {
		c.t.Errorf("denial: %d %v", back.Status, back.Location)
	}
}

// Switching a namespace between the platform's app and its own takes one
// object and no restart; what was sealed for the other asks to sign in again.
func TestCatalog_credentialsAreSwitchedLive(t *testing.T) {
	w := newWorld(t)
	signIn := func() (*harness.Login, string) {
		l := w.login("google", ownClient)
		l.Walk()
		answer := w.token(l, l.Form())
		if answer.Status != http.StatusOK {
			t.Fatalf("token: %d %s", answer.Status, answer.Body)
		}
		return l, answer.Text("refresh_token")
	}
	refresh := func(l *harness.Login, token string) *harness.Response {
		return w.token(l, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	}
	for i := range w.document.Vendors {
		w.document.Vendors[i].SharedUse = runtimeconfig.NamespaceSet{All: true}
	}
	w.h.Apply(w.document)
	login, own := signIn()
	shared := w.document
	shared.Credentials = slices.DeleteFunc(slices.Clone(shared.Credentials), func(c runtimeconfig.Credential) bool {
		return c.Vendor == "google" && c.Source == runtimeconfig.SourceBYOC
	})
	w.h.Apply(shared)
	if answer := refresh(login, own); answer.Text("error") != "invalid_grant" || !strings.Contains(answer.Body, "sign in") {
		t.Errorf("a refresh token of the tenant's app answers %d %s", answer.Status, answer.Body)
	}
	login, platform := signIn()
	if got := w.emulators["google"][runtimeconfig.SourceShared].Count(fakevendor.Token); got != 1 {
		t.Errorf("the platform's app was used %d times", got)
	}
	w.h.Apply(w.document)
	if answer := refresh(login, platform); answer.Text("error") != "invalid_grant" || !strings.Contains(answer.Body, "sign in") {
		t.Errorf("a refresh token of the platform's app answers %d %s", answer.Status, answer.Body)
	}
	if diff := cmp.Diff(http.StatusOK, refresh(login, own).Status); diff != "" {
		t.Errorf("the tenant's own refresh token, after switching back: %s", diff)
	}
}
