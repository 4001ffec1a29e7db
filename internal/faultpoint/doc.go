// SPDX-License-Identifier: Apache-2.0

// Package faultpoint names the steps of the manager at which a test kills it.
//
//	faultpoint.Hit("registration-posted")
//
// A binary as it ships contains nothing of it: Hit is an empty function that the
// compiler removes. One that is built with -tags=faultpoints ends itself with
// SIGKILL at the step that the environment variable OAUTH_BROKER_FAULTPOINT
// names, without a word, as a node does that loses its power. Nothing is
// flushed, no lease is given back, no deferred function runs.
//
// A name says what has just been done: noun, then past participle. It is
// unique, and a test of test/integration/operator uses it.
package faultpoint
