// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// policy is a NamespacePolicy, ready to judge namespaces.
type policy struct {
	all      bool
	names    []string
	selector labels.Selector // nil without one
}

// compilePolicy reads p; fallback stands where there is none.
func compilePolicy(field string, p *oauthv1alpha1.NamespacePolicy, fallback policy, f *findings) policy {
	if p == nil {
		return fallback
	}
	switch p.From {
	case oauthv1alpha1.NamespacesAll:
		return policy{all: true}
	case oauthv1alpha1.NamespacesByName:
		return policy{names: slices.Sorted(slices.Values(p.Names))}
	case oauthv1alpha1.NamespacesBySelector:
		s, err := metav1.LabelSelectorAsSelector(p.Selector)
		if err != nil {
			f.fail(oauthv1alpha1.ReasonInvalid, "%s.selector is not a label selector: correct its operators and values", field)
			return policy{}
		}
		return policy{selector: s}
	case oauthv1alpha1.NamespacesNone:
	}
	return policy{}
}

// refuseSelector complains where the operator cannot read namespaces.
func (p policy) refuseSelector(field string, s Settings, f *findings) {
	if p.selector != nil && s.Namespaced {
		f.fail(oauthv1alpha1.ReasonSelectorUnsupported, "%s.from: Selector does not work in namespaced mode, where the operator cannot read namespaces: use from: Names", field)
	}
}

// allows tells whether namespace is chosen. A namespace whose labels are not
// known matches no selector.
func (p policy) allows(namespace string, namespaces map[string]map[string]string) bool {
	if p.all {
		return true
	}
	if _, found := slices.BinarySearch(p.names, namespace); found {
		return true
	}
	return p.selects(namespace, namespaces)
}

// selects is the part of allows that depends on labels.
func (p policy) selects(namespace string, namespaces map[string]map[string]string) bool {
	if p.selector == nil {
		return false
	}
	l, known := namespaces[namespace]
	return known && p.selector.Matches(labels.Set(l))
}

// set is the part of the policy that is published with the vendor; what a
// selector chooses is published with each client.
func (p policy) set() runtimeconfig.NamespaceSet {
	return runtimeconfig.NamespaceSet{All: p.all, Names: p.names}
}
