// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"context"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/faultpoint"
)

// todo is what is due for an app that is registered.
type todo int

const (
	nothing todo = iota
	// toUpdate changes the app at the vendor: its client_id stays.
	toUpdate
	// toReplace registers another app in its place. Users sign in again: a login or
	// refresh token belongs to one client_id.
	toReplace
)

// longestSleep is how far ahead a timer looks; clocks are set now and then.
const longestSleep = 12 * time.Hour

// due decides. An app goes to another place only as another app; all else is an
// update where the vendor has updates. What the clock asks for is not held back,
// whatever changed besides.
func (r *Registrar) due(rec *record, plan *translate.Registration) (what todo, asked bool) {
	change := toReplace
	if rec.manageable() {
		change = toUpdate
	}
	expiring := !rec.SecretExpires.IsZero() && !r.Now().Before(rec.renewAt())
	switch {
	case rec.Endpoint != plan.Endpoint:
		return toReplace, !expiring
	case rec.Digest != digest(plan), plan.Algorithm != "" && rec.PrivateKey.Empty(): // who takes a key out wants another
		return change, !expiring
	case expiring && rec.Unrenewable:
		return toReplace, false
	case expiring:
		return change, false
	}
	return nothing, false
}

// renewAt leaves a third of the secret's time for trouble, and asks no vendor all
// the time.
func (rec *record) renewAt() time.Time {
	return rec.SecretSince.Add(max(rec.SecretExpires.Sub(rec.SecretSince)*2/3, time.Minute))
}

// nextDue is how long until the clock asks for something, or for a look at least.
func (r *Registrar) nextDue(rec *record) time.Duration {
	if rec.SecretExpires.IsZero() {
		return longestSleep
	}
	for _, at := range []time.Time{rec.renewAt(), rec.SecretExpires} {
		if wait := at.Sub(r.Now()); wait > 0 {
			return min(wait, longestSleep)
		}
	}
	return longestSleep
}

// update changes the app at the vendor. It may be done twice: the vendor's answer
// to the last one counts. Where the vendor will not, another app takes its place.
func (r *Registrar) update(ctx context.Context, j job) (time.Duration, error) {
	c, plan, rec := j.c, j.plan, j.rec
	if err := r.writeStatus(ctx, c, func(s *oauthv1alpha1.RegistrationStatus) { j.count(s, r.time()) }); err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx)
	app, err := r.Vendor.Update(ctx, plan, &rec.App)
	faultpoint.Hit("registration-update-answered")
	r.Metrics.call(plan.Vendor, "update", err)
	if err != nil {
		e := asError(err)
		if cannotUpdate(e) {
			return r.create(ctx, j)
		}
		f := failed{plan: plan, err: e, message: e.Message, refused: e.refused()}
		if f.refused {
			f.message += ": " + hint(e.Status)
		}
		return r.fail(ctx, c, f)
	}
	now := r.Now().UTC().Truncate(time.Second)
	next := *rec
	next.App, next.Digest, next.Registered = *app, digest(plan), now
	switch {
	case !app.SecretExpires.Equal(rec.SecretExpires) || !app.ClientSecret.Equal(rec.ClientSecret):
		next.SecretSince, next.Unrenewable = now, !app.SecretExpires.IsZero() && !app.SecretExpires.After(rec.SecretExpires)
	case !now.Before(rec.renewAt()):
		next.Unrenewable = true
	}
	// A conflict of the writes that follow would be no reason to say nothing.
	r.say(c, corev1.EventTypeNormal, "RegistrationUpdated", "The vendor updated the app.")
	return r.keepAnswer(ctx, c, &next)
}

// cannotUpdate tells whether the vendor has no update for this app, or does not
// know us as its manager any more.
func cannotUpdate(e *Error) bool {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	}
	return false
}

// clearPrevious deletes the apps that this one replaced; it returns when to try
// again.
func (r *Registrar) clearPrevious(ctx context.Context, c *oauthv1alpha1.BYOCCredential, rec *record) (time.Duration, error) {
	if len(rec.Previous) == 0 {
		return 0, nil
	}
	ctx = context.WithoutCancel(ctx)
	var left []replaced
	var orphans []oauthv1alpha1.OrphanedRegistration
	for _, p := range rec.Previous {
		switch o, done := r.removeApp(ctx, &p.App, p.Since); {
		case !done:
			left = append(left, p)
		case o != nil:
			orphans = append(orphans, *o)
		}
	}
	if len(left) == len(rec.Previous) {
		return r.again(left[0].Since), nil
	}
	err := r.insist(ctx, c, func(s *oauthv1alpha1.RegistrationStatus) {
		for _, o := range orphans {
			addOrphan(s, o)
		}
	})
	if err != nil {
		return 0, err
	}
	rec.Previous = left
	if err := r.save(ctx, c, rec); err != nil {
		return 0, err
	}
	return onceMore(rec), nil
}
