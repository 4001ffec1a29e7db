// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// ChallengeS256 is the only code_challenge_method that is offered.
const ChallengeS256 = "S256"

// ValidChallenge tells whether s can be an S256 code_challenge: the base64url
// form of 32 bytes, 43 characters (RFC 7636 section 4.2).
func ValidChallenge(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == sha256.Size && len(s) == base64.RawURLEncoding.EncodedLen(len(b)) // line breaks are passed over
}

// ValidVerifier tells whether s is 43 to 128 unreserved characters (RFC 7636
// section 4.1).
func ValidVerifier(s string) bool {
	const unreserved = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
	return len(s) >= 43 && len(s) <= 128 && strings.Trim(s, unreserved) == ""
}

// VerifyS256 tells whether verifier belongs to challenge (RFC 7636 section
// 4.6), in constant time.
func VerifyS256(challenge, verifier string) bool {
	if !ValidVerifier(verifier) {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}
