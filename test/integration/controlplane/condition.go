// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

// Condition is one of an object of ours, whatever its kind; nil where it has none.
func Condition(o client.Object, kind string) *metav1.Condition {
	var all []metav1.Condition
	switch o := o.(type) {
	case *oauthv1alpha1.OAuthVendor:
		all = o.Status.Conditions
	case *oauthv1alpha1.BYOCCredential:
		all = o.Status.Conditions
	case *oauthv1alpha1.BrokerClient:
		all = o.Status.Conditions
	}
	return meta.FindStatusCondition(all, kind)
}
