// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

func newKeys() *cobra.Command {
	return group(&cobra.Command{Use: "keys", Short: "Make the sealing keys of a broker that runs without the operator"}, &cobra.Command{
		Use:   "new FILE",
		Short: "Write a new key ring to FILE, which must not exist",
		Args:  arguments(cobra.ExactArgs(1)),
		RunE:  func(_ *cobra.Command, args []string) error { return writeKeyRing(args[0], time.Now()) },
	})
}

// writeKeyRing never overwrites: a lost ring ends every session.
func writeKeyRing(path string, now time.Time) (err error) {
	b, err := keyring.Encode(keyring.New(now))
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the caller names the file
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists and holds the keys of running sessions: it is not overwritten", path)
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(b)
	return err
}
