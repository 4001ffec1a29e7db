// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"encoding/json"
	"strings"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

// at follows a dotted path; ok is false where something is missing on the way.
func at(o oauth.Object, path string) (value string, ok bool) {
	name, rest, deeper := strings.Cut(path, ".")
	v := o.Get(name)
	if !deeper {
		return v, v != "" && !isNull(v)
	}
	next, err := oauth.ParseObject(v)
	if err != nil {
		return "", false
	}
	return at(next, rest)
}

// replaceAt replaces the value at a dotted path, where there is one.
func replaceAt(o *oauth.Object, path, v string) {
	name, rest, deeper := strings.Cut(path, ".")
	old := o.Get(name)
	if old == "" {
		return
	}
	if !deeper {
		o.Set(name, v)
		return
	}
	next, err := oauth.ParseObject(old)
	if err != nil {
		return // no object, so nothing stands at the path
	}
	replaceAt(&next, rest, v)
	o.Set(name, string(next.AppendJSON(nil)))
}

func isNull(v string) bool { return v == "null" }

// isEmpty tells of a member that is absent, null or an empty string: some vendors
// write what they leave out (RFC 6749 section 3.1 makes no difference).
func isEmpty(v string) bool { return v == "" || isNull(v) || v == `""` }

// text is the value as text: a string's content, or the literal itself.
func text(v string) string {
	if strings.HasPrefix(v, `"`) {
		return oauth.Unquote(v)
	}
	return v
}

func quoted(s string) json.RawMessage { return json.RawMessage(oauth.Quote(s)) }

// encoded writes strings, lists of them, and members that are JSON already, which
// cannot fail.
func encoded(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}
