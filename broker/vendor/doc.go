// SPDX-License-Identifier: Apache-2.0

// Package vendor is the leg between the broker and a vendor.
//
// It makes the authorization URL (authorize.go) and the token requests
// (request.go), reads the answers without losing anything (response.go),
// validates ID tokens (jwt.go, keyset.go, idtoken.go), and does the calls
// (client.go). What a vendor does differently is data in runtimeconfig.Vendor;
// there is no code per vendor.
//
// The token requests are made here and not by golang.org/x/oauth2, which cannot
// hand an answer on without loss (docs/adr/0001). ID tokens are read here and
// not by go-oidc, which leaves half of the checks to its caller and decodes every
// token again (docs/adr/0010); signatures are golang-jwt's, keys go-jose parses.
package vendor
