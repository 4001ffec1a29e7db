// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// MatchRedirectURI tells whether a client that registered registered may use
// uri: by simple string comparison (OAuth 2.1 section 2.3.1), save that the port
// of an http loopback URI may vary (RFC 8252 section 7.3).
func MatchRedirectURI(registered []string, uri string) bool {
	if slices.Contains(registered, uri) {
		return true
	}
	base, ok := withoutLoopbackPort(uri)
	return ok && slices.ContainsFunc(registered, func(r string) bool {
		b, ok := withoutLoopbackPort(r)
		return ok && b == base
	})
}

// withoutLoopbackPort cuts the port out of an http loopback URI, leaving every
// other byte as it is; ok is false for any other URI.
func withoutLoopbackPort(uri string) (string, bool) {
	u, err := url.Parse(uri)
	if err != nil || !IsLoopback(u.Hostname()) {
		return "", false
	}
	// User information and another scheme stand before the host.
	tail, ok := strings.CutPrefix(uri, "http://"+u.Host)
	if !ok {
		return "", false
	}
	if port := u.Port(); port != "" {
		return "http://" + strings.TrimSuffix(u.Host, ":"+port) + tail, ValidPort(port)
	}
	return uri, true
}

// ValidPort tells whether p is a port that a URL can name.
func ValidPort(p string) bool {
	_, err := strconv.ParseUint(p, 10, 16)
	return err == nil && len(p) <= 5
}

// IsLoopback tells whether host is localhost or a literal loopback address.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() && addr.Zone() == ""
}

// WithQuery adds parameters to a URI and keeps its query (RFC 6749 section
// 3.1.2).
func WithQuery(uri string, params Query) (string, error) {
	before, query, _ := strings.Cut(uri, "?")
	switch {
	case strings.Contains(uri, "#"):
		return "", errors.New("the URI has a fragment")
	case !clean(uri): // whoever registered it: a schema knows some control characters only
		return "", errors.New("the URI holds control characters or invalid UTF-8")
	case len(params) == 0:
		return uri, nil
	case query == "":
		return params.after(before, "?"), nil
	}
	return params.after(uri, "&"), nil
}

// ValidResource tells whether s is an absolute URI without fragment (RFC 8707
// section 2).
func ValidResource(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && (u.Host != "" || u.Opaque != "") && !strings.Contains(s, "#") && len(s) <= 1024
}
