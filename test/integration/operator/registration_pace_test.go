// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// asked checks how often the vendor was asked to register or to update an app.
func (r *registry) asked(want int) error {
	n := 0
	for _, q := range r.fake.Requests(fakevendor.Registration, fakevendor.Management) {
		if q.Method != "DELETE" {
			n++
		}
	}
	if n != want {
		return fmt.Errorf("the vendor was asked %d times, want %d", n, want)
	}
	return nil
}

// held waits until a call waits, and returns how long after the last one it is due.
func (r *registry) held() time.Duration {
	r.t.Helper()
	var wait time.Duration
	eventually(r.t, func() error {
		s, err := r.status()
		if err != nil || s.Held == nil || s.Pace == nil {
			return fmt.Errorf("status.registration is %+v (%w)", s, errOr(err))
		}
		wait = s.Held.NextTime.Sub(s.Pace.Time.Time)
		return nil
	})
	return wait
}

// events counts the events of a reason about the credential.
func (r *registry) events(reason string) (n int32) {
	r.t.Helper()
	var list corev1.EventList
	if err := plane.Client.List(r.t.Context(), &list, client.InNamespace(r.tenant)); err != nil {
		r.t.Fatal(err)
	}
	for _, e := range list.Items {
		if e.Reason == reason {
			n += max(1, e.Count)
			if e.Series != nil {
				n += e.Series.Count - 1
			}
		}
	}
	return n
}

// TestRegistration_editsInALoop: a tenant that edits its object again and again
// has the vendor asked four times, then after a minute, two, and so on, whether it
// has updates or not. An operator that restarts does not forget that.
func TestRegistration_editsInALoop(t *testing.T) {
	for name, o := range map[string]fakevendor.Options{
		"each edit is an update":   {Manageable: true},
		"each edit spends a token": {InitialAccessToken: "initial-access-token-of-the-platform"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, o)
			r.clock.Stop()
			r.startBroker()
			op := r.start(r.registers)
			r.create(r.object, r.app)
			eventually(t, r.registered)
			for n := 1; n < 4; n++ {
				r.rename(fmt.Sprintf("Edit %d", n))
				eventually(t, func() error { return r.asked(n + 1) })
			}
			for n := range 20 {
				r.rename(fmt.Sprintf("Loop %d", n))
			}
			if wait := r.held(); wait < 59*time.Second || wait > 62*time.Second {
				t.Errorf("the fifth call is %s after the fourth, want a minute", wait)
			}
			// The app that is there stays in use, and the condition says what waits.
			eventually(t, func() error {
				if err := condition(r.app, "ResolvedRefs", "True", "ResolvedRefs"); err != nil {
					return err
				}
				c := meta.FindStatusCondition(r.app.Status.Conditions, "ResolvedRefs")
				if at := r.app.Status.Registration.Held.NextTime.UTC().Format(time.RFC3339); !strings.Contains(c.Message, "changed too often") || !strings.Contains(c.Message, at) {
					return fmt.Errorf("the message is %q", c.Message)
				}
				return nil
			})
			eventually(t, func() error { return r.event("RegistrationHeld") })
			op.stop()
			op = r.start(r.registers)
			r.rename("After a restart")
			stays(t, func() error { return r.asked(4) })
			if n := r.events("RegistrationHeld"); n != 1 {
				t.Errorf("%d events, want one", n)
			}

			op = r.later(op, 65*time.Second)
			eventually(t, func() error { return r.asked(5) })
			eventually(t, r.registered)
			if !strings.Contains(r.lastSent(), `"After a restart"`) || r.app.Status.Registration.Held != nil {
				t.Errorf("the vendor was asked for %s; %+v", r.lastSent(), r.app.Status.Registration)
			}
			r.rename("Once more")
			if wait := r.held(); wait < 119*time.Second || wait > 122*time.Second {
				t.Errorf("the sixth call is %s after the fifth, want two minutes", wait)
			}
			// An edit that is taken back asks for nothing.
			r.rename("After a restart")
			eventually(t, func() error {
				if s, err := r.status(); err != nil || s.Held != nil {
					return fmt.Errorf("status.registration is %+v (%w)", s, errOr(err))
				}
				return nil
			})
			// With the hours it is forgotten.
			r.later(op, 10*time.Hour)
			for n := range 3 {
				r.rename(fmt.Sprintf("Next day %d", n))
				eventually(t, func() error { return r.asked(6 + n) })
			}
		})
	}
}

// TestRegistration_editsOfARefusedApp: where the vendor refuses, edits are tried
// at once, and no more often than others.
func TestRegistration_editsOfARefusedApp(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{})
	r.clock.Stop()
	r.startBroker()
	r.fake.Set(fakevendor.Registration, fakevendor.JSON(400, `{"error":"invalid_client_metadata"}`))
	r.start(r.registers)
	r.create(r.object, r.app)
	for n := 1; n <= 4; n++ {
		eventually(t, func() error { return r.asked(n) })
		eventually(t, func() error {
			s, err := r.status()
			if err != nil || s.Failure == nil || s.Pace == nil || int(s.Pace.Calls) != n || s.Attempt != "" {
				return fmt.Errorf("status.registration is %+v (%w)", s, errOr(err))
			}
			return nil
		})
		r.rename(fmt.Sprintf("Edit %d", n))
	}
	r.held()
	eventually(t, func() error { return condition(r.app, "ResolvedRefs", "False", "RegistrationHeld") })
	stays(t, func() error { return r.asked(4) })
}

// TestRegistration_manyApps: a namespace gets thirty apps at a vendor at once, and
// then one every two minutes; deleting objects and creating them again changes
// nothing. Other namespaces do not notice.
func TestRegistration_manyApps(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{Manageable: true, InitialAccessToken: "initial-access-token-of-the-platform"})
	r.clock.Stop()
	r.startBroker()
	op := r.start(r.registers)
	r.create(r.object)
	app := func(n int) *oauthv1alpha1.BYOCCredential {
		c := r.app.DeepCopy()
		c.Name, c.Spec.Selection = fmt.Sprintf("app-%d", n), oauthv1alpha1.SelectionByName
		return c
	}
	for n := range 30 {
		r.create(app(n))
	}
	eventually(t, func() error { return r.asked(30) })
	if err := plane.Client.DeleteAllOf(t.Context(), &oauthv1alpha1.BYOCCredential{}, client.InNamespace(r.tenant)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if apps := r.fake.RegisteredApps(); len(apps) > 0 {
			return fmt.Errorf("the vendor has %d apps", len(apps))
		}
		return nil
	})
	waiting := []*oauthv1alpha1.BYOCCredential{app(30), app(31)}
	for _, c := range waiting {
		r.create(c)
		eventually(t, func() error { return condition(c, "ResolvedRefs", "False", "RegistrationHeld") })
		if c.Status.Registration == nil || c.Status.Registration.Held == nil {
			t.Fatalf("the condition tells of a wait, and status.registration is %+v", c.Status.Registration)
		}
		if len(c.Finalizers) > 0 || c.Status.Registration.Attempt != "" {
			t.Errorf("it waits, and has finalizers %v and %+v", c.Finalizers, c.Status.Registration)
		}
		if wait := c.Status.Registration.Held.NextTime.Sub(r.clock.Now()); wait > 2*time.Minute+2*time.Second {
			t.Errorf("the next try is in %s", wait)
		}
	}
	other, err := plane.Namespace(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := app(0)
	elsewhere.ObjectMeta = metav1.ObjectMeta{Namespace: other, Name: "app"}
	r.create(elsewhere)
	eventually(t, func() error { return r.asked(31) })

	op.stop()
	op = r.start(r.registers)
	stays(t, func() error { return r.asked(31) })
	op = r.later(op, 2*time.Minute+5*time.Second)
	eventually(t, func() error { return r.asked(32) })
	stays(t, func() error { return r.asked(32) })
	r.later(op, 2*time.Minute)
	eventually(t, func() error { return r.asked(33) })
	for _, c := range waiting {
		eventually(t, func() error { return condition(c, "ResolvedRefs", "True", "ResolvedRefs") })
	}
}
