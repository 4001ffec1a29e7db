// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

// CheckDiscovered accepts what a vendor's metadata document, or the status that
// keeps it, may name as an endpoint: a URL on a host that the platform team named,
// since secrets go there.
func CheckDiscovered(spec *oauthv1alpha1.OAuthVendorSpec, endpoint string) error {
	if err := CheckURL(endpoint); err != nil {
		return err
	}
	issuer, err := url.Parse(string(spec.Issuer))
	if err != nil {
		return errors.New("cannot be compared with issuer, which is not a URL")
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return errors.New("is not a URL")
	}
	if u.Scheme != "https" && u.Scheme != issuer.Scheme {
		return errors.New("is not https")
	}
	host := hostPort(u)
	if host == hostPort(issuer) || spec.Discovery != nil && slices.ContainsFunc(spec.Discovery.AllowedHosts, func(a string) bool { return strings.EqualFold(a, host) }) {
		return nil
	}
	return errors.New("is on a host that is neither the issuer's nor listed in discovery.allowedHosts: add the host there if it is the vendor's")
}

// hostPort is the host of u in lower case, with the port where it is not the
// scheme's own.
func hostPort(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}
