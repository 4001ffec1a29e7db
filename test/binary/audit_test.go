// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// holdsRecords tells whether the file holds a record of each action.
func holdsRecords(path string, actions ...string) error {
	content, err := os.ReadFile(path)
	for _, a := range actions {
		if err == nil && !strings.Contains(string(content), `"action":"`+a+`"`) {
			err = fmt.Errorf("no record of %s in %s", a, content)
		}
	}
	return err
}

// TestAudit_file: the broker's own changes are told, and a file that was moved
// away is left alone from the next record on.
func TestAudit_file(t *testing.T) {
	s := newSite(t)
	path := s.Path("audit.log")
	b := s.Start("--audit-log", path).Ready()
	login(t, s.cli("acme"))
	binary.Eventually(t, func() error { return holdsRecords(path, "configuration.change", "authorization", "token.issue") })
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path + ".1")
	if err != nil {
		t.Fatal(err)
	}
	s.ring(t, func(r *keyring.Ring) {
		added := keyring.New(time.Now())
		r.Flow = append(r.Flow, added.Flow...)
	})
	binary.Eventually(t, func() error { return holdsRecords(path, "keyring.change") })
	if after, err := os.ReadFile(path + ".1"); err != nil || string(after) != string(before) {
		t.Errorf("the file that was moved away grew, %v", err)
	}
	if strings.Contains(b.Log(), `"action"`) {
		t.Error("records are in the log")
	}
}

// consents answers the consent page that is shown instead of the vendor's, in one
// browser, and comes back to the client.
func consents(t *testing.T, s *site, answer string) (*binary.Login, *binary.Client) {
	t.Helper()
	c := s.cli("acme")
	c.Endpoint.AuthStyle = oauth2.AuthStyleInParams // x/oauth2 tries two otherwise, which are two records
	browser := s.Browser(c.RedirectURL, s.acme)
	l := &binary.Login{State: "state-of-the-consent", Verifier: oauth2.GenerateVerifier()}
	shown, err := browser.Get(c.AuthCodeURL(l.State, oauth2.S256ChallengeOption(l.Verifier)))
	if err != nil {
		t.Fatal(err)
	}
	defer shown.Body.Close()
	page, err := io.ReadAll(shown.Body)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"action": {answer}}
	for _, m := range regexp.MustCompile(`name="(id|request)" value="([^"]*)"`).FindAllStringSubmatch(string(page), -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	after := send(t, browser, s.PublicURL+"/v1/consent", form.Encode(), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {s.PublicURL}})
	to, err := after.Location()
	if err != nil {
		t.Fatalf("after the consent: %d, %v", after.StatusCode, err)
	}
	l.Answer = to.Query()
	return l, c
}

// send sends a POST.
func send(t *testing.T, c *http.Client, address, body string, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer
}

// TestAudit_schema: a broker does everything that the schema knows of, and each
// record is valid.
func TestAudit_schema(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme, err := os.ReadFile(s.Path("config/acme.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	trusted := "trustedNamespaces: {from: Selector, selector: {matchLabels: {tier: trusted}}}"
	s.Write("config/acme.yaml", strings.Replace(string(acme), trusted, "registration: {mode: Open}\n  revocation: {style: RFC7009}", 1))
	path := s.Path("audit.log")
	s.Start("--audit-log", path, "--registration", "Open").Ready()

	if l, _ := consents(t, s, "cancel"); l.Answer.Get("error") != "access_denied" {
		t.Errorf("cancelled: %v", l.Answer)
	}
	l, c := consents(t, s, "allow")
	token, err := c.Token(l)
	if err != nil {
		t.Fatal(err)
	}
	if token, err = c.Renew(token); err != nil {
		t.Fatal(err)
	}
	send(t, s.HTTP(), s.PublicURL+"/v1/vendors/acme/revoke", url.Values{"token": {token.RefreshToken}, "client_id": {c.ClientID}}.Encode(), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	asJSON := http.Header{"Content-Type": {"application/json"}}
	send(t, s.HTTP(), s.PublicURL+"/v1/register", `{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`, asJSON)
	credentials := base64.StdEncoding.EncodeToString([]byte("globex.web:" + webSecret))
	send(t, s.HTTP(), s.PublicURL+"/v1/register", `{"vendor":"acme"}`, http.Header{"Content-Type": {"application/json"}, "Authorization": {"Basic " + credentials}})
	s.ring(t, func(r *keyring.Ring) { r.Flow = append(r.Flow, keyring.New(time.Now()).Flow...) })
	s.Write("config/namespaces.yaml", namespacesYAML+"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: hooli}\n")
	s.Write("config/more.yaml", "apiVersion: oauthbroker.dev/v1alpha1\nkind: BrokerClient\nmetadata: {name: more, namespace: hooli}\nspec:\n  redirectURIs: [https://app.example/cb]\n  authentication: {method: None}\n  vendors: [{name: acme}]\n")

	want := []string{
		"authorization success", "client.register success", "configuration.change success", "configuration.change success", "consent denied", "consent success",
		"keyring.change success", "token.issue success", "token.refresh success", "token.revoke success", "vendor.register success",
	}
	binary.Eventually(t, func() error {
		content, err := os.ReadFile(path)
		if n := strings.Count(string(content), "\n"); n < len(want) {
			return fmt.Errorf("%d records, %w in %s", n, err, content)
		}
		return nil
	})
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range harness.AuditRecords(t, string(content)) {
		got = append(got, fmt.Sprint(r["action"], " ", r["outcome"]))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s\n%s", diff, content)
	}
	refusesMore(t, string(content))
}

// refusesMore: the schema lets no member pass that it does not know, in none of
// the records and not in what they hold, and misses each that it asks for.
func refusesMore(t *testing.T, log string) {
	t.Helper()
	schema := harness.AuditSchema(t)
	for _, record := range harness.AuditRecords(t, log) {
		more := maps.Clone(record)
		more["access_token"] = "x"
		if schema.Validate(more) == nil {
			t.Errorf("another member is valid in a record of %v", record["action"])
		}
		if inner, ok := record["configuration"].(map[string]any); ok {
			more, moreInner := maps.Clone(record), maps.Clone(inner)
			moreInner["credential"] = "x"
			more["configuration"] = moreInner
			if schema.Validate(more) == nil {
				t.Error("another member is valid in configuration")
			}
		}
		for _, name := range []string{"version", "time", "action", "outcome", "requestID", "keyIDs", "configuration"} {
			less := maps.Clone(record)
			delete(less, name)
			if _, there := record[name]; there && schema.Validate(less) == nil {
				t.Errorf("a record of %v is valid without %s", record["action"], name)
			}
		}
	}
}

// TestAudit_notWritten: a log on a full disk fails no login, and is told of.
func TestAudit_notWritten(t *testing.T) {
	s := newSite(t)
	b := s.Start("--audit-log", "/dev/full").Ready()
	token := login(t, s.cli("acme"))
	if _, err := s.cli("acme").Renew(token); err != nil {
		t.Errorf("refresh: %v", err)
	}
	binary.Eventually(t, func() error {
		if lost, err := metric(b, `oauth_broker_audit_records_lost_total\{reason="write"\}`); err != nil || lost < 3 {
			return fmt.Errorf("%.0f records are counted as lost, %w", lost, err)
		}
		return nil
	})
	b.LogHas("audit log is not written")
	if n := strings.Count(b.Log(), "audit log is not written"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

// TestAudit_refused: a file that cannot be made ends the start.
func TestAudit_refused(t *testing.T) {
	s := newSite(t)
	if code, stderr := s.Run(append(s.Flags(), "--config", s.Path("config"), "--audit-log", s.Path("no/such/folder"))...); code != 1 || !strings.Contains(stderr, "--audit-log") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
