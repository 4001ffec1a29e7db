// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// keyServer publishes keys, as a vendor does.
type keyServer struct {
	set   *keySet
	clock atomic.Int64
	reads atomic.Int64

	mu   sync.Mutex
	body string
}

func newKeyServer(t *testing.T) *keyServer {
	t.Helper()
	k := &keyServer{}
	k.clock.Store(1_700_000_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		k.reads.Add(1)
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.body == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(k.body))
	}))
	t.Cleanup(server.Close)
	k.set = &keySet{client: server.Client(), url: server.URL, limit: 1 << 16, now: func() time.Time { return time.Unix(k.clock.Load(), 0) }, pace: newPace()}
	return k
}

func (k *keyServer) publish(body string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.body = body
}

// calm lets no token cause another read at this moment.
func (k *keyServer) calm() {
	for k.set.pace.AllowN(k.set.now(), 1) {
	}
}

func (k *keyServer) want(t *testing.T, what string, token *idToken, wantErr string, reads int64) {
	t.Helper()
	err := k.set.verify(t.Context(), token)
	if (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
		t.Errorf("%s: %v, want %q", what, err, wantErr)
	}
	if got := k.reads.Load(); got != reads {
		t.Errorf("%s: %d reads, want %d", what, got, reads)
	}
}

type signer struct {
	id     string
	method jwt.SigningMethod
	key    crypto.Signer
}

func newECSigner(t *testing.T, id string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{id, jwt.SigningMethodES256, key}
}

func (s signer) token(t *testing.T) *idToken {
	t.Helper()
	j := jwt.NewWithClaims(s.method, jwt.MapClaims{"sub": "alice"})
	if s.id != "" {
		j.Header["kid"] = s.id
	}
	raw, err := j.SignedString(s.key)
	if err != nil {
		t.Fatal(err)
	}
	token, err := parseIDToken(raw, []string{s.method.Alg()})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (s signer) jwk(t *testing.T, use string) string {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKey{Key: s.key.Public(), KeyID: s.id, Use: use})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func setOf(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// Keys rotate: a token of a new key makes one read, and one of an old key is
// refused once the set was read without it.
func TestKeySet_rotation(t *testing.T) {
	k, first, second := newKeyServer(t), newECSigner(t, "1"), newECSigner(t, "2")
	k.publish(setOf(first.jwk(t, "sig")))
	k.want(t, "first key", first.token(t), "", 1)
	k.want(t, "first key again", first.token(t), "", 1)
	k.publish(setOf(second.jwk(t, "")))
	k.want(t, "a new key", second.token(t), "", 2)
	forged := second.token(t)
	forged.signed += "x"
	k.want(t, "forged", forged, errBadSignature.Error(), 3)
	k.want(t, "forged again", forged, errBadSignature.Error(), 3)
	k.want(t, "the old key", first.token(t), errBadSignature.Error(), 3)
	k.want(t, "a good one afterwards", second.token(t), "", 3)
	k.clock.Add(10)
	k.want(t, "forged, after a while", forged, errBadSignature.Error(), 4)
	k.want(t, "forged again", forged, errBadSignature.Error(), 4)
}

// What cannot be read is told, is not asked for without end, and does not take
// away the keys that are there.
func TestKeySet_failures(t *testing.T) {
	k, key, other := newKeyServer(t), newECSigner(t, "1"), newECSigner(t, "2")
	good := setOf(key.jwk(t, "sig"))
	k.want(t, "away", key.token(t), "answered 503", 1)
	k.want(t, "away, again", key.token(t), "answered 503", 2)
	for i, c := range []struct{ body, want string }{
		{"", "answered 503"}, {"<!doctype html>", "not a key set"}, {"[]", "not a key set"}, {`{"keys":1}`, "not a key set"}, {good + "x", "not a key set"},
		{"null", "no key"}, {`{"keys":null}`, "no key"}, {setOf(`1`, `"two"`, `null`, `{"kty":"EC"}`, `{"kty":"oct","kid":"1","k":"c2VjcmV0"}`), "no key"},
		{setOf(key.jwk(t, "enc")), "no key"}, {strings.Repeat(" ", 1<<16) + good, "maxResponseBytes"},
	} {
		k.publish(c.body)
		k.want(t, c.body, key.token(t), c.want, int64(i+3))
		k.publish(good)
		k.want(t, c.body+", at once again", key.token(t), c.want, int64(i+3))
		k.clock.Add(10)
	}
	k.want(t, "good", key.token(t), "", 13)
	k.publish("")
	k.clock.Add(10)
	k.want(t, "away, and an unknown key", other.token(t), "answered 503", 14)
	k.want(t, "away, and the known key", key.token(t), "", 14)
}

// Every algorithm that a vendor may name, among keys that nobody can use.
func TestKeySet_algorithms(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signers := []signer{
		{"rs256", jwt.SigningMethodRS256, key}, {"rs384", jwt.SigningMethodRS384, key}, {"rs512", jwt.SigningMethodRS512, key},
		{"ps256", jwt.SigningMethodPS256, key}, {"ps384", jwt.SigningMethodPS384, key}, {"ps512", jwt.SigningMethodPS512, key}, {"ed", jwt.SigningMethodEdDSA, ed},
	}
	for method, curve := range map[*jwt.SigningMethodECDSA]elliptic.Curve{
		jwt.SigningMethodES256: elliptic.P256(), jwt.SigningMethodES384: elliptic.P384(), jwt.SigningMethodES512: elliptic.P521(),
	} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signers = append(signers, signer{method.Alg(), method, key})
	}
	k, keys := newKeyServer(t), []string{`{"kty":"future"}`, `{"kty":"EC","crv":"secp256k1","alg":"ES256K","x":"AA","y":"AA"}`, `{"kty":"oct","k":"AAAA"}`, `1`}
	for _, s := range signers {
		keys = append(keys, s.jwk(t, "sig"))
	}
	k.publish(setOf(keys...))
	k.want(t, "the first", signers[0].token(t), "", 1)
	k.calm()
	for _, s := range signers {
		k.want(t, s.id, s.token(t), "", 1)
		unnamed := s
		unnamed.id = ""
		k.want(t, s.id+" without kid", unnamed.token(t), "", 1)
		other := s
		other.id += "-other"
		k.want(t, s.id+" under another kid", other.token(t), errBadSignature.Error(), 1)
	}
}

// A key is for one algorithm where it says which (RFC 8725 section 3.1), and an
// ECDSA algorithm for one curve (RFC 7518 section 3.4).
func TestKeySet_oneAlgorithmForAKey(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	marked := signer{"r", jwt.SigningMethodPS256, rsaKey}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: rsaKey.Public(), KeyID: "r", Algorithm: "PS256"})
	if err != nil {
		t.Fatal(err)
	}
	ec := newECSigner(t, "e")
	k := newKeyServer(t)
	k.publish(setOf(string(jwk), ec.jwk(t, "sig")))
	k.want(t, "its algorithm", marked.token(t), "", 1)
	k.calm()
	marked.method = jwt.SigningMethodRS256
	k.want(t, "another algorithm", marked.token(t), errBadSignature.Error(), 1)

	token := ec.token(t)
	k.want(t, "its curve", token, "", 1)
	token.algorithm = "ES384"
	sum := sha512.Sum384([]byte(token.signed))
	key, ok := ec.key.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("the key is a %T", ec.key)
	}
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	token.signature = append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
	k.want(t, "another curve's algorithm", token, errBadSignature.Error(), 1)
}

// What the check of a signature costs is not the vendor's choice: with an RSA key
// of a megabyte it takes an hour, and any key may fit a token.
func TestKeySet_costlyKeys(t *testing.T) {
	k, key := newKeyServer(t), newECSigner(t, "1")
	n := new(big.Int).Lsh(big.NewInt(1), uint(jose.MaxRSAModulusBits))
	jwk, err := json.Marshal(jose.JSONWebKey{Key: &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 1<<31 - 1}, KeyID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	k.publish(setOf(string(jwk)))
	k.want(t, "a long key", key.token(t), "no key", 1)
	k.clock.Add(11)
	k.publish(setOf(string(jwk), key.jwk(t, "sig")))
	k.want(t, "a long key beside a good one", key.token(t), "", 2)
	k.clock.Add(11)
	k.publish(setOf(slices.Repeat([]string{key.jwk(t, "sig")}, maxKeys+1)...))
	k.want(t, "many keys", newECSigner(t, "1").token(t), "too many keys", 3)
}

// A changed transport counts at once, and for whom it was changed.
func TestClient_keySetFollowsItsTransport(t *testing.T) {
	c := NewClient(time.Now, nil)
	e := Endpoint{Vendor: &runtimeconfig.Vendor{}, Target: &runtimeconfig.Target{}}
	e.Target.Endpoints.JWKS = "https://acme.example/jwks"
	for _, limit := range []int{1024, 4096} {
		e.Vendor.Transport = runtimeconfig.Transport{TimeoutSeconds: 1, MaxResponseBytes: limit}
		set, err := c.keySet(e)
		if err != nil || set.limit != int64(limit) {
			t.Errorf("limit %d: %+v, %v", limit, set, err)
		}
	}
}

// Many logins at once make one read; one that ends early ends alone.
func TestKeySet_manyAtOnce(t *testing.T) {
	k, key := newKeyServer(t), newECSigner(t, "1")
	k.publish(setOf(key.jwk(t, "sig")))
	token := key.token(t)
	k.mu.Lock() // holds the answer back
	gone, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := k.set.verify(gone, token); err == nil || !strings.Contains(err.Error(), "went away") {
			t.Errorf("who went away: %v", err)
		}
		k.mu.Unlock()
	})
	for range 20 {
		all.Go(func() {
			if err := k.set.verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	cancel()
	all.Wait()
	if got := k.reads.Load(); got != 1 {
		t.Errorf("%d reads", got)
	}
}

// Whatever a vendor publishes, only public keys for signatures come out of it.
func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(setOf(`{"kty":"oct","kid":"1","k":"c2VjcmV0"}`)))
	f.Add([]byte(setOf(`{"kty":"RSA","kid":"1","use":"sig","n":"AQAB","e":"AQAB"}`, `1`, `null`)))
	f.Add([]byte(setOf(`{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := parseKeys(body)
		if (err == nil) != (len(keys) > 0) || len(keys) > maxKeys {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		token := &idToken{algorithm: "ES256", signed: "a.b", signature: make([]byte, 64)}
		for _, k := range keys {
			switch k.key.(type) {
			case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
			default:
				t.Errorf("took a %T", k.key)
			}
		}
		if token.signedBy(keys) {
			t.Error("a token without a signature is good")
		}
	})
}

// Keys that are to be read again and do not come cost one login in a minute a
// moment; the others use what is there.
func TestKeySet_oneLooksForNewerKeys(t *testing.T) {
	k, key := newKeyServer(t), newECSigner(t, "1")
	k.publish(setOf(key.jwk(t, "sig")))
	token := key.token(t)
	k.want(t, "at first", token, "", 1)
	k.clock.Add(20 * 60)
	k.mu.Lock() // holds the answer back
	var first sync.WaitGroup
	first.Go(func() {
		if err := k.set.verify(t.Context(), token); err != nil {
			t.Error(err)
		}
	})
	poll.Until(t, patience, func() error {
		if k.reads.Load() != 2 {
			return errors.New("nobody reads the keys again")
		}
		return nil
	})
	start := time.Now()
	for range 20 {
		k.want(t, "while one waits", token, "", 2)
	}
	first.Wait()
	for range 20 {
		k.want(t, "after one waited", token, "", 2)
	}
	if took := time.Since(start); took > 3*patience {
		t.Errorf("40 logins took %s", took)
	}
	k.mu.Unlock()
	poll.Until(t, patience, func() error {
		if !k.set.now().Before(k.set.keys.Load().fresh) {
			return errors.New("the answer that came late is not used")
		}
		return nil
	})
	k.clock.Add(20 * 60)
	k.publish("")
	k.want(t, "away", token, "", 3)
	k.clock.Add(59)
	k.want(t, "away, within the minute", token, "", 3)
	k.clock.Add(1)
	k.want(t, "away, after it", token, "", 4)
}
