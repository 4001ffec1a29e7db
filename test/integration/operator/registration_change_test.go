// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// rename changes what is registered.
func (r *registry) rename(name string) {
	r.t.Helper()
	update(r.install, r.app, func(c *oauthv1alpha1.BYOCCredential) { c.Spec.DynamicRegistration.ClientName = name })
}

// became waits until status tells of another client than before.
func (r *registry) became(other func(id string) bool) {
	r.t.Helper()
	eventually(r.t, func() error {
		if err := r.registered(); err != nil {
			return err
		}
		if id := r.app.Status.Registration.ClientID; !other(id) {
			return fmt.Errorf("the client is %s", id)
		}
		return nil
	})
}

// TestRegistration_update: a changed object changes the app, whose client_id
// stays; the secret and the access token that the vendor gives anew are kept.
func TestRegistration_update(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{Manageable: true, RotateOnUpdate: true})
	b := r.startBroker()
	r.start(r.registers)
	r.create(r.object, r.app)
	eventually(t, r.registered)
	first := r.app.Status.Registration.ClientID
	for n, name := range []string{"Second", "Third"} { // the third needs the token of the second
		r.rename(name)
		eventually(t, func() error {
			if got := r.fake.Stats().RegistrationUpdates; got != n+1 {
				return fmt.Errorf("%d updates", got)
			}
			return b.secretIs(r.tenant, r.object.Name, r.fake.RegisteredApps()[0].Secret)
		})
		r.became(func(id string) bool { return id == first })
	}
	if !strings.Contains(r.lastSent(), `"Third"`) || r.fake.Stats().Registrations != 1 {
		t.Errorf("the vendor was asked for %s; %+v", r.lastSent(), r.fake.Stats())
	}
	eventually(t, func() error { return r.event("RegistrationUpdated") })
	r.remove()
	eventually(t, r.deleted)
	if apps := r.fake.RegisteredApps(); len(apps) > 0 {
		t.Errorf("the vendor has %v", apps)
	}
}

// TestRegistration_replace: where the vendor has no update, or does not know us
// any more, another app takes the place of the first, which is deleted or told of.
func TestRegistration_replace(t *testing.T) {
	for name, c := range map[string]struct {
		vendor  fakevendor.Options
		update  fakevendor.Behaviour
		orphans int
	}{
		"no management": {fakevendor.Options{}, fakevendor.Behaviour{}, 1},
		"no update":     {fakevendor.Options{Manageable: true}, fakevendor.JSON(http.StatusMethodNotAllowed, `{}`), 0},
		"forgot us":     {fakevendor.Options{Manageable: true}, fakevendor.JSON(http.StatusUnauthorized, `{"error":"invalid_token"}`), 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, c.vendor)
			r.start(r.registers)
			r.create(r.object, r.app)
			eventually(t, r.registered)
			first := r.app.Status.Registration.ClientID
			r.fake.SetTimes(fakevendor.Management, c.update, 1)
			r.rename("Second")
			r.became(func(id string) bool { return id != first })
			eventually(t, func() error {
				if err := r.accounted(); err != nil {
					return err
				}
				if got, apps := len(r.app.Status.Registration.Orphans), len(r.fake.RegisteredApps()); got != c.orphans || apps != c.orphans+1 {
					return fmt.Errorf("%d orphans, %d apps", got, apps)
				}
				return nil
			})
		})
	}
}

// later lets time pass, and another operator take over.
func (r *registry) later(op *operator, d time.Duration) *operator {
	r.t.Helper()
	op.stop()
	r.clock.Advance(d)
	return r.start(r.registers)
}

// TestRegistration_renew: the secret is renewed before it ends: by an update where
// that gives it more time, else by another app.
func TestRegistration_renew(t *testing.T) {
	t.Run("update", func(t *testing.T) {
		r := newRegistry(t, fakevendor.Options{Manageable: true, RegisteredSecretLifetime: time.Hour})
		op := r.start(r.registers)
		r.create(r.object, r.app)
		eventually(t, r.registered)
		first := r.app.Status.Registration.DeepCopy()
		op = r.later(op, 30*time.Minute)
		stays(t, func() error {
			if n := r.fake.Stats().RegistrationUpdates; n > 0 {
				return fmt.Errorf("%d updates, and half of the time is left", n)
			}
			return nil
		})
		r.later(op, 15*time.Minute)
		eventually(t, func() error {
			if err := r.registered(); err != nil {
				return err
			}
			if s := r.app.Status.Registration; s.ClientID != first.ClientID || !s.SecretExpiresTime.After(first.SecretExpiresTime.Time) {
				return fmt.Errorf("status.registration is %+v", s)
			}
			return nil
		})
		if n := r.fake.Stats().RegistrationUpdates; n != 1 {
			t.Errorf("%d updates", n)
		}
	})
	t.Run("another app", func(t *testing.T) {
		r := newRegistry(t, fakevendor.Options{Manageable: true, RegisteredSecretLifetime: time.Hour, FixedExpiry: true})
		op := r.start(r.registers)
		r.create(r.object, r.app)
		eventually(t, r.registered)
		first := r.app.Status.Registration.ClientID
		r.later(op, 45*time.Minute)
		r.became(func(id string) bool { return id != first })
		eventually(t, func() error {
			if apps := r.fake.RegisteredApps(); len(apps) != 1 {
				return fmt.Errorf("the vendor has %v", apps)
			}
			return r.accounted()
		})
		if s := r.fake.Stats(); s.Registrations != 2 || s.RegistrationUpdates != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestRegistration_expired: a secret that ended while the vendor was away is told
// of, and its logins fail instead of being sent with it.
func TestRegistration_expired(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{Manageable: true, RegisteredSecretLifetime: time.Hour})
	r.startBroker()
	op := r.start(r.registers)
	r.create(r.object, r.app)
	eventually(t, r.registered)
	away := fakevendor.RetryLater(http.StatusServiceUnavailable, "1")
	r.fake.Set(fakevendor.Management, away)
	r.fake.Set(fakevendor.Registration, away)
	op = r.later(op, 50*time.Minute)
	eventually(t, func() error {
		if s, err := r.status(); err != nil || s.Failure == nil {
			return fmt.Errorf("status.registration is %+v (%w)", s, errOr(err))
		}
		return condition(r.app, "ResolvedRefs", "True", "ResolvedRefs") // it works as long as it does
	})
	r.later(op, 11*time.Minute)
	eventually(t, func() error { return condition(r.app, "ResolvedRefs", "False", "RegistrationExpired") })
	r.fake.Behave()
	r.rename("Tried at once")
	eventually(t, func() error { return condition(r.app, "ResolvedRefs", "True", "ResolvedRefs") })
}

// TestRegistration_answers: what becomes of answers that no app can be made of.
func TestRegistration_answers(t *testing.T) {
	evil := fakevendor.Member("redirect_uris", []any{"https://evil.example/cb"})
	for name, c := range map[string]struct {
		vendor fakevendor.Options
		answer fakevendor.Behaviour
		// attempt goes on with an unknown outcome, and so may be an orphan.
		open          bool
		apps, orphans int
	}{
		"busy":                          {fakevendor.Options{}, fakevendor.RetryLater(http.StatusTooManyRequests, "1"), false, 0, 0},
		"away":                          {fakevendor.Options{}, fakevendor.RetryLater(http.StatusServiceUnavailable, "1"), false, 0, 0},
		"error of its own":              {fakevendor.Options{}, fakevendor.JSON(http.StatusInternalServerError, `{}`), true, 0, 1},
		"token revoked":                 {fakevendor.Options{}, fakevendor.JSON(http.StatusUnauthorized, `{"error":"invalid_token"}`), false, 0, 0},
		"secret that ended":             {fakevendor.Options{Manageable: true}, fakevendor.Member("client_secret_expires_at", 1), false, 0, 0},
		"broke off":                     {fakevendor.Options{}, fakevendor.ResetConnection().Processed(), true, 1, 1},
		"no client_id":                  {fakevendor.Options{}, fakevendor.Without("client_id"), true, 1, 1},
		"redirect":                      {fakevendor.Options{}, fakevendor.RedirectTo(http.StatusTemporaryRedirect, "https://evil.example/"), false, 0, 0},
		"other redirect_uris":           {fakevendor.Options{Manageable: true}, evil, false, 0, 0},
		"other redirect_uris, for ever": {fakevendor.Options{}, evil, false, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, c.vendor)
			r.startBroker()
			r.fake.Set(fakevendor.Registration, c.answer)
			r.start(r.registers)
			r.create(r.object, r.app)
			eventually(t, func() error { return condition(r.app, "ResolvedRefs", "False", "RegistrationFailed") })
			s, err := r.status()
			if err != nil || s.Failure == nil || (s.Attempt != "") != c.open || len(s.Orphans) != c.orphans || len(r.fake.RegisteredApps()) < c.apps || c.apps == 0 && len(r.fake.RegisteredApps()) > 0 {
				t.Errorf("status.registration is %+v (%v), the vendor has %+v", s, err, r.fake.RegisteredApps())
			}
			if err := r.accounted(); err != nil {
				t.Error(err)
			}
			// All ends well, and a try that went on has the same software_id.
			r.fake.Behave()
			r.rename("Tried at once")
			eventually(t, r.registered)
			if c.open && r.app.Status.Registration.SoftwareID != s.Attempt {
				t.Errorf("software_id %s, want %s", r.app.Status.Registration.SoftwareID, s.Attempt)
			}
			if err := r.accounted(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRegistration_elsewhere: an access token is for the origin that registered.
func TestRegistration_elsewhere(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{Manageable: true})
	sink := r.fake.NewSink(t)
	r.fake.Set(fakevendor.Registration, fakevendor.Member("registration_client_uri", sink.URL+"/app"))
	r.start(r.registers)
	r.create(r.object, r.app)
	eventually(t, r.registered)
	r.remove()
	eventually(t, r.deleted)
	if got := sink.Requests(); len(got) > 0 {
		t.Errorf("the sink was called: %v", got)
	}
	if orphans, err := r.orphans(); err != nil || len(orphans) != 1 {
		t.Errorf("orphans %v (%v)", orphans, err)
	}
}

// TestRegistration_writeFails: an answer that cannot be written is kept in memory
// until it can. The vendor is not asked again.
func TestRegistration_writeFails(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{Manageable: true})
	var refuse atomic.Bool
	r.start(r.registers, func(_ *controllers.Options, c *rest.Config) {
		c.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(q *http.Request) (*http.Response, error) {
				asked := r.fake.Count(fakevendor.Registration) > 0 // before, the new app is counted
				if refuse.Load() && asked && q.Method == http.MethodPost && strings.HasSuffix(q.URL.Path, "/namespaces/"+r.system+"/secrets") {
					return nil, errors.New("the API server is away")
				}
				return next.RoundTrip(q)
			})
		})
	})
	eventually(t, func() error { _, _, err := r.index(); return err }) // the key ring is made
	refuse.Store(true)
	r.create(r.object, r.app)
	eventually(t, func() error {
		if n := r.fake.Stats().Registrations; n != 1 {
			return fmt.Errorf("%d registrations", n)
		}
		return nil
	})
	stays(t, func() error {
		if s, err := r.status(); err != nil || s.Attempt == "" || s.ClientID != "" || r.fake.Count(fakevendor.Registration) != 1 {
			return fmt.Errorf("status.registration is %+v (%w), and the vendor was asked %d times", s, errOr(err), r.fake.Count(fakevendor.Registration))
		}
		return nil
	})
	refuse.Store(false)
	eventually(t, r.registered)
	if n := r.fake.Count(fakevendor.Registration); n != 1 || len(r.app.Status.Registration.Orphans) > 0 {
		t.Errorf("the vendor was asked %d times; %+v", n, r.app.Status.Registration)
	}
}
