// SPDX-License-Identifier: Apache-2.0

// Command step passes two fault points, for a test.
package main

import "github.com/oauthbroker/oauth-broker/internal/faultpoint"

func main() {
	faultpoint.Hit("first-done")
	faultpoint.Hit("second-done")
}
