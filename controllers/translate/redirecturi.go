// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The three shapes of a client's redirect URI. They repeat the schema's CEL
// rules (api/v1alpha1, RedirectURI); a test holds one against the other.
var (
	httpsRedirect    = regexp.MustCompile(`^https://[^/?#@\s\\]+([/?][^#\s\\]*)?$`)
	loopbackRedirect = regexp.MustCompile(`^http://(localhost|127[.]0[.]0[.]1|\[::1\])(:[0-9]+)?([/?][^#\s\\]*)?$`)
	privateRedirect  = regexp.MustCompile(`^[a-z][a-z0-9+-]*([.][a-z0-9+-]+)+:/[^#\s\\]*$`)
	controlCharacter = regexp.MustCompile(`[\x00-\x1f\x7f]`) // the broker would send nobody there
	redirectPort     = regexp.MustCompile(`^https?://[^/?#]*:([0-9]+)([/?#]|$)`)
	dotSegment       = regexp.MustCompile(`/[.][.]?(/|[?]|$)`)
)

const maxRedirectURI = 1024

// checkRedirectURI tells what is wrong with a client's redirect URI, or "".
func checkRedirectURI(uri string, native bool) string {
	switch {
	case uri == "" || utf8.RuneCountInString(uri) > maxRedirectURI:
		return "must have 1 to 1024 characters"
	case controlCharacter.MatchString(uri):
		return "has a control character: remove it"
	case strings.Contains(uri, "#"):
		return "has a fragment: remove it (RFC 6749 section 3.1.2)"
	case strings.Contains(uri, "*"):
		return "has a wildcard: list each URI, they are compared exactly"
	case dotSegment.MatchString(uri) || strings.Contains(strings.ToLower(uri), "%2e"):
		return "has dot segments: write the path out"
	case !validPort(uri):
		return "has a port that no browser goes to: write a number of at most 65535"
	case httpsRedirect.MatchString(uri) || loopbackRedirect.MatchString(uri):
		return ""
	case !privateRedirect.MatchString(uri):
		return "must be an https URL without user information, an http URL of localhost, 127.0.0.1 or [::1], or a private-use scheme with a dot such as com.example.app:/callback"
	case !native:
		return "has a private-use scheme, which goes with applicationType: Native"
	}
	return ""
}

// validPort tells whether the port of a URL, where it has one, is one that browsers go to.
func validPort(uri string) bool {
	m := redirectPort.FindStringSubmatch(uri)
	if m == nil {
		return true
	}
	_, err := strconv.ParseUint(m[1], 10, 16)
	return err == nil
}
