// SPDX-License-Identifier: Apache-2.0

// Package doctor checks an install and says what to fix: `oauth-broker doctor`.
//
// It looks through the kubeconfig at what the install is made of (Deployments,
// Secrets, key ring), at the objects and their conditions, at what each pod
// serves, and from outside at the broker's public URL and the vendors' hosts.
// It changes nothing and shows no secret: of Secrets only names and keys.
//
// Every finding says what is so; one that is not good says the command or the
// change that mends it. Each file has the checks of one subject.
package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/cli/kube"
	"github.com/oauthbroker/oauth-broker/internal/cli/terminal"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// Level grades a finding.
type Level string

// The levels. Only Problem makes a report fail.
const (
	OK      Level = "ok"
	Note    Level = "note"
	Problem Level = "problem"
)

// Finding is the outcome of one check.
type Finding struct {
	// Check names the subject; the set of names is documented.
	Check string `json:"check"`
	// Object that it is about, as kubectl names it, or a URL.
	Object  string `json:"object,omitempty"`
	Level   Level  `json:"level"`
	Message string `json:"message"`
	// Fix is a command, or what to change.
	Fix string `json:"fix,omitempty"`
}

// Report is the outcome of all checks.
type Report struct {
	OK       bool      `json:"ok"`
	Findings []Finding `json:"findings"`
}

// Doctor checks one install. HTTP and Now are required.
type Doctor struct {
	// Cluster is nil where only the URL is checked.
	Cluster *kube.Cluster
	// PublicURL, BrokerClass and PublishedNamespace are read from the install where
	// they are empty.
	PublicURL, BrokerClass, PublishedNamespace string
	// Admin URLs of brokers; empty asks the pods through the API server.
	Admin []string
	// HTTP follows no redirects.
	HTTP *http.Client
	Now  func() time.Time
	// Step tells what is being looked at; nil tells nothing.
	Step func(string)

	report  Report
	install install
}

// install is what was found of the install.
type install struct {
	keyRingSecret, tlsSecret string
	ring                     keyring.Ring // without secrets
	sequence                 int64
}

// maxEach bounds the findings of one kind; the rest is counted.
const maxEach = 20

// Run does all checks. Its error is that of a cluster which cannot be asked.
func (d *Doctor) Run(ctx context.Context) (*Report, error) {
	if d.Cluster != nil {
		d.step("asking the API server")
		if err := d.server(ctx); err != nil {
			return nil, err
		}
		d.deployments(ctx)
		d.step("looking at Secrets")
		d.infrastructure(ctx)
		d.step("looking at objects")
		d.objects(ctx)
	}
	d.step("asking the brokers what they serve")
	d.brokers(ctx)
	d.step("reaching the broker")
	d.publicURL(ctx)
	d.report.OK = true
	for _, f := range d.report.Findings {
		d.report.OK = d.report.OK && f.Level != Problem
	}
	return &d.report, nil
}

func (d *Doctor) step(what string) {
	if d.Step != nil {
		d.Step(what)
	}
}

func (d *Doctor) add(f Finding) { d.report.Findings = append(d.report.Findings, f) }

func (d *Doctor) good(check, object, format string, args ...any) {
	d.add(Finding{Check: check, Object: object, Level: OK, Message: fmt.Sprintf(format, args...)})
}

// Text writes the report for people: a row for each finding, its fix below.
func (r *Report) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	count := map[Level]int{}
	for _, f := range r.Findings {
		count[f.Level]++
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", strings.ToUpper(string(f.Level)), f.Check, oneLine(f.Object, f.Message))
		if f.Fix != "" {
			_, _ = fmt.Fprintf(t, "\t\tfix: %s\n", strings.ReplaceAll(f.Fix, "\n", "\n\t\t     "))
		}
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	_, err := fmt.Fprintf(w, "\n%d checks: %d problems, %d notes\n", len(r.Findings), count[Problem], count[Note])
	if err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

func oneLine(object, message string) string {
	if object != "" {
		message = object + ": " + message
	}
	return terminal.Line(message)
}
