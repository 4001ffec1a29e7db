// SPDX-License-Identifier: Apache-2.0

// Package imports holds the rules of this repository that no compiler or linter
// checks: which package may depend on which, that secrets are compared in constant
// time, and that what the documents say about files, folders and manifests is so.
//
// The rules of import direction are the table in rules.go, each with its reason.
// To see why one fails, read the chain of imports that the test prints.
package imports
