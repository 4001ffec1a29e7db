// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/test/binary"
)

// keys runs `broker keys` and gives what it printed; it must succeed.
func keys(t *testing.T, in *binary.Install, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), in.Binary, append([]string{"keys"}, args...)...)
	cmd.Env = append(os.Environ(), in.Env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("keys %q: %v: %s", args, err, out)
	}
	return string(out)
}

// keysRefused wants `broker keys` to fail and to say why.
func keysRefused(t *testing.T, in *binary.Install, why string, args ...string) {
	t.Helper()
	if code, stderr := in.Run(append([]string{"keys"}, args...)...); code != 1 || !strings.Contains(stderr, why) {
		t.Errorf("keys %q: got %d %q, want %q", args, code, stderr, why)
	}
}

// holds waits until the broker has exactly these keys.
func holds(t *testing.T, b *binary.Broker, ids []string) {
	t.Helper()
	binary.Eventually(t, func() error {
		if got := b.Revision().KeyIDs; !slices.Equal(got, ids) {
			return fmt.Errorf("the broker has keys %v, want %v", got, ids)
		}
		return nil
	})
}

// back moves the times of all keys into the past, as if they had waited.
func back(r *keyring.Ring, d time.Duration) {
	for _, list := range [][]keyring.Key{r.Flow, r.Grant} {
		for i := range list {
			list[i].SealFrom = list[i].SealFrom.Add(-d)
		}
	}
}

// TestKeys_rotation: the whole life of keys, by the command, while a broker
// serves and logins go on.
func TestKeys_rotation(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ring := s.Path("keyring.json")
	b := s.Start().Ready()
	old := b.Revision().KeyIDs
	stop := s.traffic(t)
	begun, token := s.begin(t, s.web()), login(t, s.web())

	// A new key of each list opens at once, and seals only later.
	if said := keys(t, s.Install, "rotate", ring); strings.Count(said, "added ") != 2 || !strings.Contains(said, "seals from") {
		t.Errorf("rotate says %q", said)
	}
	if said := keys(t, s.Install, "rotate", ring); !strings.Contains(said, "nothing to do") {
		t.Errorf("rotate again says %q", said)
	}
	rotated := s.ring(t, func(*keyring.Ring) {})
	holds(t, b, rotated.IDs())
	if got := login(t, s.web()).RefreshToken; !strings.HasPrefix(got, "obr1."+old[1]+".") {
		t.Error("the new key sealed before its time")
	}

	// Its time comes: what began under the old one ends, a refresh seals anew.
	rotated = s.ring(t, func(r *keyring.Ring) { back(r, keyring.DefaultDelay) })
	newest := rotated.Grant[1].ID
	binary.Eventually(t, func() error {
		if got := login(t, s.web()).RefreshToken; !strings.HasPrefix(got, "obr1."+newest+".") {
			return errors.New("the new key does not seal")
		}
		return nil
	})
	if answer := begun.end(t); begun.login.Answer.Get("code") == "" {
		t.Fatalf("a login over the rotation: %d %s", answer.StatusCode, begun.login.Answer)
	}
	if _, err := s.web().Token(begun.login); err != nil {
		t.Error(err)
	}
	fresh, err := s.web().Renew(token)
	if err != nil || !strings.HasPrefix(fresh.RefreshToken, "obr1."+newest+".") {
		t.Fatalf("a refresh over the rotation: %v", err)
	}

	if failed := stop(); failed != nil {
		t.Errorf("logins beside the rotation: %v", failed)
	}

	// The old keys are needed yet.
	if said := keys(t, s.Install, "prune", ring); !strings.Contains(said, "nothing to prune") || strings.Count(said, "kept ") != 2 {
		t.Errorf("prune says %q", said)
	}
	date := rotated.Grant[1].SealFrom.Add(keyring.GrantLife).UTC().Format(time.RFC3339)
	keysRefused(t, s.Install, old[1]+" of grant is needed until "+date, "prune", ring, old[1])
	keysRefused(t, s.Install, newest+" of grant is sealing", "prune", ring, newest)

	// After the longest life they go, and nobody notices.
	pruned := s.ring(t, func(r *keyring.Ring) { back(r, keyring.FlowLife) })
	if said := keys(t, s.Install, "prune", ring); !strings.Contains(said, "pruned "+old[0]+" of flow") {
		t.Errorf("prune says %q", said)
	}
	holds(t, b, []string{pruned.Flow[1].ID, rotated.Grant[0].ID, newest})
	if err := s.whole(s.web()); err != nil {
		t.Errorf("after the prune: %v", err)
	}
	b.Stop()
	checkJSON(t, b.Log())
}

// traffic logs in and refreshes until it is stopped, and gives the first error.
func (s *site) traffic(t *testing.T) (stop func() error) {
	t.Helper()
	done, client := make(chan struct{}), s.web()
	var group sync.WaitGroup
	var mu sync.Mutex
	var first error
	for range 2 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := s.whole(client); err != nil {
					mu.Lock()
					first = errors.Join(first, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	return func() error { close(done); group.Wait(); return first }
}

// whole is a login with a refresh.
func (s *site) whole(c *binary.Client) error {
	l, err := c.Login()
	if err != nil {
		return err
	}
	token, err := c.Token(l)
	if err != nil {
		return err
	}
	_, err = c.Renew(token)
	return err
}

// TestKeys_revoke: a revoked key opens nothing any more, and the command says
// what that ends.
func TestKeys_revoke(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ring := s.Path("keyring.json")
	b := s.Start().Ready()
	old := b.Revision().KeyIDs
	begun, token := s.begin(t, s.web()), login(t, s.web())
	keysRefused(t, s.Install, `no key "nosuchkey"`, "revoke", ring, "nosuchkey")
	keysRefused(t, s.Install, "keys revoke --help", "revoke", ring)

	said := keys(t, s.Install, "revoke", ring, old[0], old[1])
	for _, want := range []string{
		"revoked " + old[0] + " of flow (sealing): logins in progress", "revoked " + old[1] + " of grant (sealing): refresh tokens", "added ", "within seconds",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("revoke says %q, want %q", said, want)
		}
	}
	start := time.Now()
	holds(t, b, s.ring(t, func(*keyring.Ring) {}).IDs())
	t.Logf("revoked within %s", time.Since(start).Round(time.Millisecond))
	if answer := begun.end(t); answer.StatusCode != http.StatusBadRequest || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
		t.Errorf("a login under a revoked key: got %d %s, want a page", answer.StatusCode, answer.Header.Get("Content-Type"))
	}
	wrong := &oauth2.RetrieveError{}
	if _, err := s.web().Renew(token); !errors.As(err, &wrong) || wrong.ErrorCode != "invalid_grant" {
		t.Errorf("a refresh token under a revoked key: got %v, want invalid_grant", err)
	}
	b.LogHas("sealed with a key that is not in the ring")
	if err := s.whole(s.web()); err != nil {
		t.Errorf("a new sign-in: %v", err)
	}
}

func TestKeys_file(t *testing.T) {
	t.Parallel()
	in := binary.New(t, broker)
	ring := in.Path("keyring.json")
	if err := os.Chmod(ring, 0o640); err != nil {
		t.Fatal(err)
	}
	table := keys(t, in, "list", ring)
	if !regexp.MustCompile(`(?m)^flow +[a-z2-7]{8} +sealing +20\S+Z +-$`).MatchString(table) || strings.Count(table, "\n") != 3 {
		t.Errorf("list says\n%s", table)
	}
	if said := keys(t, in, "add", ring, "--ring", "flow", "--seal-in", "1h"); !strings.Contains(said, "to flow; it seals from") {
		t.Errorf("add says %q", said)
	}
	if table := keys(t, in, "list", ring); !regexp.MustCompile(`(?m)^flow +[a-z2-7]{8} +waiting `).MatchString(table) {
		t.Errorf("list says\n%s", table)
	}
	if info, err := os.Stat(ring); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file has mode %v, %v, want what it had", info.Mode(), err)
	}
	before := in.Read("keyring.json")
	keysRefused(t, in, "waits already", "add", ring, "--ring", "flow")
	keysRefused(t, in, "--ring must be flow or grant", "add", ring)
	keysRefused(t, in, "--seal-in must not be negative", "rotate", ring, "--seal-in", "-1s")
	keysRefused(t, in, "name the FILE", "list")
	keysRefused(t, in, "NAMESPACE/NAME", "list", "--secret", "x")
	keysRefused(t, in, "--kubeconfig goes with --secret", "list", ring, "--kubeconfig", "x")
	keysRefused(t, in, "no such file", "rotate", in.Path("nowhere.json"))
	in.Write("keyring.json.new", "")
	keysRefused(t, in, "another command changes the ring", "rotate", ring)
	in.Remove("keyring.json.new")
	if after := in.Read("keyring.json"); after != before {
		t.Error("a refused command changed the ring")
	}
	if _, err := os.Stat(in.Path("nowhere.json")); err == nil {
		t.Error("a ring was made where there was none")
	}
}

// TestKeys_inParallel: no change is lost.
func TestKeys_inParallel(t *testing.T) {
	t.Parallel()
	in := binary.New(t, broker)
	ring := in.Path("keyring.json")
	var group sync.WaitGroup
	for _, list := range []string{"flow", "grant"} {
		for range 3 {
			group.Go(func() { // who comes second may be refused
				_ = exec.CommandContext(t.Context(), in.Binary, "keys", "add", ring, "--ring", list, "--seal-in", "1h").Run()
			})
		}
	}
	group.Wait()
	r, err := keyring.Parse([]byte(in.Read("keyring.json")))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Flow) > 2 || len(r.Grant) > 2 {
		t.Errorf("got %v, want one new key of each list at most", r.IDs())
	}
	keys(t, in, "rotate", ring)
	if r, err = keyring.Parse([]byte(in.Read("keyring.json"))); err != nil || len(r.IDs()) != 4 {
		t.Errorf("got %v, %v, want four keys", r.IDs(), err)
	}
}

// TestKeys_replicaThatLags: kubelets renew a mounted ring one after the other. A
// replica that has the old ring meets nothing that it cannot open.
func TestKeys_replicaThatLags(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	late := s.Another()
	s.Write("late.json", s.Read("keyring.json"))
	early, b := s.Start().Ready(), late.Start("--keyring", s.Path("late.json")).Ready()
	old := b.Revision().KeyIDs
	keys(t, s.Install, "rotate", s.Path("keyring.json"))
	holds(t, early, s.ring(t, func(*keyring.Ring) {}).IDs())
	holds(t, b, old)
	for range 3 {
		l, err := s.web().Login() // at the replica with the new ring
		if err != nil {
			t.Fatal(err)
		}
		token, err := s.at(late).Token(l)
		if err != nil {
			t.Fatalf("the replica with the old ring: %v", err)
		}
		if token, err = s.web().Renew(token); err != nil {
			t.Fatalf("the replica with the new ring: %v", err)
		}
		if _, err = s.at(late).Renew(token); err != nil {
			t.Fatalf("the replica with the old ring: %v", err)
		}
	}
}

// at is the application, which asks one replica.
func (s *site) at(replica *binary.Install) *binary.Client {
	c := s.web()
	c.Endpoint.TokenURL = strings.Replace(c.Endpoint.TokenURL, s.Public, replica.Public, 1)
	return c
}
