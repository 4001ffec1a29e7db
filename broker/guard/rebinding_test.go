// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/guard"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// names answers every question with what address returns for the n-th one.
func names(address func(n int32) []netip.Addr) (*net.Resolver, *atomic.Int32) {
	asked := &atomic.Int32{}
	return harness.Resolver(func(string) []netip.Addr { return address(asked.Add(1)) }), asked
}

func get(t *testing.T, o guard.Options, address string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := guard.NewClient(o).Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	return err
}

// One private address among public ones refuses the name, wherever it stands.
func TestRedTeam_I13_MixedAnswers(t *testing.T) {
	public, private := netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("169.254.169.254")
	for what, answer := range map[string][]netip.Addr{
		"private": {private}, "private first": {private, public}, "private last": {public, public, private}, "loopback": {public, netip.MustParseAddr("127.0.0.1")},
		"unspecified": {netip.MustParseAddr("0.0.0.0"), public},
	} {
		resolver, _ := names(func(int32) []netip.Addr { return answer })
		if err := get(t, guard.Options{Timeout: time.Second, Resolver: resolver}, "https://rebind.test/"); !errors.Is(err, guard.ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A name whose second answer would be another one is not asked a second time.
func TestRedTeam_I13_ResolvedOnce(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	met := make(chan bool, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			met <- true
			_ = conn.Close()
		}
	}()
	resolver, asked := names(func(n int32) []netip.Addr {
		if n > 1 {
			return []netip.Addr{netip.MustParseAddr("169.254.169.254")}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	})
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := get(t, guard.Options{Timeout: time.Second, AllowLoopback: true, Resolver: resolver}, "https://rebind.test:"+port+"/"); err == nil || errors.Is(err, guard.ErrRefused) {
		t.Errorf("error = %v, want that of a broken handshake", err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the name was resolved %d times", n)
	}
	select {
	case <-met:
	case <-time.After(2 * time.Second):
		t.Error("the first answer was not used")
	}
}

// A proxy would see names and not addresses; none is ever used.
func TestRedTeam_I14_NoProxy(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	transport, ok := guard.NewClient(guard.Options{Timeout: time.Second}).Transport.(*http.Transport)
	if !ok || transport.Proxy != nil {
		t.Error("the guarded client takes a proxy from the environment")
	}
	if err := get(t, guard.Options{Timeout: time.Second}, "https://127.0.0.1:1/"); !errors.Is(err, guard.ErrRefused) {
		t.Errorf("error = %v", err)
	}
}

// IPv6 addresses of a name are looked at as IPv4 ones are.
func TestRedTeam_I13_IPv6Answers(t *testing.T) {
	public := netip.MustParseAddr("2606:4700::1111")
	for _, address := range []string{"::1", "fe80::1", "fc00::1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "2606:4700::5efe:a9fe:a9fe", "::ffff:127.0.0.1"} {
		o := guard.Options{Timeout: time.Second, Resolver: harness.Resolver6(func(string) []netip.Addr { return []netip.Addr{public, netip.MustParseAddr(address)} })}
		if err := get(t, o, "https://rebind.test/"); !errors.Is(err, guard.ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
	}
	// A public one is called, and this machine may have no way to it.
	o := guard.Options{Timeout: 100 * time.Millisecond, Resolver: harness.Resolver6(func(string) []netip.Addr { return []netip.Addr{public} })}
	if err := get(t, o, "https://public.test/"); errors.Is(err, guard.ErrRefused) {
		t.Errorf("a public address: %v", err)
	}
}
