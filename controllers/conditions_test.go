// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

func TestConditions(t *testing.T) {
	good := translate.Verdict{Generation: 3, Accepted: translate.Check{OK: true, Reason: "Accepted"}, ResolvedRefs: translate.Check{OK: true, Reason: "ResolvedRefs"}}
	unresolved := good
	unresolved.ResolvedRefs = translate.Check{Reason: "SecretNotFound"}
	live := []metav1.Condition{{Type: "Programmed", Status: "True", Reason: "Programmed", Message: "Every ready broker serves it (since sequence 5)."}}
	tests := map[string]struct {
		target  target
		served  Served
		current []metav1.Condition
		want    string // Programmed and Ready
	}{
		"served by all":            {target{verdict: good, sequence: 5}, Served{Ready: 2, Sequence: 5}, nil, "Programmed Ready"},
		"served by all, later":     {target{verdict: good, sequence: 5}, Served{Ready: 2, Sequence: 9}, nil, "Programmed Ready"},
		"one is behind":            {target{verdict: good, sequence: 5}, Served{Ready: 2, Sequence: 4}, nil, "Pending NotReady"},
		"one does not answer":      {target{verdict: good, sequence: 5}, Served{Ready: 2, Sequence: unknownAnswer}, nil, "Pending NotReady"},
		"nobody is ready":          {target{verdict: good, sequence: 5}, Served{}, nil, "NoBrokerReady NotReady"},
		"latched":                  {target{verdict: good, sequence: 5}, Served{}, live, "Programmed Ready"},
		"latched for another":      {target{verdict: good, sequence: 6}, Served{Ready: 1, Sequence: 5}, live, "Pending NotReady"},
		"not published":            {target{verdict: good, problem: "p"}, Served{Ready: 1, Sequence: 9}, live, "NotPublished NotReady"},
		"unresolved but published": {target{verdict: unresolved, sequence: 5}, Served{Ready: 1, Sequence: 5}, nil, "Programmed NotReady"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			list := conditions(&tt.target, tt.served, tt.current)
			if got := list[2].Reason + " " + list[3].Reason; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			for _, c := range list {
				if c.ObservedGeneration != 3 {
					t.Errorf("%s has generation %d, want 3", c.Type, c.ObservedGeneration)
				}
			}
		})
	}
}

func TestSetConditions(t *testing.T) {
	then, now := time.Unix(100, 0), time.Unix(200, 0)
	list := []metav1.Condition{{Type: "A", Status: "True", Reason: "R", LastTransitionTime: metav1.NewTime(then)}}
	changed := setConditions(&list, []metav1.Condition{{Type: "A", Status: "True", Reason: "R", ObservedGeneration: 2}}, now)
	if len(changed) != 0 || !list[0].LastTransitionTime.Equal(new(metav1.NewTime(then))) || list[0].ObservedGeneration != 2 {
		t.Errorf("got %+v and %d changes, want the old time and no change", list, len(changed))
	}
	changed = setConditions(&list, []metav1.Condition{{Type: "A", Status: "False", Reason: "Q"}}, now)
	if len(changed) != 1 || !list[0].LastTransitionTime.Equal(new(metav1.NewTime(now))) {
		t.Errorf("got %+v and %d changes, want the new time and one change", list, len(changed))
	}
}

// TestSetConditions_full: others may write conditions, too, and where they write as
// many as the schema allows, the operator still has its say.
func TestSetConditions_full(t *testing.T) {
	var list []metav1.Condition
	for n := range maxConditions - 1 {
		list = append(list, metav1.Condition{Type: fmt.Sprint("Others", n), Status: "True", Reason: "R"})
	}
	list = append(list, metav1.Condition{Type: "Ready", Status: "True", Reason: "R"})
	wanted := []metav1.Condition{{Type: "Accepted", Status: "False", Reason: "Q"}, {Type: "Ready", Status: "False", Reason: "Q"}}
	for range 2 {
		setConditions(&list, wanted, time.Unix(200, 0))
		accepted, ready, others := meta.FindStatusCondition(list, "Accepted"), meta.FindStatusCondition(list, "Ready"), meta.FindStatusCondition(list, "Others13")
		if len(list) != maxConditions || accepted == nil || ready == nil || ready.Status != "False" || others == nil {
			t.Errorf("got %d: %+v", len(list), list)
		}
	}
}

func TestBrokersOf(t *testing.T) {
	port := []discoveryv1.EndpointPort{{Name: new("admin"), Port: new(int32(9090))}}
	end := func(address string, ready *bool) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: ready}}
	}
	slices := []discoveryv1.EndpointSlice{
		{Ports: port, Endpoints: []discoveryv1.Endpoint{end("10.0.0.1", new(true)), end("10.0.0.2", new(false)), end("10.0.0.3", nil)}},
		{Ports: port, Endpoints: []discoveryv1.Endpoint{end("10.0.0.1", new(true)), end("fd00::1", nil)}},
		{Ports: port, AddressType: discoveryv1.AddressTypeFQDN, Endpoints: []discoveryv1.Endpoint{end("x.example", nil)}},
		{Endpoints: []discoveryv1.Endpoint{end("10.0.0.9", nil)}},
	}
	slices[0].Endpoints[0].TargetRef = &corev1.ObjectReference{Kind: "Pod", Name: "broker-1"}
	want := []Broker{
		{URL: "http://10.0.0.1:9090", Name: "Pod broker-1"},
		{URL: "http://10.0.0.3:9090", Name: "http://10.0.0.3:9090"}, {URL: "http://[fd00::1]:9090", Name: "http://[fd00::1]:9090"},
	}
	if diff := cmp.Diff(want, brokersOf(slices)); diff != "" {
		t.Error(diff)
	}
}

// TestSetConditions_order: a condition that comes late stands before Ready, and
// those of others stand behind.
func TestSetConditions_order(t *testing.T) {
	list := []metav1.Condition{{Type: "Others", Status: metav1.ConditionFalse}, {Type: "Ready", Status: metav1.ConditionTrue}, {Type: "Accepted", Status: metav1.ConditionTrue}}
	setConditions(&list, []metav1.Condition{
		{Type: "Accepted", Status: metav1.ConditionTrue}, {Type: "CredentialsValid", Status: metav1.ConditionFalse}, {Type: "Ready", Status: metav1.ConditionFalse},
	}, time.Unix(0, 0))
	var order []string
	for _, c := range list {
		order = append(order, c.Type)
	}
	if diff := cmp.Diff([]string{"Accepted", "CredentialsValid", "Ready", "Others"}, order); diff != "" {
		t.Error(diff)
	}
}
