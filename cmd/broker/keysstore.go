// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// ringStore is where a ring is. It never makes one that is not there: a ring that
// vanished is restored from a backup, or every session ends.
type ringStore interface {
	read(ctx context.Context) ([]byte, error)
	// update replaces the ring by what edit makes of it; an error of edit changes
	// nothing. No update of another is lost.
	update(ctx context.Context, edit edit) error
}

type edit func(ctx context.Context, ring []byte) ([]byte, error)

// store finds the ring that the arguments or flags name.
func (k *keys) store(args []string) (ringStore, error) {
	if k.secret == "" {
		if k.kubeconfig != "" {
			return nil, errors.New("--kubeconfig goes with --secret")
		}
		return ringFile(args[0]), nil
	}
	namespace, name, ok := strings.Cut(k.secret, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return nil, errors.New("--secret must be NAMESPACE/NAME, for example oauth-broker-system/oauth-broker-keyring")
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = k.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, errors.New("there is no kubeconfig: say --kubeconfig FILE, or set KUBECONFIG")
	case err != nil:
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	client, err := typedcorev1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	return ringSecret{client.Secrets(namespace), k.secret, name}, nil
}

// ringFile is the path of a ring.
type ringFile string

func (f ringFile) read(context.Context) ([]byte, error) { return os.ReadFile(string(f)) }

// update writes a new file beside the ring and renames it. The new file is the
// lock, too.
func (f ringFile) update(ctx context.Context, edit edit) (err error) {
	path, err := filepath.EvalSymlinks(string(f))
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	lock := path + ".new"
	out, err := os.OpenFile(lock, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: another command changes the ring, or was killed while it did; in that case delete that file", lock)
	} else if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(lock)
		}
	}()
	b, err := os.ReadFile(path)
	if err == nil {
		b, err = edit(ctx, b)
	}
	if err == nil {
		_, err = out.Write(b)
	}
	if err == nil {
		err = errors.Join(sameOwner(out, info), out.Sync())
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(lock, path)
}

// writeNew never overwrites: a lost ring ends every session.
func writeNew(path string, b []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists and holds the keys of running sessions: it is not overwritten", path)
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(b)
	return err
}

// ringSecret is a ring in the cluster.
type ringSecret struct {
	secrets  typedcorev1.SecretInterface
	full     string
	resource string
}

func (s ringSecret) get(ctx context.Context) (*corev1.Secret, error) {
	object, err := s.secrets.Get(ctx, s.resource, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("there is no Secret %s, and none is made: if it was in use, restore it from a backup; the operator's log says how to start afresh", s.full)
	case err != nil:
		return nil, fmt.Errorf("reading Secret %s: %w", s.full, err)
	case len(object.Data[keyring.DataKey]) == 0:
		return nil, fmt.Errorf("the Secret %s has no key %s: it holds no key ring", s.full, keyring.DataKey)
	}
	return object, nil
}

func (s ringSecret) read(ctx context.Context) ([]byte, error) {
	object, err := s.get(ctx)
	if err != nil {
		return nil, err
	}
	return object.Data[keyring.DataKey], nil
}

// update writes under the resourceVersion and UID that were read.
func (s ringSecret) update(ctx context.Context, edit edit) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		object, err := s.get(ctx)
		if err != nil {
			return err
		}
		if object.Data[keyring.DataKey], err = edit(ctx, object.Data[keyring.DataKey]); err != nil {
			return err
		}
		_, err = s.secrets.Update(ctx, object, metav1.UpdateOptions{FieldManager: "broker-keys"})
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("the Secret %s vanished meanwhile, and none is made: restore it from a backup", s.full)
		}
		return err
	})
}
