// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/documents"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

const ringSecret = "oauth-broker-keyring"

// rotator has the rights that docs/guides/rotate-keys.md names, and no other.
func (c *cluster) rotator(t *testing.T) string {
	t.Helper()
	name := "rotator-of-" + c.tenant
	user, err := plane.Env.AddUser(envtest.User{Name: name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.create(t, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.system, Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{ringSecret}, Verbs: []string{"get", "update"}}},
	}, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.system, Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}},
	})
	return c.kubeconfig(t, "rotator", user.Config())
}

// keys runs `broker keys` on the Secret.
func (c *cluster) keys(ctx context.Context, kubeconfig string, args ...string) (string, error) {
	args = append([]string{"keys"}, append(args, "--secret", c.system+"/"+ringSecret, "--kubeconfig", kubeconfig)...)
	out, err := exec.CommandContext(ctx, c.Binary, args...).CombinedOutput()
	return string(out), err
}

func (c *cluster) ring(ctx context.Context) (keyring.Ring, *corev1.Secret, error) {
	var s corev1.Secret
	if err := plane.Client.Get(ctx, client.ObjectKey{Namespace: c.system, Name: ringSecret}, &s); err != nil {
		return keyring.Ring{}, nil, err
	}
	r, err := keyring.Parse(s.Data[keyring.DataKey])
	return r, &s, err
}

// recorded checks that the operator noted the ids of the ring in the index.
func (c *cluster) recorded(ctx context.Context) error {
	var ring corev1.Secret
	if err := plane.Client.Get(ctx, client.ObjectKey{Namespace: c.system, Name: ringSecret}, &ring); err != nil {
		return err
	}
	r, err := keyring.ParseOutline(ring.Data[keyring.DataKey])
	if err != nil {
		return err
	}
	var s corev1.Secret
	if err := plane.Client.Get(ctx, client.ObjectKey{Namespace: c.published, Name: runtimeconfig.IndexName}, &s); err != nil {
		return err
	}
	index, err := runtimeconfig.DecodeIndex(s.Data[runtimeconfig.IndexDataKey])
	if err == nil && !slices.Equal(index.KeyIDs, r.IDs()) {
		err = fmt.Errorf("the index records %v, the ring has %v", index.KeyIDs, r.IDs())
	}
	return err
}

func TestKeys_inCluster(t *testing.T) {
	c := newCluster(t)
	kubeconfig := c.rotator(t)
	run := func(args ...string) string {
		t.Helper()
		out, err := c.keys(t.Context(), kubeconfig, args...)
		if err != nil {
			t.Fatalf("keys %q: %v: %s", args, err, out)
		}
		return out
	}
	if out := run("list"); strings.Count(out, "sealing") != 2 {
		t.Errorf("list says %s", out)
	}
	first, object, err := c.ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out := run("rotate"); strings.Count(out, "added ") != 2 {
		t.Errorf("rotate says %s", out)
	}
	binary.Eventually(t, func() error { return c.recorded(t.Context()) })
	if out, err := c.keys(t.Context(), kubeconfig, "add", "--ring", "flow", "--seal-in", "1m"); err == nil || !strings.Contains(out, "kubelets take up to 90 seconds") {
		t.Errorf("a key that seals too soon: %v %s", err, out)
	}
	if _, now, err := c.ring(t.Context()); err != nil || now.UID != object.UID || now.Type != object.Type {
		t.Errorf("the Secret is another: %v", err)
	}
	if out := run("revoke", first.IDs()[0]); !strings.Contains(out, "rollout restart") || !strings.Contains(out, "logins in progress under it fail") {
		t.Errorf("revoke says %s", out)
	}
	binary.Eventually(t, func() error { return c.recorded(t.Context()) })

	// Many at once: each waiting key is there once, and nobody's is lost.
	run(append([]string{"revoke"}, c.waiting(t)...)...)
	var group sync.WaitGroup
	for i := range 6 {
		list := []string{"flow", "grant"}[i%2]
		group.Go(func() { _, _ = c.keys(t.Context(), kubeconfig, "add", "--ring", list) }) // who comes second is refused
	}
	group.Wait()
	if r, _, err := c.ring(t.Context()); err != nil || len(c.waiting(t)) != 2 {
		t.Errorf("got keys %v, %v, want one new of each list", r.IDs(), err)
	}
	c.guide(t)
	c.vanishes(t, kubeconfig)
}

// guide runs the commands of the guides on keys and Redis that are for a cluster.
func (c *cluster) guide(t *testing.T) {
	t.Helper()
	labels := map[string]string{"app.kubernetes.io/component": "broker"}
	c.create(t, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.system, Name: "oauth-broker", Labels: labels},
		Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "broker", Image: "broker"}}},
		}},
	})
	if n := c.runGuide(t, "rotate-keys.md"); n != 3 {
		t.Errorf("ran %d blocks of the guide on keys, want 3", n)
	}
	if n := c.runGuide(t, "redis.md"); n != 1 {
		t.Errorf("ran %d blocks of the guide on Redis, want 1", n)
	}
	c.timer(t)
	var d appsv1.Deployment
	if err := plane.Client.Get(t.Context(), client.ObjectKey{Namespace: c.system, Name: "oauth-broker"}, &d); err != nil || len(d.Spec.Template.Annotations) == 0 {
		t.Errorf("the Deployment was not restarted: %v", err)
	}
}

// runGuide runs the blocks of a guide that are for the release's namespace.
func (c *cluster) runGuide(t *testing.T, guide string) (ran int) {
	t.Helper()
	blocks, err := documents.Blocks(filepath.Join(controlplane.Root(), "docs", "guides", guide), "sh")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	url := filepath.Join(home, "broker", "redis-url")
	if err := errors.Join(os.Mkdir(filepath.Dir(url), 0o700), os.WriteFile(url, []byte("redis://127.0.0.1:6390\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	path := strings.Join([]string{filepath.Dir(broker), plane.Env.BinaryAssetsDirectory, os.Getenv("PATH")}, string(os.PathListSeparator))
	env := append(os.Environ(), "KUBECONFIG="+c.kubeconfig(t, "admin", plane.Config), "PATH="+path, "HOME="+home)
	for _, block := range blocks {
		if !strings.Contains(block, "oauth-broker-system") {
			continue
		}
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", strings.ReplaceAll(block, "oauth-broker-system", c.system))
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s\n%s", err, block, out)
		}
		ran++
	}
	return ran
}

// timer: the pods of the guide's CronJob may run where the install guide, the chart
// and kustomize have the namespace enforce Pod Security "restricted".
func (c *cluster) timer(t *testing.T) {
	t.Helper()
	var job batchv1.CronJob
	if err := plane.Client.Get(t.Context(), client.ObjectKey{Namespace: c.system, Name: "key-rotation"}, &job); err != nil {
		t.Fatal(err)
	}
	namespace := corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.system}}
	restrict := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`))
	if err := plane.Client.Patch(t.Context(), &namespace, restrict); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: c.system, Name: "key-rotation"}, Spec: job.Spec.JobTemplate.Spec.Template.Spec}
	if err := plane.Client.Create(t.Context(), pod, client.DryRunAll); err != nil {
		t.Errorf("the guide's CronJob makes no pod: %v", err)
	}
}

// waiting lists the keys that do not seal yet.
func (c *cluster) waiting(t *testing.T) []string {
	t.Helper()
	r, s, err := c.ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range append(r.Flow, r.Grant...) {
		if k.SealFrom.After(s.CreationTimestamp.Add(keyring.DefaultDelay / 2)) {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// vanishes: no command and no operator makes a new ring where one was.
func (c *cluster) vanishes(t *testing.T, kubeconfig string) {
	t.Helper()
	_, object, err := c.ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := plane.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"list"}, {"rotate"}, {"add", "--ring", "flow"}, {"prune"}, {"revoke", "x"}} {
		if out, err := c.keys(t.Context(), kubeconfig, args...); err == nil || !strings.Contains(out, "and none is made") {
			t.Errorf("keys %q without a ring: %v %s", args, err, out)
		}
	}
	if _, _, err := c.ring(t.Context()); !apierrors.IsNotFound(err) {
		t.Errorf("there is a ring again: %v", err)
	}
}
