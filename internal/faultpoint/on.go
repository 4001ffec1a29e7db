// SPDX-License-Identifier: Apache-2.0

//go:build faultpoints

package faultpoint

import (
	"os"
	"syscall"
)

// Variable names the step at which to die.
const Variable = "OAUTH_BROKER_FAULTPOINT"

// Hit ends the process at once where the environment asks for it at this step.
func Hit(step string) {
	if os.Getenv(Variable) != step {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal may take a moment to arrive
}
