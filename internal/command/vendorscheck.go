// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/internal/discovery"
	"github.com/oauthbroker/oauth-broker/internal/vendorcheck"
)

// VendorsCheck is `vendors check` of the named program.
func VendorsCheck(program string) *cobra.Command {
	var online, asJSON bool
	c := &cobra.Command{
		Use:   "check FILE...",
		Short: "Check OAuthVendor manifests, offline or against the vendors' metadata",
		Long: `Check OAuthVendor manifests as the API server and the operator would: schema,
CEL rules and the operator's verdict. Secrets are taken to be there.

With --online the vendors' metadata documents are read too (RFC 8414, OpenID
Connect Discovery) and compared with the manifests: endpoints, PKCE, client
authentication, scopes. Manifests that write their endpoints out are compared
if they name an issuer.

A folder stands for the *.yaml files in it; kustomization.yaml is passed over.

Results: ok, note (worth a look), drift (manifest and metadata contradict each
other), error (the manifest would not be accepted, or its vendor not served).

Exit code: 0 if there is neither error nor drift, else 1. It is 1, too, where a
file cannot be read.`,
		Example: "  " + program + " vendors check config/vendors\n  " + program + " vendors check --online --json config/vendors/github.yaml",
		Args:    Arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, files []string) error {
			checker := &vendorcheck.Checker{}
			p := NewProgress(os.Stderr)
			defer p.Done()
			if online {
				checker.Discovery = &discovery.Client{}
				p.Step("reading the vendors' metadata")
			}
			report, err := checker.Check(cmd.Context(), files)
			p.Done()
			if err != nil {
				return err
			}
			if asJSON {
				err = JSON(cmd.OutOrStdout(), report)
			} else {
				err = report.Table(cmd.OutOrStdout())
			}
			if err != nil {
				return err
			}
			if !report.OK {
				return errors.New("vendors check: there are errors or drift")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&online, "online", false, "read the vendors' metadata documents and compare")
	c.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}
