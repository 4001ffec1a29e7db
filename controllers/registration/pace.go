// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// An edit costs a tenant nothing; the call to the vendor that it asks for spends
// the platform's initial access token and the vendor's patience. So calls that
// objects ask for are counted, and those that the clock asks for (another try, a
// renewal) are not: they have intervals of their own.
//
// Two counts are kept. One per object, in its status, holds back edits. A tenant
// gets round it by deleting the object and creating it again, so there is one per
// namespace and vendor, in a Secret of the operator's namespace, for new apps.
const (
	// freeCalls of an object wait for nothing: its creation, and a typo or two.
	freeCalls = 4
	// firstHold is the wait after them. It doubles from call to call.
	firstHold   = time.Minute
	longestHold = time.Hour
	// forgetAfter is how long it takes until one call is forgotten.
	forgetAfter = time.Hour

	// burst is how many apps a namespace may register at a vendor at once; after
	// them it gets one every refill.
	burst  = 30
	refill = 2 * time.Minute
)

// LimitType is the type of the Secrets that count new apps.
const LimitType corev1.SecretType = "oauthbroker.dev/registration-limit"

const (
	// LimitLabel is on each of them.
	LimitLabel = "oauthbroker.dev/registration-limit"
	// limitKey holds the time at which the namespace will have all of burst again.
	limitKey = "fullTime"
	// namespaceAnnotation is for people who look at the Secrets.
	namespaceAnnotation = "oauthbroker.dev/namespace"
)

// job is a call that is due.
type job struct {
	c    *oauthv1alpha1.BYOCCredential
	plan *translate.Registration
	// rec is what is registered now; nil for nothing.
	rec *record
	// asked is true where the object asks for the call, not the clock; counted where
	// its status says so already.
	asked, counted bool
}

// turn is how long j waits. It may find that the clock asks for it after all.
func (r *Registrar) turn(j *job) time.Duration {
	s := j.c.Status.Registration
	if s == nil {
		return 0
	}
	pace := time.Duration(0)
	if s.Pace != nil {
		pace = max(0, s.Pace.Time.Add(holdAfter(s.Pace.Calls)).Sub(r.Now()))
	}
	if s.Failure == nil {
		if !j.asked {
			return 0
		}
		return pace
	}
	late := max(0, s.Failure.NextTime.Sub(r.Now()))
	m := r.memory(j.c.UID)
	if edited := m.failed != nil && !reflect.DeepEqual(m.failed, j.plan); late > 0 && edited {
		j.asked = true
		return min(late, pace)
	}
	j.asked = false
	return late
}

// holdAfter is the least time from a call to the next.
func holdAfter(calls int32) time.Duration {
	if calls < freeCalls {
		return 0
	}
	wait := firstHold
	for ; calls > freeCalls && wait < longestHold; calls-- {
		wait *= 2
	}
	return min(wait, longestHold)
}

// count writes into s that j is made now.
func (j *job) count(s *oauthv1alpha1.RegistrationStatus, now metav1.Time) {
	s.Held = nil
	if !j.asked || j.counted {
		return
	}
	j.counted = true
	next := &oauthv1alpha1.RegistrationPace{Calls: 1, Time: now}
	if s.Pace != nil {
		next.Calls = s.Pace.Calls + 1
		for since := now.Sub(s.Pace.Time.Time); since >= forgetAfter && next.Calls > 1; since -= forgetAfter {
			next.Calls--
		}
	}
	s.Pace = next
}

// holdBack says in status why and until when a call waits.
func (r *Registrar) holdBack(ctx context.Context, c *oauthv1alpha1.BYOCCredential, wait time.Duration, why string) error {
	until := metav1.NewTime(r.Now().Add(wait + time.Second - 1).UTC().Truncate(time.Second))
	said := false
	err := r.writeStatus(ctx, c, func(s *oauthv1alpha1.RegistrationStatus) {
		said = s.Held != nil && s.Held.Message == why
		s.Held = &oauthv1alpha1.RegistrationHold{Message: why, NextTime: until}
	})
	if err != nil || said {
		return err
	}
	r.Metrics.Held.WithLabelValues(c.Spec.Vendor).Inc()
	r.say(c, corev1.EventTypeWarning, oauthv1alpha1.ReasonRegistrationHeld, fmt.Sprintf("%s; the vendor is asked at %s.", why, until.UTC().Format(time.RFC3339)))
	return nil
}

const (
	tooManyEdits = "this object changed too often in a short time"
	tooManyApps  = "this namespace registered too many apps at this vendor in a short time"
)

// take counts a new app of a namespace at a vendor, and returns how long it must
// wait, where it must: then nothing is counted.
func (r *Registrar) take(ctx context.Context, c *oauthv1alpha1.BYOCCredential) (time.Duration, error) {
	for n := 0; ; n++ {
		wait, err := r.tryTake(ctx, c)
		if err == nil || n >= conflictTries || !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) {
			return wait, err
		}
	}
}

func (r *Registrar) tryTake(ctx context.Context, c *oauthv1alpha1.BYOCCredential) (time.Duration, error) {
	object := corev1.Secret{}
	key := types.NamespacedName{Namespace: r.Namespace, Name: limitName(c.Spec.Vendor, c.Namespace)}
	err := r.Client.Get(ctx, key, &object)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return 0, fmt.Errorf("reading the count of new apps: %w", err)
	}
	now := r.Now()
	full := fullTime(&object)
	if full.Before(now) {
		full = now
	}
	if wait := full.Sub(now) - (burst-1)*refill; wait > 0 {
		return wait, nil
	}
	object.Data = map[string][]byte{limitKey: []byte(full.Add(refill).UTC().Format(time.RFC3339Nano))}
	if missing {
		object.ObjectMeta = metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{LimitLabel: ""},
			Annotations: map[string]string{namespaceAnnotation: c.Namespace, vendorAnnotation: c.Spec.Vendor}}
		object.Type = LimitType
		err = r.Client.Create(ctx, &object)
	} else {
		err = r.Client.Update(ctx, &object)
	}
	if err != nil {
		return 0, fmt.Errorf("counting a new app: %w", err)
	}
	return 0, nil
}

// fullTime is zero where the Secret holds none: it counts anew then.
func fullTime(object *corev1.Secret) time.Time {
	t, err := time.Parse(time.RFC3339Nano, string(object.Data[limitKey]))
	if err != nil {
		return time.Time{}
	}
	return t
}

// limitName has a digest, since the two names together may be too long.
func limitName(vendor, namespace string) string {
	sum := sha256.Sum256([]byte(vendor + "/" + namespace))
	return "registration-limit-" + hex.EncodeToString(sum[:16])
}
