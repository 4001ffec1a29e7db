// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// grant is what the broker's refresh token holds.
type grant struct {
	Binding runtimeconfig.Binding
	Client  string
	Scopes  []string
	// Asked are scopes that were asked for and that the vendor does not list among
	// the granted ones: it may call them something else.
	Asked    []string
	Resource []string
	Callback string
	Subject  string
	Token    string
	// Family is the same for all refresh tokens of one login.
	Family string
	// Step counts how often the refresh token was replaced in this family.
	Step int64
	// raw is true for a refresh token of the vendor's own.
	raw bool
}

// Fields implements seal.Content.
func (g *grant) Fields(f *seal.Fields) {
	f.Object("b", (*binding)(&g.Binding))
	f.Text("cl", &g.Client)
	f.Texts("sc", &g.Scopes)
	f.Texts("as", &g.Asked)
	f.Texts("re", &g.Resource)
	f.Text("cb", &g.Callback)
	f.Text("su", &g.Subject)
	f.Text("rt", &g.Token)
	f.Text("fa", &g.Family)
	f.Int("sp", &g.Step)
}

// grantResult is a successful exchange on its way to the client.
type grantResult struct {
	endpoint vendor.Endpoint
	binding  runtimeconfig.Binding
	tokens   *vendor.Result
	// scopes that were asked for; what the vendor says it granted goes before.
	scopes   []string
	asked    []string
	resource []string
	callback string
	subject  string
	family   string
	step     int64
	// kept is the refresh token in use, for vendors that return none on refresh.
	kept     secret.Text
	captured map[string]string
}

// respond hands the vendor's answer on without loss; only the refresh token is
// sealed to client, vendor and credential.
func (s *Server) respond(w http.ResponseWriter, r *request, t *tokenRequest, g grantResult) error {
	members := &g.tokens.Members
	token := g.tokens.RefreshToken
	if token.Empty() {
		token = g.kept
	}
	switch {
	case token.Empty():
	case t.client.NoRefresh, s.Shared == nil && onlyBrokerRotates(t.client, g.endpoint):
		g.endpoint.DropRefreshToken(members)
	default:
		out, err := s.refreshTokenFor(r, t, g, token)
		if err != nil {
			return err
		}
		g.endpoint.SetRefreshToken(members, out)
	}
	if g.captured != nil {
		captured, err := json.Marshal(g.captured)
		if err != nil {
			return err
		}
		members.Set("vendor_callback", string(captured))
	}
	buf, giveBack := s.bodies.Borrow()
	defer giveBack()
	body := members.AppendJSON(buf.AvailableBuffer())
	_, _ = buf.Write(body) // it grows to what answers need
	if t.client.Encryption != nil {
		return writeEncrypted(w, t.client.Encryption, body)
	}
	writeBytes(w, http.StatusOK, body)
	return nil
}

// onlyBrokerRotates tells of a public client that registered itself, at a vendor
// that does not rotate: what would end a stolen refresh token (OAuth 2.1 section
// 4.3.1) is the broker alone, by what it keeps in Redis. Without Redis such a
// client gets no refresh token.
func onlyBrokerRotates(c *runtimeconfig.Client, e vendor.Endpoint) bool {
	return c.SelfRegistered && c.Auth == runtimeconfig.ClientNone && e.Vendor.Refresh.Static
}

func (s *Server) refreshTokenFor(r *request, t *tokenRequest, g grantResult, token secret.Text) (string, error) {
	if rawAllowed(t.client, g.endpoint) {
		return token.Reveal(), nil
	}
	scopes, asked := g.scopes, g.asked
	// A refresh that was narrowed leaves the grant as it was (RFC 6749 section 6).
	if refreshed := !g.kept.Empty(); g.tokens.HasScope && (!refreshed || len(scopes) == 0) {
		scopes, asked = granted(scopes, g.tokens.Scope, g.endpoint.Vendor.Scopes)
	}
	subject := g.tokens.Subject
	if subject == "" {
		subject = g.subject
	}
	return r.keys.Seal(seal.RefreshToken, s.Now().Add(s.Lifetimes.Grant), "", &grant{
		Binding: g.binding, Client: t.client.ID, Scopes: scopes, Asked: asked, Resource: g.resource, Callback: g.callback, Subject: subject, Token: token.Reveal(), Family: g.family, Step: g.step,
	})
}

// granted takes the vendor's word for what was granted, and keeps what else was
// asked for. Entra ID never lists offline_access, which a refresh token stands for,
// and gives no new one to who does not ask for it again: it stays where it is the
// platform that asks for it.
func granted(asked, told []string, v runtimeconfig.Scopes) (scopes, untold []string) {
	const offline = "offline_access"
	untold = slices.DeleteFunc(slices.Clone(asked), func(s string) bool { return slices.Contains(told, s) })
	if slices.Contains(untold, offline) && slices.Contains(slices.Concat(v.Always, v.Default), offline) {
		told = oauth.Union(told, []string{offline})
	}
	return told, untold
}

// rawAllowed tells whether a client gets the vendor's own refresh token: only an
// authenticated confidential client on a BYOC credential of its own namespace.
func rawAllowed(c *runtimeconfig.Client, e vendor.Endpoint) bool {
	return e.Vendor.Refresh.Raw && c.Auth != runtimeconfig.ClientNone &&
		e.Credential.Source == runtimeconfig.SourceBYOC && e.Credential.Namespace == c.Namespace
}

// writeEncrypted answers with a JWE (RFC 7516) for the client's key.
func writeEncrypted(w http.ResponseWriter, enc *runtimeconfig.Encryption, plain []byte) error {
	var key jose.JSONWebKey
	if err := json.Unmarshal([]byte(enc.JWK), &key); err != nil {
		return &oauth.Error{Code: oauth.ServerError, Description: "this client's encryption key is not usable", Cause: err}
	}
	opts := (&jose.EncrypterOptions{}).WithContentType("application/json")
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.KeyAlgorithm(enc.Algorithm), Key: key.Key, KeyID: key.KeyID}, opts)
	if err != nil {
		return &oauth.Error{Code: oauth.ServerError, Description: "this client's encryption key is not usable", Cause: err}
	}
	jwe, err := encrypter.Encrypt(plain)
	if err != nil {
		return err
	}
	compact, err := jwe.CompactSerialize()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jwt")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte(compact))
	return nil
}
