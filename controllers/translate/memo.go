// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"crypto/sha256"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

// Memo is a Translate that remembers the outcome for each object and decides
// anew only on those whose inputs changed. The zero value is ready to use. It
// is for one goroutine at a time. What is gone is forgotten.
//
// An object is taken to be the same while its UID and generation are, as the
// API server guarantees; a Secret while its UID and resourceVersion are.
type Memo struct {
	// ObjectsOnly leaves Document empty and everything unsorted, for callers that
	// need Objects and Verdicts only: copying and sorting all is most of the work.
	ObjectsOnly bool

	vendors     memory[vendorKey, *vendorResult]
	credentials memory[credentialKey, *credentialResult]
	clients     memory[clientKey, *clientResult]
}

// Translate gives exactly what the function Translate gives, but for ObjectsOnly.
func (m *Memo) Translate(in Inputs) Output {
	m.vendors.Start(in.Only)
	m.credentials.Start(in.Only)
	m.clients.Start(in.Only)
	return pass{
		vendor: func(vi vendorInputs) *vendorResult {
			return m.vendors.get(vendorRef(vi.object.Name), vi.key(), func() *vendorResult { return translateVendor(vi) })
		},
		credential: func(ci credentialInputs) *credentialResult {
			return m.credentials.get(credentialRef(ci.object), ci.key(), func() *credentialResult { return translateCredential(ci) })
		},
		client: func(ci clientInputs) *clientResult {
			return m.clients.get(clientRef(ci.object), ci.key(), func() *clientResult { return translateClient(ci) })
		},
		objectsOnly: m.ObjectsOnly,
	}.run(in)
}

// memory holds the outcomes of the last pass by their keys.
type memory[K comparable, R any] struct{ Recent[Ref, *remembered[K, R]] }

type remembered[K comparable, R any] struct {
	key    K
	result R
}

// get returns the remembered outcome where the key is equal.
func (m *memory[K, R]) get(ref Ref, key K, decide func() R) R {
	r, known := m.Get(ref.Namespace, ref)
	if !known || r.key != key {
		r = &remembered[K, R]{key: key, result: decide()}
	}
	m.Set(ref.Namespace, ref, r)
	return r.result
}

// objectKey identifies a version of an object.
type objectKey struct {
	uid        types.UID
	generation int64
	created    int64
	// sum of the spec, for objects that come from no API server and so have no
	// generation.
	sum [sha256.Size]byte
}

func keyOf(o metav1.Object, spec any) objectKey {
	created := o.GetCreationTimestamp()
	k := objectKey{uid: o.GetUID(), generation: o.GetGeneration(), created: created.UnixNano()}
	if k.generation == 0 {
		b, _ := json.Marshal(spec) // API types always marshal
		k.sum = sha256.Sum256(b)
	}
	return k
}

// secretKey identifies a version of a Secret.
type secretKey struct {
	named, found, unreadable bool
	name                     types.NamespacedName
	uid, resourceVersion     string
}

func (r *secretRef) key() secretKey {
	if r == nil {
		return secretKey{}
	}
	return secretKey{
		named: true, found: r.found, unreadable: r.secret.Unreadable,
		name: r.name, uid: r.secret.UID, resourceVersion: r.secret.ResourceVersion,
	}
}

type vendorKey struct {
	settings        Settings
	object          objectKey
	shared, initial secretKey
	answered        bool
	hasEndpoints    bool
	endpoints       oauthv1alpha1.Endpoints
	issuerParameter bool
	problem         string
}

func (in vendorInputs) key() vendorKey {
	return vendorKey{
		settings: in.settings, object: keyOf(in.object, &in.object.Spec), shared: in.shared.key(), initial: in.initial.key(),
		answered: in.answered, hasEndpoints: in.discovered.Endpoints != nil, endpoints: deref(in.discovered.Endpoints),
		issuerParameter: in.discovered.IssuerParameter, problem: in.discovered.Problem,
	}
}

type credentialKey struct {
	settings Settings
	object   objectKey
	// vendor is compared by identity: a remembered outcome is the same pointer.
	vendor     vendorView
	secret     secretKey
	registered Registered
	allowed    bool
}

func (in credentialInputs) key() credentialKey {
	return credentialKey{
		settings: in.settings, object: keyOf(in.object, &in.object.Spec), vendor: in.vendor, secret: in.secret.key(),
		registered: in.registered, allowed: in.allowed,
	}
}

type clientKey struct {
	settings Settings
	object   objectKey
	secret   secretKey
	// grants of each vendor in the order of the spec, one byte each.
	grants string
}

func (in clientInputs) key() clientKey {
	grants := make([]byte, len(in.grants))
	for i, g := range in.grants {
		for bit, set := range []bool{g.found, g.accepted, g.sharedUse, g.trusted, g.credential} {
			if set {
				grants[i] |= 1 << bit
			}
		}
	}
	return clientKey{settings: in.settings, object: keyOf(in.object, &in.object.Spec), secret: in.secret.key(), grants: string(grants)}
}
