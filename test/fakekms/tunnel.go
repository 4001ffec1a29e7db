// SPDX-License-Identifier: Apache-2.0

package fakekms

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/authority"
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
	ca, err := authority.New(hosts...)
	if err != nil {
		t.Fatal(err)
	}
	roots = filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return ca.Certificate, roots
}
