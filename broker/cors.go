// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"net/http"
	"slices"
	"strings"
)

// shared says which scripts of other origins may call an address (RFC 9700
// section 2.6: never the authorization endpoint).
type shared int

const (
	notShared shared = iota
	// sharedPublic answers hold nothing of anybody: metadata and keys.
	sharedPublic
	// sharedConfigured addresses are for the configured origins.
	sharedConfigured
)

func sharing(pattern string) shared {
	switch {
	case strings.Contains(pattern, "/.well-known/") || pattern == "/v1/jwks":
		return sharedPublic
	case slices.ContainsFunc([]string{"/token", "/register", "/revoke", "/introspect", "/par"}, func(end string) bool { return strings.HasSuffix(pattern, end) }):
		return sharedConfigured
	}
	return notShared
}

// allowOrigin lets the answer be read by scripts of the allowed origins.
// Access-Control-Allow-Credentials is never sent.
func (s *Server) allowOrigin(h http.Header, origin string, to shared) {
	switch {
	case to == sharedPublic: // caches keep it, also where nobody said an origin
		h.Set("Access-Control-Allow-Origin", "*")
		return
	case origin == "" || to == notShared:
		return
	case slices.Contains(s.CORSOrigins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
		return
	}
	h.Add("Vary", "Origin")
	if slices.Contains(s.CORSOrigins, origin) {
		h.Set("Access-Control-Allow-Origin", origin)
	}
}

// preflight answers OPTIONS (Fetch standard, CORS-preflight). Without an allowed
// origin it is a method like any other that is not there.
func preflight(methods []string) handler {
	return func(w http.ResponseWriter, r *request) error {
		if w.Header().Get("Access-Control-Allow-Origin") == "" {
			return notAllowed(strings.Join(methods, ", "))(w, r)
		}
		w.Header().Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, MCP-Protocol-Version")
		w.Header().Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}
