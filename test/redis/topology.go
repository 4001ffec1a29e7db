// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/authority"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// SentinelMaster is the name under which a sentinel watches its master.
const SentinelMaster = "broker"

// StartReplica runs a replica of another server.
func StartReplica(t testing.TB, master *Server) *Server {
	t.Helper()
	s := Start(t, "--replicaof", "127.0.0.1 "+master.port(), "--repl-diskless-sync-delay", "0")
	poll.Until(t, time.Minute, func() error {
		info := fmt.Sprint(s.Do("INFO", "replication"))
		if !strings.Contains(info, "master_link_status:up") {
			return fmt.Errorf("no link: %s", s.Log())
		}
		return nil
	})
	return s
}

// StartSentinel runs one sentinel that watches a master.
func StartSentinel(t testing.TB, master *Server) *Server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	conf := fmt.Sprintf("sentinel monitor %s 127.0.0.1 %s 1\nsentinel down-after-milliseconds %s 1000\nsentinel failover-timeout %s 5000\n", SentinelMaster, master.port(), SentinelMaster, SentinelMaster)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return Start(t, file, "--sentinel")
}

// StartCluster runs a cluster of three masters that share the slots.
func StartCluster(t testing.TB) []*Server {
	t.Helper()
	nodes := make([]*Server, 3)
	for i, slots := range [][2]any{{"0", "5460"}, {"5461", "10922"}, {"10923", "16383"}} {
		bus := strconv.Itoa(portOf(freeAddr(t)))
		nodes[i] = Start(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", bus, "--cluster-announce-ip", "127.0.0.1",
			"--cluster-node-timeout", "2000")
		nodes[i].Do("CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1])
		nodes[i].Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		nodes[0].Do("CLUSTER", "MEET", "127.0.0.1", nodes[i].port(), bus)
	}
	for _, n := range nodes {
		poll.Until(t, time.Minute, func() error {
			if info := fmt.Sprint(n.Do("CLUSTER", "INFO")); !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_size:3") {
				return fmt.Errorf("%s", info)
			}
			return nil
		})
	}
	return nodes
}

// TLS is what a server with TLS takes, and what its clients trust.
type TLS struct {
	// Addr of the TLS port.
	Addr string
	// CAFile, CertFile and KeyFile are PEM files; the certificate is for
	// 127.0.0.1, and good for clients, too.
	CAFile, CertFile, KeyFile string
}

// StartTLS runs a server with a TLS port. clients is yes where it wants client
// certificates, else no.
func StartTLS(t testing.TB, clients string) (*Server, TLS) {
	t.Helper()
	files := newTLS(t)
	s := Start(t, "--tls-port", strconv.Itoa(portOf(files.Addr)), "--tls-cert-file", files.CertFile, "--tls-key-file", files.KeyFile,
		"--tls-ca-cert-file", files.CAFile, "--tls-auth-clients", clients)
	return s, files
}

func newTLS(t testing.TB) TLS {
	t.Helper()
	dir := t.TempDir()
	out := TLS{Addr: freeAddr(t), CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
	ca, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := ca.Issue("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(out.CAFile, ca.PEM(), 0o600), authority.Write(dir, certificate)); err != nil {
		t.Fatal(err)
	}
	return out
}
