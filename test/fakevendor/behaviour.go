// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"net/http"
	"net/url"
)

// Behaviour is one way to misbehave. Its zero value is to behave well.
type Behaviour struct {
	// Name says in a test's output what the vendor does.
	Name string
	// Write answers instead of the server.
	Write func(w http.ResponseWriter, r *http.Request)
	// Process lets the server handle the request before Write answers: the code
	// is spent, and nobody hears of the tokens.
	Process bool
	// Edit changes the members of a good JSON answer.
	Edit func(answer map[string]any)
	// Callback changes the parameters of an authorization response.
	Callback func(values url.Values)
	// IDToken changes an ID token before it is signed, or signs it itself.
	IDToken func(t *IDToken)
}

// Processed is the same behaviour after the request was handled for real.
func (b Behaviour) Processed() Behaviour {
	b.Name += ", after the request was handled"
	b.Process = true
	return b
}

// queued is a behaviour and how many requests it still meets; -1 for all.
type queued struct {
	behaviour Behaviour
	left      int
}

// Set makes an endpoint behave so from now on. The zero Behaviour ends it.
func (s *Server) Set(e Endpoint, b Behaviour) { s.SetTimes(e, b, -1) }

// SetTimes makes an endpoint behave so for the next n requests.
func (s *Server) SetTimes(e Endpoint, b Behaviour, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behaviour[e] = &queued{behaviour: b, left: n}
}

// Behave ends every misbehaviour.
func (s *Server) Behave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.behaviour)
}

func (s *Server) next(e Endpoint) Behaviour {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, ok := s.behaviour[e]
	if !ok || q.left == 0 {
		return Behaviour{}
	}
	if q.left > 0 {
		q.left--
	}
	return q.behaviour
}
