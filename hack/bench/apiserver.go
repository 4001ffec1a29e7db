// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// apiServer answers what a broker asks of the Kubernetes API: the published
// index, a watch of it, and shards, in protobuf as a real one does.
//
// The shards are cut by the operator's own code. Editions are made ready before
// they are needed, so that publishing one while users log in costs this process
// next to nothing.
type apiServer struct {
	namespace string

	mu       sync.Mutex
	items    []runtimeconfig.Item // sorted by id
	last     controllers.Published
	clients  []runtimeconfig.Client
	ready    []edition
	objects  map[string][]byte // encoded Secrets by name
	list     []byte            // encoded list of the index alone
	watchers map[chan []byte]bool
}

// edition is one published document, as far as it is new.
type edition struct {
	objects map[string][]byte
	list    []byte
	// event tells watches of the new index.
	event []byte
}

func newAPIServer(namespace string, d runtimeconfig.Document) (*apiServer, error) {
	items, err := runtimeconfig.Encode(d)
	if err != nil {
		return nil, err
	}
	a := &apiServer{namespace: namespace, items: items, clients: d.Clients, objects: map[string][]byte{}, watchers: map[chan []byte]bool{}}
	nameKey := make([]byte, 32)
	_, _ = rand.Read(nameKey) // never fails
	a.last.Index = runtimeconfig.Index{Format: runtimeconfig.Format, NameKey: nameKey}
	if err := a.prepare(); err != nil {
		return nil, err
	}
	a.publish()
	return a, nil
}

// prepareEdits makes n editions that differ from one another in one client each.
func (a *apiServer) prepareEdits(n int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for range n {
		next := int(a.last.Index.Sequence)
		c := &a.clients[next%len(a.clients)]
		c.DisplayName = "Edited " + strconv.Itoa(next)
		item, err := runtimeconfig.EncodeClient(c)
		if err != nil {
			return err
		}
		at, found := slices.BinarySearchFunc(a.items, item.ID, func(i runtimeconfig.Item, id string) int { return strings.Compare(i.ID, id) })
		if !found {
			return fmt.Errorf("%s is not published", item.ID)
		}
		a.items[at] = item
		if err := a.prepare(); err != nil {
			return err
		}
	}
	return nil
}

func (a *apiServer) prepare() error {
	plan, err := controllers.MakePlan(a.last, controllers.Change{Items: a.items})
	if err != nil {
		return err
	}
	e, version := edition{objects: map[string][]byte{}}, strconv.FormatInt(plan.Next.Index.Sequence, 10)
	for _, shard := range plan.Create {
		if e.objects[shard.Name], err = encode(a.secret(shard.Name, version, runtimeconfig.ShardDataKey, shard.Content)); err != nil {
			return err
		}
	}
	content, err := runtimeconfig.EncodeIndex(plan.Next.Index)
	if err != nil {
		return err
	}
	index := a.secret(runtimeconfig.IndexName, version, runtimeconfig.IndexDataKey, content)
	if e.objects[runtimeconfig.IndexName], err = encode(index); err != nil {
		return err
	}
	if e.event, err = modified(e.objects[runtimeconfig.IndexName]); err != nil {
		return err
	}
	e.list, err = encode(&corev1.SecretList{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}, ListMeta: metav1.ListMeta{ResourceVersion: version}, Items: []corev1.Secret{*index},
	})
	a.last, a.ready = plan.Next, append(a.ready, e)
	return err
}

func (a *apiServer) secret(name, version, key string, content []byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: name, UID: "d1b2c3d4-0000-4000-8000-000000000000", ResourceVersion: version},
		Data:       map[string][]byte{key: content},
	}
}

func encode(object runtime.Object) ([]byte, error) {
	var b bytes.Buffer
	if err := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(object, &b); err != nil {
		return nil, fmt.Errorf("encoding an answer: %w", err)
	}
	return b.Bytes(), nil
}

// modified is an event as watches have it: with its length before it.
func modified(object []byte) ([]byte, error) {
	var b bytes.Buffer
	event := &metav1.WatchEvent{Type: string(watch.Modified), Object: runtime.RawExtension{Raw: object}}
	if err := protobuf.NewRawSerializer(scheme.Scheme, scheme.Scheme).Encode(event, protobuf.LengthDelimitedFramer.NewFrameWriter(&b)); err != nil {
		return nil, fmt.Errorf("encoding an event: %w", err)
	}
	return b.Bytes(), nil
}

// publish makes the next edition current, where there is one.
func (a *apiServer) publish() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.ready) == 0 {
		return
	}
	e := a.ready[0]
	a.ready = a.ready[1:]
	maps.Copy(a.objects, e.objects)
	a.list = e.list
	for w := range a.watchers {
		w <- e.event
	}
}

// ServeHTTP implements http.Handler.
func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, "/api/v1/namespaces/"+a.namespace+"/secrets")
	switch {
	case !ok:
		http.NotFound(w, r)
	case name != "":
		a.get(w, strings.TrimPrefix(name, "/"))
	case r.URL.Query().Get("watch") != "":
		a.watch(w, r)
	default:
		a.mu.Lock()
		list := a.list
		a.mu.Unlock()
		answerObject(w, list)
	}
}

func answerObject(w http.ResponseWriter, object []byte) {
	w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
	_, _ = w.Write(object) // the broker asks again
}

func (a *apiServer) get(w http.ResponseWriter, name string) {
	a.mu.Lock()
	object, ok := a.objects[name]
	a.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answerObject(w, object)
}

func (a *apiServer) watch(w http.ResponseWriter, r *http.Request) {
	events := make(chan []byte, 1024)
	a.mu.Lock()
	a.watchers[events] = true
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.watchers, events)
		a.mu.Unlock()
	}()
	w.Header().Set("Content-Type", runtime.ContentTypeProtobuf+";stream=watch")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	for {
		if err := flush.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case e := <-events:
			if _, err := w.Write(e); err != nil {
				return
			}
		}
	}
}
