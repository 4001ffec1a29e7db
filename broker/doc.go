// SPDX-License-Identifier: Apache-2.0

// Package broker is the broker's HTTP server.
//
// One login passes three endpoints, each of which any replica can serve:
//
//	GET  /v1/authorize  checks the client, chooses the credential, seals the login
//	                    into a cookie and redirects to the vendor (authorize.go)
//	GET  /v1/callback   checks state against cookie, and issuer; seals the vendor's
//	                    code, still unredeemed, into the broker's own (callback.go)
//	POST /v1/token      proves the client's PKCE, then redeems the vendor's code and
//	                    hands the vendor's answer on (token.go, exchange.go)
//
// Handlers return errors; render.go turns them into a page, a redirect or JSON.
// Which of the three is decided by the error's type. event.go writes one log
// event per request from an allow-list.
//
// This package knows no Kubernetes: its configuration is a runtimeconfig
// snapshot that somebody sets.
package broker
