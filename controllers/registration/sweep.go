// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

const (
	// sweepEvery is how often the leader looks for Secrets that nobody needs.
	sweepEvery = 10 * time.Minute
	// strayAfter is how long an object must have been seen to be gone, so that no
	// hiccup of the API server deletes an app.
	strayAfter = 10 * time.Minute
	// copiedAfter tells a Secret that was restored from a backup, perhaps of another
	// cluster whose object lives: it is younger than what it holds.
	copiedAfter = time.Hour
	// sweepPage bounds one answer of the API server.
	sweepPage = 500
	// strayAnnotation holds the time at which a Secret was first seen without its
	// object.
	strayAnnotation = "oauthbroker.dev/stray-since"
)

// Sweep looks for what is left over, now and then, until ctx ends. Whoever takes
// the finalizer off an object leaves its Secret here and its app at the vendor.
func (r *Registrar) Sweep(ctx context.Context) error {
	for {
		for what, sweep := range map[string]func(context.Context) error{"registrations": r.sweepStrays, "counts": r.sweepLimits} {
			if err := sweep(ctx); err != nil && ctx.Err() == nil {
				r.Log.WarnContext(ctx, "looking for Secrets that are left over failed", "what", what, "cause", err.Error())
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(sweepEvery):
		}
	}
}

// sweepStrays reads metadata alone: there may be thousands.
func (r *Registrar) sweepStrays(ctx context.Context) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	for {
		err := r.Live.List(ctx, list, client.InNamespace(r.Namespace), client.HasLabels{oauthv1alpha1.RegistrationLabel}, client.Limit(sweepPage), client.Continue(list.Continue))
		if err != nil {
			return fmt.Errorf("listing the Secrets of registrations: %w", err)
		}
		for i := range list.Items {
			if err := r.sweepStray(ctx, &list.Items[i]); err != nil && !apierrors.IsConflict(err) && ctx.Err() == nil {
				r.Log.WarnContext(ctx, "judging the Secret of a registration failed", "secret", list.Items[i].Name, "cause", err.Error())
			}
		}
		if list.Continue == "" {
			return nil
		}
	}
}

// sweepStray judges one Secret.
func (r *Registrar) sweepStray(ctx context.Context, s *metav1.PartialObjectMetadata) error {
	uid := s.Labels[oauthv1alpha1.RegistrationLabel]
	namespace, name, found := strings.Cut(s.Annotations[credentialAnnotation], "/")
	if !found || s.Name != oauthv1alpha1.RegistrationSecretName(uid) {
		return nil // whoever changed it must know
	}
	c := &oauthv1alpha1.BYOCCredential{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid)}}
	there, err := r.there(ctx, c)
	if err != nil {
		return err
	}
	since, err := time.Parse(time.RFC3339, s.Annotations[strayAnnotation])
	marked := err == nil
	switch {
	case there && !marked, !there && marked && r.Now().Sub(since) < strayAfter:
		return nil
	case there:
		return r.mark(ctx, s, "")
	case !marked:
		r.Log.InfoContext(ctx, "the Secret of a registration has no object any more", "secret", s.Name, "credential", namespace+"/"+name)
		return r.mark(ctx, s, r.Now().UTC().Format(time.RFC3339))
	}
	c.Spec.Vendor = s.Annotations[vendorAnnotation]
	return r.removeStray(context.WithoutCancel(ctx), c, s)
}

// there asks the API server, not the cache. An object whose deletion is under way
// is there. An API server that does not serve the kind at the moment tells nothing.
func (r *Registrar) there(ctx context.Context, c *oauthv1alpha1.BYOCCredential) (bool, error) {
	var now oauthv1alpha1.BYOCCredential
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(c), &now)
	if apierrors.IsNotFound(err) && !apierrors.IsUnexpectedServerError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading credential: %w", err)
	}
	return now.UID == c.UID, nil
}

// mark sets the annotation, or takes it away where since is empty.
func (r *Registrar) mark(ctx context.Context, s *metav1.PartialObjectMetadata, since string) error {
	var object corev1.Secret
	if err := r.Client.Get(ctx, client.ObjectKeyFromObject(s), &object); err != nil {
		return client.IgnoreNotFound(err)
	}
	if object.ResourceVersion != s.ResourceVersion {
		return nil // somebody is at work on it
	}
	if since == "" {
		delete(object.Annotations, strayAnnotation)
	} else {
		object.Annotations[strayAnnotation] = since
	}
	if err := r.Client.Update(ctx, &object); err != nil {
		return fmt.Errorf("marking the Secret: %w", err)
	}
	return nil
}

// removeStray deletes the app of an object that is gone, or records it, and then
// the Secret. c has the names of the object alone.
func (r *Registrar) removeStray(ctx context.Context, c *oauthv1alpha1.BYOCCredential, s *metav1.PartialObjectMetadata) error {
	rec, err := r.load(ctx, c.UID)
	var orphans []oauthv1alpha1.OrphanedRegistration
	version := s.ResourceVersion
	switch {
	case errors.Is(err, errDamaged):
		orphans = []oauthv1alpha1.OrphanedRegistration{{SoftwareID: s.Name, Reason: "Its object is gone and its Secret was damaged, so nobody knows its client_id."}}
	case err != nil || rec == nil:
		return err
	case s.CreationTimestamp.Sub(rec.Registered) > copiedAfter:
		return nil // said when it was marked
	default:
		c.Spec.Vendor = rec.Vendor
		if !rec.Retain {
			var wait time.Duration
			if orphans, wait, err = r.removeApps(ctx, c, rec); err != nil || wait > 0 {
				return err // the next sweep tries again
			}
		}
		version = rec.version
	}
	for i := range orphans {
		orphans[i].Credential, orphans[i].Time = c.Namespace+"/"+c.Name, r.time()
	}
	if len(orphans) > 0 {
		if err := r.tellVendor(ctx, c.Spec.Vendor, orphans); err != nil {
			return err
		}
	}
	if err := r.dropVersion(ctx, s.Name, version); err != nil {
		return err
	}
	r.forget(c.UID)
	r.Log.InfoContext(ctx, "the Secret of a registration without an object was deleted", "secret", s.Name, "credential", c.Namespace+"/"+c.Name, "vendor", c.Spec.Vendor, "orphans", len(orphans))
	return nil
}

func (r *Registrar) dropVersion(ctx context.Context, name, version string) error {
	object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: name}}
	err := r.Client.Delete(ctx, object, client.Preconditions{ResourceVersion: &version})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting a Secret that is left over: %w", err)
	}
	return nil
}

// sweepLimits deletes the counts that say nothing any more.
func (r *Registrar) sweepLimits(ctx context.Context) error {
	var list corev1.SecretList
	for {
		err := r.Live.List(ctx, &list, client.InNamespace(r.Namespace), client.HasLabels{LimitLabel}, client.Limit(sweepPage), client.Continue(list.Continue))
		if err != nil {
			return fmt.Errorf("listing the counts of new apps: %w", err)
		}
		for i := range list.Items {
			s := &list.Items[i]
			if s.Type != LimitType || r.Now().Before(fullTime(s)) {
				continue
			}
			if err := r.dropVersion(ctx, s.Name, s.ResourceVersion); err != nil && !apierrors.IsConflict(err) {
				return err
			}
		}
		if list.Continue == "" {
			return nil
		}
	}
}
