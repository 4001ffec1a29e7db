// SPDX-License-Identifier: Apache-2.0

package oauth_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

func TestParseScope(t *testing.T) {
	for s, want := range map[string][]string{
		"": nil, "  ": nil, "a": {"a"}, " b  a b ": {"b", "a"}, "https://a.example/x repo:read a,b *": {"https://a.example/x", "repo:read", "a,b", "*"}, "! ~": {"!", "~"},
	} {
		if got, err := oauth.ParseScope(s); err != nil || !slices.Equal(got, want) {
			t.Errorf("ParseScope(%q) = %q, %v", s, got, err)
		}
	}
	many := make([]string, 257)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	if got, err := oauth.ParseScope(strings.Join(many[:256], " ")); err != nil || len(got) != 256 {
		t.Errorf("256 scopes: %d, %v", len(got), err)
	}
	for _, s := range []string{`a"`, `a\`, "é", "a\tb", "a\nb", "a\x00", "a\x7f", strings.Join(many, " ")} {
		if _, err := oauth.ParseScope(s); err == nil {
			t.Errorf("accepted %.20q", s)
		}
	}
}

func TestScopeSets(t *testing.T) {
	all := []string{"a", "b"}
	if oauth.Beyond([]string{"a"}, all) != "" || oauth.Beyond(nil, nil) != "" || oauth.Beyond([]string{"b", "c", "d"}, all) != "c" || oauth.Beyond([]string{"A"}, all) != "A" {
		t.Error("Beyond is wrong")
	}
	if got := oauth.Union(all, []string{"b", "c"}); !slices.Equal(got, []string{"a", "b", "c"}) || len(all) != 2 {
		t.Errorf("Union = %q", got)
	}
}

func TestError_status(t *testing.T) {
	for code, want := range map[string]int{
		oauth.InvalidClient: http.StatusUnauthorized, oauth.TemporarilyUnavailable: http.StatusServiceUnavailable, oauth.ServerError: http.StatusBadGateway,
		oauth.InvalidGrant: http.StatusBadRequest, oauth.InvalidRequest: http.StatusBadRequest,
	} {
		if got := oauth.Errorf(code, "x").HTTPStatus(); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
	e := oauth.AsError(fmt.Errorf("private"))
	if e.Code != oauth.ServerError || strings.Contains(e.Description, "private") || e.HTTPStatus() != http.StatusInternalServerError {
		t.Errorf("AsError = %+v", e)
	}
}

// What is accepted is tokens of RFC 6749 section 3.3, each once, and the same
// when it is read again.
func FuzzParseScope(f *testing.F) {
	for _, s := range []string{"", "read write", "a a  a", "openid\tx", "é", `a"b`, "https://x.example/scope", strings.Repeat("a ", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := oauth.ParseScope(s)
		if err != nil {
			return
		}
		joined := strings.Join(got, " ")
		again, err := oauth.ParseScope(joined)
		if err != nil || !slices.Equal(got, again) || oauth.Beyond(got, strings.Split(s, " ")) != "" {
			t.Errorf("%q became %q, then %q (%v)", s, got, again, err)
		}
	})
}
