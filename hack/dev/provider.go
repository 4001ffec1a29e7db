// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

// samplePort is the provider's port in config/samples.
const samplePort = 9998

// The provider's example user.
const (
	userName     = "test-user@localhost"
	userPassword = "verysecure"
)

// provider is zitadel/oidc's example server, in this process, on loopback.
type provider struct {
	issuer string
	host   string
	log    string
	file   *os.File
	server *http.Server
}

// startProvider registers the two OAuth apps of the samples with the broker's
// one redirect URI.
func (d *demo) startProvider(ctx context.Context) error {
	var err error
	if d.ports, err = d.choosePorts(ctx); err != nil {
		return err
	}
	listener, port, err := listen(ctx, d.providerPort)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	p := &provider{host: fmt.Sprintf("localhost:%d", port), log: filepath.Join(d.dir, "provider.log")}
	p.issuer = "http://" + p.host
	if p.file, err = os.Create(p.log); err != nil {
		return fmt.Errorf("making the provider's log: %w", err)
	}
	redirectURI := d.ports.publicURL() + "/v1/callback"
	storage.RegisterClients(
		storage.WebClient("platform-app", "sample-platform-app-secret", redirectURI),
		storage.WebClient("globex-app", "sample-globex-app-secret", redirectURI),
	)
	handler := exampleop.SetupServer(p.issuer, storage.NewStorage(storage.NewUserStore(p.issuer)), slog.New(slog.NewTextHandler(p.file, nil)), false)
	p.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			d.died(fmt.Errorf("the provider ended early: %w", err))
		}
	}()
	d.provider = p
	d.fact("issuer", "%s", p.issuer)
	d.fact("apps registered there", "platform-app, globex-app")
	d.fact("their redirect URI", "%s", redirectURI)
	return nil
}

func (p *provider) stop() error { return errors.Join(p.server.Close(), p.file.Close()) }

// ports are the loopback ports of this run.
type ports struct {
	public  int
	brokers [2]int
	admins  [2]int
	health  int
}

func (p ports) publicURL() string { return fmt.Sprintf("https://localhost:%d", p.public) }

func (p ports) adminURL(i int) string { return fmt.Sprintf("http://127.0.0.1:%d", p.admins[i]) }

func (p ports) brokerAddress(i int) string { return fmt.Sprintf("127.0.0.1:%d", p.brokers[i]) }

// choosePorts opens the front, which keeps its port, and picks free ones for the
// processes.
func (d *demo) choosePorts(ctx context.Context) (ports, error) {
	listener, public, err := listen(ctx, d.port)
	if err != nil {
		return ports{}, fmt.Errorf("listening: %w", err)
	}
	chosen := ports{public: public}
	var held []net.Listener
	for _, port := range []*int{&chosen.brokers[0], &chosen.brokers[1], &chosen.admins[0], &chosen.admins[1], &chosen.health} {
		l, free, err := listen(ctx, 0)
		if err != nil {
			return ports{}, errors.Join(fmt.Errorf("finding a free port: %w", err), listener.Close())
		}
		held, *port = append(held, l), free
	}
	for _, l := range held { // only now, so that no two are the same
		_ = l.Close()
	}
	// It stays when this step is over.
	d.front = newFront(context.WithoutCancel(ctx), listener, chosen.brokerAddress(0), chosen.brokerAddress(1))
	return chosen, nil
}

// listen takes the wanted loopback port, or a free one.
func listen(ctx context.Context, want int) (net.Listener, int, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", want))
	if err != nil && want != 0 {
		l, err = config.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, 0, err
	}
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return nil, 0, errors.Join(errors.New("not a TCP address"), l.Close())
	}
	return l, address.Port, nil
}
