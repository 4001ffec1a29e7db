// SPDX-License-Identifier: Apache-2.0

// Command vendor is test/fakevendor in a pod: the vendor of the end-to-end test.
// Every login is approved at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "vendor:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	base := flag.String("base", "", "URL at which it is reached")
	redirects := flag.String("redirect-uris", "", "redirect URIs of every app, comma-separated")
	apps := flag.String("apps", "", "apps, comma-separated; the secret of an app is its name and -secret")
	cert := flag.String("tls-cert", "/tls/tls.crt", "certificate")
	key := flag.String("tls-key", "/tls/tls.key", "key of the certificate")
	flag.Parse()
	options := fakevendor.Options{IssuerParameter: true, Refresh: fakevendor.RefreshStatic}
	for app := range strings.SplitSeq(*apps, ",") {
		options.Clients = append(options.Clients, fakevendor.Client{ID: app, Secret: app + "-secret", RedirectURIs: strings.Split(*redirects, ",")})
	}
	server := &http.Server{Addr: ":8443", Handler: fakevendor.New(options).At(*base), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServeTLS(*cert, *key); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
