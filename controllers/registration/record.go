// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// SecretType is the type of the Secret of a registration.
const SecretType corev1.SecretType = "oauthbroker.dev/registration"

// errDamaged is a Secret that holds no registration that can be read.
var errDamaged = errors.New("the Secret of the registration is damaged")

// record is what the Secret of a registration holds.
type record struct {
	App
	// Digest of what was asked for.
	Digest string
	// Registered is when the app was made or last changed, SecretSince when its
	// secret came.
	Registered, SecretSince time.Time
	// Unrenewable is true where an update did not give the secret more time.
	Unrenewable bool
	// Previous are apps that this one replaced and that are still to be deleted.
	Previous []replaced
	// Retain is true where the app stays at the vendor when the object goes.
	Retain bool
	// Removing is when deleting the app began; zero before.
	Removing time.Time

	// version of the Secret that it was read from, or written as.
	version string
	// stray is since when the Secret has had no object, as its annotation has it.
	stray string
}

func retains(c *oauthv1alpha1.BYOCCredential) bool {
	return c.Spec.DynamicRegistration != nil && c.Spec.DynamicRegistration.DeletionPolicy == "Retain"
}

// replaced is an app that another took the place of.
type replaced struct {
	App
	Since time.Time
}

// The form in the Secret.
type (
	storedApp struct {
		Vendor        string                  `json:"vendor"`
		SoftwareID    string                  `json:"softwareID"`
		ClientID      string                  `json:"clientID"`
		SecretExpires time.Time               `json:"secretExpires,omitzero"`
		Endpoint      string                  `json:"endpoint"`
		ManagementURL string                  `json:"managementURL,omitempty"`
		AccessToken   string                  `json:"accessToken,omitempty"`
		Transport     runtimeconfig.Transport `json:"transport"`
		Since         time.Time               `json:"since,omitzero"`
	}
	storedRecord struct {
		storedApp
		Digest      string      `json:"digest"`
		Registered  time.Time   `json:"registered"`
		SecretSince time.Time   `json:"secretSince"`
		Unrenewable bool        `json:"unrenewable,omitempty"`
		Previous    []storedApp `json:"previous,omitempty"`
		Retain      bool        `json:"retain,omitempty"`
		Removing    time.Time   `json:"removing,omitzero"`
	}
)

func storeApp(a App, since time.Time) storedApp {
	return storedApp{
		Vendor: a.Vendor, SoftwareID: a.SoftwareID, ClientID: a.ClientID, SecretExpires: a.SecretExpires, Endpoint: a.Endpoint,
		ManagementURL: a.ManagementURL, AccessToken: a.AccessToken.Reveal(), Transport: a.Transport, Since: since,
	}
}

func (s storedApp) app() App {
	return App{
		Vendor: s.Vendor, SoftwareID: s.SoftwareID, ClientID: s.ClientID, SecretExpires: s.SecretExpires, Endpoint: s.Endpoint,
		ManagementURL: s.ManagementURL, AccessToken: secret.New(s.AccessToken), Transport: s.Transport,
	}
}

// digest is over what the vendor is asked to register. A new initial access token
// or timeout is no reason to register anew.
func digest(p *translate.Registration) string {
	asked := []any{p.Endpoint, p.RedirectURI, p.ClientName, p.AuthMethod, p.GrantTypes, p.Scopes, p.Policy.Metadata}
	if p.Algorithm != "" { // else it is as it was before there were keys
		asked = append(asked, p.Algorithm, p.KeyID)
	}
	b, err := json.Marshal(asked)
	if err != nil {
		return "" // strings and lists of them always marshal
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

func (r *Registrar) key(uid types.UID) types.NamespacedName {
	return types.NamespacedName{Namespace: r.Namespace, Name: oauthv1alpha1.RegistrationSecretName(string(uid))}
}

// load reads the record of a credential; nil where there is none.
func (r *Registrar) load(ctx context.Context, uid types.UID) (*record, error) {
	var object corev1.Secret
	err := r.Client.Get(ctx, r.key(uid), &object)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // no Secret is an answer, not a failure
	}
	if err != nil {
		return nil, fmt.Errorf("reading the registration: %w", err)
	}
	var s storedRecord
	if err := json.Unmarshal(object.Data[oauthv1alpha1.SecretKeyRegistration], &s); err != nil || s.SoftwareID == "" || s.ClientID == "" {
		return nil, errDamaged
	}
	out := &record{
		App: s.app(), Digest: s.Digest, Registered: s.Registered, SecretSince: s.SecretSince, Unrenewable: s.Unrenewable,
		Retain: s.Retain, Removing: s.Removing, version: object.ResourceVersion, stray: object.Annotations[strayAnnotation],
	}
	out.ClientSecret = secret.New(string(object.Data[oauthv1alpha1.SecretKeyClientSecret]))
	out.PrivateKey = secret.New(string(object.Data[oauthv1alpha1.SecretKeyPrivateKey]))
	out.AuthMethod = string(object.Data[oauthv1alpha1.SecretKeyTokenEndpointAuthMethod])
	for _, p := range s.Previous {
		out.Previous = append(out.Previous, replaced{App: p.app(), Since: p.Since})
	}
	return out, nil
}

// save writes the record, under the version that was read. It has no owner: an
// owner in another namespace is none, and the garbage collector would delete it.
func (r *Registrar) save(ctx context.Context, c *oauthv1alpha1.BYOCCredential, rec *record) error {
	s := storedRecord{
		storedApp: storeApp(rec.App, time.Time{}), Digest: rec.Digest, Registered: rec.Registered, SecretSince: rec.SecretSince,
		Unrenewable: rec.Unrenewable, Retain: rec.Retain, Removing: rec.Removing,
	}
	for _, p := range rec.Previous {
		s.Previous = append(s.Previous, storeApp(p.App, p.Since))
	}
	content, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encoding the registration: %w", err)
	}
	key := r.key(c.UID)
	object := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name, ResourceVersion: rec.version,
			Labels:      map[string]string{oauthv1alpha1.RegistrationLabel: string(c.UID)},
			Annotations: map[string]string{credentialAnnotation: c.Namespace + "/" + c.Name, vendorAnnotation: rec.Vendor},
		},
		Type: SecretType,
		Data: map[string][]byte{
			oauthv1alpha1.SecretKeyClientID:                []byte(rec.ClientID),
			oauthv1alpha1.SecretKeyTokenEndpointAuthMethod: []byte(rec.AuthMethod),
			oauthv1alpha1.SecretKeyRegistration:            content,
		},
	}
	if rec.stray != "" {
		object.Annotations[strayAnnotation] = rec.stray
	}
	if !rec.ClientSecret.Empty() {
		object.Data[oauthv1alpha1.SecretKeyClientSecret] = []byte(rec.ClientSecret.Reveal())
	}
	if !rec.PrivateKey.Empty() {
		object.Data[oauthv1alpha1.SecretKeyPrivateKey] = []byte(rec.PrivateKey.Reveal())
	}
	if rec.version == "" {
		err = r.Client.Create(ctx, object)
	} else {
		err = r.Client.Update(ctx, object)
	}
	if err != nil {
		return fmt.Errorf("keeping the registration: %w", err)
	}
	rec.version = object.ResourceVersion
	return nil
}

// Annotations for people who look at the Secrets.
const (
	credentialAnnotation = "oauthbroker.dev/credential"
	vendorAnnotation     = "oauthbroker.dev/vendor"
)

// drop deletes the Secret of a registration.
func (r *Registrar) drop(ctx context.Context, uid types.UID) error {
	key := r.key(uid)
	object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	if err := r.Client.Delete(ctx, object); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the registration: %w", err)
	}
	return nil
}
