// SPDX-License-Identifier: Apache-2.0

package fakekms

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// tunnel is a proxy whose CONNECT leads to whoever accepts from it.
type tunnel struct{ net.Listener }

func newTunnel(t testing.TB) tunnel {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return tunnel{l}
}

// Accept implements net.Listener.
func (u tunnel) Accept() (net.Conn, error) {
	for {
		conn, err := u.Listener.Accept()
		if err != nil {
			return nil, err
		}
		r, err := http.ReadRequest(bufio.NewReaderSize(conn, 16)) // the client waits for our answer before it says more
		if err == nil && r.Method == http.MethodConnect {
			if _, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err == nil {
				return conn, nil
			}
		}
		_ = conn.Close()
	}
}

// newCertificate makes a certificate for hosts, and a file of roots that has it.
func newCertificate(t testing.TB, hosts ...string) (certificate tls.Certificate, roots string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	roots = filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
