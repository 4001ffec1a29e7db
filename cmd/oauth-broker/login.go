// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/internal/cli/login"
	"github.com/oauthbroker/oauth-broker/internal/cli/reach"
	"github.com/oauthbroker/oauth-broker/internal/command"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// secretVariable may hold the client secret.
const secretVariable = "OAUTH_BROKER_LOGIN_SECRET"

// loginFlags are the flags of `login`.
type loginFlags struct {
	flow                          login.Flow
	secretFile, caFile            string
	noBrowser, asJSON, showTokens bool
	timeout                       time.Duration
}

const loginHelp = `Log in at a vendor through the broker, as a native app does (RFC 8252): the
browser comes back to a port of this machine. PKCE, state and iss are checked.
What came back is shown masked.

Without --client-id the client registers itself, where the broker and the vendor
allow that. Otherwise use a BrokerClient such as this one; its client id is its
namespace and name, here team-a.cli:

    apiVersion: oauthbroker.dev/v1alpha1
    kind: BrokerClient
    metadata: {name: cli, namespace: team-a}
    spec:
      applicationType: Native              # any port of the loopback address
      redirectURIs: ["http://127.0.0.1/callback"]
      authentication: {method: None}
      vendors: [{name: github}]

The secret of a confidential client comes from a file (--client-secret-file, - is
standard input) or from ` + secretVariable + `, never from an argument, which
every user of the machine can read.

The browser is $BROWSER, or the system's own. Where there is none, and with
--no-browser, the URL is printed; the browser must run on this machine.`

func newLogin() *cobra.Command {
	var f loginFlags
	c := &cobra.Command{
		Use:   "login --broker URL --vendor NAME",
		Short: "Log in at a vendor through the broker and show what came back",
		Long:  loginHelp,
		Example: "  oauth-broker login --broker https://broker.example.com --vendor github --client-id team-a.cli\n" +
			"  oauth-broker login --broker https://broker.example.com --vendor github --refresh --json | jq .token.scope",
		Args: command.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	s := c.Flags()
	s.StringVar(&f.flow.Broker, "broker", "", "public URL of the broker (required)")
	s.StringVar(&f.flow.Vendor, "vendor", "", "name of the OAuthVendor (required)")
	s.StringVar(&f.flow.ClientID, "client-id", "", "client id of a BrokerClient, <namespace>.<name>; empty registers a client")
	s.StringVar(&f.secretFile, "client-secret-file", "", "file with the client secret; - is standard input; else "+secretVariable+" is used")
	s.StringVar(&f.flow.RedirectURI, "redirect-uri", "http://127.0.0.1/callback", "loopback redirect URI that the client has; without a port a free one is taken")
	s.StringSliceVar(&f.flow.Scopes, "scope", nil, "scopes to ask for (repeatable, or comma-separated); none leaves it to the vendor's defaults")
	s.StringVar(&f.flow.Resource, "resource", "", "resource to ask for (RFC 8707)")
	s.StringVar(&f.flow.Credential, "credential", "", "name of a BYOCCredential, where the namespace's default is not meant")
	s.BoolVar(&f.flow.Refresh, "refresh", false, "refresh once after the login")
	s.BoolVar(&f.flow.Revoke, "revoke", false, "revoke at the end")
	s.BoolVar(&f.noBrowser, "no-browser", false, "print the URL instead of opening a browser")
	s.StringVar(&f.caFile, "ca-file", "", "PEM file of a CA to trust besides the system's, for the broker")
	s.DurationVar(&f.timeout, "timeout", login.Timeout, "how long the login may take")
	s.BoolVar(&f.asJSON, "json", false, "print JSON (masked, too)")
	s.BoolVar(&f.showTokens, "show-tokens", false, "do not mask the tokens")
	return c
}

func (f *loginFlags) run(c *cobra.Command) error {
	if f.flow.Broker == "" || f.flow.Vendor == "" {
		return command.SeeHelp(c, errors.New("--broker and --vendor are required"))
	}
	var err error
	if f.flow.ClientSecret, err = readSecret(f.secretFile, c.InOrStdin()); err != nil {
		return command.Usage(err)
	}
	if !f.flow.ClientSecret.Empty() && f.flow.ClientID == "" {
		return command.Usage(errors.New("a client secret needs --client-id"))
	}
	if f.flow.HTTP, err = reach.Client(f.caFile); err != nil {
		return command.Usage(err)
	}
	p := command.NewProgress(os.Stderr)
	defer p.Done()
	f.flow.Step = p.Step
	f.flow.Open = f.opener(c.ErrOrStderr(), p)
	ctx, cancel := context.WithTimeout(c.Context(), f.timeout)
	defer cancel()
	result, err := f.flow.Run(ctx)
	p.Done()
	if result == nil {
		return err
	}
	return errors.Join(f.show(c.OutOrStdout(), result), err)
}

// readSecret reads the client secret; it is empty where there is none.
func readSecret(file string, stdin io.Reader) (secret.Text, error) {
	var b []byte
	var err error
	switch file {
	case "":
		return secret.New(os.Getenv(secretVariable)), nil
	case "-":
		b, err = io.ReadAll(io.LimitReader(stdin, 64<<10))
	default:
		b, err = os.ReadFile(file)
	}
	if err != nil {
		return secret.Text{}, fmt.Errorf("--client-secret-file: %w", err)
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return secret.Text{}, errors.New("--client-secret-file: it is empty")
	}
	return secret.New(text), nil
}

// opener opens the browser, or prints the URL. Printed it is always, on a line of
// its own: a browser that did not come up is hard to tell from one that did.
func (f *loginFlags) opener(out io.Writer, p *command.Progress) func(context.Context, string) error {
	return func(ctx context.Context, address string) error {
		p.Done()
		if f.noBrowser {
			_, _ = fmt.Fprintf(out, "Open this URL in a browser on this machine:\n\n%s\n\n", address)
			return nil
		}
		if err := openBrowser(ctx, address); err != nil {
			_, _ = fmt.Fprintf(out, "No browser could be opened (%v). Open this URL in a browser on this machine:\n\n%s\n\n", err, address)
			return nil
		}
		_, _ = fmt.Fprintf(out, "Your browser should show the login. If it does not, open this URL:\n\n%s\n\n", address)
		return nil
	}
}

func openBrowser(ctx context.Context, address string) error {
	name, args := "xdg-open", []string{address}
	switch {
	case os.Getenv("BROWSER") != "":
		name = os.Getenv("BROWSER")
	case runtime.GOOS == "darwin":
		name = "open"
	case runtime.GOOS == "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), name, args...) //nolint:gosec // the user's own browser
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	return nil
}

// shown is the output of --json.
type shown struct {
	Issuer     string         `json:"issuer"`
	ClientID   string         `json:"clientID"`
	Registered bool           `json:"registered,omitempty"`
	Masked     bool           `json:"masked"`
	Token      map[string]any `json:"token"`
	Refreshed  map[string]any `json:"refreshed,omitempty"`
	Revoked    bool           `json:"revoked,omitempty"`
}

func (f *loginFlags) show(out io.Writer, r *login.Result) error {
	s := shown{Issuer: r.Issuer, ClientID: r.ClientID, Registered: r.Registered, Masked: !f.showTokens, Token: r.Token, Refreshed: r.Refreshed, Revoked: r.Revoked}
	if s.Masked {
		s.Token, s.Refreshed = mask(s.Token), mask(s.Refreshed)
	}
	if f.asJSON {
		return command.JSON(out, s)
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	who := s.ClientID
	if s.Registered {
		who = "registered for this login"
	}
	_, _ = fmt.Fprintf(t, "issuer\t%s\nclient\t%s\n", s.Issuer, who)
	for _, part := range []struct {
		title string
		token map[string]any
	}{{"Logged in:", s.Token}, {"Refreshed:", s.Refreshed}} {
		if part.token == nil {
			continue
		}
		_, _ = fmt.Fprintf(t, "\n%s\n", part.title)
		for _, name := range login.Names(part.token) {
			_, _ = fmt.Fprintf(t, "%s\t%s\n", login.Text(name), login.Text(part.token[name]))
		}
	}
	if s.Revoked {
		_, _ = fmt.Fprintln(t, "\nRevoked: the vendor has ended these tokens.")
	}
	return t.Flush()
}

func mask(token map[string]any) map[string]any {
	if token == nil {
		return nil
	}
	masked, _ := login.Mask("", token).(map[string]any)
	return masked
}
