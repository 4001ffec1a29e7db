// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"
)

// Claim sets a claim of the ID token; nil leaves it out.
func Claim(name string, value any) Behaviour {
	return Behaviour{Name: "claim " + name, IDToken: func(t *IDToken) { put(t.Claims, name, value) }}
}

// TokenHeader sets a header parameter of the ID token; nil leaves it out.
func TokenHeader(name string, value any) Behaviour {
	return Behaviour{Name: "header " + name, IDToken: func(t *IDToken) { put(t.Header, name, value) }}
}

// UnknownKey signs with a key of another kid every time, so that a client that
// reads the key set again for each can be noticed.
func UnknownKey() Behaviour {
	return named("unknown kid", func(t *IDToken) { t.Header["kid"] = "unknown-" + rand.Text() })
}

// GoodIDTokens are unusual and right: a client must accept them.
func GoodIDTokens() []Behaviour {
	return []Behaviour{
		named("aud is an array of one", func(t *IDToken) { t.Claims["aud"] = []any{t.Claims["aud"]} }),
		named("azp is the client", func(t *IDToken) { t.Claims["azp"] = t.Claims["aud"] }),
		named("no at_hash", func(t *IDToken) { delete(t.Claims, "at_hash") }),
		named("no typ", func(t *IDToken) { delete(t.Header, "typ") }),
		named("clock 30 seconds ahead", shift("iat", 30*time.Second)),
		named("unknown claims", func(t *IDToken) { t.Claims["https://vendor.example/roles"] = []any{"a", map[string]any{"b": 1}} }),
	}
}

// BadIDTokens are those that OpenID Connect Core section 3.1.3.7 and the known
// attacks on JWTs tell a client to refuse. Headers that name a URL name elsewhere.
func BadIDTokens(elsewhere string) []Behaviour {
	bad := forgedSignatures()
	bad = append(bad, wrongClaims()...)
	bad = append(bad, oddHeaders(elsewhere)...)
	return append(bad, oddBase64()...)
}

// wrongClaims are signed well and say the wrong thing.
func wrongClaims() []Behaviour {
	return []Behaviour{
		named("iss of another", func(t *IDToken) { t.Claims["iss"] = "https://attacker.example" }),
		named("iss with a slash", func(t *IDToken) { t.Claims["iss"] = text(t, "iss") + "/" }),
		named("iss in upper case", func(t *IDToken) { t.Claims["iss"] = strings.ToUpper(text(t, "iss")) }),
		named("no iss", func(t *IDToken) { delete(t.Claims, "iss") }),
		named("aud of another", func(t *IDToken) { t.Claims["aud"] = "other" }),
		named("aud array of others", func(t *IDToken) { t.Claims["aud"] = []any{"other", "another"} }),
		named("aud array without azp", func(t *IDToken) { t.Claims["aud"] = []any{t.Claims["aud"], "other"} }),
		named("aud array with azp of another", func(t *IDToken) {
			t.Claims["aud"], t.Claims["azp"] = []any{t.Claims["aud"], "other"}, "other"
		}),
		named("azp of another", func(t *IDToken) { t.Claims["azp"] = "other" }),
		named("no aud", func(t *IDToken) { delete(t.Claims, "aud") }),
		named("no nonce", func(t *IDToken) { delete(t.Claims, "nonce") }),
		named("other nonce", func(t *IDToken) { t.Claims["nonce"] = "other" }),
		named("nonce is a number", func(t *IDToken) { t.Claims["nonce"] = 1 }),
		named("expired", shift("exp", -time.Hour)),
		named("no exp", func(t *IDToken) { delete(t.Claims, "exp") }),
		named("exp is text", func(t *IDToken) { t.Claims["exp"] = "tomorrow" }),
		named("iat in the far future", shift("iat", time.Hour)),
		named("no iat", func(t *IDToken) { delete(t.Claims, "iat") }),
		named("nbf in the future", func(t *IDToken) { t.Claims["nbf"] = number(t, "iat") + 3600 }),
		named("no sub", func(t *IDToken) { delete(t.Claims, "sub") }),
		named("empty sub", func(t *IDToken) { t.Claims["sub"] = "" }),
		named("at_hash of another token", func(t *IDToken) { t.Claims["at_hash"] = halfHash("other") }),
		named("empty at_hash", func(t *IDToken) { t.Claims["at_hash"] = "AA" }),
	}
}

// oddHeaders ask the client to do what it must not do.
func oddHeaders(elsewhere string) []Behaviour {
	return []Behaviour{
		named("crit header", func(t *IDToken) { t.Header["crit"], t.Header["exp"] = []string{"exp"}, number(t, "exp") }),
		named("empty crit header", func(t *IDToken) { t.Header["crit"] = []string{} }),
		named("jku header", ownKey(func(t *IDToken, _ map[string]any) { t.Header["jku"] = elsewhere + "/jwks" })),
		named("x5u header", ownKey(func(t *IDToken, _ map[string]any) { t.Header["x5u"] = elsewhere + "/x5u" })),
		named("jwk header", ownKey(func(t *IDToken, jwk map[string]any) { t.Header["jwk"] = jwk })),
		named("zip header", func(t *IDToken) {
			t.Header["zip"] = "DEF"
			t.Raw = t.compressed()
		}),
		named("10,000 dots", func(t *IDToken) { t.Raw = strings.Repeat(".", 10_000) }),
		named("1,000,000 dots after a good start", func(t *IDToken) { t.Raw = "eyJhbGciOiJSUzI1NiJ9" + strings.Repeat(".", 1_000_000/4) }),
		named("five parts", func(t *IDToken) { t.Raw = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..a.b.c" }),
		named("not a JWT", func(t *IDToken) { t.Raw = "opaque" }),
	}
}

// oddBase64 are signed well over a text that says the same as the usual one and
// is not how its bytes are written (RFC 7515 section 2, RFC 4648 section 3.5).
func oddBase64() []Behaviour {
	var all []Behaviour
	for i, part := range []string{"header", "payload", "signature"} {
		for how, change := range map[string]func(string) string{
			"bits after the end":   bitsAfterTheEnd,
			"a line break":         func(s string) string { return s[:4] + "\n" + s[4:] },
			"a line break at last": func(s string) string { return s + "\r\n" },
			"padding":              func(s string) string { return s + strings.Repeat("=", -len(s)&3) },
		} {
			all = append(all, named(how+" in the "+part, func(t *IDToken) { t.Raw = t.respelled(i, change) }))
		}
	}
	return all
}

// bitsAfterTheEnd sets a bit of the last character that belongs to no byte.
func bitsAfterTheEnd(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + alphabet[last|1:last|1+1]
}

// respelled is the token with one part written another way.
func (t *IDToken) respelled(part int, change func(string) string) string {
	parts := make([]string, 3)
	for i, m := range []map[string]any{t.Header, t.Claims} {
		b, err := json.Marshal(m)
		if err != nil {
			return err.Error()
		}
		for len(b)%3 == 0 {
			b = append(b, ' ') // so that the last character has bits to spare
		}
		parts[i] = encode64(b)
	}
	if part < 2 {
		parts[part] = change(parts[part])
	}
	signature, err := t.Sign([]byte(parts[0] + "." + parts[1]))
	if err != nil {
		return err.Error()
	}
	if parts[2] = encode64(signature); part == 2 {
		parts[2] = change(parts[2])
	}
	return strings.Join(parts, ".")
}

func named(name string, change func(*IDToken)) Behaviour {
	return Behaviour{Name: name, IDToken: change}
}

func put(m map[string]any, name string, value any) {
	if value == nil {
		delete(m, name)
		return
	}
	m[name] = value
}

func text(t *IDToken, claim string) string {
	v, _ := t.Claims[claim].(string)
	return v
}

func number(t *IDToken, claim string) int64 {
	v, _ := t.Claims[claim].(int64)
	return v
}

// shift moves a time claim relative to the time of issue.
func shift(claim string, by time.Duration) func(*IDToken) {
	return func(t *IDToken) { t.Claims[claim] = number(t, "iat") + int64(by/time.Second) }
}

// compressed is the token with a deflated payload, signed well.
func (t *IDToken) compressed() string {
	whole, err := t.encode()
	if err != nil {
		return err.Error()
	}
	header, _, _ := strings.Cut(whole, ".")
	var payload bytes.Buffer
	z, _ := flate.NewWriter(&payload, flate.BestSpeed) // never fails for a known level
	_, _ = z.Write([]byte(strings.Repeat(" ", 1<<20)))
	_ = z.Close()
	input := header + "." + encode64(payload.Bytes())
	signature, err := t.Sign([]byte(input))
	if err != nil {
		return err.Error()
	}
	return input + "." + encode64(signature)
}
