// SPDX-License-Identifier: Apache-2.0

package translate

// Recent is what a pass made, for the next one. What the next one does not set
// again is forgotten at its end: of everything, or of the namespaces of its scope,
// so that a tenant that edits without end does not fill the memory. The zero value
// is ready to use.
type Recent[K comparable, V any] struct{ last, now map[string]map[K]V }

// Start begins a pass. Vendors, which have no namespace, are part of each.
func (r *Recent[K, V]) Start(only Scope) {
	if only.Whole() || r.now == nil {
		r.last, r.now = r.now, map[string]map[K]V{}
		return
	}
	r.last = make(map[string]map[K]V, len(only)+1)
	turn := func(namespace string) {
		r.last[namespace] = r.now[namespace]
		delete(r.now, namespace)
	}
	turn("")
	for namespace := range only {
		turn(namespace)
	}
}

// Get returns what the last pass made.
func (r *Recent[K, V]) Get(namespace string, k K) (V, bool) {
	v, ok := r.last[namespace][k]
	return v, ok
}

// Set keeps v for the next pass.
func (r *Recent[K, V]) Set(namespace string, k K, v V) {
	if r.now[namespace] == nil {
		r.now[namespace] = map[K]V{}
	}
	r.now[namespace][k] = v
}
