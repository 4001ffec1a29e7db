// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/canary"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/redis"
)

// Keys are digests, values are sealed, random or numbers. That no secret which
// passed by is in a dump, the harness asserts at the end of every test here.
func TestRedTeam_K05_Dump(t *testing.T) {
	setup := rotates(fakevendor.RefreshRotating)
	edit := setup.Edit
	setup.Edit = func(d *runtimeconfig.Document) {
		edit(d)
		d.Clients[1].AlwaysConsent = true
	}
	var rdb string
	setup.Look = map[string]func() string{"the RDB file of Redis": func() string { return rdb }}
	h := start(t, setup)
	key, token := h.login(t, harness.KeyClient)
	wantTokens(t, "refresh", key.Refresh(token))
	web := h.NewLogin(harness.WebClient)
	form := answerOf(t, web.Browser.Get(push(t, h, web)), "allow")
	web.Finish(web.Browser.Post(harness.PublicURL+"/v1/consent", form))
	wantTokens(t, "consent", web.Redeem())
	_ = h.Metrics() // writes, too

	const digest = `:[0-9a-f]{64}`
	known := regexp.MustCompile(`^oauth-broker:1:(` + strings.Join([]string{
		`(assertion|code|state|consent|pushed)` + digest + ` "[A-Z2-7]{26}"`, // the random owner of a take
		`(family|step)` + digest + ` "\d+"`,
		`answer:refresh` + digest + ` "obx1\.[a-z2-7]+\.[\w-]+"`,
		`lease:refresh` + digest + ` "[A-Z2-7]{26}"`,
		`ping ""`,
	}, "|") + `)$`)
	seen := map[string]bool{}
	for line := range strings.Lines(h.redis.Dump()) {
		line = strings.TrimSuffix(line, "\n")
		m := known.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("Redis holds %q", line)
			continue
		}
		kind, _, _ := strings.Cut(m[1], ":")
		seen[kind] = true
	}
	for _, kind := range []string{"assertion", "code", "state", "consent", "pushed", "family", "step", "answer"} {
		if !seen[kind] {
			t.Errorf("no %s in the dump, so nothing is known about it", kind)
		}
	}
	// The file that Redis writes to disk is searched by the same eyes.
	rdb = h.redis.RDB()
	if !strings.Contains(rdb, "oauth-broker:1:state:") {
		t.Error("the RDB file holds no state, so nothing is known about it")
	}
	for _, key := range h.redis.Keys() {
		if h.redis.Admin().TTL(t.Context(), key).Val() <= 0 {
			t.Errorf("%s never ends", key)
		}
	}
}

// A plain token in Redis would be found.
func TestRedTeam_K05_DumpIsSearched(t *testing.T) {
	l := &canary.Heard{TB: t}
	server := redis.Start(t)
	h := rig{harness.Standard(l, harness.Setup{Options: harness.Options{Redis: server.URL(), Look: map[string]func() string{"Redis": server.Dump}}}), server}
	_, token := h.login(t, harness.WebClient)
	h.CheckNoSecrets(l)
	if len(l.Errors) != 0 {
		t.Errorf("heard %q of an innocent broker", l.Errors)
	}
	server.Do("SET", "leak", "x"+token)
	h.CheckNoSecrets(l)
	if !strings.Contains(strings.Join(l.Errors, "\n"), "Redis holds a secret") {
		t.Errorf("heard %q", l.Errors)
	}
	server.Do("DEL", "leak")
}
