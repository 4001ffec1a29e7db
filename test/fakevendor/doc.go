// SPDX-License-Identifier: Apache-2.0

// Package fakevendor is an OAuth 2.0 and OpenID Connect authorization server
// for tests. By default it is a strict, correct vendor: it checks client,
// redirect URI, PKCE, client authentication and code the way RFC 6749, 7636
// and OpenID Connect Core say, and approves every login without a page.
//
// Three things make it other than that, from the outside in:
//
//   - Options say what kind of vendor it is (PKCE mode, refresh rotation, iss).
//   - Options.Shape says how this vendor spells things (GitHub's form answers,
//     Slack's nested tokens).
//   - A Behaviour, set at run time on one Endpoint, makes it misbehave: wrong
//     status, endless body, reset connection, forged ID token. BadAnswers and
//     BadIDTokens list them for table tests.
//
// It records every Request, so a test can say what the vendor saw:
//
//	vendor := fakevendor.New(fakevendor.Options{
//		Clients: []fakevendor.Client{{ID: "app", Secret: "s3cret", RedirectURIs: []string{callback}}},
//	}).Start(t)
//	vendor.Set(fakevendor.Token, fakevendor.RetryLater(http.StatusServiceUnavailable, "7"))
//	...
//	if got := vendor.Count(fakevendor.Token); got != 1 { ... }
package fakevendor
