// SPDX-License-Identifier: Apache-2.0

// Package login is the client side of one login through a broker, from a
// terminal: `oauth-broker login`.
//
// It does what any good native client does (RFC 8252): it reads the metadata of
// the vendor's issuer at the broker (RFC 8414), listens on a loopback address,
// sends the browser to the broker with PKCE (RFC 7636, S256) and state, takes
// the answer if state and iss (RFC 9207) are right, and redeems the code. It
// registers itself (RFC 7591) where it has no client id and the broker allows it.
//
// Read it in this order: login.go (the steps), authorize.go (browser and
// loopback), token.go (requests), mask.go (what is shown).
package login
