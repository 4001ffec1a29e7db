// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/internal/kubesource"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// user is the configuration of addUser's user.
func (in *install) user(file string) *rest.Config { return in.addUser(file).Config() }

// addUser makes a user with the roles of a file of config/rbac, put into this
// install's namespaces.
func (in *install) addUser(file string) *envtest.AuthenticatedUser {
	in.t.Helper()
	name := strings.TrimSuffix(file, ".yaml") + "-" + in.tenant
	user, err := plane.Env.AddUser(envtest.User{Name: name}, rest.CopyConfig(plane.Config))
	if err != nil {
		in.t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(controlplane.Root(), "config", "rbac", file))
	if err != nil {
		in.t.Fatal(err)
	}
	subject := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}}
	namespaces := map[string]string{"oauth-broker-system": in.system, "oauth-broker-published": in.published}
	documents := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(content)))
	for buffer := make([]byte, 64<<10); ; {
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return user
		}
		if err != nil {
			in.t.Fatal(err)
		}
		in.bind(buffer[:n], name, namespaces, subject)
	}
}

func (in *install) bind(document []byte, name string, namespaces map[string]string, subjects []rbacv1.Subject) {
	in.t.Helper()
	var role rbacv1.Role
	if err := yaml.Unmarshal(document, &role); err != nil {
		in.t.Fatal(err)
	}
	object := metav1.ObjectMeta{Name: name, Namespace: namespaces[role.Namespace]}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: role.Kind, Name: name}
	switch role.Kind {
	case "ClusterRole":
		in.create(&rbacv1.ClusterRole{ObjectMeta: object, Rules: role.Rules}, &rbacv1.ClusterRoleBinding{ObjectMeta: object, RoleRef: ref, Subjects: subjects})
	case "Role":
		if object.Namespace == "" {
			in.t.Fatalf("Role in the unknown namespace %s", role.Namespace)
		}
		in.create(&rbacv1.Role{ObjectMeta: object, Rules: role.Rules}, &rbacv1.RoleBinding{ObjectMeta: object, RoleRef: ref, Subjects: subjects})
	}
}

// TestAccess_broker: the Role is enough to follow changes, and for nothing else.
func TestAccess_broker(t *testing.T) {
	in := newInstall(t)
	config := in.user("broker_role.yaml")
	b := in.startBroker(func(o *kubesource.Options) { o.Config = config })
	in.start()
	in.create(in.vendor(), in.credential("acme"), in.secret("acme", "one"))
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })
	in.rotate("two")
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })

	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	secrets := client.CoreV1().Secrets
	_, listing := secrets(in.published).List(t.Context(), metav1.ListOptions{})
	_, tenant := secrets(in.tenant).Get(t.Context(), "acme", metav1.GetOptions{})
	_, ring := secrets(in.system).Get(t.Context(), "oauth-broker-keyring", metav1.GetOptions{})
	for what, err := range map[string]error{
		"list published": listing, "get a tenant's": tenant, "get the key ring": ring,
		"delete the index": secrets(in.published).Delete(t.Context(), runtimeconfig.IndexName, metav1.DeleteOptions{}),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: got %v, want it forbidden", what, err)
		}
	}
}

// TestAccess_manager: the generated roles are enough for the operator, and
// give it no Secret to write outside its two namespaces.
func TestAccess_manager(t *testing.T) {
	in := newInstall(t)
	config := in.user("role.yaml")
	in.startBroker()
	op := in.start(func(_ *controllers.Options, c *rest.Config) { *c = *rest.CopyConfig(config) })
	vendor, credential := in.vendor(), in.credential("acme")
	in.create(vendor, credential, in.secret("acme", "one"))
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
	eventually(t, func() error { return condition(vendor, "Ready", "True", "Ready") })
	eventually(t, func() error { return in.event("Ready") })
	if s := op.log.String(); strings.Contains(s, "forbidden") {
		t.Errorf("the operator's log tells of something forbidden:\n%s", s)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"write a tenant's Secret": client.CoreV1().Secrets(in.tenant).Delete(t.Context(), "acme", metav1.DeleteOptions{}),
		"delete a credential":     client.RESTClient().Delete().AbsPath("/apis/oauthbroker.dev/v1alpha1/namespaces", in.tenant, "byoccredentials/acme").Do(t.Context()).Error(),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: got %v, want it forbidden", what, err)
		}
	}
}

// TestAccess_namespaced: Roles in the watched namespaces and a ClusterRole for
// vendors are enough; another namespace is not served.
func TestAccess_namespaced(t *testing.T) {
	in := newInstall(t)
	b := in.startBroker()
	name := "namespaced-" + in.tenant
	user, err := plane.Env.AddUser(envtest.User{Name: name}, rest.CopyConfig(plane.Config))
	if err != nil {
		t.Fatal(err)
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}}
	read, all := []string{"get", "list", "watch"}, []string{"*"}
	rule := func(group, resource string, verbs []string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	}
	grant := func(namespace string, rules ...rbacv1.PolicyRule) {
		object := metav1.ObjectMeta{Namespace: namespace, Name: name}
		in.create(&rbacv1.Role{ObjectMeta: object, Rules: rules},
			&rbacv1.RoleBinding{ObjectMeta: object, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}, Subjects: subjects})
	}
	object := metav1.ObjectMeta{Name: name}
	in.create(&rbacv1.ClusterRole{ObjectMeta: object, Rules: []rbacv1.PolicyRule{rule("oauthbroker.dev", "oauthvendors", read), rule("oauthbroker.dev", "oauthvendors/status", all), rule("events.k8s.io", "events", all)}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: object, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}, Subjects: subjects})
	grant(in.system, rule("", "secrets", []string{"get", "list", "watch", "create"}))
	grant(in.published, rule("", "secrets", all))
	// The tenant's Secrets are not granted yet.
	grant(in.tenant, rule("oauthbroker.dev", "*", all))

	in.start(func(o *controllers.Options, c *rest.Config) {
		*c = *rest.CopyConfig(user.Config())
		o.WatchNamespaces = []string{in.tenant}
	})
	vendor, credential := in.vendor(), in.credential("acme")
	vendor.Spec.TrustedNamespaces = &oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesByName, Names: []string{in.tenant}}
	in.create(vendor, credential, in.secret("acme", "one"))
	eventually(t, func() error { return condition(credential, "ResolvedRefs", "False", "SecretUnreadable") })
	secrets := &rbacv1.Role{}
	secrets.Namespace, secrets.Name = in.tenant, name
	update(in, secrets, func(r *rbacv1.Role) { r.Rules = append(r.Rules, rule("", "secrets", read)) })
	eventually(t, func() error { return b.secretIs(in.tenant, vendor.Name, "one") })
	in.rotate("two")
	eventually(t, func() error { return b.secretIs(in.tenant, vendor.Name, "two") })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })

	other, err := plane.Namespace(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	stranger := in.credential("acme")
	stranger.Namespace = other
	in.create(stranger)
	stays(t, func() error {
		if _, err := b.credential(other, vendor.Name); !errors.Is(err, runtimeconfig.ErrNoCredential) {
			return fmt.Errorf("got %w for a namespace that is not watched", err)
		}
		return nil
	})
	update(in, vendor, func(v *oauthv1alpha1.OAuthVendor) {
		v.Spec.TrustedNamespaces = &oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesBySelector, Selector: &metav1.LabelSelector{}}
	})
	eventually(t, func() error { return condition(vendor, "Accepted", "False", "SelectorUnsupported") })
}
