// SPDX-License-Identifier: Apache-2.0

package runtimeconfig_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// TestDump_noSecret plants a marker in every place that holds a secret.
func TestDump_noSecret(t *testing.T) {
	const marker = "CANARY"
	d := document()
	d.Vendors[0].Registration.InitialAccessToken = secret.New(marker + "-token")
	d.Credentials[0].ClientSecret, d.Credentials[0].PrivateKey = secret.New(marker+"-secret"), secret.New(marker+"-key")
	d.Clients[0].Auth, d.Clients[0].SecretSHA256 = runtimeconfig.ClientSecret, []string{marker + "-sum", marker + "-previous"}
	s, err := runtimeconfig.NewSnapshot(d, "r", 7, options())
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(s.Dump())
	if err != nil {
		t.Fatal(err)
	}
	dump := string(b)
	if strings.Contains(dump, marker) {
		t.Errorf("the dump holds a secret:\n%s", dump)
	}
	for _, want := range []string{
		`"sequence":7`, d.Vendors[0].Name, d.Credentials[0].ClientID, d.Clients[0].ID,
		`"initialAccessToken":"[redacted]"`, `"clientSecret":"[redacted]"`, `"privateKey":"[redacted]"`, `"secretSHA256":["[redacted]","[redacted]"]`,
	} {
		if !strings.Contains(dump, want) {
			t.Errorf("the dump lacks %s:\n%s", want, dump)
		}
	}
	if d.Clients[0].SecretSHA256[0] != marker+"-sum" {
		t.Error("the dump changed the snapshot")
	}
}
