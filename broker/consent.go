// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/client"
	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// consentRequest is a request that waits for the user. It is sealed into the
// page's form, bound to a random cookie that only this browser has: the cookie
// is the second half of a double submit, one for each page, so that two tabs do
// not disturb each other.
type consentRequest struct {
	ask
	ID     string
	Passed map[string]string
	Nonce  string
	// CanRemember repeats what the page offered.
	CanRemember bool
}

// Fields implements seal.Content.
func (c *consentRequest) Fields(f *seal.Fields) {
	c.members(f)
	f.Text("id", &c.ID)
	f.Map("pa", &c.Passed)
	f.Text("no", &c.Nonce)
	f.Bool("cr", &c.CanRemember)
}

const (
	consentLife    = 10 * time.Minute
	rememberedLife = 30 * 24 * time.Hour
	// maxConsents is how many consent pages one browser can have open.
	maxConsents = 8
	// maxRemembered bounds the bytes of all remembered consents of one browser.
	maxRemembered = 1500
)

// needsConsent tells whether the user has to agree first. On a credential of the
// client's own namespace, client and app are the same tenant's; on a shared one
// only the vendor's trust makes up for the question.
func (s *Server) needsConsent(r *request, a *authorization) bool {
	if a.client.AlwaysConsent || a.client.SelfRegistered {
		return true
	}
	if a.endpoint.Credential.Source == runtimeconfig.SourceBYOC || r.config.Trusts(a.client, a.vendor) {
		return false
	}
	return !s.remembered(r, a)
}

// showConsent shows the page. Nothing about the login is set in the browser yet.
func (s *Server) showConsent(w http.ResponseWriter, r *request, a *authorization, passed map[string]string) error {
	now := s.Now()
	// Ids begin with the time, so that the oldest can be dropped.
	c := consentRequest{ask: a.ask(), ID: strconv.FormatInt(now.UnixMilli(), 36) + rand.Text(), Passed: passed, Nonce: a.params.Get("nonce"), CanRemember: !a.client.SelfRegistered && !a.client.AlwaysConsent}
	half := rand.Text()
	sealed, err := r.keys.Seal(seal.Consent, now.Add(consentLife), half, &c)
	if err != nil {
		return &redirectError{to: a.back, err: oauth.AsError(err)}
	}
	s.dropOldConsents(w, r)
	s.setCookie(w, s.cookieName(cookieConsent, c.ID), half, consentLife)
	// The page's own form is sent to us with this address as Referer, and to nobody else.
	w.Header().Set("Referrer-Policy", "same-origin")
	r.event.outcome = consentShown
	s.pages.write(w, r, page{status: http.StatusOK, template: "consent", formAction: formAction(c.RedirectURI), data: s.consentPage(a, c, sealed)})
	return nil
}

// formAction lists where the form's redirects lead: browsers hold the whole
// chain to it, through the vendor's own sign-in hosts, which nobody can list.
func formAction(redirectURI string) string {
	sources := "'self' https: http://localhost:* http://127.0.0.1:*"
	if u, err := url.Parse(redirectURI); err == nil && u.Scheme != "https" {
		sources += " " + u.Scheme + ":"
	}
	return sources
}

// consentData is what the page shows. Everything is escaped by html/template.
type consentData struct {
	ID, Request    string
	Client, Vendor string
	Destination    string
	Publisher      string
	Unverified     bool
	Loopback       bool
	CanRemember    bool
	Scopes         []scopeLine
	Resources      []string
}

type scopeLine struct{ Name, Text string }

func (s *Server) consentPage(a *authorization, c consentRequest, sealed string) consentData {
	d := consentData{
		ID: c.ID, Request: sealed, Client: a.client.DisplayName, Vendor: a.vendor.DisplayName,
		Unverified: a.client.SelfRegistered, CanRemember: c.CanRemember, Destination: c.RedirectURI,
	}
	if u, err := url.Parse(c.RedirectURI); err == nil && u.Host != "" {
		d.Destination, d.Loopback = u.Hostname(), oauth.IsLoopback(u.Hostname())
	}
	if u, err := url.Parse(a.client.ID); err == nil && client.IsDocumentURL(a.client.ID) {
		d.Publisher = u.Hostname()
	}
	if a.vendor.Resource.Mode != runtimeconfig.ResourceOmit { // else the access is for whatever the vendor thinks
		for _, resource := range c.Resource {
			d.Resources = append(d.Resources, shownResource(resource))
		}
	}
	for _, scope := range c.Scopes {
		d.Scopes = append(d.Scopes, scopeLine{Name: scope, Text: a.vendor.Scopes.Descriptions[scope]})
	}
	return d
}

// consent takes the user's answer.
func (s *Server) consent(w http.ResponseWriter, r *request) error {
	c, err := s.readConsent(w, r)
	if err != nil {
		return err
	}
	s.span(r, c.Trace)
	e, back, err := s.trustAsk(r, c.ask)
	if err != nil {
		return err
	}
	switch r.params.Get("action") {
	case "allow":
		if c.CanRemember && r.params.Get("remember") == "yes" {
			if err := s.remember(w, r, c.ask); err != nil {
				return &redirectError{to: back, err: oauth.AsError(err)}
			}
		}
		return s.toVendor(w, r, &outbound{ask: c.ask, endpoint: e, back: back, passed: c.Passed, nonce: c.Nonce})
	case "cancel":
		return &redirectError{to: back, err: oauth.Errorf(oauth.AccessDenied, "the user cancelled the request")}
	}
	return badRequest("The form was sent without an answer.", errors.New("action is missing"))
}

// readConsent opens the form with this browser's cookie, once.
func (s *Server) readConsent(w http.ResponseWriter, r *request) (*consentRequest, error) {
	if err := http.NewCrossOriginProtection().Check(r.Request); err != nil {
		return nil, forgedConsent(err)
	}
	p, err := s.readForm(r)
	if err != nil {
		return nil, badRequest("The form cannot be read.", err)
	}
	r.params = p
	id := p.Get("id")
	cookie, err := r.Cookie(s.cookieName(cookieConsent, id))
	if err != nil {
		return nil, forgedConsent(errors.New("no cookie for this consent page"))
	}
	c := &consentRequest{}
	if err := r.keys.Open(seal.Consent, p.Get("request"), cookie.Value, c); err != nil || c.ID != id {
		return nil, forgedConsent(errors.Join(errors.New("form and cookie do not fit"), err))
	}
	r.language = c.Language
	_, err = s.Once.Take(r.Context(), once.NewKey("consent", id), consentLife)
	if err != nil && !errors.Is(err, once.ErrTaken) {
		return nil, tryAgain(err)
	}
	s.setCookie(w, s.cookieName(cookieConsent, id), "", 0)
	if err != nil {
		return nil, badRequest("This page was answered before.", err)
	}
	return c, nil
}

func forgedConsent(cause error) *pageError {
	return &pageError{
		status: http.StatusForbidden, title: "This answer cannot be used",
		text:  "It was given before, took too long, came from another site, or cookies are blocked.",
		cause: cause,
	}
}

func (s *Server) dropOldConsents(w http.ResponseWriter, r *request) {
	var names []string
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, s.cookieName(cookieConsent, "")) {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	for len(names) >= maxConsents {
		s.setCookie(w, names[0], "", 0)
		names = names[1:]
	}
}

// rememberedConsent is what a "do not ask again" cookie seals.
type rememberedConsent struct {
	Scopes   []string `json:"s"`
	Resource []string `json:"r,omitempty"`
}

// rememberedFor binds a remembered consent to client, redirect URI, vendor and
// credential.
func rememberedFor(a ask) (name, context string) {
	context = fmt.Sprintf("%q", []string{a.Client, a.RedirectURI, a.Binding.Vendor, a.Binding.UID, a.Binding.ClientID})
	_, digest, _ := strings.Cut(once.NewKey("", context).String(), ":")
	return digest[:24], context
}

func (s *Server) remember(w http.ResponseWriter, r *request, a ask) error {
	name, context := rememberedFor(a)
	sealed, err := r.keys.Seal(seal.Remembered, s.Now().Add(rememberedLife), context, rememberedConsent{Scopes: a.Scopes, Resource: a.Resource})
	if err != nil {
		return err
	}
	name = s.cookieName(cookieRemembered, name)
	if s.dropOldRemembered(w, r, name, len(sealed)) {
		s.setCookie(w, name, sealed, rememberedLife)
	}
	return nil
}

// dropOldRemembered makes room for a new cookie with length bytes; it tells whether
// there is any.
// Browsers send the oldest first (RFC 6265 section 5.4).
func (s *Server) dropOldRemembered(w http.ResponseWriter, r *request, name string, length int) bool {
	size := len(name) + length
	fits := size <= maxRemembered
	var others []*http.Cookie
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, s.cookieName(cookieRemembered, "")) && c.Name != name {
			others, size = append(others, c), size+len(c.Name)+len(c.Value)
		}
	}
	for ; fits && size > maxRemembered; others = others[1:] {
		s.setCookie(w, others[0].Name, "", 0)
		size -= len(others[0].Name) + len(others[0].Value)
	}
	return fits
}

// remembered tells whether this browser gave the same consent before. Another
// site cannot make use of it: its navigations are asked again.
func (s *Server) remembered(r *request, a *authorization) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "same-site", "none":
	default:
		return false
	}
	name, context := rememberedFor(a.ask())
	c, err := r.Cookie(s.cookieName(cookieRemembered, name))
	if err != nil {
		return false
	}
	var before rememberedConsent
	return r.keys.Open(seal.Remembered, c.Value, context, &before) == nil &&
		oauth.Beyond(a.scopes, before.Scopes) == "" && oauth.Beyond(a.resource, before.Resource) == ""
}
