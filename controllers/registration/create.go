// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/faultpoint"
)

// unknownOutcome is why an attempt is an orphan.
const unknownOutcome = "The outcome of the request is not known: the vendor may have registered an app of this software_id."

// create registers an app, which replaces that of j.rec where there is one.
func (r *Registrar) create(ctx context.Context, j job) (time.Duration, error) {
	c, plan, old := j.c, j.plan, j.rec
	m := r.memory(c.UID)
	if j.asked && !m.taken {
		wait, err := r.take(ctx, c)
		if err != nil {
			return 0, err
		}
		if wait > 0 {
			return wait, r.holdBack(ctx, c, wait, tooManyApps)
		}
		m.taken = true
	}
	if err := r.hold(ctx, c); err != nil {
		return 0, err
	}
	attempt, err := r.begin(ctx, j)
	if err != nil {
		return 0, err
	}
	// From here on nothing may stop half-way: the answer is worth more than a quick
	// end of the process, and the vendor's timeout bounds the wait.
	ctx = context.WithoutCancel(ctx)
	m.unsent, m.taken = "", false
	app, err := r.Vendor.Register(ctx, plan, attempt)
	faultpoint.Hit("registration-answered")
	r.Metrics.call(plan.Vendor, "register", err)
	if err != nil {
		return r.notCreated(ctx, c, plan, made{app: app, err: asError(err)})
	}
	now := r.Now().UTC().Truncate(time.Second)
	rec := &record{App: *app, Digest: digest(plan), Registered: now, SecretSince: now, Retain: retains(c)}
	if old != nil {
		rec.version = old.version
		rec.Previous = append(old.Previous, replaced{App: old.App, Since: now})
	}
	return r.keepAnswer(ctx, c, rec)
}

// hold puts the finalizer on the object, before the vendor has anything.
func (r *Registrar) hold(ctx context.Context, c *oauthv1alpha1.BYOCCredential) error {
	before := c.DeepCopy()
	if !controllerutil.AddFinalizer(c, oauthv1alpha1.RegistrationFinalizer) {
		return nil
	}
	if err := r.Client.Patch(ctx, c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("adding the finalizer: %w", err)
	}
	faultpoint.Hit("registration-held")
	return nil
}

// begin writes the id of the attempt to status, under the version of the object
// that was read: of two processes one gets a conflict. An attempt that is there
// already and that this process did not leave unsent may have reached the vendor.
// So may an app whose Secret is gone. An attempt that is not this object's was
// written by somebody else, and is not sent: the vendor may know another's app by it.
func (r *Registrar) begin(ctx context.Context, j job) (string, error) {
	m := r.memory(j.c.UID)
	attempt := ""
	err := r.writeStatus(ctx, j.c, func(s *oauthv1alpha1.RegistrationStatus) {
		if s.Attempt != "" && s.Attempt != m.unsent {
			addOrphan(s, oauthv1alpha1.OrphanedRegistration{SoftwareID: s.Attempt, Reason: unknownOutcome})
		}
		j.count(s, r.time())
		if j.rec == nil && s.ClientID != "" {
			addOrphan(s, lost(j.c.UID, s))
			s.ClientID, s.SoftwareID = "", ""
		}
		if own := idPrefix(j.c.UID); !strings.HasPrefix(s.Attempt, own) {
			s.Attempt = own + r.NewID()
		}
		attempt = s.Attempt
	})
	if err != nil {
		return "", err
	}
	m.unsent = attempt
	faultpoint.Hit("registration-begun")
	return attempt, nil
}

// idPrefix begins the software_ids of an object. It tells nothing of the object.
func idPrefix(uid types.UID) string {
	sum := sha256.Sum256([]byte(uid))
	return "oauth-broker-" + hex.EncodeToString(sum[:8]) + "-"
}

// lost is the app that status tells of and no Secret holds.
func lost(uid types.UID, s *oauthv1alpha1.RegistrationStatus) oauthv1alpha1.OrphanedRegistration {
	id := s.SoftwareID
	if id == "" { // whoever wrote the status left it out
		id = idPrefix(uid) + "unknown"
	}
	return oauthv1alpha1.OrphanedRegistration{SoftwareID: id, ClientID: s.ClientID, Reason: "The Secret that held its registration is gone."}
}

// made is what a failed registration left.
type made struct {
	// app is there where the vendor made one that cannot be used.
	app *App
	err *Error
}

// notCreated tells of a registration that gave no app, or none that can be used.
func (r *Registrar) notCreated(ctx context.Context, c *oauthv1alpha1.BYOCCredential, plan *translate.Registration, got made) (time.Duration, error) {
	f := failed{plan: plan, err: got.err, message: got.err.Message}
	switch {
	case got.app != nil:
		f.refused, f.done = true, true
		if err := r.delete(ctx, got.app); err != nil && !gone(err) {
			f.orphan = &oauthv1alpha1.OrphanedRegistration{SoftwareID: got.app.SoftwareID, ClientID: got.app.ClientID,
				Reason: "The vendor registered an app that cannot be used, and did not let it be deleted: " + asError(err).Message + "."}
		}
	case got.err.Unsent:
		f.done = true
	case got.err.refused():
		f.refused, f.done = true, true
		f.message += ": " + hint(got.err.Status)
	default:
		f.orphan = &oauthv1alpha1.OrphanedRegistration{SoftwareID: c.Status.Registration.Attempt, Reason: unknownOutcome}
	}
	return r.fail(ctx, c, f)
}

func hint(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "its initial access token may be missing or have ended, see registration of the OAuthVendor"
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return "compare dynamicRegistration, and registration.metadata of the OAuthVendor, with what the vendor's documentation takes"
	}
	return "compare endpoints.registration of the OAuthVendor with the vendor's documentation"
}

// keepAnswer writes what the vendor registered. Until that succeeds it stays in
// memory, and the vendor is not asked again.
func (r *Registrar) keepAnswer(ctx context.Context, c *oauthv1alpha1.BYOCCredential, rec *record) (time.Duration, error) {
	m := r.memory(c.UID)
	m.unsaved.Store(rec)
	err := r.save(ctx, c, rec)
	if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err) && rec.version != "" {
		return r.reconsider(ctx, c, rec)
	}
	if err != nil {
		return 0, err
	}
	m.unsaved.Store(nil)
	faultpoint.Hit("registration-kept")
	if err := r.settle(ctx, c, rec, nothing); err != nil {
		return 0, err
	}
	faultpoint.Hit("registration-told")
	return soonest(r.nextDue(rec), onceMore(rec)), nil
}

// onceMore comes again at once where a replaced app is to be deleted; else to see
// whether the Secret is still there, since translate would not notice one that
// came and went in an instant.
func onceMore(rec *record) time.Duration {
	if len(rec.Previous) > 0 {
		return time.Millisecond
	}
	return 2 * time.Second
}

// reconsider decides about an answer whose Secret somebody else wrote: an earlier
// try of this process whose outcome it did not hear of, or another process, which
// then registered an app as well. Of two, the one that was written is kept.
func (r *Registrar) reconsider(ctx context.Context, c *oauthv1alpha1.BYOCCredential, rec *record) (time.Duration, error) {
	there, err := r.load(ctx, c.UID)
	if err != nil && !errors.Is(err, errDamaged) {
		return 0, err
	}
	m := r.memory(c.UID)
	switch {
	case errors.Is(err, errDamaged) || there == nil:
		rec.version = "" // the answer is good; what was there is not
		if err := r.drop(ctx, c.UID); err != nil {
			return 0, err
		}
		return time.Millisecond, nil
	case there.ClientID == rec.ClientID:
		rec.version = there.version // of one app the newest answer is right
		return time.Millisecond, nil
	}
	m.unsaved.Store(nil)
	if err := r.delete(ctx, &rec.App); err != nil && !gone(err) {
		return 0, r.writeStatus(ctx, c, func(s *oauthv1alpha1.RegistrationStatus) {
			addOrphan(s, oauthv1alpha1.OrphanedRegistration{SoftwareID: rec.SoftwareID, ClientID: rec.ClientID, Reason: "Another process registered an app at the same time, and this one could not be deleted."})
		})
	}
	return time.Millisecond, nil
}
