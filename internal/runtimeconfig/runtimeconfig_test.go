// SPDX-License-Identifier: Apache-2.0

package runtimeconfig_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

const marker = "MARKER-secret"

func vendor(name string) runtimeconfig.Vendor {
	return runtimeconfig.Vendor{
		Name: name, UID: "uid-" + name,
		Target: &runtimeconfig.Target{Issuer: "https://" + name + ".example", Endpoints: runtimeconfig.Endpoints{
			Authorization: "https://" + name + ".example/a", Token: "https://" + name + ".example/t", Refresh: "https://" + name + ".example/t",
		}},
		Callback:   runtimeconfig.Callback{Path: runtimeconfig.CallbackShared, IssuerParameter: runtimeconfig.IssuerWhenPresent, CodeParameter: "code"},
		Scopes:     runtimeconfig.Scopes{Separator: " ", Parameter: "scope"},
		ClientAuth: runtimeconfig.ClientAuth{Method: runtimeconfig.AuthBasic},
		Transport:  runtimeconfig.Transport{TimeoutSeconds: 1, MaxResponseBytes: 1024},
	}
}

func byoc(namespace, name, vendor string, isDefault bool) runtimeconfig.Credential {
	return runtimeconfig.Credential{
		Source: runtimeconfig.SourceBYOC, Namespace: namespace, Name: name, UID: "uid-" + name, Vendor: vendor, Default: isDefault,
		ClientID: namespace + "-" + name, ClientSecret: secret.New(marker),
	}
}

func shared(vendor string) runtimeconfig.Credential {
	return runtimeconfig.Credential{Source: runtimeconfig.SourceShared, UID: "uid-" + vendor, Vendor: vendor, ClientID: "shared-" + vendor, ClientSecret: secret.New(marker)}
}

func client(namespace, name string) runtimeconfig.Client {
	return runtimeconfig.Client{ID: namespace + "." + name, Namespace: namespace, RedirectURIs: []string{"https://app.example/cb"}, Auth: runtimeconfig.ClientNone}
}

func options() runtimeconfig.Options {
	return runtimeconfig.Options{Now: func() time.Time { return time.Unix(1, 0) }, LookupEnv: func(name string) (string, bool) {
		v, ok := map[string]string{"OAUTH_BROKER_B_CLIENT_ID": "env-b", "OAUTH_BROKER_B_CLIENT_SECRET": marker}[name]
		return v, ok
	}}
}

func document() runtimeconfig.Document {
	a, b := vendor("a"), vendor("b")
	a.SharedUse = runtimeconfig.NamespaceSet{Names: []string{"one", "two"}}
	a.Environment = &runtimeconfig.Environment{ClientIDVariable: "OAUTH_BROKER_A_CLIENT_ID", ClientSecretVariable: "OAUTH_BROKER_A_CLIENT_SECRET"}
	b.SharedUse = runtimeconfig.NamespaceSet{All: true}
	b.Environment = &runtimeconfig.Environment{ClientIDVariable: "OAUTH_BROKER_B_CLIENT_ID", ClientSecretVariable: "OAUTH_BROKER_B_CLIENT_SECRET"}
	a.Registration = runtimeconfig.Registration{Mode: "InitialAccessToken", InitialAccessToken: secret.New(marker)}
	broken := byoc("two", "broken", "a", true)
	broken.NotReady, broken.ClientID, broken.ClientSecret = "SecretNotFound", "", secret.Text{}
	return runtimeconfig.Document{
		Vendors:     []runtimeconfig.Vendor{a, b},
		Credentials: []runtimeconfig.Credential{byoc("one", "own", "a", true), byoc("one", "extra", "a", false), broken, shared("a")},
		Clients:     []runtimeconfig.Client{client("one", "app"), client("two", "app"), client("three", "app")},
	}
}

// publish writes d the way the operator does, in one shard.
func publish(t *testing.T, d runtimeconfig.Document) (runtimeconfig.Index, map[string][]byte) {
	t.Helper()
	items, err := runtimeconfig.Encode(d)
	if err != nil {
		t.Fatal(err)
	}
	content, err := runtimeconfig.EncodeShard(items)
	if err != nil {
		t.Fatal(err)
	}
	key := bytes.Repeat([]byte{7}, 32)
	name := runtimeconfig.ShardName(key, content)
	return runtimeconfig.Index{Format: runtimeconfig.Format, Sequence: 3, NameKey: key, Shards: []runtimeconfig.ShardRef{{Name: name}}}, map[string][]byte{name: content}
}

func load(t *testing.T, d runtimeconfig.Document) *runtimeconfig.Snapshot {
	t.Helper()
	index, shards := publish(t, d)
	s, err := runtimeconfig.Load(index, shards, nil, options())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestChoose(t *testing.T) {
	s := load(t, document())
	for _, c := range []struct {
		name, client, vendor, credential, want string
		err                                    error
	}{
		{name: "own before shared", client: "one.app", vendor: "a", want: "one-own"},
		{name: "own by name", client: "one.app", vendor: "a", credential: "extra", want: "one-extra"},
		{name: "own that is not ready fails closed", client: "two.app", vendor: "a", err: runtimeconfig.ErrCredentialNotReady},
		{name: "shared not allowed", client: "three.app", vendor: "a", err: runtimeconfig.ErrNoCredential},
		{name: "environment", client: "three.app", vendor: "b", want: "env-b"},
		{name: "another namespace's looks like none", client: "two.app", vendor: "a", credential: "own", err: runtimeconfig.ErrNoCredential},
		{name: "own of another vendor looks like none", client: "one.app", vendor: "b", credential: "own", err: runtimeconfig.ErrNoCredential},
	} {
		cl, _ := s.Client(c.client)
		v, _ := s.Vendor(c.vendor)
		got, err := s.Choose(cl, v, c.credential)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.err)
		}
		if err == nil && got.ClientID != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got.ClientID, c.want)
		}
		if err == nil && got.ClientSecret.Reveal() != marker {
			t.Errorf("%s: the secret was lost on the way", c.name)
		}
	}
}

func TestChoose_sharedBeforeEnvironment(t *testing.T) {
	d := document()
	s := load(t, d)
	cl, _ := s.Client("one.app")
	v, _ := s.Vendor("a")
	d.Credentials = d.Credentials[3:] // the shared one only
	withoutOwn := load(t, d)
	if got, err := withoutOwn.Choose(cl, v, ""); err != nil || got.ClientID != "shared-a" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestBound_onlyWhileTheSame(t *testing.T) {
	d := document()
	s := load(t, d)
	v, _ := s.Vendor("a")
	cl, _ := s.Client("one.app")
	c, err := s.Choose(cl, v, "")
	if err != nil {
		t.Fatal(err)
	}
	b := runtimeconfig.NewBinding(v, c)
	if _, err := s.Bound(b); err != nil {
		t.Error("the binding does not hold in its own snapshot")
	}
	for name, change := range map[string]func(*runtimeconfig.Document){
		"secret rotated":       func(d *runtimeconfig.Document) { d.Credentials[0].ClientSecret = secret.New("new") },
		"client id changed":    func(d *runtimeconfig.Document) { d.Credentials[0].ClientID = "other" },
		"object created anew":  func(d *runtimeconfig.Document) { d.Credentials[0].UID = "other" },
		"issuer changed":       func(d *runtimeconfig.Document) { d.Vendors[0].Target.Issuer = "https://evil.example" },
		"credential is gone":   func(d *runtimeconfig.Document) { d.Credentials = d.Credentials[1:] },
		"moved to another one": func(d *runtimeconfig.Document) { d.Credentials[0].Vendor = "b" },
	} {
		d := document()
		change(&d)
		if _, err := load(t, d).Bound(b); (err == nil) != (name == "secret rotated") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBound_notReadyIsNotGone(t *testing.T) {
	d := document()
	v, c := d.Vendors[0], d.Credentials[0]
	b := runtimeconfig.NewBinding(&v, &c)
	d.Credentials[0].NotReady, d.Credentials[0].ClientID = "SecretNotFound", ""
	if _, err := load(t, d).Bound(b); !errors.Is(err, runtimeconfig.ErrCredentialNotReady) {
		t.Errorf("Bound() = %v: a Secret that is away for a moment must not end sessions", err)
	}
}

func TestDocument_neverPrintsSecrets(t *testing.T) {
	d := document()
	s := load(t, d)
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if out := fmt.Sprintf("%+v %#v %+v %s", d, d, s, b); strings.Contains(out, marker) {
		t.Error("a secret was printed")
	}
}

func TestLoad_reusesWhatDidNotChange(t *testing.T) {
	index, shards := publish(t, document())
	first, err := runtimeconfig.Load(index, shards, nil, options())
	if err != nil {
		t.Fatal(err)
	}
	if m := index.Missing(first); len(m) != 0 {
		t.Errorf("Missing() = %v", m)
	}
	index.Sequence++
	if _, err := runtimeconfig.Load(index, nil, first, options()); err != nil {
		t.Errorf("the known shard was not reused: %v", err)
	}
	if _, err := runtimeconfig.Load(index, nil, nil, options()); err == nil {
		t.Error("a missing shard was not noticed")
	}
}

func TestLoad_refuses(t *testing.T) {
	good, shards := publish(t, document())
	name := good.Shards[0].Name
	reseal := func(change func(string) string) (runtimeconfig.Index, map[string][]byte) {
		content := []byte(change(string(shards[name])))
		i := good
		n := runtimeconfig.ShardName(i.NameKey, content)
		i.Shards = []runtimeconfig.ShardRef{{Name: n}}
		return i, map[string][]byte{n: content}
	}
	swap := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	for what, change := range map[string]func(string) string{
		"unknown member":  swap(`"name":"a"`, `"nome":"a"`),
		"unknown kind":    swap(`"id":"vendor/a"`, `"id":"vendors/a"`),
		"id of another":   swap(`"id":"vendor/a"`, `"id":"vendor/c"`),
		"trailing bytes":  func(s string) string { return s + "{}" },
		"another format":  swap(`"format":1`, `"format":2`),
		"vendor is gone":  swap(`"vendor":"a"`, `"vendor":"zz"`),
		"null body":       swap(`"body":{"id":"one.app"`, `"body":null,"x":{"id":"one.app"`),
		"not JSON at all": func(string) string { return "x" },
	} {
		i, s := reseal(change)
		if _, err := runtimeconfig.Load(i, s, nil, options()); err == nil {
			t.Errorf("%s: accepted", what)
		} else if strings.Contains(err.Error(), marker) {
			t.Errorf("%s: the error tells a secret", what)
		}
	}
	if _, err := runtimeconfig.Load(good, map[string][]byte{name: []byte("changed")}, nil, options()); err == nil {
		t.Error("content that does not fit its name was accepted")
	}
	wrongPlace := good
	wrongPlace.Shards = []runtimeconfig.ShardRef{{Name: name, Prefix: "0101010101"}}
	if _, err := runtimeconfig.Load(wrongPlace, shards, nil, options()); err == nil {
		t.Error("an item in the wrong shard was accepted")
	}
}

func TestNewSnapshot_refusesContradictions(t *testing.T) {
	for what, change := range map[string]func(*runtimeconfig.Document){
		"vendor twice":     func(d *runtimeconfig.Document) { d.Vendors = append(d.Vendors, vendor("a")) },
		"client twice":     func(d *runtimeconfig.Document) { d.Clients = append(d.Clients, client("one", "app")) },
		"credential twice": func(d *runtimeconfig.Document) { d.Credentials = append(d.Credentials, byoc("one", "own", "a", false)) },
		"two defaults":     func(d *runtimeconfig.Document) { d.Credentials = append(d.Credentials, byoc("one", "more", "a", true)) },
		"two shared":       func(d *runtimeconfig.Document) { d.Credentials = append(d.Credentials, shared("a")) },
		"secret client without secret": func(d *runtimeconfig.Document) {
			d.Clients[0].Auth = runtimeconfig.ClientSecret
		},
	} {
		d := document()
		change(&d)
		if _, err := runtimeconfig.NewSnapshot(d, "r", 1, options()); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

func FuzzLoad(f *testing.F) {
	items, err := runtimeconfig.Encode(document())
	if err != nil {
		f.Fatal(err)
	}
	content, err := runtimeconfig.EncodeShard(items)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte(`{"format":1,"items":[{"id":"byoc/a/b","sequence":1,"body":{}}]}`))
	key := bytes.Repeat([]byte{7}, 32)
	f.Fuzz(func(t *testing.T, content []byte) {
		name := runtimeconfig.ShardName(key, content)
		index := runtimeconfig.Index{Format: runtimeconfig.Format, NameKey: key, Shards: []runtimeconfig.ShardRef{{Name: name}}}
		s, err := runtimeconfig.Load(index, map[string][]byte{name: content}, nil, options())
		if (s == nil) == (err == nil) {
			t.Error("neither a snapshot nor an error")
		}
	})
}

func FuzzDecodeIndex(f *testing.F) {
	b, err := runtimeconfig.EncodeIndex(runtimeconfig.Index{Format: runtimeconfig.Format, NameKey: make([]byte, 32)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := runtimeconfig.DecodeIndex(b)
		if err == nil && i.Format != runtimeconfig.Format {
			t.Error("another format was accepted")
		}
	})
}
