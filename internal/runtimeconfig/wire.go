// SPDX-License-Identifier: Apache-2.0

package runtimeconfig

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Names of the published objects.
const (
	// IndexName is the name of the index Secret of this Format.
	IndexName = "oauth-broker-index-v1"
	// IndexDataKey and ShardDataKey are the keys of the Secrets' data.
	IndexDataKey = "index.json"
	ShardDataKey = "shard.json"
	// ShardPrefix begins the name of every shard Secret of this Format.
	ShardPrefix = "oauth-broker-shard-v1-"
)

// Index names the shards of one revision.
type Index struct {
	Format int `json:"format"`
	// Sequence increases with every publish.
	Sequence int64 `json:"sequence"`
	// NameKey is the HMAC key of the shard names, so that a name tells nothing of
	// the content to who cannot read it.
	NameKey []byte `json:"nameKey"`
	// Shards of this revision, sorted by Prefix.
	Shards []ShardRef `json:"shards"`
	// Retired shards, for the publisher's collection.
	Retired []RetiredShard `json:"retired,omitempty"`
	// KeyIDs are the ids of the key ring that the publisher knows of.
	KeyIDs []string `json:"keyIDs,omitempty"`
}

// ShardRef names a shard and the part of the trie that it holds.
type ShardRef struct {
	Name string `json:"name"`
	// Prefix is a string of 0 and 1: the shard holds the items whose Hash begins so.
	Prefix string `json:"prefix"`
}

// RetiredShard is a shard that no revision names any more.
type RetiredShard struct {
	Name      string    `json:"name"`
	UID       string    `json:"uid"`
	RetiredAt time.Time `json:"retiredAt"`
}

// Item is one encoded object of a document.
type Item struct {
	// ID is kind/name, for example byoc/tenant-a/github.
	ID string `json:"id"`
	// Sequence that first published this content.
	Sequence int64 `json:"sequence"`
	// Body is the object's wire form.
	Body json.RawMessage `json:"body"`
}

// shard is the wire form of a shard.
type shard struct {
	Format int    `json:"format"`
	Items  []Item `json:"items"`
}

type vendorWire struct {
	*Vendor
	InitialAccessToken string `json:"initialAccessToken,omitempty"`
}

type credentialWire struct {
	*Credential
	ClientSecret string `json:"clientSecret,omitempty"`
	PrivateKey   string `json:"privateKey,omitempty"`
}

// VendorID is the id of a vendor's item.
func VendorID(name string) string { return "vendor/" + name }

// SharedID is the id of a vendor's shared credential.
func SharedID(vendor string) string { return "shared/" + vendor }

// BYOCID is the id of a BYOCCredential.
func BYOCID(namespace, name string) string { return "byoc/" + namespace + "/" + name }

// ID is the id of the credential's item.
func (c *Credential) ID() string {
	if c.Source == SourceShared {
		return SharedID(c.Vendor)
	}
	return BYOCID(c.Namespace, c.Name)
}

// ClientItemID is the id of a client, from its client id.
func ClientItemID(clientID string) string { return "client/" + clientID }

// EncodeVendor makes the item of a vendor.
func EncodeVendor(v *Vendor) (Item, error) {
	return encode(VendorID(v.Name), vendorWire{Vendor: v, InitialAccessToken: v.Registration.InitialAccessToken.Reveal()})
}

// EncodeCredential makes the item of a credential.
func EncodeCredential(c *Credential) (Item, error) {
	return encode(c.ID(), credentialWire{Credential: c, ClientSecret: c.ClientSecret.Reveal(), PrivateKey: c.PrivateKey.Reveal()})
}

// EncodeClient makes the item of a client.
func EncodeClient(c *Client) (Item, error) { return encode(ClientItemID(c.ID), c) }

func encode(id string, v any) (Item, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return Item{ID: id}, fmt.Errorf("encoding %s: %w", id, err)
	}
	return Item{ID: id, Body: b}, nil
}

// Encode makes the items of a document, sorted by id.
func Encode(d Document) ([]Item, error) {
	items := make([]Item, 0, len(d.Vendors)+len(d.Credentials)+len(d.Clients))
	add := func(i Item, err error) error {
		items = append(items, i)
		return err
	}
	for i := range d.Vendors {
		if err := add(EncodeVendor(&d.Vendors[i])); err != nil {
			return nil, err
		}
	}
	for i := range d.Credentials {
		if err := add(EncodeCredential(&d.Credentials[i])); err != nil {
			return nil, err
		}
	}
	for i := range d.Clients {
		if err := add(EncodeClient(&d.Clients[i])); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(items, func(a, b Item) int { return strings.Compare(a.ID, b.ID) })
	return items, nil
}

// EncodeShard writes a shard; items must be sorted by id.
func EncodeShard(items []Item) ([]byte, error) {
	return json.Marshal(shard{Format: Format, Items: items})
}

// DecodeShard strictly reads a shard.
func DecodeShard(b []byte) ([]Item, error) {
	var s shard
	if err := strict(b, &s); err != nil {
		return nil, fmt.Errorf("decoding shard: %w", err)
	}
	if s.Format != Format {
		return nil, fmt.Errorf("decoding shard: format %d, this release reads %d", s.Format, Format)
	}
	return s.Items, nil
}

// EncodeIndex writes an index.
func EncodeIndex(i Index) ([]byte, error) { return json.Marshal(i) }

// DecodeIndex strictly reads an index.
func DecodeIndex(b []byte) (Index, error) {
	var i Index
	if err := strict(b, &i); err != nil {
		return Index{}, fmt.Errorf("decoding index: %w", err)
	}
	if i.Format != Format {
		return Index{}, fmt.Errorf("decoding index: format %d, this release reads %d", i.Format, Format)
	}
	if len(i.NameKey) < sha256.Size {
		return Index{}, errors.New("decoding index: nameKey is too short")
	}
	return i, nil
}

// ShardName names a shard by an HMAC of its content.
func ShardName(nameKey, content []byte) string {
	h := hmac.New(sha256.New, nameKey)
	h.Write(content)
	return ShardPrefix + hex.EncodeToString(h.Sum(nil)[:20])
}

// Revision names the content of an index: equal shards, equal revision.
func (i Index) Revision() string {
	h := hmac.New(sha256.New, i.NameKey)
	var line []byte
	for _, s := range i.Shards {
		line = append(append(line[:0], s.Name...), '\n')
		h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// HashBits is the length of a Hash.
const HashBits = 8 * sha256.Size

// Hash is the place of an item in the trie, as a string of 0 and 1. It has all
// bits of the sum: nobody can choose names of items that no prefix parts.
func Hash(id string) string {
	sum := sha256.Sum256([]byte(id))
	bits := make([]byte, 0, HashBits)
	for _, b := range sum {
		for i := 7; i >= 0; i-- {
			bits = append(bits, '0'+(b>>i)&1)
		}
	}
	return string(bits)
}

func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("trailing bytes")
	}
	return nil
}
