// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"fmt"
	"testing"
)

// Heard is a test that keeps its errors instead of failing: a check that never
// finds anything is no check, so suites let it find something.
type Heard struct {
	testing.TB
	Errors []string
}

// Errorf implements testing.TB.
func (h *Heard) Errorf(format string, a ...any) {
	h.Errors = append(h.Errors, fmt.Sprintf(format, a...))
}
