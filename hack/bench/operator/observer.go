// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// observer watches status and the published Secrets, as a user's tools do.
type observer struct {
	changed chan struct{}

	mu      sync.Mutex
	objects map[string]client.Object
	ready   map[string]bool
	// publications counts versions of the index.
	publications int
	written      publication
}

// publication counts what was written to the published namespace.
type publication struct{ objects, bytes int }

func observe(ctx context.Context, config *rest.Config) (*observer, error) {
	o := &observer{changed: make(chan struct{}, 1), objects: map[string]client.Object{}, ready: map[string]bool{}}
	informers, err := cache.New(config, cache.Options{
		Scheme: controlplane.Scheme(), DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{&corev1.Secret{}: {Namespaces: map[string]cache.Config{published: {}}}},
	})
	if err != nil {
		return nil, fmt.Errorf("making informers: %w", err)
	}
	for _, kind := range []client.Object{&oauthv1alpha1.OAuthVendor{}, &oauthv1alpha1.BYOCCredential{}, &oauthv1alpha1.BrokerClient{}, &corev1.Secret{}} {
		informer, err := informers.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, fmt.Errorf("making an informer: %w", err)
		}
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    func(obj any) { o.see(obj) },
			UpdateFunc: func(_, obj any) { o.see(obj) },
		})
		if err != nil {
			return nil, fmt.Errorf("watching: %w", err)
		}
	}
	go func() { _ = informers.Start(ctx) }() // fails only when it is started twice
	if !informers.WaitForCacheSync(ctx) {
		return nil, errors.New("the watches did not start")
	}
	return o, nil
}

func key(o client.Object) string { return fmt.Sprintf("%T %s/%s", o, o.GetNamespace(), o.GetName()) }

func (o *observer) see(obj any) {
	object, ok := obj.(client.Object)
	if !ok {
		return
	}
	o.mu.Lock()
	if s, ok := object.(*corev1.Secret); ok {
		o.written.objects++
		for _, v := range s.Data {
			o.written.bytes += len(v)
		}
		if strings.Contains(s.Name, "index") {
			o.publications++
		}
	} else {
		o.objects[key(object)] = object
		if programmed(object) {
			o.ready[key(object)] = true
		} else {
			delete(o.ready, key(object))
		}
	}
	o.mu.Unlock()
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// programmed tells whether status says that the brokers serve the object as it is.
func programmed(o client.Object) bool {
	c := controlplane.Condition(o, oauthv1alpha1.ConditionProgrammed)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == o.GetGeneration()
}

// wait waits until check is true of an object. The object that it is called
// with may be nil.
func (o *observer) wait(ctx context.Context, what string, check func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for {
		o.mu.Lock()
		done := check()
		o.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-o.changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
}

// settle waits until the watches have shown nothing for a time: what followed the
// last change has ended.
func (o *observer) settle(ctx context.Context, calm time.Duration) error {
	for {
		select {
		case <-o.changed:
		case <-time.After(calm):
			return nil
		case <-ctx.Done():
			return fmt.Errorf("waiting until all is calm: %w", ctx.Err())
		}
	}
}

func (o *observer) count() (ready, publications int, written publication) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.ready), o.publications, o.written
}

// write is a line of the API server's own count of requests.
var writeLine = regexp.MustCompile(`^apiserver_request_total\{(.*)\} (\S+)$`)

// writes is how many writes the API server counted, by verb and resource. The
// leader lease and events are left out, and so is what others write.
func (b *bench) writes(ctx context.Context) (map[string]int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(b.plane.Config.Host, "/")+"/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("asking for metrics: %w", err)
	}
	response, err := b.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking for metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking for metrics: %s", response.Status)
	}
	total := map[string]int{}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m := writeLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		labels := map[string]string{}
		for pair := range strings.SplitSeq(m[1], ",") {
			name, value, _ := strings.Cut(pair, "=")
			labels[name] = strings.Trim(value, `"`)
		}
		ours := labels["resource"] == "secrets" || labels["resource"] == "events" || labels["group"] == oauthv1alpha1.GroupVersion().Group
		switch labels["verb"] {
		case "POST", "PUT", "PATCH", "APPLY", "DELETE":
			n, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				return nil, fmt.Errorf("reading metrics: %w", err)
			}
			if ours {
				total[labels["verb"]+" "+strings.Trim(labels["resource"]+"/"+labels["subresource"], "/")] += int(n)
			}
		}
	}
	return total, lines.Err()
}
