// SPDX-License-Identifier: Apache-2.0

package authority_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/authority"
)

func TestAuthority(t *testing.T) {
	a, other := newAuthority(t, "own.example", "127.0.0.1"), newAuthority(t)
	issued, err := a.Issue("issued.example", "127.0.0.2")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		by   *authority.Authority
		of   tls.Certificate
		host string
		want bool
	}{
		"its own":              {a, a.Certificate, "own.example", true},
		"its own, by address":  {a, a.Certificate, "127.0.0.1", true},
		"issued":               {a, issued, "issued.example", true},
		"issued, by address":   {a, issued, "127.0.0.2", true},
		"another host":         {a, issued, "own.example", false},
		"another authority":    {other, issued, "issued.example", false},
		"another one's as own": {other, a.Certificate, "own.example", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
				_, err := tt.of.Leaf.Verify(x509.VerifyOptions{DNSName: tt.host, Roots: tt.by.Pool(), KeyUsages: []x509.ExtKeyUsage{usage}})
				if (err == nil) != tt.want {
					t.Errorf("good is %t, want %t (%v)", err == nil, tt.want, err)
				}
			}
		})
	}
}

func TestWrite(t *testing.T) {
	a, dir := newAuthority(t, "localhost"), t.TempDir()
	if err := authority.Write(dir, a.Certificate); err != nil {
		t.Fatal(err)
	}
	certFile := filepath.Join(dir, "tls.crt")
	read, err := tls.LoadX509KeyPair(certFile, filepath.Join(dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	if !read.Leaf.Equal(a.Certificate.Leaf) {
		t.Error("another certificate was read back")
	}
	if content, err := os.ReadFile(certFile); err != nil || string(content) != string(a.PEM()) {
		t.Errorf("the CA's own PEM differs from the file (%v)", err)
	}
	if err := authority.Write(filepath.Join(dir, "missing"), a.Certificate); err == nil {
		t.Error("a certificate was written to a directory that is not there")
	}
}

func newAuthority(t *testing.T, hosts ...string) *authority.Authority {
	t.Helper()
	a, err := authority.New(hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
