// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// ready makes an install with one broker, one operator and one credential live.
func ready(t *testing.T) (*install, *broker, *operator, *oauthv1alpha1.BYOCCredential) {
	t.Helper()
	in := newInstall(t)
	b := in.startBroker()
	op := in.start()
	credential := in.credential("acme")
	in.create(in.vendor(), credential, in.secret("acme", "one"))
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })
	return in, b, op, credential
}

// holds tells whether the broker serves so many credentials.
func (b *broker) holds(credentials int) error {
	if _, n, _ := b.snapshot.Load().Counts(); n != credentials {
		return fmt.Errorf("the broker has %d credentials, want %d", n, credentials)
	}
	return nil
}

func (in *install) rotate(value string) {
	in.t.Helper()
	update(in, in.secret("acme", ""), func(s *corev1.Secret) { s.Data["clientSecret"] = []byte(value) })
}

func TestRecovery_malformedIndexIsReplaced(t *testing.T) {
	for name, content := range map[string]string{
		"not JSON":       "{",
		"unknown member": `{"format":1,"later":true}`,
		"other format":   `{"format":99}`,
		"empty":          "",
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			in, b, op, credential := ready(t)
			before, object, err := in.index()
			if err != nil {
				t.Fatal(err)
			}
			object.Data[runtimeconfig.IndexDataKey] = []byte(content)
			if err := plane.Client.Update(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() error {
				after, _, err := in.index()
				if err == nil && after.Sequence <= before.Sequence {
					err = fmt.Errorf("got sequence %d after %d, want it to go on", after.Sequence, before.Sequence)
				}
				return err
			})
			if !strings.Contains(op.log.String(), "MalformedIndex") {
				t.Error("the operator's log does not tell")
			}
			if err := b.secretIs(in.tenant, in.vendorName(), "one"); err != nil {
				t.Errorf("the broker did not keep the last good document: %v", err)
			}
			in.rotate("two")
			eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })
			eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
		})
	}
}

// TestRecovery_sequenceGoesOnlyForward: what was published last can be a removal,
// whose sequence no shard shows. A broker that serves it must not be taken for
// one that serves what comes next, and must not take what comes next for old.
func TestRecovery_sequenceGoesOnlyForward(t *testing.T) {
	in, b, _, credential := ready(t)
	extra := in.credential("extra")
	extra.Spec.Selection = oauthv1alpha1.SelectionByName
	in.create(extra)
	eventually(t, func() error { return b.holds(2) })
	if err := plane.Client.Delete(t.Context(), extra); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return b.holds(1) })
	before, object, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	object.Data[runtimeconfig.IndexDataKey] = []byte("{")
	if err := plane.Client.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		after, replaced, err := in.index()
		if err == nil && after.Sequence <= before.Sequence {
			err = fmt.Errorf("got sequence %d after %d, want it to go on", after.Sequence, before.Sequence)
		}
		if err == nil && replaced.UID == object.UID {
			err = errors.New("the index is the same object, so a broker may take it for an earlier version")
		}
		return err
	})
	in.rotate("two")
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
}

// TestRecovery_malformedIndexOfNothing: an index is replaced although nothing
// is to be published.
func TestRecovery_malformedIndexOfNothing(t *testing.T) {
	in := newInstall(t)
	in.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: in.published, Name: runtimeconfig.IndexName},
		Data:       map[string][]byte{runtimeconfig.IndexDataKey: []byte("{")},
	})
	in.start()
	eventually(t, func() error { _, _, err := in.index(); return err })
}

// TestRecovery_unsortedIndexIsReplaced: brokers refuse an index whose shards are not
// in order, so the operator must not take it for good.
func TestRecovery_unsortedIndexIsReplaced(t *testing.T) {
	in, b, _, _ := ready(t)
	in.rotate(strings.Repeat("x", 8<<10))
	for n := range 20 { // more than one shard holds
		c := in.credential(fmt.Sprint("extra-", n))
		c.Spec.Selection, c.Spec.SecretRef.Name = oauthv1alpha1.SelectionByName, "acme"
		in.create(c)
	}
	eventually(t, func() error { return b.holds(21) })
	index, object, err := in.index()
	if err != nil || len(index.Shards) < 2 {
		t.Fatalf("got %d shards, want several: %v", len(index.Shards), err)
	}
	slices.Reverse(index.Shards)
	if object.Data[runtimeconfig.IndexDataKey], err = runtimeconfig.EncodeIndex(index); err != nil {
		t.Fatal(err)
	}
	if err := plane.Client.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		after, _, err := in.index()
		if err == nil && after.Sequence <= index.Sequence {
			err = fmt.Errorf("got sequence %d after %d, want it to go on", after.Sequence, index.Sequence)
		}
		return err
	})
	in.rotate("two")
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })
}

// TestRecovery_malformedWhileNoOperatorRuns: the broker logs, counts and serves
// on; the next operator repairs.
func TestRecovery_malformedWhileNoOperatorRuns(t *testing.T) {
	in, b, op, _ := ready(t)
	op.stop()
	_, object, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	object.Data[runtimeconfig.IndexDataKey] = []byte("[]")
	if err := plane.Client.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if !strings.Contains(b.problems.String(), "malformed") {
			return errors.New("the broker counts no malformed document")
		}
		return nil
	})
	stays(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })
	in.rotate("two")
	in.start()
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })
}

func TestRecovery_shardDeletedByHand(t *testing.T) {
	in, b, _, _ := ready(t)
	for _, s := range in.shards() {
		if err := plane.Client.Delete(t.Context(), &s); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() error {
		index, _, err := in.index()
		if err != nil {
			return err
		}
		names := map[string]bool{}
		for _, s := range in.shards() {
			names[s.Name] = true
		}
		for _, ref := range index.Shards {
			if !names[ref.Name] {
				return errors.New("the index names a shard that is gone")
			}
		}
		return nil
	})
	if err := b.secretIs(in.tenant, in.vendorName(), "one"); err != nil {
		t.Error(err)
	}
	in.rotate("two")
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })
}

func TestRecovery_indexDeletedByHand(t *testing.T) {
	in, b, _, _ := ready(t)
	before, object, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	if err := plane.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		after, _, err := in.index()
		if err == nil && after.Sequence <= before.Sequence {
			return fmt.Errorf("got sequence %d after %d, want it to go on", after.Sequence, before.Sequence)
		}
		return err
	})
	in.rotate("two")
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })
}

// TestRecovery_conflict: two operators of one class, as for a moment when a
// leader is late to notice that it lost the lease. Every change is published
// in the end, and the document always loads.
func TestRecovery_conflict(t *testing.T) {
	in, b, _, _ := ready(t)
	in.start()
	for n := range 20 {
		in.rotate(fmt.Sprint("value-", n))
	}
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "value-19") })
	if p := b.problems.String(); strings.Contains(p, "malformed") {
		t.Errorf("the broker met malformed documents: %s", p)
	}
}

func TestRecovery_restartGoesOn(t *testing.T) {
	in, b, op, credential := ready(t)
	before, _, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	op.stop()
	in.rotate("two")
	in.start()
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })
	after, _, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	if after.Sequence != before.Sequence+1 || !slices.Equal(after.NameKey, before.NameKey) {
		t.Errorf("got sequence %d after %d, and name key kept: %v", after.Sequence, before.Sequence, slices.Equal(after.NameKey, before.NameKey))
	}
	eventually(t, func() error { return condition(credential, "Programmed", "True", "Programmed") })
}

func TestCollection(t *testing.T) {
	in, b, op, _ := ready(t)
	first := in.shards()[0].Name
	orphan := in.shards()[0]
	orphan.ObjectMeta = metav1.ObjectMeta{Namespace: in.published, Name: runtimeconfig.ShardPrefix + "orphan", Labels: map[string]string{controllers.PublishedLabel: "shard"}}
	in.rotate("two")
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })
	retired := func(want int) {
		t.Helper()
		eventually(t, func() error {
			index, _, err := in.index()
			if err == nil && len(index.Retired) != want {
				return fmt.Errorf("got %d retired shards, want %d", len(index.Retired), want)
			}
			return err
		})
	}
	retired(1)
	in.clock.Advance(14 * time.Minute)
	op.Touch()
	stays(t, func() error {
		if !in.hasShard(first) {
			return errors.New("the retired shard is gone after 14 minutes, want 15")
		}
		return nil
	})
	in.clock.Advance(2 * time.Minute)
	op.Touch()
	eventually(t, func() error {
		if in.hasShard(first) {
			return errors.New("the retired shard is still there after 16 minutes")
		}
		return nil
	})
	retired(0)

	// What a publication that failed left behind is found at the next start.
	op.stop()
	in.create(&orphan)
	again := in.start()
	retired(1)
	in.clock.Advance(16 * time.Minute)
	again.Touch()
	retired(0)
	if in.hasShard(orphan.Name) {
		t.Error("the orphan is still there")
	}
	if err := b.secretIs(in.tenant, in.vendorName(), "two"); err != nil {
		t.Error(err)
	}
}

// TestCollection_retiredShardIsWantedAgain: the same items give the same name,
// so a shard can come back from retirement, and must not be collected then.
func TestCollection_retiredShardIsWantedAgain(t *testing.T) {
	in, b, op, _ := ready(t)
	first := in.shards()[0].Name
	extra := in.credential("extra")
	extra.Spec.Selection = oauthv1alpha1.SelectionByName
	in.create(extra)
	eventually(t, func() error { return b.holds(2) })
	in.clock.Advance(14 * time.Minute)
	if err := plane.Client.Delete(t.Context(), extra); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return b.holds(1) })
	index, _, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	if index.Shards[0].Name != first {
		t.Fatalf("got shard %s, want %s again", index.Shards[0].Name, first)
	}
	in.clock.Advance(2 * time.Minute)
	op.Touch()
	stays(t, func() error {
		if !in.hasShard(first) {
			return errors.New("a shard in use was collected")
		}
		return nil
	})
}

func (in *install) hasShard(name string) bool {
	return slices.ContainsFunc(in.shards(), func(s corev1.Secret) bool { return s.Name == name })
}

// TestRecovery_shardGoneForANewBroker: a broker that cannot load the published
// document is not ready, says why, and recovers when the operator repaired it.
func TestRecovery_shardGoneForANewBroker(t *testing.T) {
	in, _, op, _ := ready(t)
	op.stop()
	for _, s := range in.shards() {
		if err := plane.Client.Delete(t.Context(), &s); err != nil {
			t.Fatal(err)
		}
	}
	late := in.startBroker()
	eventually(t, func() error {
		if !strings.Contains(late.problems.String(), "shard_gone") {
			return errors.New("the broker does not tell")
		}
		return nil
	})
	if late.snapshot.Load() != nil {
		t.Error("the broker serves half a document")
	}
	in.start()
	eventually(t, func() error { return late.secretIs(in.tenant, in.vendorName(), "one") })
}

// TestRecovery_publishingFails: status says what is not published, and it is
// tried again.
func TestRecovery_publishingFails(t *testing.T) {
	in := newInstall(t)
	later := "later-" + in.tenant
	in.published = later
	b := in.startBroker()
	in.start()
	credential := in.credential("acme")
	in.create(in.vendor(), credential, in.secret("acme", "one"))
	eventually(t, func() error { return condition(credential, "Programmed", "False", "NotPublished") })
	eventually(t, func() error { return condition(credential, "ResolvedRefs", "True", "ResolvedRefs") })
	in.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: later}})
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
}

// TestRecovery_objectTooBig: an object that no Secret can hold stops nobody else.
func TestRecovery_objectTooBig(t *testing.T) {
	in, b, _, _ := ready(t)
	big := &oauthv1alpha1.BrokerClient{}
	big.Namespace, big.Name = in.tenant, "big"
	big.Spec = oauthv1alpha1.BrokerClientSpec{
		BrokerClass: in.class, RedirectURIs: []oauthv1alpha1.RedirectURI{"https://portal.example/cb"},
		Authentication: oauthv1alpha1.BrokerClientAuthentication{Method: oauthv1alpha1.ClientAuthNone},
	}
	for v := range 64 {
		allowed := oauthv1alpha1.AllowedVendor{Name: fmt.Sprint("v", v)}
		for s := range 60 {
			allowed.Scopes = append(allowed.Scopes, oauthv1alpha1.ScopeToken(fmt.Sprint(s)+strings.Repeat("x", 200)))
		}
		big.Spec.Vendors = append(big.Spec.Vendors, allowed)
	}
	in.create(big)
	eventually(t, func() error { return condition(big, "Programmed", "False", "NotPublished") })
	in.rotate("two")
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })
}
