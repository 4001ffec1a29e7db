// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/poll"
	"github.com/oauthbroker/oauth-broker/test/wire"
)

// takeover is how long a standby may need: the lease lasts 15 seconds, and it
// is looked at every 2.
const takeover = time.Minute

// TestLeader: of two managers one works. The other takes over when the first is
// killed, and when it loses the API server, and then ends by itself, as
// controller-runtime has it: a leader that cannot renew its lease must not
// believe that it still leads. Nothing is published twice.
func TestLeader(t *testing.T) {
	bin := buildManager(t, "")
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		c := newCrash(t)
		kubeconfig := c.kubeconfig("role.yaml")
		first := c.startManager(bin, kubeconfig, "", "--leader-elect")
		leader := c.leader("")
		second := c.startManager(bin, kubeconfig, "", "--leader-elect")
		c.healthy("one")
		_, before, err := c.load()
		if err != nil {
			t.Fatal(err)
		}
		if err := first.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		c.changesHands(second, leader, before.Sequence)
	})
	t.Run("cut off", func(t *testing.T) {
		t.Parallel()
		c := newCrash(t)
		kubeconfig, w := c.kubeconfig("role.yaml"), newWire(t)
		first := c.startManager(bin, overWire(t, w, kubeconfig), "", "--leader-elect")
		leader := c.leader("")
		second := c.startManager(bin, kubeconfig, "", "--leader-elect")
		c.healthy("one")
		_, before, err := c.load()
		if err != nil {
			t.Fatal(err)
		}
		w.Cut()
		c.changesHands(second, leader, before.Sequence)
		select {
		case err := <-first.done:
			if err == nil || !strings.Contains(first.log.String(), "leader election lost") {
				t.Errorf("the leader that was cut off ended with %v\n%s", err, first.log)
			}
		case <-time.After(takeover):
			t.Error("the leader that was cut off goes on")
		}
	})
}

// leader waits until somebody else than before holds the lease.
func (c *crash) leader(before string) string {
	c.t.Helper()
	var holder string
	poll.Until(c.t, takeover, func() error {
		var err error
		if holder, err = c.leaseHolder(); err == nil && (holder == "" || holder == before) {
			err = errors.New("nobody else leads")
		}
		return err
	})
	return holder
}

// changesHands waits until a manager took over and published one change.
func (c *crash) changesHands(m *managerProcess, leader string, before int64) {
	c.t.Helper()
	if strings.Contains(m.log.String(), `"msg":"published"`) {
		c.t.Error("the standby worked")
	}
	c.rotate("two")
	c.leader(leader)
	poll.Until(c.t, takeover, func() error { return c.broker.secretIs(c.tenant, c.vendorName(), "two") })
	eventually(c.t, func() error { return condition(c.objects[1], "Ready", "True", "Ready") })
	_, index, err := c.load()
	if err != nil || index.Sequence != before+1 {
		c.t.Errorf("got sequence %d after %d, want one publication (%v)", index.Sequence, before, err)
	}
	revisions := map[string]int64{}
	for _, s := range c.broker.served() {
		if at, twice := revisions[s.Revision]; twice {
			c.t.Errorf("revision %s was published at %d and %d", s.Revision, at, s.Sequence)
		}
		revisions[s.Revision] = s.Sequence
	}
}

// overWire is a kubeconfig whose API server is at the other end of a wire.
func overWire(t *testing.T, w *wire.Wire, kubeconfig string) string {
	t.Helper()
	content, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	host := strings.Trim(strings.TrimPrefix(plane.Config.Host, "https://"), "/")
	changed := strings.ReplaceAll(string(content), host, w.Addr())
	if changed == string(content) {
		t.Fatal(fmt.Errorf("the kubeconfig does not name %s", host))
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
