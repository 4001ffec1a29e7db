// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/internal/command"
)

func newVendors() *cobra.Command {
	return group(&cobra.Command{Use: "vendors", Short: "Work with vendor manifests"}, command.VendorsCheck("broker"))
}
