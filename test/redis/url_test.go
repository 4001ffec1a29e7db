// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/limit"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/test/poll"
	"github.com/oauthbroker/oauth-broker/test/redis"
)

// open connects as one replica does.
func open(t *testing.T, url string) *once.Redis {
	t.Helper()
	r, err := once.NewRedis(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// takesOnce: a key is taken once, and again after its release; work is done once.
func takesOnce(t *testing.T, url string) {
	t.Helper()
	one, two, key := open(t, url), open(t, url), "test:"+rand.Text()
	taken := once.NewKey("test", key)
	receipt, err := one.Take(t.Context(), taken, time.Minute)
	if err != nil {
		t.Fatalf("the first take: %v", err)
	}
	foreign, err := two.Take(t.Context(), taken, time.Minute)
	if !errors.Is(err, once.ErrTaken) {
		t.Fatalf("the second take: %v", err)
	}
	for n, want := range map[int64]int64{3: 3, 2: 3} {
		mark := key + strconv.FormatInt(n, 10)
		if raised, err := one.Raise(t.Context(), mark, 3, time.Minute); err != nil || !raised {
			t.Errorf("Raise() = %v, %v", raised, err)
		}
		if raised, err := two.Raise(t.Context(), mark, n, time.Minute); err != nil || raised {
			t.Errorf("Raise() to %d = %v, %v", n, raised, err)
		}
		if got, err := two.Mark(t.Context(), mark); err != nil || got != want {
			t.Errorf("Mark() = %d, %v, want %d", got, err, want)
		}
	}
	if got, err := two.Mark(t.Context(), key+"none"); err != nil || got != 0 {
		t.Errorf("Mark() of none = %d, %v", got, err)
	}
	if err := two.Release(t.Context(), foreign); err != nil {
		t.Errorf("release of what another took: %v", err)
	}
	if _, err := two.Take(t.Context(), taken, time.Minute); !errors.Is(err, once.ErrTaken) {
		t.Errorf("after a release by another: %v", err)
	}
	if err := two.Release(t.Context(), receipt); err != nil {
		t.Errorf("release: %v", err)
	}
	if _, err := one.Take(t.Context(), taken, time.Minute); err != nil {
		t.Errorf("after the release: %v", err)
	}
	// The take ran out and is another's by now: the late release does nothing.
	if err := one.Release(t.Context(), receipt); err != nil {
		t.Errorf("late release: %v", err)
	}
	if _, err := two.Take(t.Context(), taken, time.Minute); !errors.Is(err, once.ErrTaken) {
		t.Errorf("after a late release: %v", err)
	}
	calls := 0
	for _, r := range []*once.Redis{one, two} {
		answer, err := r.Once(t.Context(), key, once.Policy{Lease: time.Second, Keep: time.Minute}, func() (string, error) {
			calls++
			return "answer", nil
		})
		if err != nil || answer != "answer" {
			t.Errorf("Once() = %q, %v", answer, err)
		}
	}
	if calls != 1 {
		t.Errorf("the work was done %d times", calls)
	}
	if err := one.Ping(t.Context()); err != nil {
		t.Errorf("Ping() = %v", err)
	}
}

const password = "redis-password-0123456789/@:#%"

// escaped is password in a URL.
const escaped = "redis-password-0123456789%2F%40%3A%23%25"

func TestURL_password(t *testing.T) {
	s := redis.Start(t, "--requirepass", password)
	takesOnce(t, "redis://:"+escaped+"@"+s.Addr)
	takesOnce(t, "redis://default:"+escaped+"@"+s.Addr+"/3")
	for _, userinfo := range []string{"", ":wrong-password-0123@", "nobody:" + escaped + "@"} {
		_, err := open(t, "redis://"+userinfo+s.Addr).Take(t.Context(), once.NewKey("test", "x"), time.Minute)
		if err == nil || errors.Is(err, once.ErrTaken) {
			t.Errorf("%q: Take() = %v", userinfo, err)
		}
		if strings.Contains(fmt.Sprint(err), "password-0123") {
			t.Errorf("the error holds the password: %v", err)
		}
	}
}

// The least rights that docs/guides/redis.md names are enough.
func TestURL_leastRights(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guides/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^user broker on >\S+ (~.*)$`).FindSubmatch(guide)
	if m == nil {
		t.Fatal("the guide has no user broker")
	}
	for scheme, nodes := range map[string][]*redis.Server{"redis": {redis.Start(t)}, "redis+cluster": redis.StartCluster(t)} {
		user := []any{"ACL", "SETUSER", "broker", "on", ">" + password}
		for rule := range strings.FieldsSeq(string(m[1])) {
			user = append(user, rule)
		}
		if scheme == "redis+cluster" {
			user = append(user, "+cluster|slots", "+command")
		}
		for _, s := range nodes {
			s.Do(user...)
			s.Do("ACL", "SETUSER", "default", "off", "nopass")
		}
		url := scheme + "://broker:" + escaped + "@" + nodes[0].Addr
		takesOnce(t, url)
		if _, err := open(t, url).Spend(t.Context(), "caller", limit.Rate{PerSecond: 1, Burst: 1}); err != nil {
			t.Errorf("%s: counting a request: %v", scheme, err)
		}
	}
}

func TestURL_TLS(t *testing.T) {
	_, files := redis.StartTLS(t, "no")
	_, other := redis.StartTLS(t, "no")
	takesOnce(t, "rediss://"+files.Addr+"?ca_file="+files.CAFile)
	for what, url := range map[string]string{
		"unknown CA":  "rediss://" + files.Addr,
		"another CA":  "rediss://" + files.Addr + "?ca_file=" + other.CAFile,
		"wrong name":  "rediss://localhost:" + strings.Split(files.Addr, ":")[1] + "?ca_file=" + files.CAFile,
		"without TLS": "redis://" + files.Addr,
	} {
		if _, err := open(t, url).Take(t.Context(), once.NewKey("test", "x"), time.Minute); err == nil || errors.Is(err, once.ErrTaken) {
			t.Errorf("%s: Take() = %v", what, err)
		}
	}
}

func TestURL_clientCertificate(t *testing.T) {
	_, files := redis.StartTLS(t, "yes")
	takesOnce(t, "rediss://"+files.Addr+"?ca_file="+files.CAFile+"&cert_file="+files.CertFile+"&key_file="+files.KeyFile)
	if _, err := open(t, "rediss://"+files.Addr+"?ca_file="+files.CAFile).Take(t.Context(), once.NewKey("test", "x"), time.Minute); err == nil {
		t.Error("taken without a client certificate")
	}
}

// A failover needs no restart of the broker, and what was replicated stays taken.
func TestURL_sentinelFailover(t *testing.T) {
	master := redis.Start(t)
	replica := redis.StartReplica(t, master)
	sentinel := redis.StartSentinel(t, master)
	url := "redis+sentinel://" + sentinel.Addr + ",127.0.0.1:1/0?master_name=" + redis.SentinelMaster
	takesOnce(t, url)
	r, before := open(t, url), once.NewKey("test", "before")
	if _, err := r.Take(t.Context(), before, time.Minute); err != nil {
		t.Fatal(err)
	}
	poll.Until(t, time.Minute, func() error {
		if all, _ := sentinel.Do("SENTINEL", "REPLICAS", redis.SentinelMaster).([]any); len(all) != 1 {
			return fmt.Errorf("the sentinel knows %d replicas", len(all))
		}
		if n := replica.Admin().Exists(t.Context(), "oauth-broker:1:"+before.String()).Val(); n != 1 {
			return errors.New("not replicated yet")
		}
		return nil
	})
	master.Stop()
	poll.Until(t, time.Minute, func() error {
		_, err := r.Take(t.Context(), once.NewKey("test", rand.Text()), time.Minute)
		return err
	})
	if _, err := r.Take(t.Context(), before, time.Minute); !errors.Is(err, once.ErrTaken) {
		t.Errorf("what was taken before the failover: %v", err)
	}
}

func TestURL_cluster(t *testing.T) {
	nodes := redis.StartCluster(t)
	takesOnce(t, "redis+cluster://"+nodes[0].Addr)
	takesOnce(t, "redis+cluster://127.0.0.1:1,"+nodes[1].Addr)
	r := open(t, "redis+cluster://"+nodes[2].Addr)
	for range 50 { // on every master
		if _, err := r.Take(t.Context(), once.NewKey("test", rand.Text()), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range nodes {
		if len(n.Keys()) == 0 {
			t.Errorf("master %d of the cluster was given no key", i+1)
		}
	}
}

// Errors about a URL never hold it: there is a password in it.
func TestURL_refused(t *testing.T) {
	for what, url := range map[string]string{
		"empty": "", "no scheme": "localhost:6379", "http": "http://:" + escaped + "@h:1", "unescaped password": "redis://:a%zz" + escaped + "@h:1",
		"space": "redis://:pass word-0123456789@h:1", "no host": "redis+cluster://", "sentinel without a name": "redis+sentinel://:" + escaped + "@h:1",
		"unknown parameter": "redis://h:1?nope=" + escaped, "unknown parameter of a cluster": "redis+cluster://h:1?nope=" + escaped,
		"CA without TLS": "redis://h:1?ca_file=/ca.pem", "CA that is not there": "rediss://h:1?ca_file=/nope.pem", "key without certificate": "rediss://h:1?key_file=/key.pem",
		"database of a cluster": "redis+cluster://h:1/3", "bad database": "redis://h:1/x", "master name of one server": "redis://h:1?master_name=x", "empty host in a list": "redis+cluster://h:1,,h:2",
		"unix socket": "unix:///run/redis.sock",
	} {
		_, err := once.NewRedis(url)
		if err == nil {
			t.Errorf("%s: accepted", what)
			continue
		}
		if strings.Contains(err.Error(), "0123456789") {
			t.Errorf("%s: the error holds the URL: %v", what, err)
		}
	}
}
