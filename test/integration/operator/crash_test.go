// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/capture"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// buildManager builds the manager's binary, with fault points where tags asks
// for them.
func buildManager(t *testing.T, tags string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "manager")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags="+tags, "-o", bin, "./cmd/manager")
	build.Dir = controlplane.Root()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return bin
}

// managerProcess is the manager as a process.
type managerProcess struct {
	cmd  *exec.Cmd
	log  *capture.Buffer
	done chan error
}

// startManager runs a binary of buildManager that dies at a step ("" for none),
// until the test ends.
func (in *install) startManager(bin, kubeconfig, step string, flags ...string) *managerProcess {
	in.t.Helper()
	m := &managerProcess{log: &capture.Buffer{}, done: make(chan error, 1)}
	m.cmd = exec.Command(bin, append([]string{
		"--public-url=https://broker.example", "--namespace=" + in.system, "--published-namespace=" + in.published, "--broker-class=" + in.class,
		"--broker-admin=" + strings.Join(in.brokers, ","), "--kubeconfig=" + kubeconfig, "--health-probe-bind-address=0", "--metrics-bind-address=0",
	}, flags...)...)
	m.cmd.Env = append(os.Environ(), "OAUTH_BROKER_FAULTPOINT="+step)
	m.cmd.Stdout, m.cmd.Stderr = m.log, m.log
	if err := m.cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	go func() { m.done <- m.cmd.Wait(); close(m.done) }()
	in.t.Cleanup(func() {
		_ = m.cmd.Process.Kill()
		for range m.done { // it is closed when the process has ended
		}
	})
	return m
}

// stop ends the process as Kubernetes does.
func (m *managerProcess) stop(t *testing.T) {
	t.Helper()
	_ = m.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-m.done:
		if err != nil {
			t.Fatalf("after SIGTERM: %v\n%s", err, m.log)
		}
	case <-time.After(patience):
		t.Fatalf("the manager does not stop\n%s", m.log)
	}
}

// dies waits until the process ended itself.
func (m *managerProcess) dies(t *testing.T) {
	t.Helper()
	select {
	case err := <-m.done:
		if err == nil || err.Error() != "signal: killed" {
			t.Fatalf("got %v, want SIGKILL at the step\n%s", err, m.log)
		}
	case <-time.After(patience):
		t.Fatalf("the manager never came to the step\n%s", m.log)
	}
}

// crash is an install with a document of several shards. All of its objects say
// the same word, so that a mix of two revisions shows.
type crash struct {
	*install
	broker  *broker
	secret  *corev1.Secret
	clients []*oauthv1alpha1.BrokerClient
	objects []client.Object
}

func newCrash(t *testing.T) *crash {
	t.Helper()
	in := newInstall(t)
	c := &crash{install: in, broker: in.startBroker(), secret: in.secret("acme", "one")}
	c.objects = []client.Object{in.vendor(), in.credential("acme")}
	for n := range 24 {
		o := &oauthv1alpha1.BrokerClient{}
		o.Namespace, o.Name = in.tenant, fmt.Sprint("client-", n)
		o.Spec = oauthv1alpha1.BrokerClientSpec{
			BrokerClass: in.class, DisplayName: "one", RedirectURIs: []oauthv1alpha1.RedirectURI{"https://portal.example/cb"},
			Authentication: oauthv1alpha1.BrokerClientAuthentication{Method: oauthv1alpha1.ClientAuthNone},
		}
		allowed := oauthv1alpha1.AllowedVendor{Name: in.vendorName()}
		for s := range 64 {
			allowed.Scopes = append(allowed.Scopes, oauthv1alpha1.ScopeToken(fmt.Sprint(s)+strings.Repeat("x", 200)))
		}
		for range 3 {
			o.Spec.RedirectURIs = append(o.Spec.RedirectURIs, oauthv1alpha1.RedirectURI(fmt.Sprintf("https://portal.example/%d/%s", len(o.Spec.RedirectURIs), strings.Repeat("y", 900))))
		}
		o.Spec.Vendors = []oauthv1alpha1.AllowedVendor{allowed}
		c.clients = append(c.clients, o)
		c.objects = append(c.objects, o)
	}
	in.create(append(c.objects, c.secret)...)
	return c
}

// say makes all objects say a word.
func (c *crash) say(word string) {
	c.t.Helper()
	c.rotate(word)
	for _, o := range c.clients {
		update(c.install, o, func(o *oauthv1alpha1.BrokerClient) { o.Spec.DisplayName = word })
	}
}

// says tells whether every part of a snapshot says the word.
func (c *crash) says(s *runtimeconfig.Snapshot, word string) error {
	if s == nil {
		return errors.New("there is no snapshot")
	}
	v, ok := s.Vendor(c.vendorName())
	if !ok {
		return errors.New("the vendor is lost")
	}
	credential, err := s.Choose(namedClient(c.tenant), v, "")
	if err != nil {
		return err
	}
	if credential.ClientSecret.Reveal() != word {
		return fmt.Errorf("the credential does not say %s", word)
	}
	for _, o := range c.clients {
		found, ok := s.Client(c.tenant + "." + o.Name)
		if !ok {
			return fmt.Errorf("client %s is lost", o.Name)
		}
		if found.DisplayName != word {
			return fmt.Errorf("client %s says %s, want %s", o.Name, found.DisplayName, word)
		}
	}
	if vendors, credentials, clients := s.Counts(); vendors != 1 || credentials != 1 || clients != len(c.clients) {
		return fmt.Errorf("got %d vendors, %d credentials and %d clients", vendors, credentials, clients)
	}
	return nil
}

// load loads what is published as a new broker would.
func (c *crash) load() (*runtimeconfig.Snapshot, runtimeconfig.Index, error) {
	index, _, err := c.index()
	if err != nil {
		return nil, index, err
	}
	contents := map[string][]byte{}
	for _, s := range c.shards() {
		contents[s.Name] = s.Data[runtimeconfig.ShardDataKey]
	}
	s, err := runtimeconfig.Load(index, contents, nil, runtimeconfig.Options{Now: time.Now})
	return s, index, err
}

// clean tells whether all shards are of the index, or retired and known as such.
func (c *crash) clean() error {
	index, _, err := c.index()
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, ref := range index.Shards {
		known[ref.Name] = true
	}
	for _, r := range index.Retired {
		known[r.Name] = true
	}
	for _, s := range c.shards() {
		if !known[s.Name] {
			return fmt.Errorf("nobody knows of shard %s any more", s.Name)
		}
	}
	return nil
}

// healthy waits until a word is live and every status says so.
func (c *crash) healthy(word string) {
	c.t.Helper()
	eventually(c.t, func() error { return c.says(c.broker.snapshot.Load(), word) })
	for _, o := range c.objects {
		eventually(c.t, func() error { return condition(o, "Ready", "True", "Ready") })
	}
	eventually(c.t, c.clean)
}

// TestCrash_publish kills the manager at each step of a publish: brokers and
// whoever reads the published Secrets see the old document or the new one, and
// the next manager brings the new one, once.
func TestCrash_publish(t *testing.T) {
	bin := buildManager(t, "faultpoints")
	for _, step := range []string{"shard-created", "shards-created", "index-written", "status-written"} {
		t.Run(step, func(t *testing.T) {
			c := newCrash(t)
			kubeconfig := c.kubeconfig("role.yaml")
			m := c.startManager(bin, kubeconfig, "")
			c.healthy("one")
			m.stop(t)
			_, before, err := c.load()
			if err != nil {
				t.Fatal(err)
			}
			if len(before.Shards) < 2 {
				t.Fatalf("got %d shards, want several", len(before.Shards))
			}

			c.say("two")
			c.startManager(bin, kubeconfig, step).dies(t)
			s, index, err := c.load()
			if err != nil {
				t.Fatalf("what the dead manager left cannot be loaded: %v", err)
			}
			word, sequence := "one", before.Sequence
			if step == "index-written" || step == "status-written" {
				word, sequence = "two", before.Sequence+1
			}
			if err := c.says(s, word); err != nil || index.Sequence != sequence {
				t.Errorf("sequence %d after %d: %v", index.Sequence, before.Sequence, err)
			}

			c.startManager(bin, kubeconfig, "")
			c.healthy("two")
			if _, index, err = c.load(); err != nil || index.Sequence != before.Sequence+1 {
				t.Errorf("got sequence %d after %d, want one publication (%v)", index.Sequence, before.Sequence, err)
			}
			c.neverMixed("one", "two")
		})
	}
}

// neverMixed checks every snapshot that the broker ever served.
func (c *crash) neverMixed(words ...string) {
	c.t.Helper()
	var last int64
	for n, s := range c.broker.served() {
		pure := false
		for _, word := range words {
			pure = pure || c.says(s, word) == nil
		}
		if !pure {
			c.t.Errorf("snapshot %d (sequence %d) is a mix of revisions", n, s.Sequence)
		}
		if s.Sequence < last {
			c.t.Errorf("sequence %d came after %d", s.Sequence, last)
		}
		last = s.Sequence
	}
}

// TestCrash_collection kills the manager between the deletion of retired shards
// and the index that forgets them.
func TestCrash_collection(t *testing.T) {
	bin := buildManager(t, "faultpoints")
	c := newCrash(t)
	kubeconfig := c.kubeconfig("role.yaml")
	m := c.startManager(bin, kubeconfig, "")
	c.healthy("one")
	c.say("two")
	c.healthy("two")
	m.stop(t)
	index, object, err := c.index()
	if err != nil {
		t.Fatal(err)
	}
	if len(index.Retired) < 2 {
		t.Fatalf("got %d retired shards, want several", len(index.Retired))
	}
	for i := range index.Retired {
		index.Retired[i].RetiredAt = index.Retired[i].RetiredAt.Add(-time.Hour)
	}
	if object.Data[runtimeconfig.IndexDataKey], err = runtimeconfig.EncodeIndex(index); err != nil {
		t.Fatal(err)
	}
	if err := plane.Client.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	c.startManager(bin, kubeconfig, "retired-shard-deleted").dies(t)
	if s, _, err := c.load(); err != nil || c.says(s, "two") != nil {
		t.Fatalf("the document is damaged: %v", err)
	}
	c.startManager(bin, kubeconfig, "")
	eventually(t, func() error {
		now, _, err := c.index()
		if err == nil && (len(now.Retired) > 0 || len(c.shards()) != len(now.Shards)) {
			err = fmt.Errorf("%d shards and %d retired ones are left", len(c.shards()), len(now.Retired))
		}
		return err
	})
	c.healthy("two")
}

// TestCrash_replacement kills the manager after it deleted an index that cannot
// be read, and before it wrote another.
func TestCrash_replacement(t *testing.T) {
	bin := buildManager(t, "faultpoints")
	c := newCrash(t)
	kubeconfig := c.kubeconfig("role.yaml")
	m := c.startManager(bin, kubeconfig, "")
	c.healthy("one")
	m.stop(t)
	before, object, err := c.index()
	if err != nil {
		t.Fatal(err)
	}
	object.Data[runtimeconfig.IndexDataKey] = []byte("{")
	if err := plane.Client.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	c.startManager(bin, kubeconfig, "malformed-index-deleted").dies(t)
	if err := c.says(c.broker.snapshot.Load(), "one"); err != nil {
		t.Errorf("the broker gave up what it had: %v", err)
	}
	c.say("two")
	c.startManager(bin, kubeconfig, "")
	c.healthy("two")
	after, _, err := c.index()
	if err != nil || after.Sequence <= before.Sequence {
		t.Errorf("got sequence %d after %d (%v), want it to go on", after.Sequence, before.Sequence, err)
	}
}

// TestCrash_keyRing kills the manager after it made the key ring: the next one
// makes no other.
func TestCrash_keyRing(t *testing.T) {
	bin := buildManager(t, "faultpoints")
	c := newCrash(t)
	kubeconfig := c.kubeconfig("role.yaml")
	c.startManager(bin, kubeconfig, "key-ring-made").dies(t)
	ring := &corev1.Secret{}
	key := client.ObjectKey{Namespace: c.system, Name: "oauth-broker-keyring"}
	if err := plane.Client.Get(t.Context(), key, ring); err != nil {
		t.Fatal(err)
	}
	made := ring.UID
	c.startManager(bin, kubeconfig, "")
	c.healthy("one")
	if err := plane.Client.Get(t.Context(), key, ring); err != nil || ring.UID != made {
		t.Fatalf("the key ring was made again (%v)", err)
	}
	parsed, err := keyring.Parse(ring.Data[keyring.DataKey])
	if err != nil {
		t.Fatal(err)
	}
	if index, _, err := c.index(); err != nil || fmt.Sprint(index.KeyIDs) != fmt.Sprint(parsed.IDs()) {
		t.Errorf("the index records key ids %v, want %v (%v)", index.KeyIDs, parsed.IDs(), err)
	}
}
