// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// +kubebuilder:rbac:groups=oauthbroker.dev,resources=oauthvendors;byoccredentials;brokerclients,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch

// Gatherer reads everything that a document depends on.
type Gatherer struct {
	// Cache answers from memory.
	Cache     client.Reader
	Secrets   *SecretStore
	Discovery *Discovery
	// Registered tells of registrations at vendors.
	Registered func([]*oauthv1alpha1.BYOCCredential, translate.Scope) map[types.UID]translate.Registered
	Settings   translate.Settings

	// vendors is what the last whole pass gathered of vendors: what changes them
	// asks for another.
	vendors translate.Inputs
	// naming are the namespaces whose objects name Secrets.
	naming map[string]bool
}

// Gather lists the objects of a scope and reads the Secrets that they name.
func (g *Gatherer) Gather(ctx context.Context, only translate.Scope) (translate.Inputs, error) {
	if only.Whole() {
		if err := g.gatherVendors(ctx); err != nil {
			return translate.Inputs{}, err
		}
	}
	in := g.vendors
	in.Only = only
	if err := g.inScope(only, func(o ...client.ListOption) error { return g.objects(ctx, &in, o...) }); err != nil {
		return translate.Inputs{}, err
	}
	if err := g.namespaces(ctx, &in); err != nil {
		return translate.Inputs{}, err
	}
	secrets, err := g.secrets(ctx, in)
	if err != nil {
		return translate.Inputs{}, err
	}
	maps.Copy(secrets, in.Secrets)
	in.Secrets = secrets
	in.Registered = g.Registered(in.Credentials, only)
	return in, nil
}

// inScope lists all at once, or namespace by namespace.
func (g *Gatherer) inScope(only translate.Scope, list func(...client.ListOption) error) error {
	if only.Whole() {
		return list()
	}
	for namespace := range only {
		if err := list(client.InNamespace(namespace)); err != nil {
			return err
		}
	}
	return nil
}

// gatherVendors reads the vendors, and the Secrets and documents that go with them.
func (g *Gatherer) gatherVendors(ctx context.Context) error {
	var list oauthv1alpha1.OAuthVendorList
	if err := g.Cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing vendors: %w", err)
	}
	in := translate.Inputs{Settings: g.Settings}
	for _, o := range list.Items {
		if translate.SameClass(o.Spec.BrokerClass, g.Settings.BrokerClass) {
			in.Vendors = append(in.Vendors, &o)
		}
	}
	in.Discovered = g.Discovery.Results(in.Vendors)
	keys := g.references(in)[""]
	g.Secrets.Track(ownerOf(""), keys)
	secrets, err := g.Secrets.Read(ctx, keys)
	if err != nil {
		return err
	}
	in.Secrets = secrets
	g.vendors = in
	return nil
}

// secrets reads what the objects of a scope name. Each namespace is tracked by
// itself, so that one that changes costs what it has.
func (g *Gatherer) secrets(ctx context.Context, in translate.Inputs) (map[types.NamespacedName]translate.Secret, error) {
	in.Vendors = nil
	named, all := g.references(in), map[types.NamespacedName]bool{}
	for namespace, keys := range named {
		g.Secrets.Track(ownerOf(namespace), keys)
		maps.Copy(all, keys)
	}
	before := map[string]bool(in.Only)
	if in.Only.Whole() {
		before, g.naming = g.naming, map[string]bool{}
	}
	for namespace := range before {
		if named[namespace] == nil {
			g.Secrets.Track(ownerOf(namespace), nil)
			delete(g.naming, namespace)
		}
	}
	for namespace := range named {
		g.naming[namespace] = true
	}
	return g.Secrets.Read(ctx, all)
}

// ownerOf is who the Secrets that objects of a namespace name are tracked for;
// vendors have none.
func ownerOf(namespace string) string { return "objects/" + namespace }

// objects lists without copying what the cache holds: nothing below changes it.
// Each object gets memory of its own, since the translation remembers single
// ones, and a pointer into a list would keep the whole list.
func (g *Gatherer) objects(ctx context.Context, in *translate.Inputs, o ...client.ListOption) error {
	var credentials oauthv1alpha1.BYOCCredentialList
	var clients oauthv1alpha1.BrokerClientList
	for _, list := range []client.ObjectList{&credentials, &clients} {
		if err := g.Cache.List(ctx, list, append(o, client.UnsafeDisableDeepCopy)...); err != nil {
			return fmt.Errorf("listing %T: %w", list, err)
		}
	}
	for _, o := range credentials.Items {
		if translate.SameClass(o.Spec.BrokerClass, g.Settings.BrokerClass) {
			in.Credentials = append(in.Credentials, &o)
		}
	}
	for _, o := range clients.Items {
		if translate.SameClass(o.Spec.BrokerClass, g.Settings.BrokerClass) {
			in.Clients = append(in.Clients, &o)
		}
	}
	return nil
}

func (g *Gatherer) namespaces(ctx context.Context, in *translate.Inputs) error {
	if g.Settings.Namespaced {
		return nil
	}
	if !in.Only.Whole() {
		in.Namespaces = make(map[string]map[string]string, len(in.Only))
		for name := range in.Only {
			namespace := namespaceMetadata()
			err := g.Cache.Get(ctx, types.NamespacedName{Name: name}, namespace)
			if client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("reading namespace %s: %w", name, err)
			}
			if err == nil {
				in.Namespaces[name] = namespace.Labels
			}
		}
		return nil
	}
	list := namespaceMetadataList()
	if err := g.Cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing namespaces: %w", err)
	}
	in.Namespaces = make(map[string]map[string]string, len(list.Items))
	for i := range list.Items {
		in.Namespaces[list.Items[i].Name] = list.Items[i].Labels
	}
	return nil
}

// references lists the Secrets that the objects of each namespace name, without
// names that no Secret can have: the translation refuses those.
func (g *Gatherer) references(in translate.Inputs) map[string]map[types.NamespacedName]bool {
	named := map[string]map[types.NamespacedName]bool{}
	addTo := func(owner, namespace string, ref *oauthv1alpha1.SecretReference) {
		if ref == nil || !translate.GoodSecretName(ref.Name) {
			return
		}
		if named[owner] == nil {
			named[owner] = map[types.NamespacedName]bool{}
		}
		named[owner][types.NamespacedName{Namespace: namespace, Name: ref.Name}] = true
	}
	for _, v := range in.Vendors {
		if v.Spec.Credentials != nil {
			addTo("", g.Settings.OperatorNamespace, v.Spec.Credentials.SecretRef)
		}
		if v.Spec.Registration != nil {
			addTo("", g.Settings.OperatorNamespace, v.Spec.Registration.InitialAccessTokenRef)
		}
	}
	for _, c := range in.Credentials {
		addTo(c.Namespace, c.Namespace, c.Spec.SecretRef)
		if c.Spec.DynamicRegistration != nil {
			addTo(c.Namespace, g.Settings.OperatorNamespace, &oauthv1alpha1.SecretReference{Name: oauthv1alpha1.RegistrationSecretName(string(c.UID))})
		}
	}
	for _, c := range in.Clients {
		addTo(c.Namespace, c.Namespace, c.Spec.Authentication.SecretRef)
	}
	return named
}

func namespaceGVK() schema.GroupVersionKind {
	return schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}
}

func namespaceMetadata() *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(namespaceGVK())
	return m
}

func namespaceMetadataList() *metav1.PartialObjectMetadataList {
	m := &metav1.PartialObjectMetadataList{}
	m.SetGroupVersionKind(namespaceGVK().GroupVersion().WithKind("NamespaceList"))
	return m
}
