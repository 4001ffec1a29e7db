// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/wire"
)

// TestOutbound_halfOpenConnection: a router between broker and vendor forgot the
// connection, which nobody tells the broker. Calls on it are lost; the next ones
// go over a new connection.
func TestOutbound_halfOpenConnection(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
			t.Parallel()
			v := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"access_token":"a-token","token_type":"Bearer"}`)
			}))
			v.EnableHTTP2 = http2
			v.StartTLS()
			t.Cleanup(v.Close)
			between := wire.New(t, v.Listener.Addr().String())
			h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 1}})
			d := h.Document()
			d.Vendors[0].Target.Endpoints.Token = "https://" + between.Addr() + "/token"
			d.Vendors[0].Transport.CABundle = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Certificate().Raw}))
			d.Vendors[0].Transport.TimeoutSeconds = 2
			h.Apply(d)
			wantTokens(t, "before", h.Login(harness.WebClient).Redeem())
			between.Deafen()
			start := time.Now()
			for h.Login(harness.WebClient).Redeem().Status != http.StatusOK {
				if time.Since(start) > patience {
					t.Fatalf("no login in %s", patience)
				}
			}
			t.Logf("the next login took %s", time.Since(start).Round(time.Millisecond))
		})
	}
}
