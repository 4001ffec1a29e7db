// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"time"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// Fetch reads the metadata document of a vendor whose spec asks for discovery,
// as Discover does, without judging it. It is for those who show a document.
func (c *Client) Fetch(ctx context.Context, spec *oauthv1alpha1.OAuthVendorSpec) ([]byte, error) {
	where, err := URL(spec)
	if err != nil {
		return nil, err
	}
	timeout := defaultTimeout
	if t := spec.Transport; t != nil && t.TimeoutSeconds > 0 {
		timeout = time.Duration(t.TimeoutSeconds) * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	hc, done, err := c.client(spec)
	if err != nil {
		return nil, err
	}
	defer done()
	return fetch(ctx, hc, where)
}

// Judge says what a document is good for under spec's rules.
func Judge(body []byte, spec *oauthv1alpha1.OAuthVendorSpec) translate.Discovered {
	d, err := parse(body, spec)
	if err != nil {
		return translate.Discovered{Problem: err.Error()}
	}
	return d
}
