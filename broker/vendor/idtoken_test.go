// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/secret"
)

func jwtOf(header, claims string, signature int) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(header)) + "." + e([]byte(claims)) + "." + e(make([]byte, signature))
}

func TestPrecheck(t *testing.T) {
	const claims = `{"azp":"a","iat":1,"nonce":"n","tid":"t"}`
	for raw, want := range map[string]string{
		jwtOf(`{"alg":"RS256"}`, claims, 256): "", jwtOf(`{"alg":"ES256","kid":"k","typ":"JWT"}`, claims, 64): "",
		jwtOf(`{"alg":"RS256"}`, claims, 128): "2048", jwtOf(`{"alg":"RS256"}`, claims, 0): "2048", jwtOf(`{"alg":"none"}`, claims, 0): "algorithm", jwtOf(`{"alg":"HS256"}`, claims, 32): "algorithm",
		jwtOf(`{}`, claims, 256): "algorithm", jwtOf(`{"alg":["RS256"]}`, claims, 256): "algorithm", jwtOf(`{"alg":"RS256","crit":[]}`, claims, 256): "crit", jwtOf(`{"alg":"RS256","jku":"x"}`, claims, 256): "jku",
		jwtOf(`{"alg":"RS256","jwk":{}}`, claims, 256): "jwk", jwtOf(`{"alg":"RS256","x5c":[]}`, claims, 256): "x5c", jwtOf(`{"alg":"RS256","x5u":"x"}`, claims, 256): "x5u", jwtOf(`{"alg":"RS256","zip":"DEF"}`, claims, 256): "zip",
		jwtOf(`[]`, claims, 256): "header", jwtOf(`{"alg":"RS256"}`, `[]`, 256): "claims", jwtOf(`{"alg":"RS256"}`, `{"nonce":1}`, 256): "claims",
		"": "JWT", "a.b": "JWT", "a.b.c.d": "JWT", "a.b.c.d.e": "JWT", "..": "header", strings.Repeat(".", 10000): "JWT",
	} {
		_, err := precheck(secret.New(raw), []string{"RS256", "ES256"})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("precheck(%.60q) = %v, want %q", raw, err, want)
		}
	}
}

func TestExpandTenant(t *testing.T) {
	const guid = "0123abcd-4567-89EF-0123-456789abcdef"
	if got, err := expandTenant("https://login.example/{tid}/v2.0", guid); err != nil || got != "https://login.example/"+guid+"/v2.0" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := expandTenant("https://login.example", "anything"); err != nil || got != "https://login.example" {
		t.Errorf("without a template: %q, %v", got, err)
	}
	for _, tid := range []string{"", "x", strings.Repeat("-", 36), strings.Repeat("a", 36), guid + "0", guid[:35], "0123abcd/4567-89ef-0123-456789abcdef", "../23abcd-4567-89ef-0123-456789abcd", strings.Repeat("é", 18)} {
		if _, err := expandTenant("https://login.example/{tid}", tid); err == nil {
			t.Errorf("accepted %q", tid)
		}
	}
}

func FuzzIDTokenPrecheck(f *testing.F) {
	f.Add(jwtOf(`{"alg":"RS256"}`, `{"iat":1}`, 256))
	f.Add(jwtOf(`{"alg":"ES256","crit":["x"]}`, `{"aud":["a"]}`, 64))
	f.Add("a..b")
	algorithms := []string{"RS256", "ES256"}
	f.Fuzz(func(t *testing.T, raw string) {
		if _, err := precheck(secret.New(raw), algorithms); err != nil {
			return
		}
		parts := strings.Split(raw, ".")
		var header struct {
			Alg  string `json:"alg"`
			Crit any    `json:"crit"`
		}
		if len(parts) != 3 || segment(parts[0], &header) != nil || !slices.Contains(algorithms, header.Alg) || header.Crit != nil {
			t.Errorf("accepted %q", raw)
		}
	})
}
