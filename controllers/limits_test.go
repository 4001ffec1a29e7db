// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// maxShardContent is what a shard may hold in the worst case: a Secret takes
// 1 MiB, and some of that is left for its metadata.
const maxShardContent = 900 << 10

// TestMakePlan_groundNames: a tenant chooses names whose hashes begin with the
// same 32 bits, which takes a moment to find. The items still part.
func TestMakePlan_groundNames(t *testing.T) {
	seen := map[string]string{}
	var items []runtimeconfig.Item
	for n := 0; len(items) == 0; n++ {
		id := runtimeconfig.BYOCID("evil", fmt.Sprint("c", n))
		start := runtimeconfig.Hash(id)[:32]
		if other, ok := seen[start]; ok {
			for _, id := range []string{other, id} {
				items = append(items, runtimeconfig.Item{ID: id, Body: json.RawMessage(`"` + strings.Repeat("x", maxItemBytes-2) + `"`)})
			}
		}
		seen[start] = id
	}
	slices.SortFunc(items, func(a, b runtimeconfig.Item) int { return strings.Compare(a.ID, b.ID) })
	p, err := MakePlan(fresh(), Change{Items: items})
	if err != nil {
		t.Fatal(err)
	}
	checkPartition(t, p.Next, 2)
	if err := p.Next.Index.Check(); err != nil {
		t.Errorf("the index would be taken for malformed: %v", err)
	}
	if len(p.Create) != 2 {
		t.Errorf("got %d shards, want one for each", len(p.Create))
	}
}

// TestLimits_shardFitsASecret: even a vendor and another item that cannot be
// parted make a shard that a Secret holds.
func TestLimits_shardFitsASecret(t *testing.T) {
	content, err := runtimeconfig.EncodeShard([]runtimeconfig.Item{
		{ID: "a", Body: json.RawMessage(`"` + strings.Repeat("x", maxVendorBytes-2) + `"`)},
		{ID: "b", Body: json.RawMessage(`"` + strings.Repeat("x", maxItemBytes-2) + `"`)},
	})
	if err != nil || len(content) > maxShardContent || maxShardContent >= corev1.MaxSecretSize {
		t.Errorf("got %d bytes (%v), want at most %d", len(content), err, maxShardContent)
	}
}

// text is n characters, different for each i.
func text(prefix string, i, n int) string {
	s := fmt.Sprint(prefix, i, "-")
	return s + strings.Repeat("x", n-len(s))
}

func texts[T ~string](prefix string, count, n int) []T {
	var list []T
	for i := range count {
		list = append(list, T(text(prefix, i, n)))
	}
	return list
}

// largestVendor fills every list of a vendor as far as the schema allows.
func largestVendor() *oauthv1alpha1.OAuthVendor {
	url := oauthv1alpha1.EndpointURL("https://acme.example/" + strings.Repeat("x", 1000))
	namespaces := &oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesByName, Names: texts[string]("n", 512, 63)}
	v := &oauthv1alpha1.OAuthVendor{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("v", 63), UID: "v"}}
	v.Spec = oauthv1alpha1.OAuthVendorSpec{
		Issuer: url,
		Endpoints: &oauthv1alpha1.Endpoints{Authorization: url, Token: url, Refresh: url, Revocation: url,
			Introspection: url, Userinfo: url, JWKS: url, Registration: url},
		Authorize:    &oauthv1alpha1.AuthorizeRequest{PassParameters: texts[oauthv1alpha1.AuthorizeParameterName]("p", 16, 64)},
		Scopes:       &oauthv1alpha1.Scopes{Default: texts[oauthv1alpha1.ScopeToken]("d", 128, 256), Allowed: texts[oauthv1alpha1.ScopeToken]("a", 512, 256), Always: texts[oauthv1alpha1.ScopeToken]("w", 32, 256)},
		TokenRequest: &oauthv1alpha1.TokenRequest{}, Refresh: &oauthv1alpha1.Refresh{},
		Identity:          &oauthv1alpha1.Identity{Audiences: texts[string]("a", 8, 256)},
		Resource:          &oauthv1alpha1.ResourceIndicator{Mode: "Pass", Allowed: texts[string]("r", 64, 1024)},
		Registration:      &oauthv1alpha1.Registration{Mode: "Open"},
		Credentials:       &oauthv1alpha1.SharedCredentials{FromEnvironment: true, AllowedNamespaces: namespaces},
		TrustedNamespaces: namespaces,
	}
	for i := range 256 {
		v.Spec.Scopes.Descriptions = append(v.Spec.Scopes.Descriptions, oauthv1alpha1.ScopeDescription{Scope: oauthv1alpha1.ScopeToken(text("s", i, 256)), Text: text("t", i, 256)})
	}
	for i := range 16 {
		v.Spec.Authorize.Parameters = append(v.Spec.Authorize.Parameters, oauthv1alpha1.AuthorizeParameter{Name: oauthv1alpha1.AuthorizeParameterName(text("p", i, 64)), Value: text("v", i, 512)})
		v.Spec.TokenRequest.Parameters = append(v.Spec.TokenRequest.Parameters, oauthv1alpha1.TokenParameter{Name: oauthv1alpha1.TokenParameterName(text("p", i, 64)), Value: text("v", i, 512)})
		v.Spec.Registration.Metadata = append(v.Spec.Registration.Metadata, oauthv1alpha1.RegistrationMetadata{Name: text("m", i, 64), Value: text("v", i, 512)})
	}
	for i := range 8 {
		v.Spec.TokenRequest.Headers = append(v.Spec.TokenRequest.Headers, oauthv1alpha1.Header{Name: oauthv1alpha1.HeaderName(text("h", i, 64)), Value: text("v", i, 512)})
		v.Spec.Refresh.Parameters = append(v.Spec.Refresh.Parameters, oauthv1alpha1.TokenParameter{Name: oauthv1alpha1.TokenParameterName(text("p", i, 64)), Value: text("v", i, 512)})
	}
	return v
}

// TestLimits_largestVendorFits: the schema's limits are kept by the published
// form too. (Text of other scripts, or full of < > and &, takes more bytes.)
func TestLimits_largestVendorFits(t *testing.T) {
	out := translate.Translate(translate.Inputs{Settings: translate.Settings{PublicURL: "https://broker.example"}, Vendors: []*oauthv1alpha1.OAuthVendor{largestVendor()}})
	if len(out.Document.Vendors) != 1 {
		t.Fatalf("the vendor is not legal: %+v", out.Verdicts)
	}
	vendor := &out.Document.Vendors[0]
	vendor.Transport.CABundle = strings.Repeat("x", 64<<10)
	vendor.Registration.InitialAccessToken = secret.New(strings.Repeat("x", 8<<10))
	if c, big := new(encoder).encode(objectsOf(out.Document), nil); len(c.Items) != 1 || len(big) != 0 {
		t.Errorf("%v: the largest legal vendor was not published", big)
	}
}

// TestEncode_tooBig: what is too big stops nobody else. A credential becomes a
// stub, so that its namespace does not fall back to another one.
func TestEncode_tooBig(t *testing.T) {
	huge := testVendor()
	huge.Name, huge.Transport.CABundle = "huge", strings.Repeat("x", maxVendorBytes)
	credential := testCredential(1, strings.Repeat("x", maxItemBytes))
	shared := runtimeconfig.Credential{Source: runtimeconfig.SourceShared, UID: "v", Vendor: "acme", ClientID: strings.Repeat("x", maxItemBytes)}
	ofHuge := testCredential(2, "fits")
	ofHuge.Vendor = "huge"
	client := runtimeconfig.Client{ID: "tenant-1.big", Namespace: "tenant-1", UID: "c", DisplayName: strings.Repeat("x", maxItemBytes)}
	d := runtimeconfig.Document{
		Vendors:     []runtimeconfig.Vendor{testVendor(), huge},
		Credentials: []runtimeconfig.Credential{credential, shared, ofHuge, testCredential(3, "fits")},
		Clients:     []runtimeconfig.Client{client},
	}
	c, big := new(encoder).encode(objectsOf(d), nil)
	var ids []string
	for _, it := range c.Items {
		ids = append(ids, it.ID)
	}
	slices.Sort(ids)
	if want := []string{"byoc/tenant-1/acme", "byoc/tenant-3/acme", "shared/acme", "vendor/acme"}; !slices.Equal(ids, want) {
		t.Fatalf("got %v, want %v", ids, want)
	}
	p, err := MakePlan(fresh(), c)
	if err != nil {
		t.Fatal(err)
	}
	stub, other := credential, shared
	stub.ClientID, stub.ClientSecret, stub.NotReady = "", secret.Text{}, oauthv1alpha1.ReasonNotPublished
	other.ClientID, other.NotReady = "", oauthv1alpha1.ReasonNotPublished
	want := runtimeconfig.Document{Vendors: d.Vendors[:1], Credentials: []runtimeconfig.Credential{stub, other, d.Credentials[3]}}
	checkLoads(t, p, map[string][]byte{}, want)

	live := liveItems(p.Next, c.Items)
	for id, good := range map[string]bool{"byoc/tenant-1/acme": false, "byoc/tenant-3/acme": true, "vendor/huge": false, "client/tenant-1.big": false, "shared/acme": false} {
		sequence, problem := sequenceOf(&translate.Verdict{Items: []string{id}}, live, big)
		if good != (sequence > 0) || !good && !strings.Contains(problem, "too big") {
			t.Errorf("%s: got sequence %d and %q", id, sequence, problem)
		}
	}
}
