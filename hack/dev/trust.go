// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/oauthbroker/oauth-broker/test/authority"
)

// newTrust makes a CA and writes its certificate to caFile.
func (d *demo) newTrust() (err error) {
	if d.trust, err = authority.New(); err != nil {
		return err
	}
	if err := os.WriteFile(d.caFile(), d.trust.PEM(), 0o600); err != nil {
		return fmt.Errorf("writing the CA's certificate: %w", err)
	}
	return nil
}

func (d *demo) caFile() string { return filepath.Join(d.dir, "ca.crt") }

// issue writes a certificate for localhost and its key to files of a directory
// of that name.
func (d *demo) issue(name string) (certFile, keyFile string, err error) {
	certificate, err := d.trust.Issue("localhost", "127.0.0.1")
	if err != nil {
		return "", "", err
	}
	dir := filepath.Join(d.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", fmt.Errorf("making the directory of a certificate: %w", err)
	}
	return filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), authority.Write(dir, certificate)
}
