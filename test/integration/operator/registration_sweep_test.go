// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

const strayAnnotation = "oauthbroker.dev/stray-since"

// abandon deletes the credential as a tenant does who took the finalizer off, while
// no operator looks.
func (r *registry) abandon() {
	r.t.Helper()
	r.remove()
	update(r.install, r.app, func(c *oauthv1alpha1.BYOCCredential) { c.Finalizers = nil })
	eventually(r.t, func() error {
		if err := plane.Client.Get(r.t.Context(), client.ObjectKeyFromObject(r.app), r.app.DeepCopy()); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the credential is still there (%w)", errOr(err))
		}
		return nil
	})
}

// marked waits until an operator has seen that the Secret has no object.
func (r *registry) marked() {
	r.t.Helper()
	eventually(r.t, func() error {
		s, err := r.stored()
		if err != nil || s.Annotations[strayAnnotation] == "" {
			return fmt.Errorf("annotations %v (%w)", s.Annotations, errOr(err))
		}
		return nil
	})
}

// swept waits until the Secret is gone.
func (r *registry) swept() {
	r.t.Helper()
	eventually(r.t, func() error {
		if _, err := r.stored(); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the Secret is still there (%w)", errOr(err))
		}
		return nil
	})
}

// TestRegistration_sweep: an object that went without the operator (the tenant took
// the finalizer off) leaves a Secret, which is seen twice, ten minutes apart, and
// then goes; its app is deleted, stays as deletionPolicy said, or is told of. The
// Secret of an object that lives is not touched.
func TestRegistration_sweep(t *testing.T) {
	for name, c := range map[string]struct {
		vendor        fakevendor.Options
		policy        string
		away          bool
		apps, orphans int
	}{
		"manageable":          {fakevendor.Options{Manageable: true}, "", false, 1, 0},
		"not manageable":      {fakevendor.Options{}, "", false, 2, 1},
		"retained":            {fakevendor.Options{Manageable: true}, "Retain", false, 2, 0},
		"the vendor was away": {fakevendor.Options{Manageable: true}, "", true, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, c.vendor)
			op := r.start(r.registers)
			alive := r.app.DeepCopy()
			alive.Name, alive.Spec.Selection = "alive", oauthv1alpha1.SelectionByName
			r.create(r.object, r.app, alive)
			eventually(t, r.registered)
			update(r.install, r.app, func(o *oauthv1alpha1.BYOCCredential) { o.Spec.DynamicRegistration.DeletionPolicy = c.policy })
			abandoned := &registry{install: r.install, fake: r.fake, object: r.object, app: r.app}
			r.app = alive
			eventually(t, r.registered)
			kept, err := r.stored()
			if err != nil {
				t.Fatal(err)
			}
			if c.policy != "" {
				eventually(t, func() error { return abandoned.holds(`"retain":true`) })
			}
			op.stop()
			abandoned.abandon()
			op = r.start(r.registers)
			abandoned.marked()
			if c.away {
				r.fake.Set(fakevendor.Management, fakevendor.RetryLater(http.StatusServiceUnavailable, "1"))
				op = r.later(op, 11*time.Minute)
				eventually(t, func() error { return abandoned.holds(`"removing"`) })
			}
			r.later(op, 11*time.Minute)
			abandoned.swept()
			list, err := r.orphans()
			if err != nil || len(list) != c.orphans || len(r.fake.RegisteredApps()) != c.apps {
				t.Errorf("orphans %+v (%v), apps %+v; want %d and %d", list, err, r.fake.RegisteredApps(), c.orphans, c.apps)
			}
			if c.orphans > 0 && (list[0].Credential != r.tenant+"/app" || list[0].ClientID != abandoned.app.Status.Registration.ClientID) {
				t.Errorf("the orphan is %+v", list[0])
			}
			if err := r.registered(); err != nil {
				t.Error(err)
			}
			if now, err := r.stored(); err != nil || now.ResourceVersion != kept.ResourceVersion {
				t.Errorf("the Secret of the object that lives was written: %+v (%v)", now.ObjectMeta, err)
			}
		})
	}
}

// holds checks that the Secret's content has a part.
func (r *registry) holds(part string) error {
	s, err := r.stored()
	if err != nil {
		return err
	}
	if content := s.Data[oauthv1alpha1.SecretKeyRegistration]; !strings.Contains(string(content), part) {
		return fmt.Errorf("the Secret does not hold %s", part)
	}
	return nil
}

// TestRegistration_sweepLeaves: what is being deleted, and what was restored from a
// backup and may be in use elsewhere.
func TestRegistration_sweepLeaves(t *testing.T) {
	t.Run("a deletion under way", func(t *testing.T) {
		r := newRegistry(t, fakevendor.Options{Manageable: true})
		op := r.start(r.registers)
		r.create(r.object, r.app)
		eventually(t, r.registered)
		r.fake.Set(fakevendor.Management, fakevendor.RetryLater(http.StatusServiceUnavailable, "1"))
		r.remove()
		eventually(t, func() error { return r.holds(`"removing"`) })
		op = r.later(op, 5*time.Minute)
		stays(t, func() error {
			s, err := r.stored()
			if err != nil || s.Annotations[strayAnnotation] != "" {
				return fmt.Errorf("annotations %v (%w)", s.Annotations, errOr(err))
			}
			return nil
		})
		r.fake.Behave()
		r.later(op, time.Minute)
		eventually(t, r.deleted)
	})
	t.Run("restored", func(t *testing.T) {
		r := newRegistry(t, fakevendor.Options{Manageable: true})
		r.clock.Advance(-3 * time.Hour)
		op := r.start(r.registers)
		r.create(r.object, r.app)
		eventually(t, r.registered)
		op.stop()
		r.abandon()
		op = r.start(r.registers)
		r.marked()
		op = r.later(op, 3*time.Hour)
		stays(t, func() error {
			if _, err := r.stored(); err != nil || len(r.fake.RegisteredApps()) != 1 {
				return fmt.Errorf("it was swept (%w), apps %v", errOr(err), r.fake.RegisteredApps())
			}
			return nil
		})
		// The counts of new apps say nothing any more.
		eventually(t, func() error {
			var list corev1.SecretList
			if err := plane.Client.List(t.Context(), &list, client.InNamespace(r.system), client.HasLabels{"oauthbroker.dev/registration-limit"}); err != nil || len(list.Items) > 0 {
				return fmt.Errorf("%d counts are left (%w)", len(list.Items), errOr(err))
			}
			return nil
		})
		op.stop()
	})
}
