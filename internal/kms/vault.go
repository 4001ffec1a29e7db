// SPDX-License-Identifier: Apache-2.0

package kms

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/hashicorp/vault/api"
)

// vault is a key of the transit engine. It takes the URLs of gocloud.dev, and
// reads what its driver wrote; that driver knows no deadline, and panics where an
// answer has no data.
type vault struct {
	client      *api.Client
	engine, key string
}

// openVault reads the environment that Vault's own tools read, and the names of
// gocloud.dev.
func openVault(u *url.URL) (*vault, error) {
	address := cmp.Or(os.Getenv("VAULT_SERVER_URL"), os.Getenv("VAULT_ADDR"))
	if address == "" {
		return nil, errors.New("VAULT_ADDR is not set")
	}
	v := &vault{engine: "transit", key: path.Join(u.Host, u.Path)}
	for name, values := range u.Query() {
		if name != "engine" || values[0] == "" {
			return nil, fmt.Errorf("the URL's %q is unknown or empty: it takes engine=PATH", name)
		}
		v.engine = values[0]
	}
	config := &api.Config{Address: address} // the rest comes from VAULT_... variables
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	config.HttpClient.Transport = guarded{config.HttpClient.Transport}
	if token := os.Getenv("VAULT_SERVER_TOKEN"); token != "" {
		client.SetToken(token)
	}
	v.client = client
	return v, nil
}

// Encrypt implements keyring.Keeper.
func (v *vault) Encrypt(ctx context.Context, plain []byte) ([]byte, error) {
	cipher, err := v.ask(ctx, "encrypt", map[string]any{"plaintext": plain}, "ciphertext") // JSON has bytes in base64
	return []byte(cipher), err
}

// Decrypt implements keyring.Keeper.
func (v *vault) Decrypt(ctx context.Context, cipher []byte) ([]byte, error) {
	text, err := v.ask(ctx, "decrypt", map[string]any{"ciphertext": string(cipher)}, "plaintext")
	if err != nil {
		return nil, err
	}
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errNotVault
	}
	return plain, nil
}

// Close implements io.Closer.
func (v *vault) Close() error {
	v.client.CloneConfig().HttpClient.CloseIdleConnections()
	return nil
}

var errNotVault = errors.New("that was no answer of Vault's transit engine: see VAULT_ADDR")

// guarded follows no redirect, which Vault's client would do with the token, and
// reads no answer without end.
type guarded struct{ http.RoundTripper }

// maxAnswer is more than the transit engine ever has to say.
const maxAnswer = 64 << 10

// RoundTrip implements http.RoundTripper.
func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := g.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 300 && answer.StatusCode < 400 {
		_ = answer.Body.Close()
		return nil, fmt.Errorf("Vault answered %d, a redirect, which is not followed: let VAULT_ADDR name the active node, or a load balancer that does", answer.StatusCode) //nolint:staticcheck // a name
	}
	answer.Body = http.MaxBytesReader(nil, answer.Body, maxAnswer)
	return answer, nil
}

// CloseIdleConnections is for http.Client.
func (g guarded) CloseIdleConnections() {
	(&http.Client{Transport: g.RoundTripper}).CloseIdleConnections()
}

// ask wants one member of the answer.
func (v *vault) ask(ctx context.Context, operation string, in map[string]any, want string) (string, error) {
	answer, err := v.client.Logical().WriteWithContext(ctx, path.Join(v.engine, operation, v.key), in)
	if said := (&api.ResponseError{}); errors.As(err, &said) {
		return "", fmt.Errorf("Vault answered %d: %s", said.StatusCode, v.oneLine(said, in)) //nolint:staticcheck // a name
	}
	if long := (&http.MaxBytesError{}); errors.As(err, &long) {
		return "", fmt.Errorf("%w: it is longer than %d bytes", errNotVault, long.Limit)
	}
	if isJSON(err) {
		return "", errNotVault
	}
	if err != nil {
		return "", err
	}
	if answer != nil {
		if text, _ := answer.Data[want].(string); text != "" {
			return text, nil
		}
	}
	return "", errNotVault
}

// isJSON tells of the errors of encoding/json.
func isJSON(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &kind) || errors.Is(err, io.ErrUnexpectedEOF)
}

// oneLine is what Vault said, which comes in several. What is not its JSON is some
// proxy's page, and what shows our secrets is for nobody's log.
func (v *vault) oneLine(said *api.ResponseError, in map[string]any) string {
	const longest = 300
	text := strings.Join(strings.Fields(strings.Join(said.Errors, "; ")), " ")
	plain, _ := in["plaintext"].([]byte)
	for _, hidden := range []string{v.client.Token(), base64.StdEncoding.EncodeToString(plain)} {
		if said.RawError || hidden != "" && strings.Contains(text, hidden) {
			text = ""
		}
	}
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "..."
	}
	return cmp.Or(text, http.StatusText(said.StatusCode))
}
