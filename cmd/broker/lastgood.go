// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// lastGood keeps the published documents of the last good snapshot in a file,
// sealed with the key ring, so that a container which restarts while the API
// server is away serves on.
type lastGood struct {
	path string
	keys *seal.Keys
	now  func() time.Time
}

type lastGoodContent struct {
	Index  runtimeconfig.Index `json:"index"`
	Shards map[string][]byte   `json:"shards"`
}

// lastGoodLife bounds how old a configuration may be and still start a broker.
const lastGoodLife = 7 * 24 * time.Hour

// Save writes the file in one step.
func (l lastGood) Save(index runtimeconfig.Index, shards map[string][]byte) error {
	sealed, err := l.keys.Ring().Seal(seal.LastGood, l.now().Add(lastGoodLife), "", lastGoodContent{index, shards})
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(l.path), ".last-good-*")
	if err != nil {
		return fmt.Errorf("saving the last good configuration: %w", err)
	}
	_, err = tmp.WriteString(sealed)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), l.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("saving the last good configuration: %w", err), os.Remove(tmp.Name()))
	}
	return nil
}

// Restore reads the file; ok is false where there is none that opens.
func (l lastGood) Restore() (index runtimeconfig.Index, shards map[string][]byte, ok bool) {
	sealed, err := os.ReadFile(l.path)
	if err != nil {
		return index, nil, false
	}
	var c lastGoodContent
	if err := l.keys.Ring().Open(seal.LastGood, string(sealed), "", &c); err != nil {
		return index, nil, false
	}
	return c.Index, c.Shards, true
}
