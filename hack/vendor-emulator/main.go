// SPDX-License-Identifier: Apache-2.0

// Command vendor-emulator serves vendors of the catalog on loopback, each as
// its manifest describes it, for trying a broker without an account anywhere:
//
//	go run ./hack/vendor-emulator --out /tmp/emulated github slack-user
//
// It writes the manifests, pointed at the emulator, and the Secrets of their
// apps into the folder given by --out, for `broker serve --config` or kubectl.
// Every login is approved at once; every request is printed with the reason why
// the vendor would refuse it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// options are the command line's.
type options struct {
	root, listen, publicURL, out, operatorNamespace string
	vendors                                         []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "vendor-emulator:", err)
		stop()
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("vendor-emulator", flag.ContinueOnError)
	flags.StringVar(&o.root, "root", ".", "root of the repository, where config/vendors is")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback address to listen on")
	flags.StringVar(&o.publicURL, "public-url", "http://localhost:8080", "the broker's public URL, for the redirect URIs of the apps")
	flags.StringVar(&o.out, "out", "", "folder for the manifests and Secrets; printed when empty")
	flags.StringVar(&o.operatorNamespace, "operator-namespace", "oauth-broker", "namespace of the Secrets (that of broker serve --config is oauth-broker)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return o, fmt.Errorf("--listen: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return o, errors.New("--listen: an emulator that approves every login stays on loopback")
	}
	if o.vendors = flags.Args(); len(o.vendors) == 0 {
		return o, errors.New("name the vendors to emulate, for example: github slack-user")
	}
	return o, nil
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	emulated, err := emulate(ctx, o, "http://"+listener.Addr().String())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := hand(o, emulated); err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: printer{router(emulated)}, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	fmt.Fprintf(os.Stderr, "vendors on http://%s: %s (Ctrl-C ends)\n", listener.Addr(), strings.Join(o.vendors, ", "))
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// router gives a request to the vendor that has its path.
func router(emulated []emulation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, e := range emulated {
			if e.server.Has(r) {
				e.server.ServeHTTP(w, r)
				last := lastRequest(e.server)
				why := ""
				if last.Error != "" {
					why = ": " + last.Error
				}
				fmt.Fprintf(os.Stderr, "%s %s%s\n", e.name, last.Endpoint, why)
				return
			}
		}
		http.NotFound(w, r)
	})
}

func lastRequest(s *fakevendor.Server) fakevendor.Request {
	all := s.Requests()
	if len(all) == 0 {
		return fakevendor.Request{}
	}
	return all[len(all)-1]
}

// printer is the outermost handler: it says what nobody answers.
type printer struct{ next http.Handler }

func (p printer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := &status{ResponseWriter: w}
	p.next.ServeHTTP(s, r)
	if s.code == http.StatusNotFound {
		fmt.Fprintf(os.Stderr, "no vendor has %s %q\n", r.Method, r.URL.Path)
	}
}

type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}
