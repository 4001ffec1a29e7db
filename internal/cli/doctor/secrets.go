// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

const (
	// oldKey is when a sealing key should have been followed by another.
	oldKey = 90 * 24 * time.Hour
	// soon is when an expiry is worth a note.
	soon = 14 * 24 * time.Hour
)

// infrastructure looks at what operator and brokers need besides objects.
func (d *Doctor) infrastructure(ctx context.Context) {
	if s := d.secret(ctx, wanted{
		namespace: d.Cluster.Namespace, name: d.install.keyRingSecret, keys: []string{keyring.DataKey},
		fix: "the operator makes it; why it did not: kubectl -n " + d.Cluster.Namespace + " logs -l app.kubernetes.io/component=manager. If it was in use and is lost, restore it from the backup",
	}); s != nil {
		d.ring(s)
	}
	if d.install.tlsSecret != "" {
		if s := d.secret(ctx, wanted{
			namespace: d.Cluster.Namespace, name: d.install.tlsSecret, keys: []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey},
			fix: "kubectl -n " + d.Cluster.Namespace + " create secret tls " + d.install.tlsSecret + " --cert=tls.crt --key=tls.key",
		}); s != nil {
			d.certificate(s)
		}
	}
	d.index(ctx)
}

// wanted is a Secret that should be there.
type wanted struct {
	namespace, name string
	keys            []string
	fix             string
	// quiet leaves out the finding that all is well.
	quiet bool
}

// secret checks that a Secret is there and has its keys; nil where it is not so.
func (d *Doctor) secret(ctx context.Context, w wanted) *corev1.Secret {
	object := "secret " + w.namespace + "/" + w.name
	var s corev1.Secret
	err := d.Cluster.Objects.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: w.name}, &s)
	switch {
	case apierrors.IsNotFound(err):
		d.add(Finding{Check: "secret", Object: object, Level: Problem, Message: "does not exist", Fix: w.fix})
		return nil
	case apierrors.IsForbidden(err):
		d.add(Finding{Check: "secret", Object: object, Level: Note, Message: "you may not read it, so its keys are not checked", Fix: "kubectl -n " + w.namespace + " auth can-i get secret/" + w.name})
		return nil
	case err != nil:
		d.add(Finding{Check: "secret", Object: object, Level: Problem, Message: "cannot be read: " + err.Error()})
		return nil
	}
	var missing []string
	for _, key := range w.keys {
		if len(s.Data[key]) == 0 {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		d.add(Finding{Check: "secret", Object: object, Level: Problem, Message: "lacks the keys " + strings.Join(missing, ", "), Fix: w.fix})
		return nil
	}
	if !w.quiet {
		d.good("secret", object, "has %s", strings.Join(w.keys, ", "))
	}
	return &s
}

// ring looks at the ids and ages of the sealing keys.
func (d *Doctor) ring(s *corev1.Secret) {
	object := "secret " + s.Namespace + "/" + s.Name
	ring, err := keyring.ParseOutline(s.Data[keyring.DataKey]) // a wrapped ring, too, tells ids and times
	if err != nil {
		d.add(Finding{Check: "key-ring", Object: object, Level: Problem, Message: "cannot be read: " + err.Error(), Fix: "undo the last edit of that Secret, or restore it from the backup; restart no broker before that"})
		return
	}
	d.install.ring = ring
	for _, list := range []struct {
		name string
		keys []keyring.Key
	}{{"flow", ring.Flow}, {"grant", ring.Grant}} {
		var newest time.Time
		for _, k := range list.keys {
			if k.SealFrom.After(newest) {
				newest = k.SealFrom
			}
		}
		days := int(d.Now().Sub(newest).Hours() / 24)
		if d.Now().Sub(newest) > oldKey {
			d.add(Finding{Check: "key-ring", Object: object, Level: Note, Message: fmt.Sprintf("the newest %s key is %d days old", list.name, days), Fix: "broker keys rotate --secret " + s.Namespace + "/" + s.Name + " (the old keys go on opening)"})
			continue
		}
		d.good("key-ring", object, "%s: %d keys, the newest is %d days old", list.name, len(list.keys), max(days, 0))
	}
}

// certificate looks at the broker's own certificate.
func (d *Doctor) certificate(s *corev1.Secret) {
	object := "secret " + s.Namespace + "/" + s.Name
	block, _ := pem.Decode(s.Data[corev1.TLSCertKey])
	if block == nil {
		d.add(Finding{Check: "certificate", Object: object, Level: Problem, Message: "tls.crt is no PEM certificate"})
		return
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		d.add(Finding{Check: "certificate", Object: object, Level: Problem, Message: "tls.crt cannot be parsed"})
		return
	}
	if host := hostOf(d.PublicURL); host != "" && cert.VerifyHostname(host) != nil {
		d.add(Finding{Check: "certificate", Object: object, Level: Problem, Message: "the certificate is not for " + host + ", the host of the public URL", Fix: "issue one for that name"})
	}
	d.expiry(object, cert.NotAfter)
}

func (d *Doctor) expiry(object string, end time.Time) {
	left := end.Sub(d.Now())
	date := end.UTC().Format(time.DateOnly)
	switch {
	case left <= 0:
		d.add(Finding{Check: "certificate", Object: object, Level: Problem, Message: "has expired on " + date, Fix: "renew it; brokers serve the new one without a restart"})
	case left < soon:
		d.add(Finding{Check: "certificate", Object: object, Level: Note, Message: "expires on " + date, Fix: "renew it; brokers serve the new one without a restart"})
	default:
		d.good("certificate", object, "is good until %s", date)
	}
}

// index reads which sequence the operator has published.
func (d *Doctor) index(ctx context.Context) {
	if d.PublishedNamespace == "" {
		return
	}
	s := d.secret(ctx, wanted{
		namespace: d.PublishedNamespace, name: runtimeconfig.IndexName, keys: []string{runtimeconfig.IndexDataKey},
		fix: "the operator publishes it; why it did not: kubectl -n " + d.Cluster.Namespace + " logs -l app.kubernetes.io/component=manager",
	})
	if s == nil {
		return
	}
	if index, err := runtimeconfig.DecodeIndex(s.Data[runtimeconfig.IndexDataKey]); err == nil {
		d.install.sequence = index.Sequence
	}
}

// secretKeys are the keys that a vendor's credential has.
func secretKeys(v *oauthv1alpha1.OAuthVendor) []string {
	if v != nil && v.Spec.ClientAuthentication != nil {
		switch v.Spec.ClientAuthentication.Method {
		case oauthv1alpha1.AuthNone:
			return []string{oauthv1alpha1.SecretKeyClientID}
		case oauthv1alpha1.AuthPrivateKeyJWT:
			return []string{oauthv1alpha1.SecretKeyClientID, oauthv1alpha1.SecretKeyPrivateKey}
		case oauthv1alpha1.AuthClientSecretBasic, oauthv1alpha1.AuthClientSecretPost:
		}
	}
	return []string{oauthv1alpha1.SecretKeyClientID, oauthv1alpha1.SecretKeyClientSecret}
}

// createSecret is the command that makes a Secret with keys, or adds them.
func createSecret(namespace, name string, keys []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kubectl -n %s create secret generic %s", namespace, name)
	for _, key := range keys {
		if key == oauthv1alpha1.SecretKeyClientID {
			fmt.Fprintf(&b, " --from-literal=%s=...", key)
		} else {
			fmt.Fprintf(&b, " --from-file=%s=FILE", key)
		}
	}
	b.WriteString(" --dry-run=client -o yaml | kubectl apply -f -")
	return b.String()
}
