// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"

	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// TestDump_noSecret: the operator's dump says what it decided on every object,
// and nothing that a Secret holds.
func TestDump_noSecret(t *testing.T) {
	const marker = dumpMarker
	in := newInstall(t)
	in.startBroker()
	op := in.start()
	credential := in.credential("acme")
	in.create(in.vendor(), credential, in.secret("acme", marker))
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
	var dump string
	eventually(t, func() error {
		answer := httptest.NewRecorder()
		op.Dump.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", controllers.DumpPath, nil))
		dump = answer.Body.String()
		for _, want := range []string{in.tenant, in.vendorName(), `"sequence"`, `"presence": "present"`, `"Accepted"`} {
			if !strings.Contains(dump, want) {
				return errors.New("the dump lacks " + want + ":\n" + dump)
			}
		}
		return nil
	})
	index, _, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	ring := &corev1.Secret{}
	if err := plane.Client.Get(t.Context(), client.ObjectKey{Namespace: in.system, Name: "oauth-broker-keyring"}, ring); err != nil {
		t.Fatal(err)
	}
	for what, value := range map[string]string{
		"a client secret": marker, "the key of the shards' names": string(index.NameKey), "the key ring": string(ring.Data[keyring.DataKey]),
	} {
		if strings.Contains(dump, value) {
			t.Errorf("the dump holds %s", what)
		}
	}
	refused := httptest.NewRecorder()
	op.Dump.ServeHTTP(refused, httptest.NewRequestWithContext(t.Context(), "POST", controllers.DumpPath, nil))
	if refused.Code != 405 {
		t.Errorf("POST got status %d, want 405", refused.Code)
	}
}
