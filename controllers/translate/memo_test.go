// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// TestMemo_randomEdits holds Memo against Translate over random edits of a
// small world, each made as the API server would: a change makes a new object
// with a new generation.
func TestMemo_randomEdits(t *testing.T) {
	for seed := range uint64(4) {
		w := &world{rng: rand.New(rand.NewPCG(seed, 1)), in: translate.Inputs{
			Settings:   translate.Settings{PublicURL: "https://broker.example", OperatorNamespace: "oauth-broker"},
			Namespaces: map[string]map[string]string{},
			Secrets:    map[types.NamespacedName]translate.Secret{},
			Discovered: map[string]translate.Discovered{},
		}}
		var memo translate.Memo
		for step := range 120 {
			w.edit()
			got, want := render(t, memo.Translate(w.in)), render(t, translate.Translate(w.in))
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Fatalf("seed %d, step %d: Memo differs (-plain +memo):\n%s", seed, step, diff)
			}
		}
	}
}

// TestMemo_acrossCases runs one Memo over all golden cases in a row.
func TestMemo_acrossCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var memo translate.Memo
	for _, f := range files {
		in := readInputs(t, f)
		for n, v := range in.Vendors { // as the API server would: another object, another UID
			v.UID = types.UID(fmt.Sprintf("%s-%d", f, n))
		}
		for _, c := range in.Credentials {
			c.UID = types.UID(f)
		}
		for _, c := range in.Clients {
			c.UID = types.UID(f)
		}
		for k, s := range in.Secrets {
			s.UID = f
			in.Secrets[k] = s
		}
		if diff := cmp.Diff(string(render(t, translate.Translate(in))), string(render(t, memo.Translate(in)))); diff != "" {
			t.Errorf("%s (-plain +memo):\n%s", f, diff)
		}
	}
}

// world is a small cluster.
type world struct {
	rng  *rand.Rand
	in   translate.Inputs
	tick int64
}

func (w *world) pick(from ...string) string { return from[w.rng.IntN(len(from))] }
func (w *world) coin() bool                 { return w.rng.IntN(2) == 0 }

func (w *world) meta(namespace, name string) metav1.ObjectMeta {
	w.tick++
	return metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: types.UID("uid-" + strconv.FormatInt(w.tick, 10)), Generation: 1,
		CreationTimestamp: metav1.NewTime(time.Unix(w.tick/3, 0)),
	}
}

// edit makes one change.
func (w *world) edit() {
	w.in.Vendors, w.in.Credentials, w.in.Clients = slices.Clone(w.in.Vendors), slices.Clone(w.in.Credentials), slices.Clone(w.in.Clients)
	w.in.Secrets, w.in.Namespaces, w.in.Discovered = maps.Clone(w.in.Secrets), maps.Clone(w.in.Namespaces), maps.Clone(w.in.Discovered)
	switch w.rng.IntN(8) {
	case 0:
		w.vendor(w.pick("acme", "beta", "gamma"))
	case 1:
		w.credential(w.pick("a", "b"), w.pick("one", "two", "three"))
	case 2:
		w.client(w.pick("a", "b"), w.pick("one", "two"))
	case 3, 4:
		w.secret(w.pick("oauth-broker", "a", "b"), w.pick("s", "t"))
	case 5:
		w.in.Namespaces[w.pick("a", "b")] = map[string]string{"tier": w.pick("gold", "silver")}
	case 6:
		w.discover(w.pick("acme", "beta", "gamma"))
	case 7:
		w.remove()
	}
	w.rng.Shuffle(len(w.in.Vendors), func(i, j int) { w.in.Vendors[i], w.in.Vendors[j] = w.in.Vendors[j], w.in.Vendors[i] })
	w.rng.Shuffle(len(w.in.Credentials), func(i, j int) {
		w.in.Credentials[i], w.in.Credentials[j] = w.in.Credentials[j], w.in.Credentials[i]
	})
}

func (w *world) policy() *oauthv1alpha1.NamespacePolicy {
	switch w.rng.IntN(5) {
	case 0:
		return nil
	case 1:
		return &oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesAll}
	case 2:
		return &oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesByName, Names: []string{w.pick("a", "b")}}
	}
	return &oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesBySelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}}
}

func (w *world) vendor(name string) {
	v := &oauthv1alpha1.OAuthVendor{ObjectMeta: w.meta("", name)}
	if i := slices.IndexFunc(w.in.Vendors, func(o *oauthv1alpha1.OAuthVendor) bool { return o.Name == name }); i >= 0 {
		v.ObjectMeta = w.in.Vendors[i].ObjectMeta
		v.Generation++
		w.in.Vendors = slices.Delete(w.in.Vendors, i, i+1)
	}
	v.Spec.Endpoints = &oauthv1alpha1.Endpoints{Authorization: "https://x.example/a", Token: oauthv1alpha1.EndpointURL("https://x.example/" + w.pick("t", "u"))}
	v.Spec.BYOC = &oauthv1alpha1.BringYourOwn{AllowedNamespaces: w.policy()}
	v.Spec.TrustedNamespaces = w.policy()
	v.Spec.Credentials = &oauthv1alpha1.SharedCredentials{SecretRef: &oauthv1alpha1.SecretReference{Name: w.pick("s", "t")}, FromEnvironment: w.coin(), AllowedNamespaces: w.policy()}
	switch w.rng.IntN(5) {
	case 0:
		v.Spec.Endpoints, v.Spec.Issuer, v.Spec.Discovery = nil, "https://op.example", &oauthv1alpha1.Discovery{Type: oauthv1alpha1.DiscoveryOAuth}
	case 1:
		v.Spec.Variables = []oauthv1alpha1.Variable{{Name: "t", Enum: []string{"eu", "us"}, Default: w.pick("", "eu")}}
		v.Spec.Endpoints.Token = "https://{t}.x.example/t"
		v.Spec.Callback = &oauthv1alpha1.Callback{Path: oauthv1alpha1.CallbackVendor}
	case 2:
		v.Spec.Transport = &oauthv1alpha1.Transport{CABundle: "nonsense"}
	}
	w.in.Vendors = append(w.in.Vendors, v)
}

func (w *world) credential(namespace, name string) {
	c := &oauthv1alpha1.BYOCCredential{ObjectMeta: w.meta(namespace, name)}
	if i := slices.IndexFunc(w.in.Credentials, func(o *oauthv1alpha1.BYOCCredential) bool {
		return o.Namespace == namespace && o.Name == name
	}); i >= 0 {
		c.ObjectMeta = w.in.Credentials[i].ObjectMeta
		c.Generation++
		w.in.Credentials = slices.Delete(w.in.Credentials, i, i+1)
	}
	c.Spec = oauthv1alpha1.BYOCCredentialSpec{
		Vendor: w.pick("acme", "beta", "gamma"), SecretRef: &oauthv1alpha1.SecretReference{Name: w.pick("s", "t")},
		Selection: oauthv1alpha1.CredentialSelection(w.pick("", "Default", "ByName")),
	}
	if w.coin() {
		c.Spec.Variables = []oauthv1alpha1.VariableValue{{Name: "t", Value: w.pick("eu", "us", "xx")}}
	}
	w.in.Credentials = append(w.in.Credentials, c)
}

func (w *world) client(namespace, name string) {
	c := &oauthv1alpha1.BrokerClient{ObjectMeta: w.meta(namespace, name)}
	if i := slices.IndexFunc(w.in.Clients, func(o *oauthv1alpha1.BrokerClient) bool { return o.Namespace == namespace && o.Name == name }); i >= 0 {
		c.ObjectMeta = w.in.Clients[i].ObjectMeta
		c.Generation++
		w.in.Clients = slices.Delete(w.in.Clients, i, i+1)
	}
	c.Spec = oauthv1alpha1.BrokerClientSpec{
		RedirectURIs:   []oauthv1alpha1.RedirectURI{"https://app.example/cb"},
		Authentication: oauthv1alpha1.BrokerClientAuthentication{Method: oauthv1alpha1.ClientAuthSecret, SecretRef: &oauthv1alpha1.SecretReference{Name: w.pick("s", "t")}},
		Vendors:        []oauthv1alpha1.AllowedVendor{{Name: w.pick("acme", "beta")}, {Name: "gamma"}},
	}
	w.in.Clients = append(w.in.Clients, c)
}

func (w *world) secret(namespace, name string) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	if w.rng.IntN(4) == 0 {
		delete(w.in.Secrets, key)
		return
	}
	w.tick++
	s := translate.Secret{UID: "uid", ResourceVersion: strconv.FormatInt(w.tick, 10), Unreadable: w.rng.IntN(6) == 0, Data: map[string]secret.Text{
		"clientID":     secret.New("id-" + w.pick("1", "2")),
		"clientSecret": secret.New("0123456789012345678901234567890" + w.pick("", "1", "2")),
	}}
	if w.rng.IntN(5) == 0 {
		delete(s.Data, w.pick("clientID", "clientSecret"))
	}
	w.in.Secrets[key] = s
}

func (w *world) discover(vendor string) {
	d := translate.Discovered{Problem: w.pick("", "the server answered 503"), IssuerParameter: w.coin()}
	if w.coin() {
		d.Endpoints = &oauthv1alpha1.Endpoints{Authorization: "https://op.example/a", Token: oauthv1alpha1.EndpointURL("https://op.example/" + w.pick("t", "u"))}
	}
	w.in.Discovered[vendor] = d
	if w.rng.IntN(5) == 0 {
		delete(w.in.Discovered, vendor)
	}
}

func (w *world) remove() {
	if n := len(w.in.Vendors); n > 0 && w.coin() {
		w.in.Vendors = w.in.Vendors[:n-1]
	}
	if n := len(w.in.Credentials); n > 0 && w.coin() {
		w.in.Credentials = w.in.Credentials[:n-1]
	}
	if n := len(w.in.Clients); n > 0 && w.coin() {
		w.in.Clients = w.in.Clients[:n-1]
	}
}
