// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	structuraldefaulting "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	structuralpruning "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	schemavalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	sigsjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

// Decoder reads manifests. It is safe for concurrent use.
type Decoder struct{ kinds map[string]*kind }

// kind validates one kind as the API server does.
type kind struct {
	namespaced bool
	structural *structuralschema.Structural
	schema     schemavalidation.SchemaValidator
	rules      *cel.Validator
}

// New makes a Decoder of the CustomResourceDefinitions in crds, for example
// config/crd.Bases.
func New(crds fs.FS) (*Decoder, error) {
	files, err := fs.Glob(crds, "bases/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing CustomResourceDefinitions: %w", err)
	}
	d := &Decoder{kinds: make(map[string]*kind, len(files))}
	for _, f := range files {
		b, err := fs.ReadFile(crds, f)
		if err != nil {
			return nil, fmt.Errorf("reading CustomResourceDefinitions: %w", err)
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(b, &crd); err != nil {
			return nil, fmt.Errorf("decoding %s: %w", f, err)
		}
		k, err := newKind(&crd)
		if err != nil {
			return nil, fmt.Errorf("compiling %s: %w", f, err)
		}
		d.kinds[crd.Spec.Names.Kind] = k
	}
	return d, nil
}

func newKind(crd *apiextensionsv1.CustomResourceDefinition) (*kind, error) {
	for _, v := range crd.Spec.Versions {
		if v.Name != oauthv1alpha1.Version || v.Schema == nil {
			continue
		}
		var props apiextensions.JSONSchemaProps
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema, &props, nil); err != nil {
			return nil, err
		}
		structural, err := structuralschema.NewStructural(&props)
		if err != nil {
			return nil, err
		}
		schema, _, err := schemavalidation.NewSchemaValidator(&props)
		if err != nil {
			return nil, err
		}
		return &kind{
			namespaced: crd.Spec.Scope == apiextensionsv1.NamespaceScoped,
			structural: structural, schema: schema,
			rules: cel.NewValidator(structural, true, celconfig.PerCallLimit),
		}, nil
	}
	return nil, fmt.Errorf("it has no version %s", oauthv1alpha1.Version)
}

// custom reads an object of one of our kinds.
func (d *Decoder) custom(ctx context.Context, s *Set, at string, u *unstructured.Unstructured) error {
	k := d.kinds[u.GetKind()]
	if k == nil || u.GroupVersionKind().Version != oauthv1alpha1.Version {
		return fmt.Errorf("no matches for kind %q in version %q", u.GetKind(), u.GetAPIVersion())
	}
	if err := k.admit(ctx, u); err != nil {
		return err
	}
	convert := runtime.DefaultUnstructuredConverter.FromUnstructured
	switch u.GetKind() {
	case "OAuthVendor":
		v := &oauthv1alpha1.OAuthVendor{}
		if err := convert(u.Object, v); err != nil {
			return fmt.Errorf("converting %s: %w", display(u), err)
		}
		s.Vendors = append(s.Vendors, v)
	case "BYOCCredential":
		c := &oauthv1alpha1.BYOCCredential{}
		if err := convert(u.Object, c); err != nil {
			return fmt.Errorf("converting %s: %w", display(u), err)
		}
		s.Credentials = append(s.Credentials, c)
	case "BrokerClient":
		c := &oauthv1alpha1.BrokerClient{}
		if err := convert(u.Object, c); err != nil {
			return fmt.Errorf("converting %s: %w", display(u), err)
		}
		s.Clients = append(s.Clients, c)
	}
	return s.once(at, u)
}

// admit does to u what the API server does to a create, in its order.
func (k *kind) admit(ctx context.Context, u *unstructured.Unstructured) error {
	meta, given, unknown, err := objectmeta.GetObjectMetaWithOptions(u.Object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return fmt.Errorf("%s: reading metadata: %w", display(u), err)
	}
	if !given {
		meta = &metav1.ObjectMeta{}
	}
	prune := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	unknown = append(unknown, structuralpruning.PruneWithOptions(u.Object, k.structural, true, prune)...)
	if len(unknown) > 0 {
		errs := make([]error, len(unknown))
		for i, path := range unknown {
			errs[i] = fmt.Errorf("unknown field %q", path)
		}
		return fmt.Errorf("%s: %w", display(u), runtime.NewStrictDecodingError(errs))
	}
	structuraldefaulting.PruneNonNullableNullsWithoutDefaults(u.Object, k.structural)
	structuraldefaulting.Default(u.Object, k.structural)
	delete(u.Object, "status") // a create never takes it
	errs := validation.ValidateObjectMeta(meta, k.namespaced, validation.NameIsDNSSubdomain, field.NewPath("metadata"))
	errs = append(errs, k.validate(ctx, u)...)
	if len(errs) > 0 {
		return apierrors.NewInvalid(u.GroupVersionKind().GroupKind(), u.GetName(), errs)
	}
	return nil
}

func (k *kind) validate(ctx context.Context, u *unstructured.Unstructured) field.ErrorList {
	errs := schemavalidation.ValidateCustomResource(nil, u.Object, k.schema)
	errs = append(errs, objectmeta.Validate(ctx, nil, u.Object, k.structural, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, k.structural, u.Object)...)
	if k.rules == nil {
		return errs
	}
	for _, e := range errs {
		switch e.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			// CEL rules may not run over such an object: they count on the schema.
			return append(errs, field.Invalid(nil, nil, "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"))
		default: // the others do not stop the rules
		}
	}
	broken, _ := k.rules.Validate(ctx, nil, k.structural, u.Object, nil, celconfig.RuntimeCELCostBudget)
	return append(errs, broken...)
}

// builtin strictly reads a Secret or Namespace.
func (d *Decoder) builtin(b []byte, u *unstructured.Unstructured, into metav1.Object, namespaced bool) error {
	strict, err := sigsjson.UnmarshalStrict(b, into)
	if err != nil {
		// The cause could repeat a part of a value.
		return fmt.Errorf("%s: a field has the wrong type: data is base64 text, stringData plain text, labels and annotations are text", display(u))
	}
	if len(strict) > 0 {
		return fmt.Errorf("%s: %w", display(u), runtime.NewStrictDecodingError(strict))
	}
	name := validation.NameIsDNSSubdomain
	if !namespaced {
		name = validation.ValidateNamespaceName
	}
	if into.GetName() == "" {
		return errors.New("metadata.name is missing")
	}
	if problems := name(into.GetName(), false); len(problems) > 0 {
		return fmt.Errorf("%s: metadata.name: %s", display(u), problems[0])
	}
	return nil
}
