// SPDX-License-Identifier: Apache-2.0

package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/secret"
)

type outer struct {
	Public secret.Text
	hidden secret.Text
}

func TestText_neverPrints(t *testing.T) {
	const marker = "MARKER-do-not-print"
	o := outer{Public: secret.New(marker), hidden: secret.New(marker)}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%X", "%T"} {
		for _, v := range []any{o, &o, o.hidden, &o.hidden, []secret.Text{o.hidden}, map[string]secret.Text{"a": o.hidden}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "o", o, "t", o.hidden, "p", &o)
	}
	if err := json.NewEncoder(&out).Encode(o); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), marker) || strings.Contains(out.String(), fmt.Sprintf("%x", marker)) {
		t.Fatalf("the secret was printed:\n%s", out.String())
	}
}

func TestText_reveal(t *testing.T) {
	if got := secret.New("a").Reveal(); got != "a" {
		t.Errorf("Reveal() = %q", got)
	}
	if !(secret.Text{}).Empty() || !secret.New("").Empty() || secret.New("a").Empty() {
		t.Error("Empty is wrong")
	}
	if !secret.New("a").Equal(secret.New("a")) || secret.New("a").Equal(secret.New("b")) {
		t.Error("Equal is wrong")
	}
}
