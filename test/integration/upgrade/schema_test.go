// SPDX-License-Identifier: Apache-2.0

package upgrade_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

type schema = apiextensionsv1.JSONSchemaProps

// TestSchema_onlyGrows compares today's CRDs with those of every release.
func TestSchema_onlyGrows(t *testing.T) {
	now := current(t)
	for _, release := range releases(t) {
		for name, old := range crds(t, filepath.Join("testdata", "crds-"+release)) {
			if now[name] == nil {
				t.Errorf("%s: %s is gone", release, name)
				continue
			}
			for _, problem := range compareCRDs(old, now[name]) {
				t.Errorf("%s: %s: %s", release, name, problem)
			}
		}
	}
}

func compareCRDs(old, now *apiextensionsv1.CustomResourceDefinition) []string {
	var problems []string
	if old.Spec.Scope != now.Spec.Scope || old.Spec.Names.Plural != now.Spec.Names.Plural || old.Spec.Names.Kind != now.Spec.Names.Kind {
		problems = append(problems, "scope, plural or kind changed")
	}
	for _, short := range old.Spec.Names.ShortNames {
		if !slices.Contains(now.Spec.Names.ShortNames, short) {
			problems = append(problems, "short name "+short+" is gone")
		}
	}
	for _, v := range old.Spec.Versions {
		i := slices.IndexFunc(now.Spec.Versions, func(n apiextensionsv1.CustomResourceDefinitionVersion) bool { return n.Name == v.Name })
		if i < 0 || !now.Spec.Versions[i].Served {
			problems = append(problems, "version "+v.Name+" is not served any more")
			continue
		}
		problems = append(problems, compare("", v.Schema.OpenAPIV3Schema, now.Spec.Versions[i].Schema.OpenAPIV3Schema)...)
	}
	return problems
}

// compare lists where now takes less than old, or means something else.
func compare(path string, old, now *schema) []string {
	var problems []string
	found := func(format string, args ...any) {
		problems = append(problems, path+": "+fmt.Sprintf(format, args...))
	}
	if old.Type != now.Type || old.Nullable && !now.Nullable || old.XIntOrString != now.XIntOrString {
		found("the type changed")
	}
	if now.Format != "" && old.Format != now.Format || now.Pattern != "" && old.Pattern != now.Pattern {
		found("format or pattern changed")
	}
	// What status says before the operator has looked is nobody's to rely on.
	if text(old.Default) != text(now.Default) && path != ".status" {
		found("the default changed from %q to %q", text(old.Default), text(now.Default))
	}
	if (old.XListType == nil) != (now.XListType == nil) || old.XListType != nil && *old.XListType != *now.XListType || !slices.Equal(old.XListMapKeys, now.XListMapKeys) {
		found("the list type changed")
	}
	for _, name := range now.Required {
		if !slices.Contains(old.Required, name) {
			found("%s became required", name)
		}
	}
	problems = append(problems, narrowed(path, old, now)...)
	for _, name := range slices.Sorted(maps.Keys(old.Properties)) {
		before := old.Properties[name]
		after, stays := now.Properties[name]
		if !stays {
			found("field %s is gone", name)
			continue
		}
		problems = append(problems, compare(path+"."+name, &before, &after)...)
	}
	return append(problems, compareInner(path, old, now)...)
}

func compareInner(path string, old, now *schema) []string {
	if old.Items != nil && old.Items.Schema != nil {
		if now.Items == nil || now.Items.Schema == nil {
			return []string{path + ": the items changed"}
		}
		return compare(path+"[]", old.Items.Schema, now.Items.Schema)
	}
	if old.AdditionalProperties != nil && old.AdditionalProperties.Schema != nil {
		if now.AdditionalProperties == nil || now.AdditionalProperties.Schema == nil {
			return []string{path + ": the values changed"}
		}
		return compare(path+"{}", old.AdditionalProperties.Schema, now.AdditionalProperties.Schema)
	}
	return nil
}

// narrowed lists limits, enums and rules that take less.
func narrowed(path string, old, now *schema) []string {
	var problems []string
	for name, limit := range map[string][2]*int64{
		"maxLength": {old.MaxLength, now.MaxLength}, "maxItems": {old.MaxItems, now.MaxItems}, "maxProperties": {old.MaxProperties, now.MaxProperties},
		"maximum": {whole(old.Maximum), whole(now.Maximum)},
	} {
		if b, a := limit[0], limit[1]; a != nil && (b == nil || *a < *b) {
			problems = append(problems, path+": "+name+" narrowed")
		}
	}
	for name, limit := range map[string][2]*int64{
		"minLength": {old.MinLength, now.MinLength}, "minItems": {old.MinItems, now.MinItems}, "minProperties": {old.MinProperties, now.MinProperties},
		"minimum": {whole(old.Minimum), whole(now.Minimum)},
	} {
		if b, a := limit[0], limit[1]; a != nil && (b == nil || *a > *b) {
			problems = append(problems, path+": "+name+" narrowed")
		}
	}
	if len(now.Enum) > 0 {
		var values []string
		for _, v := range now.Enum {
			values = append(values, string(v.Raw))
		}
		if len(old.Enum) == 0 {
			problems = append(problems, path+": an enum was added")
		}
		for _, v := range old.Enum {
			if !slices.Contains(values, string(v.Raw)) {
				problems = append(problems, path+": the value "+string(v.Raw)+" is gone")
			}
		}
	}
	for _, r := range now.XValidations {
		if !slices.ContainsFunc(old.XValidations, func(o apiextensionsv1.ValidationRule) bool { return o.Rule == r.Rule }) {
			problems = append(problems, path+": a rule was added: "+r.Rule)
		}
	}
	return problems
}

func whole(f *float64) *int64 {
	if f == nil {
		return nil
	}
	return new(int64(*f))
}

func text(j *apiextensionsv1.JSON) string {
	if j == nil {
		return ""
	}
	return string(j.Raw)
}

// TestCompare: each way to shrink is found, and growth is not.
func TestCompare(t *testing.T) {
	base := func() *schema {
		return &schema{Type: "object", Required: []string{"name"}, Properties: map[string]schema{
			"name":  {Type: "string", MaxLength: new(int64(10)), MinLength: new(int64(1)), Pattern: "^a"},
			"mode":  {Type: "string", Enum: []apiextensionsv1.JSON{{Raw: []byte(`"A"`)}, {Raw: []byte(`"B"`)}}, Default: &apiextensionsv1.JSON{Raw: []byte(`"A"`)}},
			"items": {Type: "array", MaxItems: new(int64(5)), XListType: new("set"), Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &schema{Type: "string"}}},
			"count": {Type: "integer", Maximum: new(9.0)},
		}}
	}
	field := func(name string, change func(*schema)) func(*schema) {
		return func(s *schema) { p := s.Properties[name]; change(&p); s.Properties[name] = p }
	}
	for name, c := range map[string]struct {
		change func(*schema)
		want   int
	}{
		"nothing":           {func(*schema) {}, 0},
		"field added":       {func(s *schema) { s.Properties["new"] = schema{Type: "string", MaxLength: new(int64(1))} }, 0},
		"limit widened":     {field("name", func(s *schema) { s.MaxLength = new(int64(20)) }), 0},
		"value added":       {field("mode", func(s *schema) { s.Enum = append(s.Enum, apiextensionsv1.JSON{Raw: []byte(`"C"`)}) }), 0},
		"not required":      {func(s *schema) { s.Required = nil }, 0},
		"field gone":        {func(s *schema) { delete(s.Properties, "count") }, 1},
		"type":              {field("count", func(s *schema) { s.Type = "string" }), 1},
		"required":          {func(s *schema) { s.Required = append(s.Required, "mode") }, 1},
		"maxLength":         {field("name", func(s *schema) { s.MaxLength = new(int64(9)) }), 1},
		"minLength":         {field("name", func(s *schema) { s.MinLength = new(int64(2)) }), 1},
		"maxItems":          {field("items", func(s *schema) { s.MaxItems = new(int64(4)) }), 1},
		"maximum":           {field("count", func(s *schema) { s.Maximum = new(8.0) }), 1},
		"pattern":           {field("name", func(s *schema) { s.Pattern = "^b" }), 1},
		"value gone":        {field("mode", func(s *schema) { s.Enum = s.Enum[:1] }), 1},
		"enum added":        {field("name", func(s *schema) { s.Enum = []apiextensionsv1.JSON{{Raw: []byte(`"a"`)}} }), 1},
		"default":           {field("mode", func(s *schema) { s.Default = nil }), 1},
		"list type":         {field("items", func(s *schema) { s.XListType = new("atomic") }), 1},
		"rule added":        {func(s *schema) { s.XValidations = []apiextensionsv1.ValidationRule{{Rule: "true"}} }, 1},
		"items' type":       {field("items", func(s *schema) { s.Items = &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &schema{Type: "integer"}} }), 1},
		"limit out of blue": {field("count", func(s *schema) { s.Minimum = new(0.0) }), 1},
	} {
		now := base()
		c.change(now)
		if got := compare("spec", base(), now); len(got) != c.want {
			t.Errorf("%s: got %q, want %d problems", name, got, c.want)
		}
	}
}
