// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/faultpoint"
)

// tellVendor records orphans in the vendor's status, since their credential goes
// away or has too many, and as an event and a metric. A vendor that is gone has no
// status, and one of another class is not ours to write to. A credential may name
// any vendor, so no label holds the name of such a one.
func (r *Registrar) tellVendor(ctx context.Context, vendor string, orphans []oauthv1alpha1.OrphanedRegistration) error {
	var v oauthv1alpha1.OAuthVendor
	for n := 0; ; n++ {
		err := r.Live.Get(ctx, client.ObjectKey{Name: vendor}, &v)
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("reading vendor: %w", err)
		}
		if err != nil || !translate.SameClass(v.Spec.BrokerClass, r.Class) {
			r.Metrics.Orphans.WithLabelValues("").Add(float64(len(orphans)))
			break
		}
		err = r.addToVendor(ctx, &v, orphans)
		if err == nil {
			break
		}
		if !apierrors.IsConflict(err) || n >= conflictTries {
			return fmt.Errorf("recording orphans: %w", err)
		}
	}
	for _, o := range orphans {
		r.Log.WarnContext(ctx, "an app is left at a vendor", "vendor", vendor, "credential", o.Credential, "clientID", o.ClientID, "softwareID", o.SoftwareID, "reason", o.Reason)
	}
	return nil
}

func (r *Registrar) addToVendor(ctx context.Context, v *oauthv1alpha1.OAuthVendor, orphans []oauthv1alpha1.OrphanedRegistration) error {
	before := v.DeepCopy()
	var added []oauthv1alpha1.OrphanedRegistration
	for _, o := range orphans {
		if !slices.ContainsFunc(v.Status.OrphanedRegistrations, func(h oauthv1alpha1.OrphanedRegistration) bool { return h.SoftwareID == o.SoftwareID }) {
			added = append(added, o)
		}
	}
	if len(added) == 0 {
		return nil
	}
	list, omitted := fit(append(v.Status.OrphanedRegistrations, added...))
	v.Status.OrphanedRegistrations = list
	v.Status.OmittedOrphans += omitted
	if err := r.Client.Status().Patch(ctx, v, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return err
	}
	faultpoint.Hit("registration-orphans-told")
	for _, o := range added {
		r.Metrics.Orphans.WithLabelValues(v.Name).Inc()
		r.Events.Eventf(v, nil, corev1.EventTypeWarning, "RegistrationOrphaned", "Unregister", "%s", "BYOCCredential "+o.Credential+": "+describe(o))
	}
	if before.Status.OmittedOrphans == 0 && omitted > 0 {
		r.Events.Eventf(v, nil, corev1.EventTypeWarning, "OrphansOmitted", "Unregister", "%s",
			"status.orphanedRegistrations is full, and further apps that are left at the vendor are in the operator's log alone: delete those that it lists at the vendor, then clear it.")
	}
	return nil
}

// fit makes a list short enough, and returns how many it left out. The namespace
// that has the most entries loses its newest: a tenant that makes orphans in a
// loop pushes nobody else's out, and cannot hide its first by its last.
func fit(list []oauthv1alpha1.OrphanedRegistration) (kept []oauthv1alpha1.OrphanedRegistration, omitted int32) {
	for len(list) > maxVendorOrphans {
		count := map[string]int{}
		most, newest := 0, 0
		for _, o := range list {
			count[namespaceOf(o)]++
			most = max(most, count[namespaceOf(o)])
		}
		for i, o := range list {
			if count[namespaceOf(o)] == most {
				newest = i
			}
		}
		list = slices.Delete(list, newest, newest+1)
		omitted++
	}
	return list, omitted
}

func namespaceOf(o oauthv1alpha1.OrphanedRegistration) string {
	namespace, _, _ := strings.Cut(o.Credential, "/")
	return namespace
}

// OrphanGauge are metrics of what the statuses of vendors list, read at each
// scrape: a counter would forget at a restart what nobody has deleted yet.
type OrphanGauge struct {
	// Vendors is the cache.
	Vendors client.Reader
	Class   string

	listed, omitted *prometheus.Desc
}

// NewOrphanGauge makes the metrics.
func NewOrphanGauge(vendors client.Reader, class string) *OrphanGauge {
	return &OrphanGauge{
		Vendors: vendors, Class: class,
		listed:  prometheus.NewDesc("oauth_broker_operator_orphans", "Apps that status.orphanedRegistrations of a vendor lists.", []string{"vendor"}, nil),
		omitted: prometheus.NewDesc("oauth_broker_operator_omitted_orphans", "Apps that status.orphanedRegistrations of a vendor had no place for.", []string{"vendor"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (g *OrphanGauge) Describe(to chan<- *prometheus.Desc) {
	to <- g.listed
	to <- g.omitted
}

// Collect implements prometheus.Collector. Where there is no cache (a standby) it
// tells nothing.
func (g *OrphanGauge) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var list oauthv1alpha1.OAuthVendorList
	if err := g.Vendors.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	for i := range list.Items {
		v := &list.Items[i]
		if !translate.SameClass(v.Spec.BrokerClass, g.Class) {
			continue
		}
		to <- prometheus.MustNewConstMetric(g.listed, prometheus.GaugeValue, float64(len(v.Status.OrphanedRegistrations)), v.Name)
		to <- prometheus.MustNewConstMetric(g.omitted, prometheus.GaugeValue, float64(v.Status.OmittedOrphans), v.Name)
	}
}
