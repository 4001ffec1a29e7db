// SPDX-License-Identifier: Apache-2.0

// Package vendors shows which vendors there are and what is known of each, from
// one of three places: the objects of a cluster, a directory of manifests, or
// the metadata documents that a broker serves.
package vendors

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/config/crd"
	"github.com/oauthbroker/oauth-broker/internal/cli/kube"
	"github.com/oauthbroker/oauth-broker/internal/cli/reach"
	"github.com/oauthbroker/oauth-broker/internal/manifest"
)

// Vendor is what people ask about a vendor. Where a place does not know
// something it is empty.
type Vendor struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName,omitempty"`
	Category    string `json:"category,omitempty"`
	// Ready is True, False or Unknown, with the reason.
	Ready  string `json:"ready,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Issuer is the vendor's own; BrokerIssuer is what clients are given.
	Issuer       string `json:"issuer,omitempty"`
	BrokerIssuer string `json:"brokerIssuer,omitempty"`
	// RedirectURI to register at the vendor; a path where the broker's URL is not
	// known.
	RedirectURI      string   `json:"redirectURI,omitempty"`
	Authorization    string   `json:"authorizationEndpoint,omitempty"`
	Token            string   `json:"tokenEndpoint,omitempty"`
	Registration     string   `json:"registrationEndpoint,omitempty"`
	Revocation       string   `json:"revocationEndpoint,omitempty"`
	Scopes           []string `json:"scopes,omitempty"`
	DefaultScopes    []string `json:"defaultScopes,omitempty"`
	SetupURL         string   `json:"setupURL,omitempty"`
	DocumentationURL string   `json:"documentationURL,omitempty"`
}

// FromCluster reads the objects.
func FromCluster(ctx context.Context, c *kube.Cluster) ([]Vendor, error) {
	objects, err := c.Vendors(ctx, "")
	if err != nil {
		return nil, err
	}
	out := make([]Vendor, 0, len(objects))
	for i := range objects {
		out = append(out, FromObject(&objects[i]))
	}
	return out, nil
}

// FromDirectory reads manifests, checked as the API server would; also in
// folders below. Kustomizations are passed over.
func FromDirectory(ctx context.Context, dir string) ([]Vendor, error) {
	decoder, err := manifest.New(crd.Bases)
	if err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	set := &manifest.Set{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) || strings.HasPrefix(d.Name(), "kustomization.") {
			return nil
		}
		content, err := os.ReadFile(path) //nolint:gosec // below the directory that the user names
		if err != nil {
			return err
		}
		return decoder.Decode(ctx, set, path, content)
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", dir, err)
	}
	out := make([]Vendor, 0, len(set.Vendors))
	for _, v := range set.Vendors {
		out = append(out, FromObject(v))
	}
	slices.SortFunc(out, func(a, b Vendor) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// FromObject shows an object.
func FromObject(o *oauthv1alpha1.OAuthVendor) Vendor {
	v := Vendor{Name: o.Name, Issuer: string(o.Spec.Issuer), RedirectURI: cmp.Or(o.Status.RedirectURI, callback(o))}
	if d := o.Spec.Display; d != nil {
		v.DisplayName, v.Category, v.SetupURL, v.DocumentationURL = d.Name, d.Category, d.SetupURL, d.DocumentationURL
	}
	if c := kube.FindCondition(o.Status.Conditions, oauthv1alpha1.ConditionReady); c != nil {
		v.Ready = string(c.Status)
		if c.Status != metav1.ConditionTrue {
			v.Reason = firstProblem(o.Status.Conditions)
		}
	}
	e := o.Spec.Endpoints
	if e == nil && o.Status.Discovery != nil {
		e = o.Status.Discovery.Endpoints
	}
	if e != nil {
		v.Authorization, v.Token, v.Registration, v.Revocation = string(e.Authorization), string(e.Token), string(e.Registration), string(e.Revocation)
	}
	if s := o.Spec.Scopes; s != nil {
		for _, scope := range s.Allowed {
			v.Scopes = append(v.Scopes, string(scope))
		}
		for _, scope := range s.Default {
			v.DefaultScopes = append(v.DefaultScopes, string(scope))
		}
	}
	// The broker's own URL is known from the redirect URI in the status.
	if base, _, ok := strings.Cut(o.Status.RedirectURI, "/v1/callback"); ok {
		v.BrokerIssuer = base + "/v1/vendors/" + o.Name
	}
	return v
}

// firstProblem is the reason and message of the first condition that is not True.
func firstProblem(conditions []metav1.Condition) string {
	for _, c := range conditions {
		if c.Status != metav1.ConditionTrue && c.Type != oauthv1alpha1.ConditionReady {
			return c.Reason + ": " + c.Message
		}
	}
	return ""
}

// callback is the path of the redirect URI.
func callback(o *oauthv1alpha1.OAuthVendor) string {
	if o.Spec.Callback != nil && o.Spec.Callback.Path != "" && o.Spec.Callback.Path != oauthv1alpha1.CallbackShared {
		return "/v1/callback/" + o.Name
	}
	return "/v1/callback"
}

// maxDocument bounds a metadata document.
const maxDocument = 1 << 20

// FromBroker reads the metadata of the named vendors' issuers (RFC 8414); without
// names, of all that the broker tells of.
func FromBroker(ctx context.Context, hc *http.Client, broker string, names []string) ([]Vendor, error) {
	broker = strings.TrimRight(broker, "/")
	var listed []Vendor
	for _, name := range names {
		listed = append(listed, Vendor{Name: name})
	}
	if len(names) == 0 {
		var err error
		if listed, err = told(ctx, hc, broker); err != nil {
			return nil, err
		}
	}
	out := make([]Vendor, 0, len(listed))
	for _, l := range listed {
		v, err := fromMetadata(ctx, hc, broker, l.Name)
		if err != nil {
			return nil, err
		}
		v.DisplayName = l.DisplayName
		out = append(out, v)
	}
	return out, nil
}

// ErrNotTold is a broker that keeps its vendors to itself.
var ErrNotTold = errors.New("it does not tell which vendors it serves (--landing-vendors=false, or an older version): name them, as in: vendors list --broker URL github ramp")

// told reads the names from the landing page.
func told(ctx context.Context, hc *http.Client, broker string) ([]Vendor, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, broker+"/", nil)
	if err != nil {
		return nil, fmt.Errorf("--broker: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	answer, err := hc.Do(r)
	if err != nil {
		return nil, reach.Why(err, broker)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s/ answered %d", broker, answer.StatusCode)
	}
	var list struct {
		Vendors []Vendor `json:"vendors"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxDocument)).Decode(&list); err != nil || list.Vendors == nil {
		return nil, fmt.Errorf("%s: %w", broker, ErrNotTold)
	}
	return list.Vendors, nil
}

// ErrUnknown is a vendor that is not there.
var ErrUnknown = errors.New("there is no such vendor")

func fromMetadata(ctx context.Context, hc *http.Client, broker, name string) (Vendor, error) {
	address := broker + "/.well-known/oauth-authorization-server/v1/vendors/" + name
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Vendor{}, fmt.Errorf("--broker: %w", err)
	}
	answer, err := hc.Do(r)
	if err != nil {
		return Vendor{}, reach.Why(err, broker)
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return Vendor{}, fmt.Errorf("%w as %q at %s", ErrUnknown, name, broker)
	default:
		return Vendor{}, fmt.Errorf("%s answered %d", address, answer.StatusCode)
	}
	var m struct {
		Issuer        string   `json:"issuer"`
		Authorization string   `json:"authorization_endpoint"`
		Token         string   `json:"token_endpoint"`
		Registration  string   `json:"registration_endpoint"`
		Revocation    string   `json:"revocation_endpoint"`
		Scopes        []string `json:"scopes_supported"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxDocument)).Decode(&m); err != nil || m.Issuer == "" {
		return Vendor{}, fmt.Errorf("%s is no authorization server metadata", address)
	}
	return Vendor{
		Name: name, Ready: string(metav1.ConditionTrue), BrokerIssuer: m.Issuer, Authorization: m.Authorization, Token: m.Token,
		Registration: m.Registration, Revocation: m.Revocation, Scopes: m.Scopes,
	}, nil
}
