// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

func namedClient(namespace string) *runtimeconfig.Client {
	return &runtimeconfig.Client{ID: namespace + ".x", Namespace: namespace}
}

// TestSecret_life walks a Secret through its life; the operator has no resync,
// so each step comes from a watch.
func TestSecret_life(t *testing.T) {
	in := newInstall(t)
	b := in.startBroker()
	in.start()
	vendor, credential := in.vendor(), in.credential("acme")

	// Object first.
	in.create(vendor, credential)
	eventually(t, func() error { return condition(credential, "ResolvedRefs", "False", "SecretNotFound") })
	eventually(t, func() error { return condition(credential, "Ready", "False", "NotReady") })
	eventually(t, func() error { return condition(credential, "Programmed", "True", "Programmed") })
	eventually(t, func() error {
		if _, err := b.credential(in.tenant, vendor.Name); !errors.Is(err, runtimeconfig.ErrCredentialNotReady) {
			return fmt.Errorf("got %w, want a credential that is not ready: it fails closed", err)
		}
		return nil
	})

	// Secret after.
	secret := in.secret("acme", "one")
	in.create(secret)
	eventually(t, func() error { return b.secretIs(in.tenant, vendor.Name, "one") })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })

	// Rotated.
	update(in, secret, func(s *corev1.Secret) { s.Data["clientSecret"] = []byte("two") })
	eventually(t, func() error { return b.secretIs(in.tenant, vendor.Name, "two") })
	eventually(t, func() error {
		if err := condition(credential, "Ready", "True", "Ready"); err != nil {
			return err
		}
		if o := credential.Status.ObservedSecret; o == nil || o.ResourceVersion != secret.ResourceVersion || o.UID != string(secret.UID) {
			return fmt.Errorf("got observed Secret %+v, want version %s", o, secret.ResourceVersion)
		}
		return nil
	})

	// Useless.
	update(in, secret, func(s *corev1.Secret) { delete(s.Data, "clientID") })
	eventually(t, func() error { return condition(credential, "ResolvedRefs", "False", "SecretInvalid") })
	update(in, secret, func(s *corev1.Secret) { s.Data["clientID"] = []byte("app") })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })

	// Deleted.
	if err := plane.Client.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return condition(credential, "ResolvedRefs", "False", "SecretNotFound") })

	// Immutable, and replaced by another of the same name at once.
	fixed := in.secret("acme", "three")
	fixed.Immutable = new(true)
	in.create(fixed)
	eventually(t, func() error { return b.secretIs(in.tenant, vendor.Name, "three") })
	if err := plane.Client.Delete(t.Context(), fixed); err != nil {
		t.Fatal(err)
	}
	replaced := in.secret("acme", "four")
	replaced.Immutable = new(true)
	in.create(replaced)
	eventually(t, func() error { return b.secretIs(in.tenant, vendor.Name, "four") })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
}

func TestSecret_beforeItsObject(t *testing.T) {
	in := newInstall(t)
	b := in.startBroker()
	in.start()
	in.create(in.secret("acme", "early"))
	vendor, credential := in.vendor(), in.credential("acme")
	in.create(vendor, credential)
	eventually(t, func() error { return b.secretIs(in.tenant, vendor.Name, "early") })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
}

// TestSecret_unrelatedOnesAreNotKept: hundreds of big Secrets that nothing
// refers to leave no trace in the operator, before its start and after.
func TestSecret_unrelatedOnesAreNotKept(t *testing.T) {
	in := newInstall(t)
	b := in.startBroker()
	fill := func(prefix string, count int) {
		t.Helper()
		group, ctx := errgroup.WithContext(t.Context())
		group.SetLimit(8)
		for n := range count {
			group.Go(func() error {
				s := in.secret(fmt.Sprintf("%s-%d", prefix, n), "unrelated")
				s.Data["blob"] = bytes.Repeat([]byte("x"), 50<<10)
				s.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": strings.Repeat("y", 50<<10)}
				return plane.Client.Create(ctx, s)
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	fill("before", 600) // more than a page of the list
	op := in.start()
	in.create(in.vendor(), in.credential("acme"), in.secret("acme", "wanted"))
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "wanted") })
	heap := heapInUse()
	fill("after", 300)
	// A change after them proves that the watch has passed them.
	update(in, in.secret("acme", ""), func(s *corev1.Secret) { s.Data["clientSecret"] = []byte("last") })
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "last") })

	// The credential's, the key ring, the index, and one shard.
	if n := op.Secrets.Len(); n != 4 {
		t.Errorf("the store knows of %d Secrets, want 4", n)
	}
	if grown := int64(heapInUse()) - int64(heap); grown > 8<<20 {
		t.Errorf("the heap grew by %d KiB over 300 unrelated Secrets of 100 KiB", grown>>10)
	}
	for line := range strings.Lines(op.informers.String()) {
		if strings.Contains(line, "Secret") {
			t.Errorf("there is an informer of Secrets: %s", line)
		}
	}
	if !strings.Contains(op.informers.String(), "BYOCCredential") {
		t.Errorf("the test sees no informers at all: %s", op.informers)
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestCanary: the values of Secrets are in no status, event, log or name.
func TestCanary(t *testing.T) {
	const marker = "c4n4ry-0123456789-0123456789-abcdef"
	in := newInstall(t)
	b := in.startBroker()
	op := in.start()
	vendor, credential := in.vendor(), in.credential("acme")
	in.create(vendor, credential, in.secret("acme", marker))
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
	broken := in.credential("broken")
	bad := in.secret("broken", marker)
	bad.Data["clientID"] = []byte(marker + "\n" + marker)
	bad.Data["privateKey"] = []byte("-----BEGIN PRIVATE KEY-----\n" + marker)
	broken.Spec.Selection = "ByName"
	in.create(broken, bad)
	eventually(t, func() error { return condition(broken, "Accepted", "True", "Accepted") })
	index, object, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	object.Data[runtimeconfig.IndexDataKey] = []byte(`{"format":1,"nameKey":"` + marker + `","shards":"` + marker + `"}`)
	if err := plane.Client.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		again, _, err := in.index()
		if err == nil && again.Sequence <= index.Sequence {
			return errors.New("the index was not replaced")
		}
		return err
	})
	var all strings.Builder
	var events corev1.EventList
	if err := plane.Client.List(t.Context(), &events); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&all, "%+v", events)
	fmt.Fprintf(&all, "%+v %+v %+v", vendor, credential, broken)
	for what, text := range map[string]string{"status or events": all.String(), "operator log": op.log.String(), "broker log": b.log.String(), "library log": libraryLog.String()} {
		if strings.Contains(text, marker) || strings.Contains(text, "c4n4ry") {
			t.Errorf("%s holds the content of a Secret", what)
		}
	}
	if !strings.Contains(all.String(), "MalformedIndex") && !strings.Contains(op.log.String(), "MalformedIndex") {
		t.Error("nothing tells of the malformed index")
	}
}
