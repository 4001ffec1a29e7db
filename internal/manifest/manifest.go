// SPDX-License-Identifier: Apache-2.0

// Package manifest reads the manifests that kubectl applies, without a
// cluster: the three kinds of this project, v1 Secrets and v1 Namespaces.
//
// It does to each document what the API server does to a create: strict
// decoding, pruning, defaulting, schema validation and CEL rules, with the
// API server's own code over the generated CustomResourceDefinitions. What
// kubectl apply refuses is refused here, in the same words.
package manifest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

// maxFileBytes bounds one file.
const maxFileBytes = 8 << 20

// Set is what manifests hold.
type Set struct {
	Vendors     []*oauthv1alpha1.OAuthVendor
	Credentials []*oauthv1alpha1.BYOCCredential
	Clients     []*oauthv1alpha1.BrokerClient
	// Secrets have stringData merged into data, as the API server does.
	Secrets    []*corev1.Secret
	Namespaces []*corev1.Namespace

	// origin of each object, to name both places of one that is there twice.
	origin map[string]string
}

// Decode reads the documents of one file into s. Its error names the file,
// the document, the object and the field of everything that is wrong, and
// holds no Secret value.
func (d *Decoder) Decode(ctx context.Context, s *Set, file string, content []byte) error {
	if len(content) > maxFileBytes {
		return fmt.Errorf("%s: larger than %d bytes", file, maxFileBytes)
	}
	var errs []error
	docs := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for n := 1; ; n++ {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return errors.Join(errs...)
		}
		at := fmt.Sprintf("%s: document %d", file, n)
		if err == nil {
			err = d.document(ctx, s, at, doc)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", at, err))
		}
	}
}

func (d *Decoder) document(ctx context.Context, s *Set, at string, doc []byte) error {
	// YAMLToJSONStrict refuses a key that is there twice.
	b, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return yamlProblem(err)
	}
	if string(b) == "null" {
		return nil
	}
	var content map[string]any
	if err := utiljson.Unmarshal(b, &content); err != nil {
		return errors.New("is not an object with apiVersion and kind")
	}
	u := &unstructured.Unstructured{Object: content}
	switch gvk := u.GroupVersionKind(); {
	case gvk.Kind == "List" && gvk.GroupVersion() == corev1.SchemeGroupVersion:
		return d.list(ctx, s, at, u)
	case gvk.Group == oauthv1alpha1.Group:
		return d.custom(ctx, s, at, u)
	case gvk == corev1.SchemeGroupVersion.WithKind("Secret"):
		secret := &corev1.Secret{}
		if err := d.builtin(b, u, secret, true); err != nil {
			return err
		}
		mergeStringData(secret)
		s.Secrets = append(s.Secrets, secret)
	case gvk == corev1.SchemeGroupVersion.WithKind("Namespace"):
		namespace := &corev1.Namespace{}
		if err := d.builtin(b, u, namespace, false); err != nil {
			return err
		}
		s.Namespaces = append(s.Namespaces, namespace)
	default:
		return fmt.Errorf("kind %q of apiVersion %q is not read here: OAuthVendor, BYOCCredential and BrokerClient of %s, Secret and Namespace of v1 are", gvk.Kind, u.GetAPIVersion(), oauthv1alpha1.GroupVersion())
	}
	return s.once(at, u)
}

// plainYAML are the YAML problems whose text holds no value of the document.
var plainYAML = regexp.MustCompile(`line \d+: (mapping values are not allowed in this context|did not find expected [a-z' -]+|could not find expected ['a-z:-]+|found character that cannot start any token|found unexpected end of stream|key "[A-Za-z0-9_./-]{1,128}" already set in map)`)

var yamlLine = regexp.MustCompile(`line \d+`)

// yamlProblem tells what is wrong without repeating text of the document,
// which may be a Secret.
func yamlProblem(err error) error {
	if m := plainYAML.FindString(err.Error()); m != "" {
		return errors.New("reading YAML: " + m)
	}
	if m := yamlLine.FindString(err.Error()); m != "" {
		return errors.New("reading YAML: wrong syntax at " + m)
	}
	return errors.New("reading YAML: wrong syntax")
}

// list reads the items of a v1 List, which kubectl get -o yaml writes.
func (d *Decoder) list(ctx context.Context, s *Set, at string, u *unstructured.Unstructured) error {
	items, _, err := unstructured.NestedSlice(u.Object, "items")
	if err != nil {
		return errors.New("items of the List is not a list of objects")
	}
	var errs []error
	for i, item := range items {
		b, err := utiljson.Marshal(item)
		if err == nil {
			err = d.document(ctx, s, fmt.Sprintf("%s: items[%d]", at, i), b)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("items[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// once refuses an object that is there twice.
func (s *Set) once(at string, u *unstructured.Unstructured) error {
	key := strings.Join([]string{u.GetKind(), u.GetNamespace(), u.GetName()}, "/")
	if first, twice := s.origin[key]; twice {
		return fmt.Errorf("%s is there twice: the first is in %s", display(u), first)
	}
	if s.origin == nil {
		s.origin = map[string]string{}
	}
	s.origin[key] = at
	return nil
}

func display(u *unstructured.Unstructured) string {
	if u.GetNamespace() == "" {
		return fmt.Sprintf("%s %q", u.GetKind(), u.GetName())
	}
	return fmt.Sprintf("%s %q", u.GetKind(), u.GetNamespace()+"/"+u.GetName())
}

func mergeStringData(s *corev1.Secret) {
	for k, v := range s.StringData {
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		s.Data[k] = []byte(v)
	}
	s.StringData = nil
}
