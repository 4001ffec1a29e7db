// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"
)

// Resolver is a DNS of the test's own: it answers questions about IPv4 addresses
// with what address returns, and knows no IPv6 ones.
func Resolver(address func(name string) []netip.Addr) *net.Resolver {
	return resolver(dnsmessage.TypeA, func(name string) (all []dnsmessage.ResourceBody) {
		for _, a := range address(name) {
			all = append(all, &dnsmessage.AResource{A: a.As4()})
		}
		return all
	})
}

// Resolver6 is a Resolver that knows IPv6 addresses, and no IPv4 ones.
func Resolver6(address func(name string) []netip.Addr) *net.Resolver {
	return resolver(dnsmessage.TypeAAAA, func(name string) (all []dnsmessage.ResourceBody) {
		for _, a := range address(name) {
			all = append(all, &dnsmessage.AAAAResource{AAAA: a.As16()})
		}
		return all
	})
}

func resolver(kind dnsmessage.Type, answers func(name string) []dnsmessage.ResourceBody) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			for answerQuestion(server, kind, answers) == nil {
			}
		}()
		return client, nil
	}}
}

// answerQuestion answers one question, in the framing of DNS over TCP (RFC 1035
// section 4.2.2).
func answerQuestion(conn net.Conn, kind dnsmessage.Type, answers func(name string) []dnsmessage.ResourceBody) error {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	raw := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, raw); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(raw); err != nil {
		return err
	}
	m.Response, m.Additionals = true, nil
	if q := m.Questions[0]; q.Type == kind {
		for _, body := range answers(q.Name.String()) {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: body})
		}
	}
	packed, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...))
	return err
}
