// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"strings"

	"golang.org/x/text/language"
)

// The pages' own language is English: the text in the code and in the templates is
// the key of its translations, which are one file a language, pages/lang/de.json.
// What has none is shown in English. A test holds every file against all texts.

// catalog translates into one language.
type catalog map[string]string

func readCatalog(name string) (catalog, error) {
	b, err := pageFiles.ReadFile("pages/lang/" + name)
	if err != nil {
		return nil, fmt.Errorf("reading translations: %w", err)
	}
	c := catalog{}
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("reading translations %s: %w", name, err)
	}
	return c, nil
}

// say translates a text. {name} stands for what named gives to it, as name, value,
// name, value.
func (c catalog) say(text string, named ...string) (string, error) {
	return c.fill(text, named, func(s string) string { return s })
}

// markup does the same for the body of a page, where values stand out. They are
// escaped, and cannot turn the direction of the text around them.
func (c catalog) markup(text string, named ...string) (template.HTML, error) {
	escaped := make([]string, len(named))
	for i, s := range named {
		if escaped[i] = s; i%2 == 1 {
			escaped[i] = "<strong><bdi>" + template.HTMLEscapeString(s) + "</bdi></strong>"
		}
	}
	out, err := c.fill(text, escaped, template.HTMLEscapeString)
	return template.HTML(out), err //nolint:gosec // escaped
}

func (c catalog) fill(text string, named []string, escape func(string) string) (string, error) {
	if len(named)%2 != 0 {
		return "", errors.New("a name without a value")
	}
	if t, ok := c[text]; ok {
		text = t
	}
	pairs := make([]string, len(named))
	for i, s := range named {
		if pairs[i] = s; i%2 == 0 {
			pairs[i] = "{" + s + "}"
		}
	}
	return strings.NewReplacer(pairs...).Replace(escape(text)), nil
}

// languages chooses by what the client asked for, and what the browser prefers.
type languages struct {
	tags    []language.Tag
	matcher language.Matcher
}

func newLanguages(tags []language.Tag) languages {
	return languages{tags: tags, matcher: language.NewMatcher(tags)}
}

// maxPreferred bounds what is read of what a caller prefers.
const maxPreferred = 256

// choose gives the index of the language of a page: the one that was asked for, or
// what the browser accepts (Accept-Language), and the first where nothing fits.
func (l languages) choose(asked, accepted string) int {
	if len(accepted) > maxPreferred {
		accepted = ""
	}
	_, index := language.MatchStrings(l.matcher, asked, accepted)
	return index
}

// asked reads ui_locales, tags in the order of preference (OpenID Connect Core
// section 3.1.2.1). It gives the language of ours that fits first, and "" where none
// does: that is no error, and the browser decides.
func (l languages) asked(locales string) string {
	if locales == "" || len(locales) > maxPreferred {
		return ""
	}
	for wanted := range strings.FieldsSeq(locales) {
		tag, err := language.Parse(wanted)
		if err != nil {
			continue // of no language that is known; the next may be
		}
		if _, index, confidence := l.matcher.Match(tag); confidence != language.No {
			return l.tags[index].String()
		}
	}
	return ""
}

// names are the tags of all languages.
func (l languages) names() []string {
	out := make([]string, len(l.tags))
	for i, tag := range l.tags {
		out[i] = tag.String()
	}
	return out
}
