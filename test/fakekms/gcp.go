// SPDX-License-Identifier: Apache-2.0

package fakekms

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

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
	certificate, roots := newCertificate(t, gcpHost)
	private, err := rsa.GenerateKey(rand.Reader, 2048) // the service account's
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
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
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})), "token_uri": tokens.URL,
	})
	if err != nil {
		t.Fatal(err)
	}
	credential := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(credential, account, 0o600); err != nil {
		t.Fatal(err)
	}
	proxy := newTunnel(t)
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
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
	switch {
	case g.kms.isAway(operation):
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
	return &kmspb.EncryptResponse{Ciphertext: g.kms.aead.Seal(nil, nil, r.GetPlaintext(), nil)}, nil
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
