// SPDX-License-Identifier: Apache-2.0

// Package login walks whole logins over HTTP: unmodified clients, every kind of
// client authentication and credential, replicas that come and go, and answers
// of vendors that do things in their own way.
package login
