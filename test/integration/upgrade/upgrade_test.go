// SPDX-License-Identifier: Apache-2.0

package upgrade_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// patience is how long a new schema may take to be in force.
const patience = 60 * time.Second

// crds reads the CRDs of a directory, by name.
func crds(t *testing.T, dir string) map[string]*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "oauthbroker.dev_*.yaml"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%s has %d CRDs, want 3 (%v)", dir, len(files), err)
	}
	found := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(content, &crd); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		found[crd.Name] = &crd
	}
	return found
}

func current(t *testing.T) map[string]*apiextensionsv1.CustomResourceDefinition {
	return crds(t, filepath.Join(controlplane.Root(), "config", "crd", "bases"))
}

// releases are the names of the releases whose schemas are kept.
func releases(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join("testdata", "crds-*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no schemas of releases (%v)", err)
	}
	for i := range dirs {
		dirs[i] = strings.TrimPrefix(filepath.Base(dirs[i]), "crds-")
	}
	return dirs
}

// install puts CRDs in force: it waits until the API server serves their schema.
func install(t *testing.T, wanted map[string]*apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(plane.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	for name, crd := range wanted {
		var live apiextensionsv1.CustomResourceDefinition
		if err := c.Get(t.Context(), client.ObjectKey{Name: name}, &live); err != nil {
			t.Fatal(err)
		}
		live.Spec.Versions, live.Spec.Names = crd.Spec.Versions, crd.Spec.Names
		// A mark that reading objects back shows: the schema is in force.
		mark := fmt.Sprintf("mark-%d", time.Now().UnixNano())
		schema := live.Spec.Versions[0].Schema.OpenAPIV3Schema.DeepCopy()
		schema.Description = mark
		live.Spec.Versions = slices.Clone(live.Spec.Versions)
		live.Spec.Versions[0].Schema = &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: schema}
		if err := c.Update(t.Context(), &live); err != nil {
			t.Fatal(err)
		}
		waitFor(t, name, mark)
	}
}

// waitFor waits until the published OpenAPI document has the mark.
func waitFor(t *testing.T, name, mark string) {
	t.Helper()
	poll.Until(t, patience, func() error {
		content, err := openAPI(t)
		if err == nil && !strings.Contains(content, mark) {
			err = errors.New("it has no mark")
		}
		if err != nil {
			return fmt.Errorf("the schema of %s is not in force: %w", name, err)
		}
		return nil
	})
}

// objects reads the objects of a release.
func objects(t *testing.T, release string) []*unstructured.Unstructured {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "objects-"+release, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no objects of %s (%v)", release, err)
	}
	var found []*unstructured.Unstructured
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for part := range strings.SplitSeq(string(content), "\n---\n") {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(part), &o.Object); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			found = append(found, o)
		}
	}
	return found
}

// TestUpgrade: objects of a release are valid and unchanged under today's
// schemas, can be written back, and are then still what they were.
func TestUpgrade(t *testing.T) {
	for _, release := range releases(t) {
		t.Run(release, func(t *testing.T) {
			install(t, crds(t, filepath.Join("testdata", "crds-"+release)))
			made := objects(t, release)
			before := map[int]*unstructured.Unstructured{}
			for i, o := range made {
				if err := plane.Client.Create(t.Context(), o, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
					t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
				}
				before[i] = o.DeepCopy()
			}
			install(t, current(t))
			for _, i := range slices.Sorted(maps.Keys(before)) {
				checkUpgraded(t, before[i])
			}
			for _, o := range made {
				if err := plane.Client.Delete(t.Context(), o); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func checkUpgraded(t *testing.T, before *unstructured.Unstructured) {
	t.Helper()
	name := before.GetKind() + " " + before.GetName()
	now := before.DeepCopy()
	if err := plane.Client.Get(t.Context(), client.ObjectKeyFromObject(before), now); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if problem := changed(before.Object["spec"], now.Object["spec"]); problem != "" {
		t.Errorf("%s: spec changed: %s", name, problem)
	}
	now.SetLabels(map[string]string{"touched": "yes"})
	if err := plane.Client.Update(t.Context(), now, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
		t.Errorf("%s cannot be written back: %v", name, err)
		return
	}
	if problem := changed(before.Object["spec"], now.Object["spec"]); problem != "" {
		t.Errorf("%s: spec changed when it was written back: %s", name, problem)
	}
}

// changed tells what of before is otherwise now. That a field of a newer schema
// got its default is no change.
func changed(before, now any) string {
	b, isMap := before.(map[string]any)
	if !isMap {
		if !reflect.DeepEqual(before, now) {
			return fmt.Sprintf("%v became %v", before, now)
		}
		return ""
	}
	n, _ := now.(map[string]any)
	for _, field := range slices.Sorted(maps.Keys(b)) {
		if problem := changed(b[field], n[field]); problem != "" {
			return field + ": " + problem
		}
	}
	return ""
}

// openAPI is the API server's document of our group.
func openAPI(t *testing.T) (string, error) {
	t.Helper()
	hc, err := rest.HTTPClientFor(plane.Config)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(plane.Config.Host, "/")+"/openapi/v3/apis/oauthbroker.dev/v1alpha1", nil)
	if err != nil {
		return "", err
	}
	response, err := hc.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return string(content), err
}
