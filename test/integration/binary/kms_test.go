// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakekms"
)

// TestKMS_operatorWrapsTheRing: the operator waits for a KMS that is away, makes
// the ring wrapped, and never asks for a decryption; the broker serves with it.
func TestKMS_operatorWrapsTheRing(t *testing.T) {
	kms := fakekms.Start(t)
	kms.FailNext(2)
	for _, variable := range kms.VaultEnv() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	c := newCluster(t, "--keyring-kms-url", kms.VaultURL()) // waits for the ring
	if log := c.operator.String(); !strings.Contains(log, "KeyRingNotMade") || strings.Contains(log, fakekms.Token) {
		t.Error("the operator does not tell that the KMS was away, or tells its token")
	}
	if _, _, err := c.ring(t.Context()); !errors.Is(err, keyring.ErrWrapped) {
		t.Fatalf("the ring is not wrapped: %v", err)
	}
	b := c.StartWith("--published-namespace", c.published, "--kubeconfig", c.brokerUser(t), "--keyring-kms-url", kms.VaultURL())
	c.create(t, c.objects()...)
	binary.Eventually(t, c.login)
	if n := kms.Calls("decrypt"); n != 1 {
		t.Errorf("%d calls of decrypt, want the broker's one", n)
	}
	// A rotation is recorded by the operator, which reads ids only.
	rotator := c.rotator(t)
	if out, err := c.keys(t.Context(), rotator, "rotate", "--keyring-kms-url", kms.VaultURL()); err != nil {
		t.Fatalf("rotate: %v: %s", err, out)
	}
	binary.Eventually(t, func() error {
		if log := c.operator.String(); strings.Contains(log, "KeyRingInvalid") {
			return errors.New("the operator cannot read the ids")
		}
		return c.recorded(t.Context())
	})
	c.takeRing(t)
	binary.Eventually(t, func() error {
		if got := b.Revision().KeyIDs; len(got) != 4 {
			return errors.New("the broker has no new keys")
		}
		return nil
	})
	if err := c.login(); err != nil {
		t.Error(err)
	}
}
