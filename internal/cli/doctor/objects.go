// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/cli/kube"
)

// object is one of the three kinds, as far as these checks go.
type object struct {
	kind, namespace, name string
	generation, observed  int64
	conditions            []metav1.Condition
	secret                string
	secretKeys            []string
	redirectURI, register string
}

func (o *object) path() string {
	if o.namespace == "" {
		return o.kind + "/" + o.name
	}
	return o.kind + " " + o.namespace + "/" + o.name
}

// describe is the command that shows the object.
func (o *object) describe() string {
	if o.namespace == "" {
		return "kubectl describe " + o.kind + " " + o.name
	}
	return "kubectl -n " + o.namespace + " describe " + o.kind + " " + o.name
}

// objects looks at the conditions of all objects of the install's class, at the
// Secrets that they name, and at what is to be registered at vendors.
func (d *Doctor) objects(ctx context.Context) {
	vendors, err := d.Cluster.Vendors(ctx, d.BrokerClass)
	if err != nil {
		return // told of as a missing CRD, or a missing right
	}
	byName := map[string]*oauthv1alpha1.OAuthVendor{}
	var all []object
	for i := range vendors {
		v := &vendors[i]
		byName[v.Name] = v
		all = append(all, vendorObject(v))
	}
	all = append(all, d.credentials(ctx, byName)...)
	all = append(all, d.clients(ctx)...)
	for _, kind := range []string{"oauthvendor", "byoccredential", "brokerclient"} {
		d.conditions(kind, all)
	}
	d.referred(ctx, all)
	d.redirects(all)
	d.reachVendors(ctx, vendors)
}

func vendorObject(v *oauthv1alpha1.OAuthVendor) object {
	o := object{kind: "oauthvendor", name: v.Name, generation: v.Generation, observed: v.Status.ObservedGeneration, conditions: v.Status.Conditions, redirectURI: v.Status.RedirectURI}
	if c := v.Spec.Credentials; c != nil && c.SecretRef != nil && !c.FromEnvironment {
		o.secret, o.secretKeys = c.SecretRef.Name, secretKeys(v)
	}
	o.register = v.Name
	if v.Spec.Display != nil && v.Spec.Display.SetupURL != "" {
		o.register += " (" + v.Spec.Display.SetupURL + ")"
	}
	return o
}

func (d *Doctor) credentials(ctx context.Context, vendors map[string]*oauthv1alpha1.OAuthVendor) []object {
	var list oauthv1alpha1.BYOCCredentialList
	if err := d.Cluster.Objects.List(ctx, &list); err != nil {
		return nil
	}
	var out []object
	for i := range list.Items {
		c := &list.Items[i]
		if !translate.SameClass(c.Spec.BrokerClass, d.BrokerClass) {
			continue
		}
		o := object{kind: "byoccredential", namespace: c.Namespace, name: c.Name, generation: c.Generation, observed: c.Status.ObservedGeneration, conditions: c.Status.Conditions, redirectURI: c.Status.RedirectURI, register: c.Spec.Vendor}
		if c.Spec.SecretRef != nil {
			o.secret, o.secretKeys = c.Spec.SecretRef.Name, secretKeys(vendors[c.Spec.Vendor])
		}
		out = append(out, o)
	}
	return out
}

func (d *Doctor) clients(ctx context.Context) []object {
	var list oauthv1alpha1.BrokerClientList
	if err := d.Cluster.Objects.List(ctx, &list); err != nil {
		return nil
	}
	var out []object
	for i := range list.Items {
		c := &list.Items[i]
		if !translate.SameClass(c.Spec.BrokerClass, d.BrokerClass) {
			continue
		}
		o := object{kind: "brokerclient", namespace: c.Namespace, name: c.Name, generation: c.Generation, observed: c.Status.ObservedGeneration, conditions: c.Status.Conditions}
		if ref := c.Spec.Authentication.SecretRef; ref != nil {
			o.secret, o.secretKeys = ref.Name, []string{oauthv1alpha1.SecretKeyClientSecret}
		}
		out = append(out, o)
	}
	return out
}

// conditions tells of each object of a kind that is not well, and counts the rest.
func (d *Doctor) conditions(kind string, all []object) {
	total, bad, notes := 0, 0, 0
	for i := range all {
		o := &all[i]
		if o.kind != kind {
			continue
		}
		total++
		f, ok := o.finding()
		if ok {
			if notes < maxEach && d.noted(o) {
				notes++
			}
			continue
		}
		if bad++; bad <= maxEach {
			d.add(f)
		}
	}
	if bad > maxEach {
		d.add(Finding{Check: "object", Object: kind, Level: Problem, Message: fmt.Sprintf("%d more are not ready", bad-maxEach), Fix: "kubectl get " + kind + " -A"})
	}
	switch {
	case total == 0 && kind == "oauthvendor":
		d.add(Finding{Check: "object", Object: kind, Level: Note, Message: "there is none, so nobody can log in anywhere", Fix: "kubectl apply -f config/vendors/github.yaml, or the chart oauth-broker-vendors"})
	case total > 0:
		d.good("object", kind, "%d of %d are ready", total-bad, total)
	}
}

// noted tells what the operator noted of an object whose references resolve: its
// message says that they do, and then the note.
func (d *Doctor) noted(o *object) bool {
	c := kube.FindCondition(o.conditions, oauthv1alpha1.ConditionResolvedRefs)
	if c == nil {
		return false
	}
	_, note, noted := strings.Cut(c.Message, "; ")
	if noted {
		d.add(Finding{Check: "object", Object: o.path(), Level: Note, Message: note, Fix: o.describe()})
	}
	return noted
}

// finding is what is wrong with an object; ok where nothing is.
func (o *object) finding() (f Finding, ok bool) {
	f = Finding{Check: "object", Object: o.path(), Level: Problem, Fix: o.describe()}
	if len(o.conditions) == 0 || o.observed < o.generation {
		f.Message = "the operator has not looked at it as it is now"
		f.Fix = "see whether the operator runs: kubectl get pods -A -l app.kubernetes.io/component=manager"
		return f, false
	}
	for _, kind := range []string{oauthv1alpha1.ConditionAccepted, oauthv1alpha1.ConditionResolvedRefs, oauthv1alpha1.ConditionProgrammed, oauthv1alpha1.ConditionReady} {
		c := kube.FindCondition(o.conditions, kind)
		if c == nil || c.Status == metav1.ConditionTrue {
			continue
		}
		f.Message = fmt.Sprintf("%s=%s, %s: %s", kind, c.Status, c.Reason, c.Message)
		f.Fix = o.fix(c.Reason)
		return f, false
	}
	return f, true
}

// fix is the command or change for a reason.
func (o *object) fix(reason string) string {
	switch reason {
	case oauthv1alpha1.ReasonSecretNotFound, oauthv1alpha1.ReasonSecretInvalid:
		if o.secret != "" && o.namespace != "" {
			return createSecret(o.namespace, o.secret, o.secretKeys)
		}
	case oauthv1alpha1.ReasonSecretUnreadable:
		return "give the operator's role get on that Secret; in namespaced mode add the namespace to watchNamespaces"
	case oauthv1alpha1.ReasonNotAllowed:
		return "the platform team allows namespaces in byoc.allowedNamespaces of the OAuthVendor"
	case oauthv1alpha1.ReasonVendorNotFound:
		return "kubectl get oauthvendors; correct the name, or apply the vendor"
	case oauthv1alpha1.ReasonConflict:
		return "an older object has this place: delete one of the two; " + o.describe()
	case oauthv1alpha1.ReasonDiscoveryFailed, oauthv1alpha1.ReasonDiscoveryPending:
		return "kubectl get oauthvendor " + o.name + " -o yaml > vendor.yaml; oauth-broker vendors check --online vendor.yaml"
	case oauthv1alpha1.ReasonNoBrokerReady:
		return "kubectl get pods -A -l app.kubernetes.io/component=broker"
	}
	return o.describe()
}

// referred checks Secrets that objects name: those of vendors, and those of
// tenants whose object has unresolved references. The operator checked the rest.
func (d *Doctor) referred(ctx context.Context, all []object) {
	checked := 0
	seen := map[string]bool{} // several objects may name one Secret
	for i := range all {
		o := &all[i]
		resolved := kube.FindCondition(o.conditions, oauthv1alpha1.ConditionResolvedRefs)
		good := resolved != nil && resolved.Status == metav1.ConditionTrue
		if o.secret == "" || o.kind != "oauthvendor" && good || checked >= 5*maxEach {
			continue
		}
		namespace := o.namespace
		if namespace == "" {
			namespace = d.Cluster.Namespace
		}
		key := strings.Join(append([]string{namespace, o.secret}, o.secretKeys...), "\n")
		if seen[key] {
			continue
		}
		seen[key] = true
		checked++
		d.secret(ctx, wanted{namespace: namespace, name: o.secret, keys: o.secretKeys, fix: createSecret(namespace, o.secret, o.secretKeys), quiet: good})
	}
}

// redirects says what is to be registered where. One address may serve many.
func (d *Doctor) redirects(all []object) {
	at := map[string][]string{}
	var order []string
	for i := range all {
		o := &all[i]
		if o.redirectURI == "" {
			continue
		}
		if at[o.redirectURI] == nil {
			order = append(order, o.redirectURI)
		}
		if !slices.Contains(at[o.redirectURI], o.register) {
			at[o.redirectURI] = append(at[o.redirectURI], o.register)
		}
	}
	for i, uri := range order {
		if i == maxEach {
			d.good("redirect-uri", "", "and %d more: kubectl get oauthvendors,byoccredentials -A -o wide", len(order)-maxEach)
			return
		}
		d.good("redirect-uri", uri, "register it at %s", strings.Join(at[uri], ", "))
	}
}
