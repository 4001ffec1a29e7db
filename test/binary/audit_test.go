// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/test/binary"
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
