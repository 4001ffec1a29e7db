// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// target is what the status of an object should say.
type target struct {
	verdict translate.Verdict
	// sequence that first published the object as it is now; 0 where it is not
	// published, and then problem says why.
	sequence int64
	problem  string
	// discovery is what a vendor's metadata said; nil where it has none.
	discovery *oauthv1alpha1.DiscoveryStatus
	// probed is true where the vendor is asked about the client credentials.
	probed bool
	// What the reporter fills in: what is known of the client credentials, where
	// they are, and what to do when they are refused.
	told               CredentialVerdict
	credential, remedy string
}

// targets are those of all objects, by namespace.
type targets map[string]map[translate.Ref]*target

func (all targets) get(ref translate.Ref) *target { return all[ref.Namespace][ref] }

func (all targets) set(ref translate.Ref, t *target) {
	if all[ref.Namespace] == nil {
		all[ref.Namespace] = map[translate.Ref]*target{}
	}
	all[ref.Namespace][ref] = t
}

// each yields every target.
func (all targets) each(yield func(translate.Ref, *target) bool) {
	for _, list := range all {
		for ref, t := range list {
			if !yield(ref, t) {
				return
			}
		}
	}
}

// same compares targets. It is called for every object at every pass, so it
// looks behind pointers only where they differ.
func (t *target) same(o *target) bool {
	a, b := &t.verdict, &o.verdict
	return t.sequence == o.sequence && t.problem == o.problem && t.probed == o.probed &&
		a.Ref == b.Ref && a.UID == b.UID && a.Generation == b.Generation && a.Accepted == b.Accepted && a.ResolvedRefs == b.ResolvedRefs &&
		a.RedirectURI == b.RedirectURI && a.ClientID == b.ClientID && slices.Equal(a.Items, b.Items) &&
		(a.ObservedSecret == b.ObservedSecret || reflect.DeepEqual(a.ObservedSecret, b.ObservedSecret)) &&
		(t.discovery == o.discovery || reflect.DeepEqual(t.discovery, o.discovery))
}

// published tells whether brokers can get the object as it is now.
func (t *target) published() bool { return t.sequence > 0 }

// conditions of an object: a pure function of the verdict, what the brokers
// serve, and the condition Programmed as it is.
func conditions(t *target, served Served, current []metav1.Condition) []metav1.Condition {
	list := []metav1.Condition{
		condition(oauthv1alpha1.ConditionAccepted, t.verdict.Accepted),
		condition(oauthv1alpha1.ConditionResolvedRefs, t.verdict.ResolvedRefs),
		programmed(t, served, meta.FindStatusCondition(current, oauthv1alpha1.ConditionProgrammed)),
	}
	if valid := credentialsValid(t); valid != nil {
		list = append(list, *valid)
	}
	list = append(list, ready(list))
	if c := stalled(t); c != nil {
		list = append(list, *c)
	}
	for i := range list {
		list[i].ObservedGeneration = t.verdict.Generation
	}
	return list
}

func condition(kind string, c translate.Check) metav1.Condition {
	status := metav1.ConditionFalse
	if c.OK {
		status = metav1.ConditionTrue
	}
	return metav1.Condition{Type: kind, Status: status, Reason: c.Reason, Message: c.Message}
}

// programmed is True once every ready broker serves the object as it is now,
// and stays so until the object changes: the message names the sequence, so a
// condition of the same message was True for the same content.
func programmed(t *target, served Served, current *metav1.Condition) metav1.Condition {
	c := metav1.Condition{Type: oauthv1alpha1.ConditionProgrammed, Status: metav1.ConditionFalse}
	live := fmt.Sprintf("Every ready broker serves it (since sequence %d).", t.sequence)
	latched := current != nil && current.Status == metav1.ConditionTrue && current.Message == live
	switch {
	case !t.published():
		c.Reason, c.Message = oauthv1alpha1.ReasonNotPublished, t.problem
	case latched || served.Ready > 0 && served.Sequence >= t.sequence:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, oauthv1alpha1.ReasonProgrammed, live
	case served.Ready == 0:
		c.Reason, c.Message = oauthv1alpha1.ReasonNoBrokerReady, "It is published, and no ready broker was found: look at the pods of the broker's Deployment."
	default:
		c.Reason, c.Message = oauthv1alpha1.ReasonPending, "It is published, and not every ready broker serves it yet."
		if served.Behind != "" {
			c.Message = fmt.Sprintf("It is published in sequence %d, and not every ready broker serves that. Behind: %s; see their logs.", t.sequence, served.Behind)
		}
	}
	return c
}

// stalled is nil but where the object's own spec is wrong. Ready=False already
// means for kstatus that an object is in progress, so there is no Reconciling.
func stalled(t *target) *metav1.Condition {
	for _, c := range []translate.Check{t.verdict.Accepted, t.verdict.ResolvedRefs} {
		if !c.OK && (c.Reason == oauthv1alpha1.ReasonInvalid || c.Reason == oauthv1alpha1.ReasonSelectorUnsupported) {
			return &metav1.Condition{Type: oauthv1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: c.Reason, Message: c.Message}
		}
	}
	return nil
}

func ready(others []metav1.Condition) metav1.Condition {
	for _, c := range others {
		// CredentialsValid may be Unknown: many vendors do not tell.
		if c.Status == metav1.ConditionFalse {
			return metav1.Condition{Type: oauthv1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: oauthv1alpha1.ReasonNotReady,
				Message: fmt.Sprintf("%s is %s (%s): see that condition.", c.Type, c.Status, c.Reason)}
		}
	}
	return metav1.Condition{Type: oauthv1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: oauthv1alpha1.ReasonReady, Message: "No condition is False."}
}

// maxConditions is how many conditions the schema lets a status have.
const maxConditions = 16

// setConditions puts wanted into list and returns those whose status or reason
// changed. The transition time moves only when the status does. Of those that
// others wrote it keeps what there is room for, behind ours: `kubectl get` shows
// the reason of the first condition that is False.
func setConditions(list *[]metav1.Condition, wanted []metav1.Condition, now time.Time) []metav1.Condition {
	var changed []metav1.Condition
	next := make([]metav1.Condition, 0, maxConditions)
	for _, c := range wanted {
		before := meta.FindStatusCondition(*list, c.Type)
		if before == nil || before.Status != c.Status || before.Reason != c.Reason {
			changed = append(changed, c)
		}
		c.LastTransitionTime = metav1.NewTime(now)
		if before != nil && before.Status == c.Status {
			c.LastTransitionTime = before.LastTransitionTime
		}
		next = append(next, c)
	}
	for _, c := range *list {
		ours := c.Type == oauthv1alpha1.ConditionCredentialsValid || c.Type == oauthv1alpha1.ConditionStalled || // optional
			meta.FindStatusCondition(wanted, c.Type) != nil
		if !ours && len(next) < maxConditions {
			next = append(next, c)
		}
	}
	*list = next
	return changed
}
