// SPDX-License-Identifier: Apache-2.0

package fakekms

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

const gcpHost = "cloudkms.googleapis.com"

// GCPURL names the key in GCP KMS.
func (k *KMS) GCPURL() string { return "gcpkms://" + gcpName }

const gcpName = "projects/p/locations/eu/keyRings/r/cryptoKeys/" + Key

// GCPEnv is the environment of a program that uses GCP KMS. Its calls go through
// a proxy on the loopback, which is the KMS itself.
func (k *KMS) GCPEnv(t testing.TB) []string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: gcpHost}, DNSNames: []string{gcpHost}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"gcp-token-canary-0123456789","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(tokens.Close)
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "p", "private_key_id": "1", "client_email": "broker@p.iam.gserviceaccount.com", "client_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), "token_uri": tokens.URL,
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	roots, credential := filepath.Join(dir, "roots.pem"), filepath.Join(dir, "account.json")
	for path, content := range map[string][]byte{roots: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), credential: account} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	proxy := newTunnel(t)
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})))
	kmspb.RegisterKeyManagementServiceServer(server, &gcp{kms: k})
	go func() { _ = server.Serve(proxy) }()
	t.Cleanup(server.Stop)
	return []string{"HTTPS_PROXY=http://" + proxy.Addr().String(), "NO_PROXY=", "SSL_CERT_FILE=" + roots, "GOOGLE_APPLICATION_CREDENTIALS=" + credential}
}

// gcp is GCP KMS: encrypt and decrypt.
type gcp struct {
	kmspb.UnimplementedKeyManagementServiceServer
	kms *KMS
}

func (g *gcp) use(operation, name string) error {
	g.kms.mu.Lock()
	defer g.kms.mu.Unlock()
	g.kms.calls[operation]++
	switch {
	case g.kms.away:
		return status.Error(codes.Internal, "away")
	case name != gcpName:
		return status.Error(codes.PermissionDenied, "no such key")
	}
	return nil
}

// Encrypt implements kmspb.KeyManagementServiceServer.
func (g *gcp) Encrypt(_ context.Context, r *kmspb.EncryptRequest) (*kmspb.EncryptResponse, error) {
	if err := g.use("encrypt", r.GetName()); err != nil {
		return nil, err
	}
	return &kmspb.EncryptResponse{Ciphertext: g.kms.aead.Seal(nil, nil, r.GetPlaintext(), nil)}, nil //nolint:gosec // this cipher makes its nonce itself
}

// Decrypt implements kmspb.KeyManagementServiceServer.
func (g *gcp) Decrypt(_ context.Context, r *kmspb.DecryptRequest) (*kmspb.DecryptResponse, error) {
	if err := g.use("decrypt", r.GetName()); err != nil {
		return nil, err
	}
	plain, err := g.kms.aead.Open(nil, nil, r.GetCiphertext(), nil)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "not a ciphertext of this key")
	}
	return &kmspb.DecryptResponse{Plaintext: plain}, nil
}

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
		if err == nil && r.Method == http.MethodConnect && r.Host == gcpHost+":443" {
			if _, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err == nil {
				return conn, nil
			}
		}
		_ = conn.Close()
	}
}
