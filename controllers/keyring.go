// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/oauthbroker/oauth-broker/internal/faultpoint"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// Problems of the key ring, as reasons of events and labels of a metric.
const (
	// KeyRingMissing: the ring was in use and is gone.
	KeyRingMissing = "KeyRingMissing"
	// KeyRingInvalid: the Secret is there and holds no readable ring.
	KeyRingInvalid = "KeyRingInvalid"
	// KeyRingUnreadable: the operator may not read the Secret.
	KeyRingUnreadable = "KeyRingUnreadable"
	// KeyRingNotMade: the KMS did not wrap a new ring.
	KeyRingNotMade = "KeyRingNotMade"
)

// KeyRingType is the type of the Secret that the operator makes.
const KeyRingType corev1.SecretType = "oauthbroker.dev/keyring"

// +kubebuilder:rbac:groups="",resources=secrets,namespace=oauth-broker-system,verbs=get;list;watch;create

// KeyRing makes the brokers' key ring where there is none yet, and only then:
// no owner, no labels of an installer, never an update. It remembers ids only.
type KeyRing struct {
	Client    client.Client
	Secrets   *SecretStore
	Namespace string
	Name      string
	// Codec writes a new ring: wrapped, where a KMS is configured.
	Codec keyring.Codec
	// PublishedNamespace is where the index is, for the command in messages.
	PublishedNamespace string
	Events             events.EventRecorder
	Metrics            *Metrics
	Log                *slog.Logger
	Now                func() time.Time

	mu      sync.Mutex
	problem string
	// ids of the ring at seen.
	ids  []string
	seen version
}

// Ensure returns the ids of the ring, which the index records. inUse are those
// that it records now; where there are any and the ring is gone, no new one is
// made unless fresh.
func (k *KeyRing) Ensure(ctx context.Context, inUse []string, fresh bool) ([]string, error) {
	key := types.NamespacedName{Namespace: k.Namespace, Name: k.Name}
	k.Secrets.Track("keyring", map[types.NamespacedName]bool{key: true})
	if v, seen := k.Secrets.seen(key); seen == present && k.ids != nil && v == k.seen {
		return k.ids, nil
	}
	k.ids = nil
	var object corev1.Secret
	err := k.Client.Get(ctx, key, &object)
	switch {
	case apierrors.IsForbidden(err):
		k.report(ctx, KeyRingUnreadable, fmt.Sprintf("the operator may not read Secret %s: grant it get in its Role", key))
		return inUse, nil
	case apierrors.IsNotFound(err) && len(inUse) > 0 && !fresh:
		k.report(ctx, KeyRingMissing, fmt.Sprintf("Secret %s is gone and no new key ring is made, since that would end every session: "+
			"restore it from a backup, or start afresh with: %s", key, k.StartAfresh()))
		return inUse, nil
	case apierrors.IsNotFound(err):
		return k.create(ctx, key)
	case err != nil:
		return nil, fmt.Errorf("reading key ring: %w", err)
	}
	ring, err := k.Codec.Outline(object.Data[keyring.DataKey]) // needs no right to decrypt
	if err != nil {
		k.report(ctx, KeyRingInvalid, fmt.Sprintf("Secret %s, key %s: %v", key, keyring.DataKey, err))
		return inUse, nil
	}
	k.learn(ctx, key, &object, ring.IDs())
	return k.ids, nil
}

// StartAfresh is the command that allows a new ring.
func (k *KeyRing) StartAfresh() string {
	return fmt.Sprintf("kubectl -n %s annotate secret %s %s=yes", k.PublishedNamespace, runtimeconfig.IndexName, NewKeyRingAnnotation)
}

func (k *KeyRing) create(ctx context.Context, key types.NamespacedName) ([]string, error) {
	ring := keyring.New(k.Now())
	content, err := k.Codec.Encode(ctx, ring)
	if err != nil {
		k.report(ctx, KeyRingNotMade, err.Error())
		return nil, fmt.Errorf("encoding key ring: %w", err)
	}
	object := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		Type:       KeyRingType,
		Data:       map[string][]byte{keyring.DataKey: content},
	}
	if err := k.Client.Create(ctx, object); err != nil {
		return nil, fmt.Errorf("creating key ring: %w", err)
	}
	faultpoint.Hit("key-ring-made")
	k.Log.InfoContext(ctx, "made a key ring", "secret", key.String(), "keyIDs", ring.IDs())
	k.learn(ctx, key, object, ring.IDs())
	return k.ids, nil
}

func (k *KeyRing) learn(ctx context.Context, key types.NamespacedName, object *corev1.Secret, ids []string) {
	k.ids, k.seen = slices.Clone(ids), versionOf(object)
	k.Secrets.note(key, k.seen)
	k.report(ctx, "", "")
}

// report tells of a problem once, when it begins.
func (k *KeyRing) report(ctx context.Context, reason, note string) {
	k.mu.Lock()
	before := k.problem
	k.problem = reason
	k.mu.Unlock()
	if before == reason {
		return
	}
	k.Metrics.KeyRingProblem.Reset()
	if reason == "" {
		if before != "" {
			k.Log.InfoContext(ctx, "the key ring is well again", "was", before)
		}
		return
	}
	k.Metrics.KeyRingProblem.WithLabelValues(reason).Set(1)
	k.Log.ErrorContext(ctx, "key ring is not usable", "reason", reason, "note", note)
	on := &corev1.ObjectReference{APIVersion: "v1", Kind: "Secret", Namespace: k.Namespace, Name: k.Name}
	k.Events.Eventf(on, nil, corev1.EventTypeWarning, reason, "Read", "%s", note)
}

// Check is a readiness check: it fails with the problem of the ring.
func (k *KeyRing) Check(*http.Request) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.problem == "" {
		return nil
	}
	return fmt.Errorf("%s: see the operator's log for what to do", k.problem)
}
