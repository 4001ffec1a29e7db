// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/cli/kube"
)

// empty is a cluster without Secrets.
type empty struct{ client.Client }

func (empty) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(corev1.Resource("secrets"), key.Name)
}

// TestReferred_onceForEachSecret: two objects that name one Secret have one problem.
func TestReferred_onceForEachSecret(t *testing.T) {
	d := &Doctor{Cluster: &kube.Cluster{Objects: empty{}}}
	app := object{kind: "byoccredential", namespace: "team-a", secret: "app", secretKeys: []string{"clientID", "clientSecret"}}
	other := app
	other.namespace = "team-b"
	d.referred(t.Context(), []object{app, app, other})
	if len(d.report.Findings) != 2 {
		t.Errorf("%d findings, there are two Secrets: %+v", len(d.report.Findings), d.report.Findings)
	}
}

// TestConditions_tellsNotes: what the operator notes of a good object is told.
func TestConditions_tellsNotes(t *testing.T) {
	d := &Doctor{}
	o := object{kind: "brokerclient", namespace: "team-a", name: "cli"}
	for _, kind := range []string{oauthv1alpha1.ConditionAccepted, oauthv1alpha1.ConditionResolvedRefs} {
		o.conditions = append(o.conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Message: "all references are resolved"})
	}
	d.conditions(o.kind, []object{o})
	if len(d.report.Findings) != 1 {
		t.Fatalf("findings of a good object: %+v", d.report.Findings)
	}
	o.conditions[1].Message += "; logins are refused at acme: bring a BYOCCredential"
	d.conditions(o.kind, []object{o})
	f := d.report.Findings[1]
	if f.Level != Note || f.Message != "logins are refused at acme: bring a BYOCCredential" || f.Object != "brokerclient team-a/cli" {
		t.Errorf("finding %+v", f)
	}
}
