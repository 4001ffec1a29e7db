// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

const (
	maxMessage       = 512
	maxOrphans       = 8
	maxVendorOrphans = 32
	// conflictTries bounds how often a write that must not be lost is tried again.
	conflictTries = 10
)

// writeStatus changes status.registration, which only this controller writes,
// where the change makes a difference. It tells of new orphans, and moves the
// oldest to the vendor's status where there are too many.
func (r *Registrar) writeStatus(ctx context.Context, c *oauthv1alpha1.BYOCCredential, change func(*oauthv1alpha1.RegistrationStatus)) error {
	before := c.DeepCopy()
	s := c.Status.Registration.DeepCopy()
	if s == nil {
		s = &oauthv1alpha1.RegistrationStatus{}
	}
	had := slices.Clone(s.Orphans)
	change(s)
	added := stamp(s, had, oauthv1alpha1.OrphanedRegistration{Credential: c.Namespace + "/" + c.Name, Time: r.time()})
	if n := len(s.Orphans) - maxOrphans; n > 0 {
		if err := r.tellVendor(ctx, c.Spec.Vendor, s.Orphans[:n]); err != nil {
			return err
		}
		s.Orphans = s.Orphans[n:]
	}
	c.Status.Registration = s
	if equality.Semantic.DeepEqual(s, &oauthv1alpha1.RegistrationStatus{}) {
		c.Status.Registration = nil
	}
	if equality.Semantic.DeepEqual(before.Status.Registration, c.Status.Registration) {
		return nil
	}
	if err := r.Client.Status().Patch(ctx, c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("writing status.registration: %w", err)
	}
	for _, o := range added {
		r.say(c, corev1.EventTypeWarning, "RegistrationOrphaned", describe(o))
	}
	return nil
}

// insist is writeStatus for what is written nowhere else: a conflict is tried
// again on the object as it is now.
func (r *Registrar) insist(ctx context.Context, c *oauthv1alpha1.BYOCCredential, change func(*oauthv1alpha1.RegistrationStatus)) error {
	uid := c.UID
	err := r.writeStatus(ctx, c, change)
	for n := 0; apierrors.IsConflict(err) && n < conflictTries; n++ {
		if err := r.Live.Get(ctx, client.ObjectKeyFromObject(c), c); err != nil {
			return fmt.Errorf("reading credential: %w", err)
		}
		if c.UID != uid {
			return nil // another object of this name
		}
		err = r.writeStatus(ctx, c, change)
	}
	return err
}

func (r *Registrar) time() metav1.Time { return metav1.NewTime(r.Now().UTC().Truncate(time.Second)) }

// addOrphan records an app that is out of reach. One software_id has one entry.
func addOrphan(s *oauthv1alpha1.RegistrationStatus, o oauthv1alpha1.OrphanedRegistration) {
	for i, have := range s.Orphans {
		if have.SoftwareID == o.SoftwareID {
			if o.ClientID != "" && have.ClientID == "" {
				s.Orphans[i].ClientID, s.Orphans[i].Reason = o.ClientID, o.Reason
			}
			return
		}
	}
	s.Orphans = append(s.Orphans, o)
}

// stamp completes the orphans that were not there before, and returns them.
func stamp(s *oauthv1alpha1.RegistrationStatus, had []oauthv1alpha1.OrphanedRegistration, with oauthv1alpha1.OrphanedRegistration) []oauthv1alpha1.OrphanedRegistration {
	var added []oauthv1alpha1.OrphanedRegistration
	for i := range s.Orphans {
		o := &s.Orphans[i]
		if slices.ContainsFunc(had, func(h oauthv1alpha1.OrphanedRegistration) bool { return h.SoftwareID == o.SoftwareID }) {
			continue
		}
		o.Credential, o.Time = with.Credential, with.Time
		added = append(added, *o)
	}
	return added
}

func describe(o oauthv1alpha1.OrphanedRegistration) string {
	if o.ClientID == "" {
		return fmt.Sprintf("An app of software_id %s may be left at the vendor. %s", o.SoftwareID, o.Reason)
	}
	return fmt.Sprintf("The app with client_id %s is left at the vendor. %s", o.ClientID, o.Reason)
}

// settle makes status say what the record holds. An attempt of another record
// stays where another app is due; else its outcome will never be known.
func (r *Registrar) settle(ctx context.Context, c *oauthv1alpha1.BYOCCredential, rec *record, due todo) error {
	goesOn := due == toReplace
	before := c.Status.Registration.DeepCopy()
	if before == nil {
		before = &oauthv1alpha1.RegistrationStatus{}
	}
	over := before.Failure != nil && !before.Failure.Time.After(rec.Registered)
	err := r.writeStatus(ctx, c, func(s *oauthv1alpha1.RegistrationStatus) {
		if s.Attempt != "" && s.Attempt != rec.SoftwareID && !goesOn {
			addOrphan(s, oauthv1alpha1.OrphanedRegistration{SoftwareID: s.Attempt, Reason: unknownOutcome})
		}
		if !goesOn || s.Attempt == rec.SoftwareID {
			s.Attempt = ""
		}
		if due == nothing {
			s.Held = nil
		}
		s.SoftwareID, s.ClientID = rec.SoftwareID, rec.ClientID
		s.RegisteredTime, s.SecretExpiresTime = metav1.NewTime(rec.Registered), metav1.Time{}
		if !rec.SecretExpires.IsZero() {
			s.SecretExpiresTime = metav1.NewTime(rec.SecretExpires)
		}
		if over {
			s.Failure = nil
		}
	})
	if err != nil {
		return err
	}
	if before.ClientID != rec.ClientID {
		r.say(c, corev1.EventTypeNormal, "Registered", fmt.Sprintf("The vendor registered the app %s.", rec.ClientID))
	}
	return nil
}

// failed is a try that gave nothing.
type failed struct {
	plan    *translate.Registration
	message string
	err     *Error
	// refused: the vendor will say the same again, so the next try is late.
	refused bool
	// done: the attempt is over, and its outcome known.
	done   bool
	orphan *oauthv1alpha1.OrphanedRegistration
}

// fail writes down what went wrong and when the next try is, and returns the wait.
func (r *Registrar) fail(ctx context.Context, c *oauthv1alpha1.BYOCCredential, f failed) (time.Duration, error) {
	r.memory(c.UID).failed = f.plan
	var wait time.Duration
	said := ""
	err := r.insist(ctx, c, func(s *oauthv1alpha1.RegistrationStatus) {
		if s.Failure != nil {
			said = s.Failure.Message
		}
		wait = f.delay(s.Failure)
		now := r.time()
		s.Failure = &oauthv1alpha1.RegistrationFailure{Time: now, Message: translate.Shorten(f.message, maxMessage), NextTime: metav1.NewTime(now.Add(wait))}
		if f.done {
			s.Attempt = ""
		}
		if f.orphan != nil {
			addOrphan(s, *f.orphan)
		}
	})
	if err != nil {
		return 0, err
	}
	r.Log.InfoContext(ctx, "a call to a vendor's registration failed", "credential", c.Namespace+"/"+c.Name, "vendor", c.Spec.Vendor, "cause", f.message, "again", wait.String())
	// What is not registered yet is told by the condition; this is about what is.
	if c.Status.Registration.ClientID != "" && said != f.message {
		r.say(c, corev1.EventTypeWarning, "RegistrationFailed", f.message)
	}
	return wait, nil
}

// delay doubles from one failure to the next.
func (f failed) delay(last *oauthv1alpha1.RegistrationFailure) time.Duration {
	first, most := 5*time.Second, 10*time.Minute
	if f.refused {
		first, most = 10*time.Minute, time.Hour
	}
	wait := first
	if last != nil {
		wait = min(max(first, 2*last.NextTime.Sub(last.Time.Time)), most)
	}
	if f.err != nil {
		wait = max(wait, f.err.RetryAfter)
	}
	return wait
}

// say records an event.
func (r *Registrar) say(c *oauthv1alpha1.BYOCCredential, kind, reason, note string) {
	r.Events.Eventf(c, nil, kind, reason, "Register", "%s", note)
}
