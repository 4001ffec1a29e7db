// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/config/crd"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/manifest"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
	"github.com/oauthbroker/oauth-broker/test/catalog"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// emulation is one vendor: its server, and what points a broker at it.
type emulation struct {
	name   string
	server *fakevendor.Server
	vendor *oauthv1alpha1.OAuthVendor
	secret *corev1.Secret
}

func emulate(ctx context.Context, o options, base string) ([]emulation, error) {
	decoder, err := manifest.New(crd.Bases)
	if err != nil {
		return nil, err
	}
	discovered, err := catalog.ReadDiscovered(o.root)
	if err != nil {
		return nil, err
	}
	var out []emulation
	for _, name := range o.vendors {
		content, err := os.ReadFile(filepath.Join(o.root, "config", "vendors", filepath.Base(name)+".yaml"))
		if err != nil {
			return nil, fmt.Errorf("reading manifest: %w", err)
		}
		set := &manifest.Set{}
		if err := decoder.Decode(ctx, set, name, content); err != nil {
			return nil, err
		}
		if len(set.Vendors) != 1 {
			return nil, fmt.Errorf("%s: want one vendor in the file", name)
		}
		e, err := one(o, set.Vendors[0], discovered)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, other := range out {
			if other.vendor.Spec.Endpoints.Token == at(base, e.vendor.Spec.Endpoints.Token) {
				return nil, fmt.Errorf("%s and %s have the same endpoints: emulate one of them at a time", other.name, e.name)
			}
		}
		e.server.At(base)
		e.point()
		out = append(out, e)
	}
	return out, nil
}

// at is where a vendor's URL is on an emulator.
func at(base string, u oauthv1alpha1.EndpointURL) oauthv1alpha1.EndpointURL {
	return oauthv1alpha1.EndpointURL(base + "/" + strings.TrimPrefix(string(u), "https://"))
}

// one makes the emulator of a vendor as the operator understands it.
func one(o options, object *oauthv1alpha1.OAuthVendor, discovered map[string]translate.Discovered) (emulation, error) {
	if object.Spec.Credentials == nil || object.Spec.Credentials.SecretRef == nil {
		return emulation{}, errors.New("a vendor with a domain for each tenant cannot be emulated here: it has no app of the platform's")
	}
	id, value := "emulated-app", rand.Text()
	ref := object.Spec.Credentials.SecretRef.Name
	translated := translate.Translate(translate.Inputs{
		Settings: translate.Settings{BrokerClass: "default", PublicURL: o.publicURL, OperatorNamespace: o.operatorNamespace},
		Vendors:  []*oauthv1alpha1.OAuthVendor{object}, Discovered: discovered,
		Secrets: map[types.NamespacedName]translate.Secret{{Namespace: o.operatorNamespace, Name: ref}: {Data: map[string]secret.Text{
			oauthv1alpha1.SecretKeyClientID: secret.New(id), oauthv1alpha1.SecretKeyClientSecret: secret.New(value),
		}}},
	})
	verdict := translated.Verdicts[0]
	if len(translated.Document.Vendors) != 1 || translated.Document.Vendors[0].Target == nil {
		return emulation{}, fmt.Errorf("%s; %s", verdict.Accepted.Message, verdict.ResolvedRefs.Message)
	}
	v := &translated.Document.Vendors[0]
	settings := fakevendor.ForVendor(v, v.Target)
	settings.Clients = []fakevendor.Client{fakevendor.ClientFor(v, id, value, o.publicURL+"/v1/callback", o.publicURL+"/v1/callback/"+v.Name)}
	e := emulation{name: v.Name, server: fakevendor.New(settings), vendor: object, secret: &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: o.operatorNamespace, Name: ref},
		StringData: map[string]string{oauthv1alpha1.SecretKeyClientID: id, oauthv1alpha1.SecretKeyClientSecret: value},
	}}
	e.vendor.Spec.Endpoints = endpoints(v.Target)
	e.vendor.Spec.Issuer = oauthv1alpha1.EndpointURL(v.Target.Issuer)
	return e, nil
}

func endpoints(t *runtimeconfig.Target) *oauthv1alpha1.Endpoints {
	url := func(s string) oauthv1alpha1.EndpointURL { return oauthv1alpha1.EndpointURL(s) }
	out := &oauthv1alpha1.Endpoints{
		Authorization: url(t.Endpoints.Authorization), Token: url(t.Endpoints.Token), Revocation: url(t.Endpoints.Revocation),
		Introspection: url(t.Endpoints.Introspection), Userinfo: url(t.Endpoints.Userinfo), JWKS: url(t.Endpoints.JWKS),
		Registration: url(t.Endpoints.Registration),
	}
	if t.Endpoints.Refresh != t.Endpoints.Token {
		out.Refresh = url(t.Endpoints.Refresh)
	}
	return out
}

// point turns the manifest at the emulator: endpoints written out, variables
// filled in, and open to every namespace, since it is for trying only.
func (e *emulation) point() {
	spec := &e.vendor.Spec
	target := &runtimeconfig.Target{Issuer: string(spec.Issuer), Endpoints: runtimeconfig.Endpoints{
		Authorization: string(spec.Endpoints.Authorization), Token: string(spec.Endpoints.Token), Refresh: string(spec.Endpoints.Refresh),
		Revocation: string(spec.Endpoints.Revocation), Introspection: string(spec.Endpoints.Introspection), Userinfo: string(spec.Endpoints.Userinfo),
		JWKS: string(spec.Endpoints.JWKS), Registration: string(spec.Endpoints.Registration),
	}}
	if spec.Identity != nil {
		target.IDTokenIssuer = spec.Identity.Issuer
	}
	mapped := e.server.Emulate(target)
	spec.Issuer, spec.Endpoints = oauthv1alpha1.EndpointURL(mapped.Issuer), endpoints(mapped)
	if spec.Identity != nil {
		spec.Identity.Issuer = mapped.IDTokenIssuer
	}
	spec.Discovery, spec.Variables = nil, nil
	spec.Callback.Path = oauthv1alpha1.CallbackVendor
	spec.Credentials.AllowedNamespaces = &oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesAll}
}

// hand writes manifests and Secrets, or prints them.
func hand(o options, emulated []emulation) error {
	for _, e := range emulated {
		vendor, err := yaml.Marshal(e.vendor)
		if err != nil {
			return fmt.Errorf("encoding manifest: %w", err)
		}
		app, err := yaml.Marshal(e.secret)
		if err != nil {
			return fmt.Errorf("encoding Secret: %w", err)
		}
		text := append(append(vendor, "---\n"...), app...)
		if o.out == "" {
			_, _ = os.Stdout.Write(append(text, "---\n"...))
			continue
		}
		if err := os.MkdirAll(o.out, 0o700); err != nil {
			return fmt.Errorf("making folder: %w", err)
		}
		if err := os.WriteFile(filepath.Join(o.out, e.name+".yaml"), text, 0o600); err != nil {
			return fmt.Errorf("writing manifest: %w", err)
		}
	}
	return nil
}
