// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/faultpoint"
)

// patience is how long a vendor that is away holds up a deletion. A namespace
// must not hang for an app at a vendor.
const patience = 10 * time.Minute

// remove deletes the app at the vendor, then the Secret, then lets the object go.
// What cannot be deleted is recorded as an orphan first.
func (r *Registrar) remove(ctx context.Context, c *oauthv1alpha1.BYOCCredential) (time.Duration, error) {
	if rec := r.memory(c.UID).unsaved.Load(); rec != nil {
		again, err := r.keepAnswer(ctx, c, rec)
		return max(again, time.Millisecond), err
	}
	rec, err := r.load(ctx, c.UID)
	if err != nil && !errors.Is(err, errDamaged) { // a damaged one tells nothing; status calls its app an orphan
		return 0, err
	}
	var orphans []oauthv1alpha1.OrphanedRegistration
	retain := retains(c)
	if rec != nil && !retain {
		var wait time.Duration
		if orphans, wait, err = r.removeApps(context.WithoutCancel(ctx), c, rec); err != nil || wait > 0 {
			return wait, err
		}
	}
	orphans = append(orphans, leftBehind(c, rec)...)
	for i := range orphans {
		orphans[i].Credential, orphans[i].Time = c.Namespace+"/"+c.Name, r.time()
	}
	if len(orphans) > 0 {
		if err := r.tellVendor(ctx, c.Spec.Vendor, orphans); err != nil {
			return 0, err
		}
	}
	faultpoint.Hit("registration-removed")
	// Status first: it tells that what the Secret holds is done with. An object that
	// stays has made the calls that it made.
	if err := r.insist(ctx, c, func(s *oauthv1alpha1.RegistrationStatus) {
		*s = oauthv1alpha1.RegistrationStatus{Pace: s.Pace}
	}); err != nil {
		return 0, err
	}
	faultpoint.Hit("registration-closed")
	if err := r.drop(ctx, c.UID); err != nil {
		return 0, err
	}
	faultpoint.Hit("registration-forgotten")
	r.tellRemoved(c, rec, retain, len(orphans))
	return 0, r.release(ctx, c)
}

// removeApps deletes the app and those that it replaced. Before the first call it
// writes down that it began: a vendor that answers 401 later on has deleted the
// app, and one that does so at once does not know us (RFC 7592 section 2.3 gives
// both the same answer).
func (r *Registrar) removeApps(ctx context.Context, c *oauthv1alpha1.BYOCCredential, rec *record) ([]oauthv1alpha1.OrphanedRegistration, time.Duration, error) {
	began := rec.Removing
	if began.IsZero() {
		rec.Removing = r.Now().UTC()
		if err := r.save(ctx, c, rec); err != nil {
			return nil, 0, err
		}
		faultpoint.Hit("registration-removing")
	}
	var orphans []oauthv1alpha1.OrphanedRegistration
	apps := []replaced{{App: rec.App, Since: rec.Removing}}
	for _, p := range rec.Previous {
		apps = append(apps, replaced{App: p.App, Since: rec.Removing})
	}
	for _, a := range apps {
		o, done := r.removeApp(ctx, &a.App, a.Since)
		switch {
		case !done:
			return nil, r.again(rec.Removing), nil
		case o != nil && !began.IsZero() && o.Reason == unknownToVendor:
			// an earlier try deleted it
		case o != nil:
			orphans = append(orphans, *o)
		}
	}
	return orphans, 0, nil
}

// unknownToVendor is why an app may still be there although nobody manages it.
const unknownToVendor = "The vendor does not know its registration access token any more."

// removeApp deletes one app; done is false where it is worth another try. The
// orphan is nil where the app is gone.
func (r *Registrar) removeApp(ctx context.Context, app *App, since time.Time) (orphan *oauthv1alpha1.OrphanedRegistration, done bool) {
	orphan = &oauthv1alpha1.OrphanedRegistration{SoftwareID: app.SoftwareID, ClientID: app.ClientID}
	if !app.manageable() {
		orphan.Reason = "The vendor lets nobody manage it (it gave no registration access token)."
		return orphan, true
	}
	err := r.delete(ctx, app)
	faultpoint.Hit("registration-delete-answered")
	e := asError(err)
	switch {
	case err == nil || gone(err):
		return nil, true
	case e.Status == http.StatusUnauthorized:
		orphan.Reason = unknownToVendor
	case e.refused():
		orphan.Reason = fmt.Sprintf("The vendor does not let it be deleted (HTTP status %d).", e.Status)
	case r.Now().Sub(since) >= patience:
		orphan.Reason = fmt.Sprintf("It could not be deleted within %s: %s.", patience, e.Message)
	default:
		r.Log.InfoContext(ctx, "deleting an app at a vendor failed", "vendor", app.Vendor, "clientID", app.ClientID, "cause", e.Message)
		return nil, false
	}
	return orphan, true
}

func (r *Registrar) delete(ctx context.Context, app *App) error {
	if !app.manageable() {
		return &Error{Message: "the vendor gave no registration access token"}
	}
	err := r.Vendor.Delete(ctx, app)
	r.Metrics.call(app.Vendor, "delete", err)
	return err
}

// gone tells whether the vendor says that there is no such app.
func gone(err error) bool {
	s := asError(err).Status
	return s == http.StatusNotFound || s == http.StatusGone
}

// again grows with the time that has been tried.
func (r *Registrar) again(since time.Time) time.Duration {
	return min(max(r.Now().Sub(since)/2, 2*time.Second), time.Minute)
}

// leftBehind are the apps that status tells of and the record does not hold.
func leftBehind(c *oauthv1alpha1.BYOCCredential, rec *record) []oauthv1alpha1.OrphanedRegistration {
	s := c.Status.Registration
	if s == nil {
		return nil
	}
	orphans := slices.Clone(s.Orphans)
	if s.Attempt != "" && (rec == nil || rec.SoftwareID != s.Attempt) {
		orphans = append(orphans, oauthv1alpha1.OrphanedRegistration{SoftwareID: s.Attempt, Reason: unknownOutcome})
	}
	if rec == nil && s.ClientID != "" {
		orphans = append(orphans, lost(c.UID, s))
	}
	return orphans
}

func (r *Registrar) tellRemoved(c *oauthv1alpha1.BYOCCredential, rec *record, retain bool, orphans int) {
	switch {
	case rec == nil && orphans == 0:
	case orphans > 0:
		r.say(c, corev1.EventTypeWarning, "RegistrationOrphaned", fmt.Sprintf("%d apps are, or may be, left at the vendor: see status.orphanedRegistrations of OAuthVendor %s.", orphans, c.Spec.Vendor))
	case retain:
		r.say(c, corev1.EventTypeNormal, "RegistrationRetained", fmt.Sprintf("The app %s stays at the vendor, as deletionPolicy says.", rec.ClientID))
	default:
		r.say(c, corev1.EventTypeNormal, "Unregistered", fmt.Sprintf("The vendor deleted the app %s.", rec.ClientID))
	}
}

// release lets the object go, or on without a registration.
func (r *Registrar) release(ctx context.Context, c *oauthv1alpha1.BYOCCredential) error {
	before := c.DeepCopy()
	if controllerutil.RemoveFinalizer(c, oauthv1alpha1.RegistrationFinalizer) {
		if err := r.Client.Patch(ctx, c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return fmt.Errorf("removing the finalizer: %w", err)
		}
	}
	r.forget(c.UID)
	return nil
}
