// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

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
	Registered func([]*oauthv1alpha1.BYOCCredential) map[types.UID]translate.Registered
	Settings   translate.Settings
}

// Gather lists the objects and reads the Secrets that they name.
func (g *Gatherer) Gather(ctx context.Context) (translate.Inputs, error) {
	in := translate.Inputs{Settings: g.Settings}
	if err := g.objects(ctx, &in); err != nil {
		return translate.Inputs{}, err
	}
	if !g.Settings.Namespaced {
		if err := g.namespaces(ctx, &in); err != nil {
			return translate.Inputs{}, err
		}
	}
	keys := g.references(in)
	g.Secrets.Track("objects", keys)
	secrets, err := g.Secrets.Read(ctx, keys)
	if err != nil {
		return translate.Inputs{}, err
	}
	in.Secrets = secrets
	in.Discovered = g.Discovery.Results(in.Vendors)
	in.Registered = g.Registered(in.Credentials)
	return in, nil
}

// objects lists without copying what the cache holds: nothing below changes it.
// Each object gets memory of its own, since the translation remembers single
// ones, and a pointer into a list would keep the whole list.
func (g *Gatherer) objects(ctx context.Context, in *translate.Inputs) error {
	var vendors oauthv1alpha1.OAuthVendorList
	var credentials oauthv1alpha1.BYOCCredentialList
	var clients oauthv1alpha1.BrokerClientList
	for _, list := range []client.ObjectList{&vendors, &credentials, &clients} {
		if err := g.Cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return fmt.Errorf("listing %T: %w", list, err)
		}
	}
	for _, o := range vendors.Items {
		if g.ours(o.Spec.BrokerClass) {
			in.Vendors = append(in.Vendors, &o)
		}
	}
	for _, o := range credentials.Items {
		if g.ours(o.Spec.BrokerClass) {
			in.Credentials = append(in.Credentials, &o)
		}
	}
	for _, o := range clients.Items {
		if g.ours(o.Spec.BrokerClass) {
			in.Clients = append(in.Clients, &o)
		}
	}
	return nil
}

func (g *Gatherer) ours(class string) bool {
	if class == "" {
		class = oauthv1alpha1.DefaultBrokerClass
	}
	return class == g.Settings.BrokerClass
}

func (g *Gatherer) namespaces(ctx context.Context, in *translate.Inputs) error {
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

// references lists the Secrets that the objects name, without names that no
// Secret can have: the translation refuses those.
func (g *Gatherer) references(in translate.Inputs) map[types.NamespacedName]bool {
	keys := map[types.NamespacedName]bool{}
	add := func(namespace string, ref *oauthv1alpha1.SecretReference) {
		if ref != nil && translate.GoodSecretName(ref.Name) {
			keys[types.NamespacedName{Namespace: namespace, Name: ref.Name}] = true
		}
	}
	for _, v := range in.Vendors {
		if v.Spec.Credentials != nil {
			add(g.Settings.OperatorNamespace, v.Spec.Credentials.SecretRef)
		}
		if v.Spec.Registration != nil {
			add(g.Settings.OperatorNamespace, v.Spec.Registration.InitialAccessTokenRef)
		}
	}
	for _, c := range in.Credentials {
		add(c.Namespace, c.Spec.SecretRef)
		if c.Spec.DynamicRegistration != nil {
			add(g.Settings.OperatorNamespace, &oauthv1alpha1.SecretReference{Name: oauthv1alpha1.RegistrationSecretName(string(c.UID))})
		}
	}
	for _, c := range in.Clients {
		add(c.Namespace, c.Spec.Authentication.SecretRef)
	}
	return keys
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
