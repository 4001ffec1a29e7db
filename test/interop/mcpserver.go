// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// MCPServer is a resource server of the Model Context Protocol (streamable
// HTTP). It names the broker's issuer in its protected resource metadata (RFC
// 9728) and accepts the vendor's access tokens.
type MCPServer struct {
	// URL is where clients connect.
	URL string

	issuer string
	scopes []string
	vendor *fakevendor.Server
	origin string
}

// metadataPath is where the metadata of the resource /mcp is (RFC 9728 section 3.1).
const metadataPath = "/.well-known/oauth-protected-resource/mcp"

// StartMCPServer serves on loopback until the test ends.
func StartMCPServer(t testing.TB, issuer string, vendor *fakevendor.Server, scopes ...string) *MCPServer {
	t.Helper()
	m := &MCPServer{issuer: issuer, scopes: scopes, vendor: vendor}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+metadataPath, m.metadata)
	mux.HandleFunc("POST /mcp", m.message)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	m.origin, m.URL = server.URL, server.URL+"/mcp"
	return m
}

func (m *MCPServer) metadata(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{
		"resource": m.URL, "authorization_servers": []string{m.issuer}, "scopes_supported": m.scopes, "bearer_methods_supported": []string{"header"},
	})
}

// message answers one JSON-RPC message, once the caller has a token.
func (m *MCPServer) message(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || !m.vendor.AccessTokenWorks(token) {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+m.origin+metadataPath+`"`)
		http.Error(w, "a token of the vendor is needed", http.StatusUnauthorized)
		return
	}
	var message struct {
		ID     json.RawMessage
		Method string
		Params struct{ ProtocolVersion string }
	}
	if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if message.ID == nil { // a notification
		w.WriteHeader(http.StatusAccepted)
		return
	}
	reply := map[string]any{"jsonrpc": "2.0", "id": message.ID}
	switch message.Method {
	case "initialize":
		reply["result"] = map[string]any{
			"protocolVersion": message.Params.ProtocolVersion, "capabilities": map[string]any{"tools": map[string]any{}},
			"serverInfo": map[string]string{"name": "stub", "version": "1"},
		}
	case "tools/list":
		reply["result"] = map[string]any{"tools": []any{map[string]any{"name": "whoami", "inputSchema": map[string]string{"type": "object"}}}}
	case "ping":
		reply["result"] = map[string]any{}
	default:
		reply["error"] = map[string]any{"code": -32601, "message": "no such method"}
	}
	answer(w, reply)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who hung up needs no answer
}
