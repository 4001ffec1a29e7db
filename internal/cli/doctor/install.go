// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/cli/kube"
)

// maxSkew is how far clocks may differ: client assertions live a minute.
const maxSkew = 30 * time.Second

// server asks the API server who it is, what time it is, and for our kinds.
func (d *Doctor) server(ctx context.Context) error {
	hc, err := rest.HTTPClientFor(d.Cluster.Config)
	if err != nil {
		return fmt.Errorf("reaching the API server: %w", err)
	}
	host := d.Cluster.Config.Host
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(host, "/")+"/version", nil)
	if err != nil {
		return fmt.Errorf("reaching the API server: %w", err)
	}
	answer, err := hc.Do(r)
	if err != nil {
		return fmt.Errorf("reaching the API server: %w. Check --kubeconfig and --context", err)
	}
	_ = answer.Body.Close()
	d.good("api-server", "", "%s answers", d.Cluster.Config.Host)
	d.clock("the API server", answer.Header.Get("Date"))
	for _, kind := range []struct {
		name string
		list client.ObjectList
	}{{"oauthvendors", &oauthv1alpha1.OAuthVendorList{}}, {"byoccredentials", &oauthv1alpha1.BYOCCredentialList{}}, {"brokerclients", &oauthv1alpha1.BrokerClientList{}}} {
		err := d.Cluster.Objects.List(ctx, kind.list, client.Limit(1))
		switch {
		case meta.IsNoMatchError(err) || apierrors.IsNotFound(err):
			d.add(Finding{Check: "crds", Object: kind.name, Level: Problem, Message: "the CustomResourceDefinition is missing", Fix: "helm upgrade --install with crds.install: true, or: kubectl apply --server-side -k config/crd"})
		case err != nil:
			d.add(Finding{Check: "crds", Object: kind.name, Level: Problem, Message: "cannot be listed: " + err.Error(), Fix: "kubectl auth can-i list " + kind.name + "." + oauthv1alpha1.Group + " --all-namespaces"})
		default:
			d.good("crds", kind.name, "installed")
		}
	}
	return nil
}

// clock compares a Date header with this machine's clock. It has whole seconds.
func (d *Doctor) clock(whose, date string) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	skew := d.Now().Sub(at)
	if skew.Abs() > maxSkew {
		d.add(Finding{Check: "clock", Level: Problem, Message: fmt.Sprintf("this machine and %s differ by %s; logins, client assertions and ID tokens live minutes", whose, skew.Abs().Round(time.Second)), Fix: "find out which clock is wrong (timedatectl), and let NTP set it"})
		return
	}
	d.good("clock", "", "%s and this machine agree within %s", whose, maxSkew)
}

// deployments looks at operator and brokers, and reads their settings.
func (d *Doctor) deployments(ctx context.Context) {
	images := map[string]string{}
	for _, component := range []string{"manager", "broker"} {
		var list appsv1.DeploymentList
		err := d.Cluster.Objects.List(ctx, &list, client.InNamespace(d.Cluster.Namespace), kube.Labelled(component))
		if err != nil {
			d.add(Finding{Check: "deployment", Object: component, Level: Problem, Message: "cannot be listed: " + err.Error(), Fix: "kubectl -n " + d.Cluster.Namespace + " auth can-i list deployments"})
			continue
		}
		if len(list.Items) == 0 {
			d.missingDeployment(component)
			continue
		}
		for i := range list.Items {
			d.deployment(&list.Items[i], component)
			if c := kube.Container(&list.Items[i].Spec.Template.Spec, component); c != nil {
				images[component] = c.Image
			}
		}
	}
	if a, b := images["manager"], images["broker"]; a != "" && b != "" && a != b {
		d.add(Finding{Check: "version", Level: Problem, Message: "operator and brokers run different images: " + a + " and " + b, Fix: "kubectl -n " + d.Cluster.Namespace + " rollout status deployment; they belong to one release"})
	}
	d.BrokerClass = cmp.Or(d.BrokerClass, oauthv1alpha1.DefaultBrokerClass)
	d.install.keyRingSecret = cmp.Or(d.install.keyRingSecret, "oauth-broker-keyring")
}

func (d *Doctor) missingDeployment(component string) {
	f := Finding{Check: "deployment", Object: component, Level: Problem, Message: "namespace " + d.Cluster.Namespace + " has no Deployment of this component", Fix: "say the install's namespace with -n; or install: docs/guides/install.md"}
	if len(d.Admin) > 0 {
		f.Level, f.Message, f.Fix = Note, f.Message+"; the brokers of --broker-admin run elsewhere", ""
	}
	d.add(f)
}

func (d *Doctor) deployment(o *appsv1.Deployment, component string) {
	c := kube.Container(&o.Spec.Template.Spec, component)
	if c == nil {
		return
	}
	flag := func(name string) string {
		for _, arg := range c.Args {
			if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
				return value
			}
		}
		return ""
	}
	d.PublicURL = cmp.Or(d.PublicURL, flag("public-url"))
	d.PublishedNamespace = cmp.Or(d.PublishedNamespace, flag("published-namespace"))
	d.BrokerClass = cmp.Or(d.BrokerClass, flag("broker-class"))
	d.install.keyRingSecret = cmp.Or(d.install.keyRingSecret, flag("key-ring-secret"))
	for _, v := range o.Spec.Template.Spec.Volumes {
		if v.Name == "tls" && v.Secret != nil {
			d.install.tlsSecret = v.Secret.SecretName
		}
	}
	want := int32(1)
	if o.Spec.Replicas != nil {
		want = *o.Spec.Replicas
	}
	if o.Status.ReadyReplicas < want || o.Status.ObservedGeneration < o.Generation {
		d.add(Finding{
			Check: "deployment", Object: "deployment/" + o.Name, Level: Problem, Message: fmt.Sprintf("%d of %d pods are ready", o.Status.ReadyReplicas, want),
			Fix: fmt.Sprintf("kubectl -n %s get pods; kubectl -n %s describe deployment %s; kubectl -n %s logs deployment/%s", o.Namespace, o.Namespace, o.Name, o.Namespace, o.Name),
		})
		return
	}
	d.good("deployment", "deployment/"+o.Name, "%d of %d pods are ready", o.Status.ReadyReplicas, want)
}

// podReady tells whether a pod takes requests.
func podReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
