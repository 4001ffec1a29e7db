// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	toolscache "k8s.io/client-go/tools/cache"
)

// listPage is how many Secrets are listed at a time; a page is forgotten before
// the next one is asked for.
const listPage = 500

// SecretWatch feeds a SecretStore: metadata only, one watch for the cluster, or
// one for each namespace in namespaced mode. Of a Secret that nothing refers to
// nothing is kept.
type SecretWatch struct {
	Client metadata.Interface
	Store  *SecretStore
	// Namespaces to watch; empty watches all.
	Namespaces []string
}

// Start runs the watches until ctx ends. It implements manager.Runnable.
func (w *SecretWatch) Start(ctx context.Context) error {
	namespaces := w.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	var wg sync.WaitGroup
	for _, namespace := range namespaces {
		feed := &secretFeed{client: w.Client.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace(namespace), store: w.Store, namespace: namespace}
		reflector := toolscache.NewReflectorWithOptions(feed, &metav1.PartialObjectMetadata{}, feed,
			toolscache.ReflectorOptions{Name: "secrets", TypeDescription: "Secret metadata"})
		wg.Go(func() { reflector.RunWithContext(ctx) })
	}
	wg.Wait()
	return nil
}

// secretFeed lists and watches for a reflector, and is the store that it fills.
type secretFeed struct {
	client    metadata.ResourceInterface
	store     *SecretStore
	namespace string
}

// IsWatchListSemanticsUnSupported keeps the reflector from collecting every
// Secret in a temporary store: lists are paged and filtered instead.
func (f *secretFeed) IsWatchListSemanticsUnSupported() bool { return true }

// List returns one page, without the Secrets that nothing refers to.
func (f *secretFeed) List(o metav1.ListOptions) (runtime.Object, error) {
	return f.ListWithContext(context.Background(), o)
}

// ListWithContext is List with a context.
func (f *secretFeed) ListWithContext(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	if o.Continue == "" {
		// A list of version "0" would ignore the limit.
		o.ResourceVersion, o.ResourceVersionMatch = "", ""
	}
	o.Limit = listPage
	page, err := f.client.List(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("listing Secret metadata: %w", err)
	}
	kept := page.Items[:0:0]
	for i := range page.Items {
		if f.store.Tracked(keyOf(&page.Items[i])) {
			kept = append(kept, slim(&page.Items[i]))
		}
	}
	page.Items = kept
	return page, nil
}

// Watch starts a watch.
func (f *secretFeed) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return f.WatchWithContext(context.Background(), o)
}

// WatchWithContext is Watch with a context.
func (f *secretFeed) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	return f.client.Watch(ctx, o)
}

// Add takes an event.
func (f *secretFeed) Add(obj any) error { return f.observe(obj, false) }

// Update takes an event.
func (f *secretFeed) Update(obj any) error { return f.observe(obj, false) }

// Delete takes an event.
func (f *secretFeed) Delete(obj any) error { return f.observe(obj, true) }

// Replace takes a list.
func (f *secretFeed) Replace(list []any, _ string) error {
	listed := make(map[types.NamespacedName]version, len(list))
	for _, obj := range list {
		meta, ok := obj.(*metav1.PartialObjectMetadata)
		if !ok {
			return fmt.Errorf("got %T, want Secret metadata", obj)
		}
		listed[keyOf(meta)] = version{UID: meta.UID, ResourceVersion: meta.ResourceVersion}
	}
	f.store.resync(f.namespace, listed)
	return nil
}

// Resync does nothing.
func (f *secretFeed) Resync() error { return nil }

func (f *secretFeed) observe(obj any, deleted bool) error {
	meta, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return fmt.Errorf("got %T, want Secret metadata", obj)
	}
	f.store.see(keyOf(meta), version{UID: meta.UID, ResourceVersion: meta.ResourceVersion}, deleted)
	return nil
}

func keyOf(meta *metav1.PartialObjectMetadata) types.NamespacedName {
	return types.NamespacedName{Namespace: meta.Namespace, Name: meta.Name}
}

// slim drops labels and annotations: kubectl's last-applied annotation of a
// Secret holds its content.
func slim(meta *metav1.PartialObjectMetadata) metav1.PartialObjectMetadata {
	return metav1.PartialObjectMetadata{
		TypeMeta:   meta.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{Namespace: meta.Namespace, Name: meta.Name, UID: meta.UID, ResourceVersion: meta.ResourceVersion},
	}
}
