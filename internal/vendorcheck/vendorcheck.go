// SPDX-License-Identifier: Apache-2.0

// Package vendorcheck judges OAuthVendor manifests before they reach a cluster.
//
// Offline it does to a manifest what the API server and the operator would do:
// schema, CEL rules, translate's verdict. Online it also reads the vendor's
// metadata document and tells where manifest and document part: drift. A
// manifest that writes its endpoints out is compared too, if it has an issuer.
//
// The outcome is a Report, for people (Table) and for programs (JSON).
package vendorcheck

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/config/crd"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/discovery"
	"github.com/oauthbroker/oauth-broker/internal/manifest"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// Result grades a finding.
type Result string

// The results. Error and Drift make a report fail.
const (
	OK   Result = "ok"
	Note Result = "note"
	// Drift: manifest and metadata document contradict each other.
	Drift Result = "drift"
	// Error: the manifest would not be accepted, or its vendor not served.
	Error Result = "error"
)

// Finding is the outcome of one check.
type Finding struct {
	Field  string `json:"field"`
	Result Result `json:"result"`
	// Manifest and Metadata are the two sides of a comparison.
	Manifest string `json:"manifest,omitempty"`
	Metadata string `json:"metadata,omitempty"`
	Message  string `json:"message,omitempty"`
}

// Vendor is what was found about one manifest. Name is empty where the file
// could not be read as one.
type Vendor struct {
	Name     string    `json:"name,omitempty"`
	File     string    `json:"file"`
	Findings []Finding `json:"findings"`
}

// Report is the outcome for all manifests.
type Report struct {
	// OK is false where a finding is Error or Drift.
	OK      bool     `json:"ok"`
	Vendors []Vendor `json:"vendors"`
}

// Checker checks manifests.
type Checker struct {
	// Discovery reads metadata documents; nil checks offline.
	Discovery *discovery.Client
}

// parallel is how many vendors are asked at a time.
const parallel = 8

// Check judges the manifests in files; a folder stands for the *.yaml files in
// it. Kustomizations are passed over. Its error is for arguments that cannot be
// read at all.
func (c *Checker) Check(ctx context.Context, files []string) (*Report, error) {
	paths, err := expand(files)
	if err != nil {
		return nil, err
	}
	decoder, err := manifest.New(crd.Bases)
	if err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	r := &Report{}
	var vendors []*checked
	for _, path := range paths {
		content, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return nil, fmt.Errorf("reading manifest: %w", err)
		}
		set := &manifest.Set{}
		if err := decoder.Decode(ctx, set, path, content); err != nil {
			r.Vendors = append(r.Vendors, Vendor{File: path, Findings: []Finding{{Field: "manifest", Result: Error, Message: err.Error()}}})
			continue
		}
		for _, v := range set.Vendors {
			next := &checked{object: v, file: path}
			if i := slices.IndexFunc(vendors, func(o *checked) bool { return o.object.Name == v.Name }); i >= 0 {
				next.add(Finding{Field: "manifest", Result: Error, Message: "OAuthVendor " + v.Name + " is in " + vendors[i].file + " too: the one that is applied last would win"})
			}
			vendors = append(vendors, next)
		}
		if len(set.Vendors) == 0 {
			r.Vendors = append(r.Vendors, Vendor{File: path, Findings: []Finding{{Field: "manifest", Result: Note, Message: "holds no OAuthVendor"}}})
		}
	}
	if c.Discovery != nil {
		c.ask(ctx, vendors)
	}
	judge(vendors)
	for _, v := range vendors {
		r.Vendors = append(r.Vendors, Vendor{Name: v.object.Name, File: v.file, Findings: v.findings})
	}
	slices.SortStableFunc(r.Vendors, func(a, b Vendor) int { return strings.Compare(a.Name, b.Name) })
	r.OK = !slices.ContainsFunc(r.Vendors, func(v Vendor) bool {
		return slices.ContainsFunc(v.Findings, func(f Finding) bool { return f.Result == Error || f.Result == Drift })
	})
	return r, nil
}

func expand(files []string) ([]string, error) {
	var out []string
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return nil, fmt.Errorf("reading manifest: %w", err)
		}
		if !info.IsDir() {
			out = append(out, f)
			continue
		}
		inside, err := filepath.Glob(filepath.Join(f, "*.yaml"))
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", f, err)
		}
		out = append(out, inside...)
	}
	return slices.DeleteFunc(out, func(f string) bool { return filepath.Base(f) == "kustomization.yaml" }), nil
}

// checked is a vendor under way.
type checked struct {
	object   *oauthv1alpha1.OAuthVendor
	file     string
	findings []Finding
	// discovered is what the document said; nil where nobody asked.
	discovered *translate.Discovered
}

func (v *checked) add(f Finding) { v.findings = append(v.findings, f) }

// ask reads metadata documents, several at a time.
func (c *Checker) ask(ctx context.Context, vendors []*checked) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, v := range vendors {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			c.compare(ctx, v)
		})
	}
	wg.Wait()
}

// judge puts translate's verdicts first. Secrets are taken to be there: they
// are another person's task, and the operator's status names them.
func judge(vendors []*checked) {
	in := translate.Inputs{
		Settings:   translate.Settings{PublicURL: "https://broker.example", OperatorNamespace: "operator"},
		Secrets:    map[types.NamespacedName]translate.Secret{},
		Namespaces: map[string]map[string]string{}, Discovered: map[string]translate.Discovered{},
	}
	for _, v := range vendors {
		object := v.object.DeepCopy()
		object.Spec.BrokerClass = "" // one report, whatever the class
		in.Vendors = append(in.Vendors, object)
		if v.discovered != nil {
			in.Discovered[object.Name] = *v.discovered
		}
		for _, ref := range secretRefs(object) {
			in.Secrets[types.NamespacedName{Namespace: "operator", Name: ref}] = translate.Secret{Data: map[string]secret.Text{
				oauthv1alpha1.SecretKeyClientID: secret.New("client-id"), oauthv1alpha1.SecretKeyClientSecret: secret.New("not-a-secret-but-long-enough"),
				oauthv1alpha1.SecretKeyInitialAccessToken: secret.New("not-a-token"),
			}}
		}
	}
	verdicts := map[string]translate.Verdict{}
	for _, verdict := range translate.Translate(in).Verdicts {
		verdicts[verdict.Ref.Name] = verdict
	}
	for _, v := range vendors {
		v.findings = append(verdictFindings(verdicts[v.object.Name]), v.findings...)
	}
}

func secretRefs(v *oauthv1alpha1.OAuthVendor) []string {
	var out []string
	if c := v.Spec.Credentials; c != nil && c.SecretRef != nil {
		out = append(out, c.SecretRef.Name)
	}
	if r := v.Spec.Registration; r != nil && r.InitialAccessTokenRef != nil {
		out = append(out, r.InitialAccessTokenRef.Name)
	}
	return out
}

func verdictFindings(v translate.Verdict) []Finding {
	accepted := Finding{Field: "manifest", Result: OK, Message: v.Accepted.Message}
	if !v.Accepted.OK {
		accepted.Result = Error
	}
	out := []Finding{accepted}
	if v.ResolvedRefs.Reason == oauthv1alpha1.ReasonDiscoveryFailed {
		out = append(out, Finding{Field: "metadata", Result: Error, Message: v.ResolvedRefs.Message})
	}
	return out
}
