// SPDX-License-Identifier: Apache-2.0

// Package browser walks through logins at the built broker binary with a real
// Chromium, as a person does: consent, cancel, two tabs, the keyboard alone,
// error pages. `make test-browser` installs what is needed and runs it; it has
// the build tag browser. Screenshots are kept in the folder screenshots.
//
// The Go part starts the broker and, on one loopback port, everything else that a
// login meets (site.go): vendors, a sign-in page on a host of its own, and an
// application. Chromium resolves their names to loopback and trusts their keys,
// and nothing else. The walks are in *.test.mjs; Playwright drives Chromium, and
// axe-core judges accessibility.
package browser
