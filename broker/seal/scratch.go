// SPDX-License-Identifier: Apache-2.0

package seal

// scratch is the working memory of one call: what is plain or sealed, and the
// reader or writer of its members. It is used again, since a login takes it five
// times. Nothing that a call returns is part of it.
type scratch struct {
	bytes  []byte
	fields Fields
}

const (
	// usualBytes is what most sealed contents fit into, with nonce and tag.
	usualBytes = 1 << 10
	// keptBytes bounds what is kept: a copy of the configuration is not.
	keptBytes = 16 << 10
)

func (r *Ring) borrow() *scratch {
	if s, ok := r.scratch.Get().(*scratch); ok {
		return s
	}
	return &scratch{bytes: make([]byte, 0, usualBytes), fields: Fields{members: make([]member, 0, usualMembers)}}
}

// release gives s back.
func (r *Ring) release(s *scratch) {
	clear(s.fields.members[:cap(s.fields.members)]) // they hold on to texts
	s.fields = Fields{members: s.fields.members[:0]}
	if cap(s.bytes) <= keptBytes {
		r.scratch.Put(s)
	}
}
