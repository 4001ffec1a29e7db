// SPDX-License-Identifier: Apache-2.0

package keyring_test

import (
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

func TestRing_roundTrip(t *testing.T) {
	r := keyring.New(time.Now())
	b, err := keyring.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := keyring.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if got.IDs()[0] != r.IDs()[0] || !got.Grant[0].Secret.Equal(r.Grant[0].Secret) || !got.Flow[0].SealFrom.Equal(r.Flow[0].SealFrom) {
		t.Error("the ring changed on its way")
	}
}

func TestParse_refuses(t *testing.T) {
	key := `"key":"` + strings.Repeat("A", 43) + `="`
	for name, in := range map[string]string{
		"not JSON":       `x`,
		"unknown member": `{"format":1,"extra":1}`,
		"trailing bytes": `{"format":1,"flow":[{"id":"a",` + key + `}],"grant":[{"id":"b",` + key + `}]} x`,
		"other format":   `{"format":2}`,
		"empty list":     `{"format":1,"flow":[],"grant":[]}`,
		"short key":      `{"format":1,"flow":[{"id":"a","key":"AAAA"}],"grant":[]}`,
		"bad id":         `{"format":1,"flow":[{"id":"A.b",` + key + `}],"grant":[]}`,
		"same id twice":  `{"format":1,"flow":[{"id":"a",` + key + `}],"grant":[{"id":"a",` + key + `}]}`,
	} {
		if _, err := keyring.Parse([]byte(in)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	b, _ := keyring.Encode(keyring.New(time.Unix(0, 0)))
	f.Add(b)
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := keyring.Parse(b)
		if err == nil && (len(r.Flow) == 0 || len(r.Grant) == 0) {
			t.Error("an empty ring was accepted")
		}
	})
}
