// SPDX-License-Identifier: Apache-2.0

// Command vault is HashiCorp Vault's own server, cut down to what a key ring
// meets: the core with its HTTP API, tokens and policies, storage in files, the
// audit log and the transit engine. The tests of `make test-vault` start it,
// initialise and unseal it over its API, and stop it. All of Vault, with its
// plugins, takes far longer to build.
//
// It is a module of its own, so that the product does not depend on it, and it is
// never shipped: Vault is under the Business Source License 1.1, which allows
// use that is not production. OpenBao, its fork under MPL-2.0 with the same API,
// is not to be had as a Go module. `make tidy` leaves this module out: CI would
// have to fetch all of Vault. Vault 1.21.0 uses an sdk module that is published;
// 1.21.4 does not, and cannot be built from modules.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/builtin/logical/transit"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/vault"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "vault:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	listen := flag.String("listen", "", "address to listen on, with TLS")
	data := flag.String("data", "", "directory of the storage")
	cert := flag.String("tls-cert", "", "file of the certificate")
	key := flag.String("tls-key", "", "file of its key")
	flag.Parse()
	core, err := newCore(*data)
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr:              *listen,
		Handler:           vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServeTLS(*cert, *key); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return core.Shutdown()
}

// newCore is a Vault over a directory. It is sealed until it is told its key.
func newCore(dir string) (*vault.Core, error) {
	log := hclog.New(&hclog.LoggerOptions{Name: "vault", Output: os.Stderr, Level: hclog.Warn})
	storage, err := file.NewFileBackend(map[string]string{"path": dir}, log)
	if err != nil {
		return nil, fmt.Errorf("opening the storage: %w", err)
	}
	return vault.NewCore(&vault.CoreConfig{
		Physical:        storage,
		StorageType:     "file",
		LogicalBackends: map[string]logical.Factory{transitEngine: transit.Factory},
		AuditBackends:   map[string]audit.Factory{audit.TypeFile: audit.NewFileBackend},
		BuiltinRegistry: builtins{},
		DisableMlock:    true,
		Logger:          log,
	})
}

const transitEngine = "transit"

// builtins is the catalogue of plugins: the transit engine alone.
type builtins struct{}

// Contains implements plugincatalog.BuiltinRegistry.
func (builtins) Contains(name string, kind consts.PluginType) bool {
	return name == transitEngine && kind == consts.PluginTypeSecrets
}

// Get implements plugincatalog.BuiltinRegistry.
func (b builtins) Get(name string, kind consts.PluginType) (func() (any, error), bool) {
	return func() (any, error) { return logical.Factory(transit.Factory), nil }, b.Contains(name, kind)
}

// Keys implements plugincatalog.BuiltinRegistry.
func (builtins) Keys(kind consts.PluginType) []string {
	if kind == consts.PluginTypeSecrets {
		return []string{transitEngine}
	}
	return nil
}

// DeprecationStatus implements plugincatalog.BuiltinRegistry.
func (b builtins) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, b.Contains(name, kind)
}

// IsBuiltinEntPlugin implements plugincatalog.BuiltinRegistry.
func (builtins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
