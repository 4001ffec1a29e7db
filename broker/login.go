// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// ask is what a client asked for, once it was found good. It is sealed into the
// consent page and into the login; the names are short because cookies are.
type ask struct {
	Binding runtimeconfig.Binding
	Client  string
	// SelfRegistered clients are pinned to what they were at authorize.
	SelfRegistered bool
	RedirectURI    string
	State          string
	Challenge      string
	Scopes         []string
	Resource       []string
	// Trace is the context of the trace that the login is.
	Trace string
	// Language of the pages, where the client asked for one of ours.
	Language string
}

// members are an ask's part of what it is sealed into. It is not called Fields:
// whatever embeds an ask has more members.
func (a *ask) members(f *seal.Fields) {
	f.Object("b", (*binding)(&a.Binding))
	f.Text("cl", &a.Client)
	f.Bool("sr", &a.SelfRegistered)
	f.Text("ru", &a.RedirectURI)
	f.Text("st", &a.State)
	f.Text("ch", &a.Challenge)
	f.Texts("sc", &a.Scopes)
	f.Texts("re", &a.Resource)
	f.Text("tp", &a.Trace)
	f.Text("la", &a.Language)
}

// binding is a runtimeconfig.Binding as it is sealed.
type binding runtimeconfig.Binding

// Fields implements seal.Content.
func (b *binding) Fields(f *seal.Fields) {
	f.Text("v", &b.Vendor)
	f.Text("i", &b.Issuer)
	f.Text("s", (*string)(&b.Source))
	f.Text("n", &b.Namespace)
	f.Text("c", &b.Name)
	f.Text("u", &b.UID)
	f.Text("a", &b.ClientID)
	f.Text("t", &b.Target)
}

// login is one login in flight. It travels in a sealed cookie of the browser.
type login struct {
	ask
	ID string
	// Callback is the path of the redirect URI that the vendor was given.
	Callback string
	// Verifier and Nonce are the broker's own, for the vendor.
	Verifier string
	Nonce    string
	Expires  time.Time
}

// Fields implements seal.Content.
func (l *login) Fields(f *seal.Fields) {
	l.members(f)
	f.Text("id", &l.ID)
	f.Text("cb", &l.Callback)
	f.Text("ve", &l.Verifier)
	f.Text("no", &l.Nonce)
	f.Time("ex", &l.Expires)
}

const (
	// maxLogins is how many logins one browser can have in flight.
	maxLogins = 8
	// maxCookie bounds one login's cookie; browsers refuse more than 4096 bytes.
	maxCookie = 3800
	// maxCookies bounds all of them: together with the cookies of consent they
	// stay below the 8 KiB that proxies take as one header.
	maxCookies = 5500
)

// The kinds of cookies, by how their names begin.
const (
	cookieLogin      = "ob-"
	cookieConsent    = "obc-"
	cookieRemembered = "obr-"
)

// cookieName adds the __Host- prefix (RFC 6265bis section 4.1.3.2), which plain
// http cannot have.
func (s *Server) cookieName(kind, id string) string {
	if s.Development {
		return kind + id
	}
	return "__Host-" + kind + id
}

// setCookie sets a cookie, or deletes it where maxAge is 0. Names and values are
// ids and sealed values, which need no quoting.
func (s *Server) setCookie(w http.ResponseWriter, name, value string, maxAge time.Duration) {
	attributes := "; HttpOnly; Secure; SameSite=Lax"
	if s.Development { // plain http on loopback
		attributes = "; HttpOnly; SameSite=Lax"
	}
	w.Header().Add("Set-Cookie", name+"="+value+"; Path=/; Max-Age="+strconv.Itoa(int(maxAge.Seconds()))+attributes)
}

var errTooLarge = errors.New("the login does not fit into a cookie")

// saveLogin seals l into its cookie and makes room among the browser's others.
func (s *Server) saveLogin(w http.ResponseWriter, r *request, l *login) error {
	value, err := r.keys.Seal(seal.Login, l.Expires, l.ID, l)
	if err != nil {
		return err
	}
	if len(value) > maxCookie {
		return errTooLarge
	}
	s.dropOldLogins(w, r, len(value))
	s.setCookie(w, s.cookieName(cookieLogin, l.ID), value, s.Lifetimes.Login)
	return nil
}

// loadLogin opens the cookie of login id, to which its value is bound.
func (s *Server) loadLogin(r *request, id string) (*login, error) {
	c, err := r.Cookie(s.cookieName(cookieLogin, id))
	if err != nil {
		return nil, errors.New("no cookie for this login")
	}
	l := &login{}
	if err := r.keys.Open(seal.Login, c.Value, id, l); err != nil {
		return nil, err
	}
	return l, nil
}

// endLogin deletes the cookie of a login.
func (s *Server) endLogin(w http.ResponseWriter, id string) {
	s.setCookie(w, s.cookieName(cookieLogin, id), "", 0)
}

// dropOldLogins deletes cookies that do not open, and the oldest until a new
// one of size bytes fits.
func (s *Server) dropOldLogins(w http.ResponseWriter, r *request, size int) {
	type kept struct {
		id      string
		expires time.Time
		size    int
	}
	var logins []kept
	for _, c := range r.Cookies() {
		id, ours := strings.CutPrefix(c.Name, s.cookieName(cookieLogin, ""))
		if !ours {
			continue
		}
		l := &login{}
		if r.keys.Open(seal.Login, c.Value, id, l) != nil {
			s.endLogin(w, id)
			continue
		}
		logins = append(logins, kept{id, l.Expires, len(c.Name) + len(c.Value)})
		size += len(c.Name) + len(c.Value)
	}
	slices.SortFunc(logins, func(a, b kept) int { return a.expires.Compare(b.expires) })
	for len(logins) > 0 && (len(logins) >= maxLogins || size > maxCookies) {
		s.endLogin(w, logins[0].id)
		size -= logins[0].size
		logins = logins[1:]
	}
}
