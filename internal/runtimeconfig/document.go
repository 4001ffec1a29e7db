// SPDX-License-Identifier: Apache-2.0

// Package runtimeconfig is THE CONTRACT between whoever makes the broker's
// configuration (the operator, the file source) and the broker that serves it.
//
// A Document lists vendors, credentials and clients with every default and
// every decision made: the broker looks things up and never interprets a
// manifest. It is published as Items spread over Shards, named by one Index
// (see wire.go). Load turns Index and Shards into a Snapshot: immutable,
// indexed, swapped as a whole. A Snapshot shares with the one before it all that
// did not change, down to the parts of its look-ups (load.go, change.go, table.go).
//
// Compatibility: a broker reads every document of its Format, and refuses
// unknown members, so that an operator that is newer than its brokers is
// noticed instead of half understood.
package runtimeconfig

// Format is the version of the document that this package writes and reads.
// Another format gets another index name, so that readers never meet it.
const Format = 1

// Document is the whole configuration of one broker class.
type Document struct {
	Vendors     []Vendor
	Credentials []Credential
	Clients     []Client
}
