// SPDX-License-Identifier: Apache-2.0

package runtimeconfig

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// loaded is a shard that was read.
type loaded struct {
	prefix  string
	content []byte
	// entries are sorted by id.
	entries []placed
}

// placed is an entry and the text of its item in the content of a shard.
type placed struct {
	*entry
	text []byte
}

// entry is an item that was read: a vendor, a credential or a client. Shards of
// several snapshots share it.
type entry struct {
	id string
	// place is the sum that Hash shows.
	place      [sha256.Size]byte
	vendor     *Vendor
	credential *Credential
	client     *Client
}

// do calls the function for what the entry is; those for other kinds may be nil.
func (e *entry) do(vendor func(*Vendor), credential func(*Credential), client func(*Client)) {
	switch {
	case e.vendor != nil && vendor != nil:
		vendor(e.vendor)
	case e.credential != nil && credential != nil:
		credential(e.credential)
	case e.client != nil && client != nil:
		client(e.client)
	}
}

// under tells whether the entry belongs into the shard of a prefix.
func (e *entry) under(prefix string) bool {
	for i := range len(prefix) {
		if i >= HashBits || '0'+e.place[i/8]>>(7-i%8)&1 != prefix[i] {
			return false
		}
	}
	return true
}

// readShard reads the content of a shard. Items that known has, which is sorted
// by id, with the same text are taken from there: a shard of which one item
// changed is compared, not decoded.
func readShard(content []byte, known []placed) ([]placed, error) {
	if entries, ok := readPlain(content, known); ok {
		return entries, nil
	}
	return readOther(content)
}

// readPlain reads a good shard that is written as EncodeShard does.
func readPlain(content []byte, known []placed) ([]placed, bool) {
	rest, plain := bytes.CutPrefix(content, fmt.Appendf(nil, `{"format":%d,"items":[`, Format))
	rest, closed := bytes.CutSuffix(rest, []byte("]}"))
	if !plain || !closed {
		return nil, false
	}
	entries := make([]placed, 0, len(known)+1)
	for len(rest) > 0 {
		if len(entries) > 0 {
			var comma bool
			if rest, comma = bytes.CutPrefix(rest, []byte(",")); !comma {
				return nil, false
			}
		}
		e, err := readEntry(rest, known)
		if err != nil {
			return nil, false // readOther finds it again, and says where
		}
		for len(known) > 0 && known[0].id <= e.id {
			known = known[1:]
		}
		entries, rest = append(entries, e), rest[len(e.text):]
	}
	return entries, true
}

// readEntry reads the item at the begin of text.
func readEntry(text []byte, known []placed) (placed, error) {
	if len(known) > 0 && len(known[0].text) > 0 && bytes.HasPrefix(text, known[0].text) {
		return placed{known[0].entry, text[:len(known[0].text)]}, nil // known's own text would keep its whole shard in memory
	}
	var it Item
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&it); err != nil {
		return placed{}, err
	}
	e, err := decodeItem(it)
	return placed{e, text[:d.InputOffset()]}, err
}

// readOther reads any shard. Its entries have no text, and are never taken for
// those of another shard.
func readOther(content []byte) ([]placed, error) {
	items, err := DecodeShard(content)
	if err != nil {
		return nil, err
	}
	entries := make([]placed, len(items))
	for n, it := range items {
		if entries[n].entry, err = decodeItem(it); err != nil {
			return nil, fmt.Errorf("item %d: %w", n, err)
		}
	}
	return entries, nil
}

func decodeItem(i Item) (*entry, error) {
	e := &entry{id: i.ID, place: sha256.Sum256([]byte(i.ID))}
	kind, _, _ := strings.Cut(i.ID, "/")
	switch kind {
	case "vendor":
		w := vendorWire{Vendor: &Vendor{}}
		if err := strict(i.Body, &w); err != nil {
			return nil, err
		}
		if w.Vendor == nil {
			return nil, errors.New("body is null")
		}
		w.Registration.InitialAccessToken = secret.New(w.InitialAccessToken)
		w.Sequence = i.Sequence
		e.vendor = w.Vendor
		return e, sameID(i.ID, VendorID(w.Name))
	case "shared", "byoc":
		w := credentialWire{Credential: &Credential{}}
		if err := strict(i.Body, &w); err != nil {
			return nil, err
		}
		if w.Credential == nil {
			return nil, errors.New("body is null")
		}
		w.Credential.ClientSecret, w.Credential.PrivateKey = secret.New(w.ClientSecret), secret.New(w.PrivateKey)
		w.Sequence = i.Sequence
		e.credential = w.Credential
		return e, sameID(i.ID, w.ID())
	case "client":
		e.client = &Client{}
		if err := strict(i.Body, e.client); err != nil {
			return nil, err
		}
		return e, sameID(i.ID, ClientItemID(e.client.ID))
	}
	return nil, errors.New("unknown kind")
}

func sameID(got, want string) error {
	if got != want {
		return errors.New("id and body disagree")
	}
	return nil
}
