// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// explanation is what people wrote about one error code.
type explanation struct{ means, do string }

// explanations has every code that the broker sends; one that is missing, or that
// nothing sends any more, is an error.
func explanations() map[string]explanation {
	return map[string]explanation{
		"access_denied":              {"The user or the vendor said no; at registration: the broker takes none.", "Let the user try again. It is no fault of the client."},
		"interaction_required":       {"The client asked for a login without a page.", "Leave out `prompt=none`: the broker keeps no session."},
		"invalid_client":             {"The client is unknown, or did not authenticate as it is registered.", "Compare client id, secret or key with the `BrokerClient`, and the method with `spec.authentication`."},
		"invalid_client_metadata":    {"A registration's body is not acceptable.", "The description names the member."},
		"invalid_grant":              {"The code or refresh token is used, expired, of another client, or ended by the vendor.", "Sign in again. For codes: redeem at once, with the same `redirect_uri` and the right `code_verifier`."},
		"invalid_redirect_uri":       {"A registration's redirect URI is not acceptable.", "https, or http on a loopback address; no fragment."},
		"invalid_request":            {"A parameter is missing, there twice, or malformed.", "The description names it."},
		"invalid_scope":              {"A scope is malformed, or more than vendor or client allow.", "Ask for less, or extend `spec.scopes.allowed` of the vendor or the client's scopes."},
		"invalid_software_statement": {"A registration holds a software statement.", "Leave it out: none is supported."},
		"invalid_target":             {"The resource is not one that may be asked for.", "Compare `resource` with the vendor's."},
		"invalid_token":              {"The bearer token of a registration is missing or wrong.", "Use the broker's initial access token, or the client's registration access token."},
		"request_not_supported":      {"Request objects (`request`) are not supported.", "Send plain parameters, or push them (PAR)."},
		"request_uri_not_supported":  {"A `request_uri` that the broker did not issue.", "Push the request to `/v1/par` first."},
		"server_error":               {"The vendor's answer cannot be used, or it refuses the broker's credential.", "The description names a credential to renew; otherwise see the log's `cause`, under the request id."},
		"temporarily_unavailable":    {"The vendor, Redis or a credential is away for the moment, or there are too many requests.", "Try again, after `Retry-After` where it is sent. Keep refresh tokens."},
		"unauthorized_client":        {"The client may not use this vendor or credential.", "See `spec.vendors` of the `BrokerClient`, and whose namespaces the `OAuthVendor` allows."},
		"unsupported_grant_type":     {"Another grant than authorization_code and refresh_token.", "Use one of these."},
		"unsupported_response_type":  {"Another response type than `code`.", "Use the code flow with PKCE."},
		"unsupported_token_type":     {"The vendor does not revoke such tokens, or the token is not the broker's.", "Send the broker's refresh token."},
	}
}

const errorsHead = `# Errors

Where an error shows depends on what is known of the request: until client and redirect URI are known to be good, a
person sees a page; after that the client gets an OAuth error at its redirect URI; at the token endpoint and its like it
is JSON. Every page, and the header ` + "`X-Request-Id`" + ` of every answer, has the request id: the log's event with
that ` + "`requestID`" + ` has the private ` + "`cause`" + `, and ` + "`oauth-broker explain ID`" + ` finds it.
`

func errorsPage(s *source) ([]byte, error) {
	sent, titles := map[string][]string{}, map[string][]string{}
	constants := s.constants()
	for _, f := range s.files {
		if !strings.HasPrefix(f.folder, "broker") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			code, description := oauthError(n, constants)
			if code != "" {
				sent[code] = union(sent[code], description)
			}
			if title, text := pageError(n); title != "" {
				titles[title] = union(titles[title], text)
			}
			return true
		})
	}
	var out bytes.Buffer
	out.WriteString(notice + errorsHead + "\n## Error codes\n\n| code | cause | what to do |\n|---|---|---|\n")
	explained := explanations()
	for _, code := range sortedKeys(sent) {
		e, ok := explained[code]
		if !ok {
			return nil, fmt.Errorf("the broker sends %s, and hack/reference/errors.go does not explain it", code)
		}
		delete(explained, code)
		fmt.Fprintf(&out, "| [`%s`](#%s) | %s | %s |\n", code, code, e.means, e.do)
	}
	for code := range explained {
		return nil, fmt.Errorf("hack/reference/errors.go explains %s, which nothing sends", code)
	}
	for _, code := range sortedKeys(sent) {
		fmt.Fprintf(&out, "\n### %s\n\n", code)
		list(&out, sent[code])
	}
	out.WriteString("\n## Pages\n\nEach tells the person to start again at the application.\n")
	for _, title := range sortedKeys(titles) {
		fmt.Fprintf(&out, "\n### %s\n\n", title)
		list(&out, titles[title])
	}
	return out.Bytes(), nil
}

func list(out *bytes.Buffer, lines []string) {
	slices.Sort(lines)
	for _, l := range lines {
		fmt.Fprintf(out, "- %s\n", l)
	}
}

// constants are all string constants, by name.
func (s *source) constants() map[string]string {
	all := map[string]string{}
	for _, f := range s.files {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				for i, name := range spec.Names {
					if i < len(spec.Values) {
						if value, ok := text(spec.Values[i]); ok {
							all[name.Name] = value
						}
					}
				}
			}
			return true
		})
	}
	return all
}

// oauthError reads oauth.Errorf(code, description), gone(err, code, description)
// and oauth.Error{...}.
func oauthError(n ast.Node, constants map[string]string) (code string, description []string) {
	var codeExpr, textExpr ast.Expr
	switch n := n.(type) {
	case *ast.CallExpr:
		at, ok := map[string]int{"oauth.Errorf": 0, "Errorf": 0, "gone": 1}[chain(n.Fun)]
		if !ok || len(n.Args) < at+2 {
			return "", nil
		}
		codeExpr, textExpr = n.Args[at], n.Args[at+1]
	case *ast.CompositeLit:
		if name := chain(n.Type); name != "oauth.Error" && name != "Error" {
			return "", nil
		}
		codeExpr, textExpr = member(n, "Code"), member(n, "Description")
	}
	name := chain(codeExpr)
	if code = constants[name[strings.LastIndex(name, ".")+1:]]; code == "" {
		return "", nil // computed from another error
	}
	t, ok := text(textExpr)
	if !ok {
		t = constants[chain(textExpr)]
	}
	if t != "" && t != "%s" {
		description = []string{strings.ReplaceAll(strings.ReplaceAll(t, "%s", "..."), "%d", "...")}
	}
	return code, description
}

// pageError reads pageError{...} and badRequest(text, cause).
func pageError(n ast.Node) (title string, texts []string) {
	switch n := n.(type) {
	case *ast.CompositeLit:
		if chain(n.Type) != "pageError" {
			return "", nil
		}
		title, _ = text(member(n, "title"))
		if t, ok := text(member(n, "text")); ok {
			texts = []string{t}
		}
	case *ast.CallExpr:
		if chain(n.Fun) != "badRequest" {
			return "", nil
		}
		title = "This sign-in request is not valid"
		if t, ok := text(n.Args[0]); ok {
			texts = []string{t}
		}
	}
	return title, texts
}

// member is the value of a field in a literal; nil where it has none.
func member(lit *ast.CompositeLit, name string) ast.Expr {
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok && chain(kv.Key) == name {
			return kv.Value
		}
	}
	return nil
}
