// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

var (
	reference = regexp.MustCompile(`\{[A-Za-z][A-Za-z0-9]*\}`)
	hostLabel = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	tenantVal = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
)

// variable is a declared variable, ready to judge values.
type variable struct {
	name     string
	pattern  *regexp.Regexp // nil for an enum
	enum     []string
	fallback string
}

// variables of one vendor.
type variables []variable

// compileVariables reads the declarations of a vendor.
func compileVariables(declared []oauthv1alpha1.Variable, f *findings) variables {
	vars := make(variables, 0, len(declared))
	for _, d := range declared {
		v := variable{name: d.Name, enum: d.Enum, fallback: d.Default}
		var err error
		if d.Pattern != "" {
			// The value must match from end to end, whatever flags the pattern sets.
			v.pattern, err = regexp.Compile(`\A(?:` + d.Pattern + `)\z`)
		}
		switch {
		case err != nil:
			f.fail(oauthv1alpha1.ReasonInvalid, "variables[%s].pattern is not an RE2 expression: correct it (look-ahead and back references do not exist)", d.Name)
		case (d.Pattern == "") == (len(v.enum) == 0):
			f.fail(oauthv1alpha1.ReasonInvalid, "variables[%s] needs exactly one of pattern and enum", d.Name)
		case v.fallback != "" && !v.good(v.fallback):
			f.fail(oauthv1alpha1.ReasonInvalid, "variables[%s].default is not a value that its own pattern or enum takes: correct one of them", d.Name)
		}
		vars = append(vars, v)
	}
	return vars
}

func (v variable) good(value string) bool {
	if v.pattern != nil {
		return v.pattern.MatchString(value)
	}
	return slices.Contains(v.enum, value)
}

func (vs variables) find(name string) (variable, bool) {
	i := slices.IndexFunc(vs, func(v variable) bool { return v.name == name })
	if i < 0 {
		return variable{}, false
	}
	return vs[i], true
}

// defaults gives the values that hold where a credential brings none, and the
// names of the variables that have none.
func (vs variables) defaults() (values map[string]string, missing []string) {
	values = make(map[string]string, len(vs))
	for _, v := range vs {
		if v.fallback == "" {
			missing = append(missing, v.name)
			continue
		}
		values[v.name] = v.fallback
	}
	return values, missing
}

// expand replaces each {name} by its value in one pass: a value is never
// looked at again. References without a value stay, and are returned.
func expand(s string, values map[string]string) (out string, unknown []string) {
	out = reference.ReplaceAllStringFunc(s, func(r string) string {
		v, ok := values[r[1:len(r)-1]]
		if !ok {
			unknown = append(unknown, r)
			return r
		}
		return v
	})
	return out, unknown
}

// expandURL expands a URL part by part and checks that the values did not
// change its shape: the client secret is sent there.
func expandURL(template string, values map[string]string) (string, error) {
	scheme, host, rest := splitURL(template)
	host, missingInHost := expand(host, values)
	rest, missingInRest := expand(rest, values)
	if unknown := append(missingInHost, missingInRest...); len(unknown) > 0 {
		return "", fmt.Errorf("refers to %s, which is not declared under variables", unknown[0])
	}
	whole := scheme + "://" + host + rest
	if err := CheckURL(whole); err != nil {
		return "", err
	}
	u, err := url.Parse(whole)
	if err != nil || u.Host != host || u.Scheme != scheme {
		return "", errors.New("changes its host when the variables are filled in")
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil && strings.Contains(hostOf(template), "{") {
		return "", errors.New("becomes an IP address when the variables are filled in: a variable gives a host name")
	}
	return whole, nil
}

// expandRevocation expands a revocation endpoint, in whose path the client id
// of the credential in use may stand as {client_id}. That reference stays.
func expandRevocation(template string, values map[string]string) (string, error) {
	if !strings.Contains(template, runtimeconfig.ClientIDReference) {
		return expandURL(template, values)
	}
	if strings.Contains(hostOf(template), runtimeconfig.ClientIDReference) {
		return "", errors.New("has " + runtimeconfig.ClientIDReference + " in its host: it belongs into the path")
	}
	// A segment of the same shape stands in for it while the URL is checked.
	const standIn = "client_id--in--the--path"
	if strings.Contains(template, standIn) {
		return "", errors.New("holds the reserved text " + standIn)
	}
	whole, err := expandURL(strings.ReplaceAll(template, runtimeconfig.ClientIDReference, standIn), values)
	return strings.ReplaceAll(whole, standIn, runtimeconfig.ClientIDReference), err
}

// splitURL cuts a URL, or a template of one, into scheme, host and the rest.
func splitURL(s string) (scheme, host, rest string) {
	scheme, after, _ := strings.Cut(s, "://")
	if i := strings.IndexAny(after, "/?#"); i >= 0 {
		return scheme, after[:i], after[i:]
	}
	return scheme, after, ""
}

func hostOf(template string) string {
	_, host, _ := splitURL(template)
	return host
}

// checkTemplate checks what can be said of a URL before its variables have
// values: where a free-form variable may stand in the host.
func checkTemplate(template string, vars variables) error {
	scheme, host, rest := splitURL(template)
	for _, r := range reference.FindAllString(host+rest, -1) {
		if _, ok := vars.find(r[1 : len(r)-1]); !ok {
			return fmt.Errorf("refers to %s, which is not declared under variables", r)
		}
	}
	if !reference.MatchString(host) {
		return nil
	}
	if scheme != "https" {
		return errors.New("has a variable host, which needs https")
	}
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 && strings.Contains(host[colon:], "{") {
		return errors.New("has a variable port: write the port out")
	}
	return checkFreeHost(host, vars)
}

// checkFreeHost checks that no value of a free-form variable can name a domain
// that the vendor's author did not: {tenant}.example.com keeps every value below
// example.com, while {tenant}.com, {tenant}.co.uk, {tenant}example.com and
// login.{tenant} do not. A variable that is the whole host is left to its pattern.
func checkFreeHost(host string, vars variables) error {
	name, _, _ := strings.Cut(host, ":")
	spellings, err := vars.spellings(name)
	if err != nil {
		return err
	}
	for _, s := range spellings {
		if err := checkSpelling(s); err != nil {
			return err
		}
	}
	return nil
}

func checkSpelling(name string) error {
	for _, r := range reference.FindAllStringIndex(name, -1) {
		if r[0] == 0 && r[1] == len(name) {
			continue
		}
		free := name[r[0]:r[1]]
		rest, domain, _ := strings.Cut(name[r[1]:], ".")
		labels := strings.Split(domain, ".")
		fixed := len(labels) >= 2 && !slices.ContainsFunc(labels[len(labels)-2:], func(l string) bool { return l == "" || strings.Contains(l, "{") })
		if !fixed || (rest != "" && rest[0] != '-') {
			return fmt.Errorf("lets %s choose the domain: follow it by a dot and a domain of two labels or more, such as %s.example.com", free, free)
		}
		if forSale(domain) {
			return fmt.Errorf("lets %s choose the domain, since anybody can register names below %s: write the vendor's own domain out, such as %s.example.%s", free, domain, free, domain)
		}
	}
	return nil
}

// forSale tells whether a registry gives out names right below domain, as below
// co.uk. The private part of the public suffix list does not count: it names
// domains that one company has and gives to its customers (myshopify.com,
// github.io), and whether such a host is the vendor's own is for the vendor's
// author to know.
func forSale(domain string) bool {
	domain = strings.ToLower(domain)
	for _, name := range []string{domain, "any." + domain} { // the second is for wildcards of the list, such as *.kobe.jp
		if suffix, registry := publicsuffix.PublicSuffix(name); registry && suffix == name {
			return true
		}
	}
	return false
}

// maxSpellings bounds how many hosts the enums of one template may give.
const maxSpellings = 1024

// spellings are the hosts that the values of enums give to a template. Those
// values are as good as fixed text, since the vendor's author wrote them;
// references to free-form variables stay.
func (vs variables) spellings(host string) ([]string, error) {
	all := []string{host}
	for _, v := range vs {
		ref := "{" + v.name + "}"
		if v.pattern != nil || len(v.enum) == 0 || !strings.Contains(host, ref) {
			continue
		}
		if len(all)*len(v.enum) > maxSpellings {
			return nil, fmt.Errorf("has more than %d hosts, by the enums of its variables: use fewer of them in the host", maxSpellings)
		}
		next := make([]string, 0, len(all)*len(v.enum))
		for _, h := range all {
			for _, value := range v.enum {
				next = append(next, strings.ReplaceAll(h, ref, value))
			}
		}
		all = next
	}
	return all, nil
}

// CheckURL accepts what a vendor URL may be: an absolute https URL, or an http
// URL of a loopback host, without user information, fragment and dot segments.
// Its error holds nothing of the URL.
func CheckURL(s string) error {
	if strings.ContainsAny(s, "{}\\# \t\r\n") {
		return errors.New("holds a brace, backslash, blank or fragment: remove it")
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return errors.New("is not an absolute URL")
	}
	if u.User != nil {
		return errors.New("has user information: remove it, credentials go into a Secret")
	}
	if !validHost(u) {
		return errors.New("has a host that is not a host name or IP address with an optional port")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return errors.New("must be https; http is for the hosts localhost, 127.0.0.1 and [::1] only")
	}
	if hasDotSegment(u) {
		return errors.New("has a dot segment in its path: write the path out")
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return errors.New("has a query that is not form encoding: write % as %25 and ; as %3B")
	}
	return nil
}

func loopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

func validHost(u *url.URL) bool {
	host := u.Hostname()
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return false
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return false
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Zone() == ""
	}
	if len(host) > 253 {
		return false
	}
	return !slices.ContainsFunc(strings.Split(host, "."), func(l string) bool { return !hostLabel.MatchString(l) })
}

func hasDotSegment(u *url.URL) bool {
	return slices.ContainsFunc(strings.Split(u.Path, "/"), func(s string) bool { return s == "." || s == ".." })
}
