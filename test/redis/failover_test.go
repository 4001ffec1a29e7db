// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/poll"
	"github.com/oauthbroker/oauth-broker/test/redis"
)

// startOn runs three brokers that share the Redis of a URL.
func startOn(t *testing.T, url string) rig {
	t.Helper()
	return rig{harness.Standard(t, harness.Setup{Options: harness.Options{Redis: url, Replicas: 3}}), nil}
}

// once redeems one code at a hundred places, and wants one answer with tokens.
func (r rig) once(t *testing.T) {
	t.Helper()
	l, before := r.Login(harness.WebClient), r.Fake.Count(fakevendor.Token)
	answers := make([]*harness.Response, 100)
	inParallel(len(answers), func(i int) { answers[i] = r.Token(tokenURL, l.Form(), r.Auth(harness.WebClient)) })
	wantOne(t, answers, func(a *harness.Response) bool { return a.Status == http.StatusOK }, func(a *harness.Response) { wantJSON(t, "the others", a, used()) })
	r.wantCalls(t, "one code", fakevendor.Token, before+1)
}

func TestRedis_throughACluster(t *testing.T) {
	nodes := redis.StartCluster(t)
	h := startOn(t, "redis+cluster://"+nodes[0].Addr+","+nodes[1].Addr)
	for range 5 { // codes of several slots
		h.once(t)
	}
	l, token := h.login(t, harness.WebClient)
	wantTokens(t, "refresh", l.Refresh(token))
	for i, n := range nodes {
		if len(n.Keys()) == 0 {
			t.Errorf("master %d holds nothing", i+1)
		}
	}
}

func TestRedis_overTLS(t *testing.T) {
	_, files := redis.StartTLS(t, "yes")
	h := startOn(t, "rediss://"+files.Addr+"?ca_file="+files.CAFile+"&cert_file="+files.CertFile+"&key_file="+files.KeyFile)
	h.once(t)
}

// The master dies while codes are redeemed: nothing is spent twice, what was
// replicated stays taken, and the brokers find the new master by themselves.
func TestRedis_sentinelFailsOver(t *testing.T) {
	master := redis.Start(t)
	replica := redis.StartReplica(t, master)
	sentinel := redis.StartSentinel(t, master)
	poll.Until(t, time.Minute, func() error {
		if all, _ := sentinel.Do("SENTINEL", "REPLICAS", redis.SentinelMaster).([]any); len(all) != 1 {
			return fmt.Errorf("the sentinel knows %d replicas", len(all))
		}
		return nil
	})
	h := startOn(t, "redis+sentinel://"+sentinel.Addr+"?master_name="+redis.SentinelMaster)
	h.once(t)
	spent := h.Login(harness.WebClient)
	wantTokens(t, "before", spent.Redeem())
	poll.Until(t, time.Minute, func() error {
		if a, b := len(master.Keys()), len(replica.Keys()); a != b {
			return fmt.Errorf("%d keys at the master, %d at the replica", a, b)
		}
		return nil
	})

	l := h.Login(harness.WebClient)
	redeem := func() *harness.Response { return h.Token(tokenURL, l.Form(), h.Auth(harness.WebClient)) }
	h.spendsOnce(t, redeem, master.Stop, func() {})
	poll.Until(t, time.Minute, func() error {
		if n := h.replicasUp("1"); n != 3 {
			return errors.New("not every replica has found it")
		}
		return nil
	})
	calls := h.Fake.Count(fakevendor.Token)
	wantJSON(t, "what was taken before", spent.Redeem(), used())
	h.wantCalls(t, "what was taken before", fakevendor.Token, calls)
	h.once(t)
}
