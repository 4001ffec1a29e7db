// SPDX-License-Identifier: Apache-2.0

package filesource_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/capture"
)

// exportedYAML is what kubectl get -o yaml gives: an edit by hand changes none
// of what an API server would change with it.
const exportedYAML = `apiVersion: oauthbroker.dev/v1alpha1
kind: OAuthVendor
metadata: {name: acme, uid: from-a-cluster-1, generation: 3, resourceVersion: "71", creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  endpoints: {authorization: "https://acme.example/OLD", token: "https://acme.example/t"}
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BYOCCredential
metadata: {namespace: team-a, name: acme, uid: from-a-cluster-2, generation: 1, resourceVersion: "72", creationTimestamp: "2026-01-01T00:00:00Z"}
spec: {vendor: acme, secretRef: {name: old}}
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {namespace: team-a, name: app, uid: from-a-cluster-3, generation: 2, resourceVersion: "73", creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  redirectURIs: ["https://OLD.example/cb"]
  authentication: {method: None}
  vendors: [{name: acme}]
---
apiVersion: v1
kind: Secret
metadata: {namespace: team-a, name: old, uid: from-a-cluster-4, resourceVersion: "74"}
stringData: {clientID: old-app, clientSecret: CANARY-old}
---
apiVersion: v1
kind: Secret
metadata: {namespace: team-a, name: new, uid: from-a-cluster-4, resourceVersion: "74"}
stringData: {clientID: new-app, clientSecret: CANARY-new}
`

// TestSource_exportedManifestsCanBeEdited: metadata that a cluster wrote says
// nothing of a file.
func TestSource_exportedManifestsCanBeEdited(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "all.yaml", exportedYAML)
	var log capture.Buffer
	s, _ := load(t, dir, &log, "old-app")
	edited := strings.NewReplacer("OLD", "new", "secretRef: {name: old}", "secretRef: {name: new}").Replace(exportedYAML)
	write(t, dir, "all.yaml", edited)
	second, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := chosen(second); got != "new-app" {
		t.Errorf("after the edit: chose %s", got)
	}
	v, _ := second.Vendor("acme")
	if got := v.Target.Endpoints.Authorization; got != "https://acme.example/new" {
		t.Errorf("after the edit: the authorization endpoint is %s", got)
	}
	c, _ := second.Client("team-a.app")
	if got := c.RedirectURIs[0]; got != "https://new.example/cb" {
		t.Errorf("after the edit: the redirect URI is %s", got)
	}
	// The same files without that metadata, as another broker may have them.
	bare := regexp.MustCompile(`, (uid|generation|resourceVersion|creationTimestamp): [^,}]+`).ReplaceAllString(edited, "")
	write(t, dir, "all.yaml", bare)
	third, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if third.Revision != second.Revision {
		t.Error("the revision depends on metadata that a cluster wrote")
	}
}
