// SPDX-License-Identifier: Apache-2.0

// Package kube is how the command line reaches a cluster: by the kubeconfig that
// kubectl uses, as the user of it.
package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// Options choose a cluster and the install in it.
type Options struct {
	// Kubeconfig file and Context in it; empty are kubectl's defaults.
	Kubeconfig, Context string
	// Namespace of the install.
	Namespace string
}

// DefaultNamespace is where the guides install.
const DefaultNamespace = "oauth-broker-system"

// Timeout bounds one request to the API server.
const Timeout = 20 * time.Second

// Cluster is a connection.
type Cluster struct {
	Options

	// Objects reads and caches nothing.
	Objects client.Client
	// Core is for what objects do not have: logs, pods' ports.
	Core   kubernetes.Interface
	Config *rest.Config
}

// ErrNoKubeconfig says what to do where client-go names a variable that nobody uses.
var ErrNoKubeconfig = errors.New("there is no kubeconfig: say --kubeconfig FILE, or set KUBECONFIG")

// Connect makes the clients; it asks nothing yet.
func Connect(o Options) (*Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.Context})
	config, err := loader.ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, ErrNoKubeconfig
	case err != nil:
		return nil, fmt.Errorf("reading the kubeconfig: %w. Say --kubeconfig FILE, or set KUBECONFIG", err)
	}
	config.QPS, config.Burst = 50, 100
	config.UserAgent = "oauth-broker"
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), oauthv1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("making the scheme: %w", err)
	}
	c := &Cluster{Options: o, Config: config}
	if c.Objects, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, fmt.Errorf("reaching the API server: %w", err)
	}
	if c.Core, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("reaching the API server: %w", err)
	}
	return c, nil
}

// Pods of a component (broker, manager) of the install.
func (c *Cluster) Pods(ctx context.Context, component string) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := c.Objects.List(ctx, &list, client.InNamespace(c.Namespace), Labelled(component)); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return Container(&p.Spec, component) == nil }), nil
}

// Labelled selects what belongs to a component. The product's name is not asked
// for: the chart lets it be changed.
func Labelled(component string) client.MatchingLabels {
	return client.MatchingLabels{"app.kubernetes.io/component": component}
}

// Container finds a container by its name; nil where there is none.
func Container(spec *corev1.PodSpec, name string) *corev1.Container {
	for i := range spec.Containers {
		if spec.Containers[i].Name == name {
			return &spec.Containers[i]
		}
	}
	return nil
}

// PodLog names a log.
type PodLog struct {
	Pod, Container string
	// Since is how far to look back.
	Since time.Duration
	// Previous is the log of the container before its last restart.
	Previous bool
}

// Log opens the log of a pod's container.
func (c *Cluster) Log(ctx context.Context, l PodLog) (io.ReadCloser, error) {
	seconds := int64(l.Since.Seconds())
	o := &corev1.PodLogOptions{Container: l.Container, SinceSeconds: &seconds, Previous: l.Previous}
	stream, err := c.Core.CoreV1().Pods(c.Namespace).GetLogs(l.Pod, o).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the log of pod %s: %w", l.Pod, err)
	}
	return stream, nil
}

// Vendors of a broker class, sorted by name as the API server does.
func (c *Cluster) Vendors(ctx context.Context, class string) ([]oauthv1alpha1.OAuthVendor, error) {
	var list oauthv1alpha1.OAuthVendorList
	if err := c.Objects.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing OAuthVendors: %w", err)
	}
	var out []oauthv1alpha1.OAuthVendor
	for _, v := range list.Items {
		if class == "" || translate.SameClass(v.Spec.BrokerClass, class) {
			out = append(out, v)
		}
	}
	return out, nil
}

// FindCondition finds a condition by its type.
func FindCondition(conditions []metav1.Condition, kind string) *metav1.Condition {
	for i := range conditions {
		if conditions[i].Type == kind {
			return &conditions[i]
		}
	}
	return nil
}
