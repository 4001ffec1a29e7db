// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

func (in *install) ring() (keyring.Ring, *corev1.Secret, error) {
	var o corev1.Secret
	err := plane.Client.Get(context.Background(), types.NamespacedName{Namespace: in.system, Name: "oauth-broker-keyring"}, &o)
	if err != nil {
		return keyring.Ring{}, nil, err
	}
	ring, err := keyring.Parse(o.Data[keyring.DataKey])
	return ring, &o, err
}

// recorded checks that the index records the ids of the ring.
func (in *install) recorded() error {
	ring, _, err := in.ring()
	if err != nil {
		return err
	}
	index, _, err := in.index()
	if err == nil && !slices.Equal(index.KeyIDs, ring.IDs()) {
		return fmt.Errorf("the index records %v, the ring has %v", index.KeyIDs, ring.IDs())
	}
	return err
}

func TestKeyRing_isMadeOnce(t *testing.T) {
	in := newInstall(t)
	op := in.start()
	eventually(t, in.recorded)
	_, object, err := in.ring()
	if err != nil {
		t.Fatal(err)
	}
	if len(object.OwnerReferences) != 0 || len(object.Labels) != 0 {
		t.Errorf("the ring has owners %v and labels %v, want none", object.OwnerReferences, object.Labels)
	}
	if err := op.KeyRing.Check(nil); err != nil {
		t.Errorf("got %v, want the ring to be well", err)
	}

	// Missing: no new one, and a way out.
	if err := plane.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if err := op.KeyRing.Check(nil); err == nil || !strings.Contains(err.Error(), "KeyRingMissing") {
			return fmt.Errorf("got %w, want KeyRingMissing", err)
		}
		return nil
	})
	stays(t, func() error {
		if _, _, err := in.ring(); err == nil {
			return errors.New("a new ring was made")
		}
		return nil
	})
	if !strings.Contains(op.log.String(), "kubectl -n "+in.published+" annotate secret oauth-broker-index-v1 oauthbroker.dev/new-key-ring=yes") {
		t.Error("the log does not say how to start afresh")
	}
	eventually(t, func() error { return in.event("KeyRingMissing") })

	// Configuration goes on being published meanwhile.
	b := in.startBroker()
	in.create(in.vendor(), in.credential("acme"), in.secret("acme", "one"))
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })

	// The command works, and is used up.
	_, index, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	update(in, index, func(o *corev1.Secret) {
		metav1.SetMetaDataAnnotation(&o.ObjectMeta, controllers.NewKeyRingAnnotation, "yes")
	})
	eventually(t, in.recorded)
	eventually(t, func() error {
		_, o, err := in.index()
		if err == nil && o.Annotations[controllers.NewKeyRingAnnotation] != "" {
			err = errors.New("the annotation is still there")
		}
		return errors.Join(err, op.KeyRing.Check(nil))
	})
}

// TestKeyRing_goneWithTheIndex: shards that are left show that this is no fresh
// install, so that a ring which vanished together with the index is missed, and
// no new one ends every session.
func TestKeyRing_goneWithTheIndex(t *testing.T) {
	in, _, op, _ := ready(t)
	op.stop()
	_, ring, err := in.ring()
	if err != nil {
		t.Fatal(err)
	}
	_, index, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []client.Object{ring, index} {
		if err := plane.Client.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second operator has only what the first wrote
		again := in.start()
		eventually(t, func() error {
			if again.KeyRing.Check(nil) == nil {
				return errors.New("the missing ring was not noticed")
			}
			return nil
		})
		if _, _, err := in.ring(); !apierrors.IsNotFound(err) {
			t.Fatalf("a new key ring was made (%v)", err)
		}
		eventually(t, func() error { _, _, err := in.index(); return err })
		again.stop()
	}
	in.start()
	_, index, err = in.index()
	if err != nil {
		t.Fatal(err)
	}
	update(in, index, func(s *corev1.Secret) { s.Annotations = map[string]string{controllers.NewKeyRingAnnotation: "yes"} })
	eventually(t, in.recorded)
}

func TestKeyRing_restoredFromBackup(t *testing.T) {
	in := newInstall(t)
	op := in.start()
	eventually(t, in.recorded)
	_, object, err := in.ring()
	if err != nil {
		t.Fatal(err)
	}
	if err := plane.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if op.KeyRing.Check(nil) == nil {
			return errors.New("the loss was not noticed")
		}
		return nil
	})
	object.ObjectMeta = metav1.ObjectMeta{Namespace: object.Namespace, Name: object.Name}
	in.create(object)
	eventually(t, func() error { return errors.Join(op.KeyRing.Check(nil), in.recorded()) })
}

func TestKeyRing_existing(t *testing.T) {
	in := newInstall(t)
	content, err := keyring.Encode(keyring.New(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	own := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: in.system, Name: "oauth-broker-keyring"}, Data: map[string][]byte{keyring.DataKey: content}}
	in.create(own)
	in.start()
	eventually(t, in.recorded)

	// A rotation is recorded too.
	ring, _, err := in.ring()
	if err != nil {
		t.Fatal(err)
	}
	ring.Flow = append(ring.Flow, keyring.NewKey(time.Now().Add(keyring.DefaultDelay)))
	if content, err = keyring.Encode(ring); err != nil {
		t.Fatal(err)
	}
	update(in, own, func(o *corev1.Secret) { o.Data[keyring.DataKey] = content })
	eventually(t, in.recorded)
}

func TestKeyRing_invalid(t *testing.T) {
	in := newInstall(t)
	in.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: in.system, Name: "oauth-broker-keyring"}, Data: map[string][]byte{keyring.DataKey: []byte("{}")}})
	op := in.start()
	eventually(t, func() error {
		if err := op.KeyRing.Check(nil); err == nil || !strings.Contains(err.Error(), "KeyRingInvalid") {
			return fmt.Errorf("got %w, want KeyRingInvalid", err)
		}
		return nil
	})
	if _, object, err := in.ring(); err == nil || object == nil || string(object.Data[keyring.DataKey]) != "{}" {
		t.Error("the Secret was changed")
	}
}

// event finds an event of this install by reason.
func (in *install) event(reason string) error {
	var list corev1.EventList
	if err := plane.Client.List(in.t.Context(), &list); err != nil {
		return err
	}
	for _, e := range list.Items {
		if e.Reason == reason && (e.Namespace == in.system || e.Namespace == in.published || e.Namespace == in.tenant) {
			return nil
		}
	}
	return fmt.Errorf("there is no event %s", reason)
}
