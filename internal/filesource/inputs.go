// SPDX-License-Identifier: Apache-2.0

package filesource

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/manifest"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// inputs gives manifests what an API server would give them: UIDs, the
// namespaces that they live in, and versions of Secrets. What a cluster wrote
// into an exported manifest is dropped: no edit of the file would change it.
func inputs(set manifest.Set, settings translate.Settings) (translate.Inputs, error) {
	in := translate.Inputs{
		Settings: settings, Vendors: set.Vendors, Credentials: set.Credentials, Clients: set.Clients,
		Namespaces: map[string]map[string]string{},
		Secrets:    make(map[types.NamespacedName]translate.Secret, len(set.Secrets)),
	}
	use := func(kind string, o metav1.Object) {
		o.SetUID(uidOf(kind, o))
		o.SetGeneration(0)
		o.SetResourceVersion("")
		o.SetCreationTimestamp(metav1.Time{})
		if n := o.GetNamespace(); n != "" && in.Namespaces[n] == nil {
			in.Namespaces[n] = map[string]string{corev1.LabelMetadataName: n}
		}
	}
	for _, v := range set.Vendors {
		use("OAuthVendor", v)
	}
	for _, c := range set.Credentials {
		use("BYOCCredential", c)
	}
	for _, c := range set.Clients {
		use("BrokerClient", c)
	}
	for _, n := range set.Namespaces {
		labels := map[string]string{}
		maps.Copy(labels, n.Labels)
		labels[corev1.LabelMetadataName] = n.Name
		in.Namespaces[n.Name] = labels
	}
	for _, s := range set.Secrets {
		name := types.NamespacedName{Namespace: s.Namespace, Name: s.Name}
		if name.Namespace == "" {
			name.Namespace = settings.OperatorNamespace
		}
		if _, twice := in.Secrets[name]; twice {
			return translate.Inputs{}, fmt.Errorf("the Secret %s is there twice, once without a namespace, which means %s", name, settings.OperatorNamespace)
		}
		in.Secrets[name] = secretOf(s)
	}
	return in, nil
}

// uidOf is the same in every broker that reads the same files: logins carry it
// from one to the other.
func uidOf(kind string, o metav1.Object) types.UID {
	sum := sha256.Sum256([]byte(kind + "/" + o.GetNamespace() + "/" + o.GetName()))
	return types.UID("file-" + hex.EncodeToString(sum[:12]))
}

// secretOf takes the sum of the content as the version. It stays in memory.
func secretOf(s *corev1.Secret) translate.Secret {
	h := sha256.New()
	data := make(map[string]secret.Text, len(s.Data))
	for _, k := range slices.Sorted(maps.Keys(s.Data)) {
		data[k] = secret.New(string(s.Data[k]))
		for _, b := range [][]byte{[]byte(k), s.Data[k]} {
			_ = binary.Write(h, binary.BigEndian, uint64(len(b)))
			_, _ = h.Write(b)
		}
	}
	return translate.Secret{UID: "file", ResourceVersion: hex.EncodeToString(h.Sum(nil)), Data: data}
}
