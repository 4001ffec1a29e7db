// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
)

// oracle answers probes as a test wants, by the client secret that is asked about.
type oracle struct {
	mu      sync.Mutex
	answers map[string]controllers.CredentialVerdict
	asked   map[string]int
}

func newOracle() *oracle {
	return &oracle{answers: map[string]controllers.CredentialVerdict{}, asked: map[string]int{}}
}

func (o *oracle) use(options *controllers.Options, _ *rest.Config) {
	options.Probe = func(_ context.Context, r controllers.ProbeRequest) controllers.ProbeAnswer {
		o.mu.Lock()
		defer o.mu.Unlock()
		value := r.Credential.ClientSecret.Reveal()
		o.asked[value]++
		return controllers.ProbeAnswer{Verdict: o.answers[value]}
	}
}

func (o *oracle) says(value string, verdict controllers.CredentialVerdict) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers[value] = verdict
}

func (o *oracle) count(value string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked[value]
}

// probed is a vendor whose credentials are probed.
func (in *install) probed() *oauthv1alpha1.OAuthVendor {
	v := in.vendor()
	v.Spec.CredentialProbe = &oauthv1alpha1.CredentialProbe{Mode: oauthv1alpha1.CredentialProbeBogusCode}
	return v
}

// without checks that an object has no condition CredentialsValid.
func without(o *oauthv1alpha1.BYOCCredential) error {
	if err := plane.Client.Get(context.Background(), client.ObjectKeyFromObject(o), o); err != nil {
		return err
	}
	if c := meta.FindStatusCondition(o.Status.Conditions, "CredentialsValid"); c != nil {
		return fmt.Errorf("CredentialsValid is %s (%s)", c.Status, c.Reason)
	}
	return nil
}

// TestProbe_life walks credentials through what a vendor says of them. Whatever
// that is, it goes into status and publishes nothing.
func TestProbe_life(t *testing.T) {
	in := newInstall(t)
	b, o := in.startBroker(), newOracle()
	o.says("wr0ng-secret", controllers.CredentialRefused)
	o.says("right-secret", controllers.CredentialAccepted)
	o.says("other-secret", controllers.CredentialUntold)
	o.says("still-secret", controllers.CredentialUnavailable)
	op := in.start(o.use)
	vendor, credential := in.probed(), in.credential("acme")
	vendor.Spec.Credentials = &oauthv1alpha1.SharedCredentials{SecretRef: &oauthv1alpha1.SecretReference{Name: "shared"}}
	shared := in.secret("shared", "right-secret")
	shared.Namespace = in.system

	// Wrong from the start: status tells before anybody logs in.
	in.create(vendor, credential, in.secret("acme", "wr0ng-secret"), shared)
	eventually(t, func() error { return condition(credential, "CredentialsValid", "False", "CredentialsRefused") })
	eventually(t, func() error { return condition(credential, "Ready", "False", "NotReady") })
	eventually(t, func() error { return condition(credential, "Programmed", "True", "Programmed") })
	if m := message(credential, "CredentialsValid"); !strings.Contains(m, "Secret "+in.tenant+"/acme") || strings.Contains(m, "wr0ng") {
		t.Errorf("message %q does not name the Secret, or holds its value", m)
	}
	eventually(t, func() error { return condition(vendor, "CredentialsValid", "True", "CredentialsAccepted") })
	eventually(t, func() error { return condition(vendor, "Ready", "True", "Ready") })
	eventually(t, func() error { return in.event("CredentialsRefused") })
	if err := b.secretIs(in.tenant, vendor.Name, "wr0ng-secret"); err != nil {
		t.Errorf("what the vendor said changed what is served: %v", err)
	}

	// Nothing more happens: no write, no probe, no publication.
	eventually(t, in.recorded)
	before, _, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	op.writes.Reset()
	op.Touch()
	stays(t, func() error {
		after, _, err := in.index()
		switch {
		case err != nil:
			return err
		case after.Sequence != before.Sequence:
			return fmt.Errorf("sequence %d after %d", after.Sequence, before.Sequence)
		case op.writes.in("") != 0:
			return errors.New("something was written: " + op.writes.String())
		case o.count("wr0ng-secret") != 1 || o.count("right-secret") != 1:
			return errors.New("a vendor was asked again")
		}
		return nil
	})

	// Each change of the Secret is asked about at once.
	in.rotate("other-secret")
	eventually(t, func() error { return condition(credential, "CredentialsValid", "Unknown", "VendorDoesNotTell") })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
	in.rotate("still-secret")
	eventually(t, func() error { return condition(credential, "CredentialsValid", "Unknown", "VendorUnavailable") })
	in.rotate("right-secret")
	eventually(t, func() error { return condition(credential, "CredentialsValid", "True", "CredentialsAccepted") })

	// A Secret without the key is no news about credentials.
	update(in, in.secret("acme", ""), func(s *corev1.Secret) { delete(s.Data, "clientSecret") })
	eventually(t, func() error { return condition(credential, "ResolvedRefs", "False", "SecretInvalid") })
	eventually(t, func() error { return without(credential) })
	in.rotate("wr0ng-secret")
	eventually(t, func() error { return condition(credential, "CredentialsValid", "False", "CredentialsRefused") })

	// Turned off, only what the vendor refused stays, until the Secret changes.
	update(in, vendor, func(v *oauthv1alpha1.OAuthVendor) { v.Spec.CredentialProbe = nil })
	eventually(t, func() error { return condition(vendor, "Accepted", "True", "Accepted") })
	stays(t, func() error { return condition(credential, "CredentialsValid", "False", "CredentialsRefused") })
	in.rotate("fresh-secret")
	eventually(t, func() error { return without(credential) })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
	if n := o.count("fresh-secret"); n != 0 {
		t.Errorf("a vendor that was not to be asked was, %d times", n)
	}
}

// TestProbe_restart: what was known before goes on being so, without a moment
// of not knowing, and vendors are not all asked at once again.
func TestProbe_restart(t *testing.T) {
	in := newInstall(t)
	in.startBroker()
	o := newOracle()
	o.says("wr0ng-secret", controllers.CredentialRefused)
	op := in.start(o.use)
	credential := in.credential("acme")
	in.create(in.probed(), credential, in.secret("acme", "wr0ng-secret"))
	eventually(t, func() error { return condition(credential, "CredentialsValid", "False", "CredentialsRefused") })
	eventually(t, func() error { return condition(credential, "Programmed", "True", "Programmed") })
	eventually(t, func() error { return condition(credential, "Ready", "False", "NotReady") })
	op.stop()
	if err := condition(credential, "CredentialsValid", "False", "CredentialsRefused"); err != nil {
		t.Fatal(err)
	}
	version := credential.ResourceVersion

	again := newOracle()
	second := in.start(again.use)
	in.create(in.secret("unrelated", "x"))
	eventually(t, func() error {
		if !strings.Contains(second.informers.String(), "BYOCCredential") {
			return errors.New("the second operator does not run yet")
		}
		return nil
	})
	stays(t, func() error {
		if err := condition(credential, "CredentialsValid", "False", "CredentialsRefused"); err != nil {
			return err
		}
		if credential.ResourceVersion != version {
			return errors.New("the status was written again")
		}
		return nil
	})
	if n := again.count("wr0ng-secret"); n != 0 {
		t.Errorf("the vendor was asked %d times right after the restart", n)
	}
}
