// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func jwtOf(header, claims string, signature int) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(header)) + "." + e([]byte(claims)) + "." + e(make([]byte, signature))
}

func TestParseIDToken_form(t *testing.T) {
	const claims = `{"azp":"a","iat":1,"nonce":"n","tid":"t"}`
	for raw, want := range map[string]string{
		jwtOf(`{"alg":"RS256"}`, claims, 256): "", jwtOf(`{"alg":"ES256","kid":"k","typ":"JWT"}`, claims, 64): "", jwtOf(`{"alg":"RS256","kid":null}`, claims, 256): "",
		jwtOf(`{"alg":"RS256"}`, claims, 128): "2048", jwtOf(`{"alg":"RS256"}`, claims, 0): "2048", jwtOf(`{"alg":"PS256"}`, claims, 256): "", jwtOf(`{"alg":"PS256"}`, claims, 255): "2048", jwtOf(`{"alg":"none"}`, claims, 0): "algorithm", jwtOf(`{"alg":"HS256"}`, claims, 32): "algorithm",
		jwtOf(`{}`, claims, 256): "algorithm", jwtOf(`{"ALG":"RS256"}`, claims, 256): "algorithm", jwtOf(`{"alg":["RS256"]}`, claims, 256): "algorithm", jwtOf(`{"alg":"RS256","crit":[]}`, claims, 256): "crit", jwtOf(`{"alg":"RS256","jku":"x"}`, claims, 256): "jku",
		jwtOf(`{"alg":"RS256","jwk":{}}`, claims, 256): "jwk", jwtOf(`{"alg":"RS256","x5c":[]}`, claims, 256): "x5c", jwtOf(`{"alg":"RS256","x5u":"x"}`, claims, 256): "x5u", jwtOf(`{"alg":"RS256","zip":"DEF"}`, claims, 256): "zip",
		jwtOf(`{"alg":"none","alg":"RS256"}`, claims, 256): "header", jwtOf(`{"alg":"RS256","kid":"a","\u006bid":"b"}`, claims, 256): "header", jwtOf(`{"alg":"RS256","kid":1}`, claims, 256): "kid",
		jwtOf(`[]`, claims, 256): "header", jwtOf(`{"alg":"RS256"}x`, claims, 256): "header", jwtOf(`{"alg":"RS256"}`, `[]`, 256): "claims", jwtOf(`{"alg":"RS256"}`, `{"sub":"a","sub":"b"}`, 256): "claims",
		jwtOf(`{"alg":"RS256"}`, claims, 256) + "!": "signature", strings.Replace(jwtOf(`{"alg":"RS256"}`, claims, 256), ".", ".!", 1): "claims",
		"": "JWT", "a.b": "JWT", "a.b.c.d": "JWT", "a.b.c.d.e": "JWT", "..": "header", strings.Repeat(".", 10000): "JWT",
	} {
		token, err := parseIDToken(raw, []string{"RS256", "PS256", "ES256"})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("parseIDToken(%.60q) = %v, want %q", raw, err, want)
		}
		if err == nil && (token.signed != raw[:strings.LastIndex(raw, ".")] || len(token.signature) < 64) {
			t.Errorf("%.60q: signed %q", raw, token.signed)
		}
	}
}

// A part of a token is written in one way: who compares tokens as texts must not
// take two for different that say the same.
func TestDecodeBase64(t *testing.T) {
	for s, want := range map[string]string{"": "", "AA": "\x00", "AAA": "\x00\x00", "AAAA": "\x00\x00\x00", "_-8": "\xff\xef"} {
		if b, err := decodeBase64(nil, s); err != nil || string(b) != want {
			t.Errorf("decodeBase64(%q) = %q, %v", s, b, err)
		}
	}
	for _, s := range []string{"A", "AB", "AAB", "AA==", "AAA=", "AAAA=", "+-8", "/-8", "A A", "AA\n", "\nAA", "A\rA", "AAAA\n", "AAAA\r\n\r\n", "\n", "\r\n\r\n", "AAAAA", "AA.", "AA\x00"} {
		if b, err := decodeBase64(nil, s); err == nil {
			t.Errorf("decodeBase64(%q) = %q", s, b)
		}
	}
}

func TestClaims_read(t *testing.T) {
	for s, want := range map[string]claims{
		`{}`: {}, `{"iss":null,"sub":null,"aud":null,"exp":null,"nonce":null,"other":[{}]}`: {}, `{"ISS":"i","Sub":"s","EXP":1}`: {},
		`{"iss":"i","sub":"\u0073","nonce":"n","azp":"a","tid":"t","at_hash":"h"}`: {issuer: "i", subject: "s", nonce: "n", authorizedParty: "a", tenant: "t", accessTokenHash: "h"},
		`{"aud":"a","exp":1.9,"iat":"2","nbf":3e2}`:                                {audience: []string{"a"}, expires: 1, issuedAt: 2, notBefore: 300},
		`{"aud":["a","b"],"exp":-1}`:                                               {audience: []string{"a", "b"}, expires: -1},
		`{"aud":[],"exp":1900000000000}`:                                           {audience: []string{}, expires: 1900000000000},
	} {
		var got claims
		if err := got.read(base64.RawURLEncoding.EncodeToString([]byte(s))); err != nil || !cmp.Equal(got, want, cmp.AllowUnexported(claims{})) {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{
		`{"iss":1}`, `{"sub":{}}`, `{"nonce":1}`, `{"azp":["a"]}`, `{"tid":false}`, `{"at_hash":[]}`, `{"aud":1}`, `{"aud":{"a":"b"}}`, `{"aud":["a",1]}`,
		`{"exp":"soon"}`, `{"exp":[]}`, `{"iat":true}`, `{"nbf":1e400}`, `{"exp":1e30}`, `{"exp":"NaN"}`, `{"exp":"Inf"}`, `{"exp":"-Infinity"}`, `{"exp":""}`,
	} {
		var got claims
		if err := got.read(base64.RawURLEncoding.EncodeToString([]byte(s))); err == nil {
			t.Errorf("%s: %+v", s, got)
		}
	}
}

func FuzzIDTokenPrecheck(f *testing.F) {
	f.Add(jwtOf(`{"alg":"RS256"}`, `{"iat":1}`, 256))
	f.Add(jwtOf(`{"alg":"ES256","crit":["x"]}`, `{"aud":["a"]}`, 64))
	f.Add(jwtOf(`{"alg":"ES256","kid":"k"}`, `{"aud":["a","b"],"sub":"s","iss":"i","nonce":"n","exp":1e9,"iat":"1","nbf":null}`, 64))
	f.Add("a..b")
	algorithms := []string{"RS256", "ES256"}
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := parseIDToken(raw, algorithms)
		if err != nil {
			return
		}
		parts := strings.Split(raw, ".")
		if len(parts) != 3 || token.signed != parts[0]+"."+parts[1] {
			t.Fatalf("accepted %q", raw)
		}
		var header, claims map[string]any
		for i, to := range []*map[string]any{&header, &claims} {
			b, err := base64.RawURLEncoding.DecodeString(parts[i])
			if err != nil || base64.RawURLEncoding.EncodeToString(b) != parts[i] || json.Unmarshal(b, to) != nil {
				t.Fatalf("accepted %q", raw)
			}
		}
		if alg, _ := header["alg"].(string); alg != token.algorithm || !slices.Contains(algorithms, alg) || header["crit"] != nil {
			t.Errorf("accepted the header %v", header)
		}
		for name, got := range map[string]string{"iss": token.claims.issuer, "sub": token.claims.subject, "nonce": token.claims.nonce, "azp": token.claims.authorizedParty} {
			if want, _ := claims[name].(string); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
	})
}
