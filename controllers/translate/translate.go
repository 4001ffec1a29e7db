// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// Translate decides. The result shares memory with no input that it could
// change, and must not be changed itself.
func Translate(in Inputs) Output {
	return pass{
		vendor:     translateVendor,
		credential: translateCredential,
		client:     translateClient,
	}.run(in)
}

// pass is one translation; its functions decide on single objects, with or
// without a memory.
type pass struct {
	vendor     func(vendorInputs) *vendorResult
	credential func(credentialInputs) *credentialResult
	client     func(clientInputs) *clientResult
	// objectsOnly leaves Document empty and everything unsorted.
	objectsOnly bool
}

// run is the cross-object part: it is done over small keys for all objects
// each time.
func (p pass) run(in Inputs) Output {
	count := len(in.Vendors) + len(in.Credentials) + len(in.Clients)
	out := Output{Verdicts: make([]Verdict, 0, count), Objects: make([]Object, 0, count+len(in.Vendors))}
	vendors := p.vendors(in, &out)
	brought := p.credentials(in, vendors, &out)
	for _, c := range in.Clients {
		if !in.Settings.serves(c, c.Spec.BrokerClass) {
			continue
		}
		r := p.client(in.clientInputs(c, vendors, brought))
		out.Verdicts = append(out.Verdicts, r.verdict)
		if r.client != nil {
			out.add(Object{Client: r.client})
		}
	}
	if !p.objectsOnly {
		out.document()
		out.sort()
	}
	return out
}

// document copies the objects into the document.
func (o *Output) document() {
	d := &o.Document
	for _, object := range o.Objects {
		switch {
		case object.Vendor != nil:
			d.Vendors = append(d.Vendors, *object.Vendor)
		case object.Credential != nil:
			d.Credentials = append(d.Credentials, *object.Credential)
		case object.Client != nil:
			d.Clients = append(d.Clients, *object.Client)
		}
	}
}

// add puts an object into the output.
func (o *Output) add(object Object) { o.Objects = append(o.Objects, object) }

// serves tells whether an object is this install's, and not being deleted: who deletes
// it wants it gone, whatever a finalizer waits for.
func (s Settings) serves(o metav1.Object, class string) bool {
	return o.GetDeletionTimestamp() == nil && SameClass(class, s.BrokerClass)
}

// SameClass tells whether two values of brokerClass name one; the empty one is the
// default's.
func SameClass(a, b string) bool {
	return or(a, oauthv1alpha1.DefaultBrokerClass) == or(b, oauthv1alpha1.DefaultBrokerClass)
}

// vendors decides on all vendors and refuses those whose environment
// variables another has. (DNS labels cannot collide; this holds for names that
// a later release may allow, and for two files that define one vendor.)
func (p pass) vendors(in Inputs, out *Output) map[string]vendorView {
	var all []*vendorResult
	claims := make(claims)
	for _, v := range in.Vendors {
		if !in.Settings.serves(v, v.Spec.BrokerClass) {
			continue
		}
		r := p.vendor(in.vendorInputs(v))
		all = append(all, r)
		if r.vendor != nil && r.environment {
			claims.add(claim{r.vendor.Environment.ClientIDVariable}, r.object)
		}
	}
	views := make(map[string]vendorView, len(all))
	for _, r := range all {
		view, verdict := vendorView{result: r}, r.verdict
		if r.vendor != nil && r.environment {
			variable := r.vendor.Environment.ClientIDVariable
			if winner := claims[claim{variable}]; winner != metav1.Object(r.object) {
				view.refused = true
				verdict = verdict.conflict("credentials.fromEnvironment: OAuthVendor %s, which is older, already uses the environment variable %s: use credentials.secretRef", winner.GetName(), variable)
			}
		}
		out.Verdicts = append(out.Verdicts, verdict)
		if old, twice := views[r.object.Name]; !twice || old.refused {
			views[r.object.Name] = view
		}
		if view.published() {
			out.add(Object{Vendor: r.vendor})
			if r.shared != nil {
				out.add(Object{Credential: r.shared})
			}
		}
	}
	return views
}

// credentials decides on all credentials and refuses all but the oldest
// default of a namespace for a vendor. It returns which namespaces have one for
// which vendor.
func (p pass) credentials(in Inputs, vendors map[string]vendorView, out *Output) map[claim]bool {
	all := make([]*credentialResult, 0, len(in.Credentials))
	claims, brought := make(claims, len(in.Credentials)), make(map[claim]bool, len(in.Credentials))
	for _, c := range in.Credentials {
		if !in.Settings.serves(c, c.Spec.BrokerClass) {
			continue
		}
		r := p.credential(in.credentialInputs(c, vendors[c.Spec.Vendor]))
		all = append(all, r)
		if r.credential != nil && r.credential.Default {
			claims.add(claim{c.Namespace, c.Spec.Vendor}, r.object)
		}
	}
	for _, r := range all {
		verdict, published := r.verdict, r.credential != nil
		if published && r.credential.Default {
			if winner := claims[claim{r.object.Namespace, r.object.Spec.Vendor}]; winner != metav1.Object(r.object) {
				published = false
				verdict = verdict.conflict("selection: Default: BYOCCredential %s, which is older, already is the default of namespace %s for OAuthVendor %s: set selection: ByName, or delete one", winner.GetName(), r.object.Namespace, r.object.Spec.Vendor)
			}
		}
		out.Verdicts = append(out.Verdicts, verdict)
		if published {
			brought[claim{r.object.Namespace, r.object.Spec.Vendor}] = true
			out.add(Object{Credential: r.credential})
			if r.registration != nil {
				out.Registrations = append(out.Registrations, r.registration)
			}
		}
	}
	return brought
}

// conflict is the verdict of an object that lost against an older one.
func (v Verdict) conflict(format string, args ...any) Verdict {
	v.Accepted = Check{Reason: oauthv1alpha1.ReasonConflict, Message: fmt.Sprintf(format, args...)}
	v.Items = nil
	return v
}

// claims holds, for each thing that only one object can have, the object that
// has it: the oldest, then the first by name.
type claims map[claim]metav1.Object

// claim names such a thing, or a namespace and a vendor.
type claim [2]string

func (c claims) add(key claim, o metav1.Object) {
	if has, taken := c[key]; !taken || before(o, has) {
		c[key] = o
	}
}

func before(a, b metav1.Object) bool {
	ta, tb := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	return cmp.Or(ta.Compare(tb.Time), strings.Compare(a.GetName(), b.GetName()), strings.Compare(string(a.GetUID()), string(b.GetUID()))) < 0
}

func (o *Output) sort() {
	slices.SortFunc(o.Verdicts, func(a, b Verdict) int {
		return cmp.Or(strings.Compare(a.Ref.Kind, b.Ref.Kind), strings.Compare(a.Ref.Namespace, b.Ref.Namespace), strings.Compare(a.Ref.Name, b.Ref.Name))
	})
	d := &o.Document
	slices.SortFunc(d.Vendors, func(a, b runtimeconfig.Vendor) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(d.Credentials, func(a, b runtimeconfig.Credential) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name), strings.Compare(a.Vendor, b.Vendor))
	})
	slices.SortFunc(d.Clients, func(a, b runtimeconfig.Client) int { return strings.Compare(a.ID, b.ID) })
}
