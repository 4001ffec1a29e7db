// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/hack/machine"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

const (
	edits    = 20
	promised = time.Second
)

// measureEdits allows one more scope, twenty times, and takes the time from the
// request to the API server until each of the three pods serves it.
func (s *suite) measureEdits(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		return err
	}
	c, err := client.New(config, client.Options{Scheme: controlplane.Scheme()})
	if err != nil {
		return err
	}
	out, err := s.kube(ctx, "", "-n", namespace, "get", "pods", "-l", "app.kubernetes.io/component=broker", "-o", "jsonpath={.items[*].status.podIP}")
	if err != nil {
		return err
	}
	pods := strings.Fields(out)
	if len(pods) != 3 {
		return fmt.Errorf("there are %d brokers, want 3", len(pods))
	}
	var took []time.Duration
	for n := range edits {
		t, err := edit(ctx, c, pods, fmt.Sprintf("edit-%02d", n))
		if err != nil {
			return fmt.Errorf("edit %d: %w", n+1, err)
		}
		took = append(took, t)
	}
	s.line("in order: %s (load of the machine: %s)", rounded(took), machine.Load())
	slices.Sort(took)
	median, worst := took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond)
	s.line("served by all three: median %s, worst %s of %d", median, worst, len(took))
	if worst >= promised {
		return fmt.Errorf("the worst edit took %s, less than %s is promised", worst, promised)
	}
	_, err = s.kube(ctx, "", "wait", "--for=condition=Programmed", "oauthvendor/e2e", "--timeout=30s")
	return err
}

func rounded(times []time.Duration) string {
	var out []string
	for _, t := range times {
		out = append(out, t.Round(time.Millisecond).String())
	}
	return strings.Join(out, " ")
}

func edit(ctx context.Context, c client.Client, pods []string, scope string) (time.Duration, error) {
	before := int64(0)
	for _, pod := range pods {
		n, err := sequence(ctx, pod)
		if err != nil {
			return 0, err
		}
		before = max(before, n)
	}
	var vendor oauthv1alpha1.OAuthVendor
	if err := c.Get(ctx, client.ObjectKey{Name: "e2e"}, &vendor); err != nil {
		return 0, err
	}
	patch := client.MergeFrom(vendor.DeepCopy())
	vendor.Spec.Scopes.Allowed = append(vendor.Spec.Scopes.Allowed, oauthv1alpha1.ScopeToken(scope))
	began := time.Now()
	if err := c.Patch(ctx, &vendor, patch); err != nil {
		return 0, err
	}
	for _, pod := range pods {
		for {
			n, err := sequence(ctx, pod)
			if err == nil && n > before {
				break
			}
			if time.Since(began) > 15*time.Second {
				return 0, errors.Join(fmt.Errorf("pod %s still serves sequence %d", pod, n), err)
			}
			if err := pause(ctx, 2*time.Millisecond); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(began), nil
}

// sequence asks a pod which sequence it serves.
func sequence(ctx context.Context, pod string) (int64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+pod+":9090/revision", nil)
	if err != nil {
		return 0, err
	}
	answer, err := (&http.Client{Timeout: 5 * time.Second}).Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	var served struct {
		Sequence int64 `json:"sequence"`
	}
	return served.Sequence, json.NewDecoder(answer.Body).Decode(&served)
}
