// SPDX-License-Identifier: Apache-2.0

// Package places lets each holder have a share of what there is little of, and no
// more: workers, or connections to one address.
package places

import "sync"

// Places counts the places that are held, by holder. Its zero value is ready, and
// many may use it at once.
type Places[K comparable] struct {
	mu   sync.Mutex
	held map[K]int
}

// Enter takes a place for holder, unless it holds share of them. It does not wait.
func (p *Places[K]) Enter(holder K, share int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[holder] >= share {
		return false
	}
	if p.held == nil {
		p.held = map[K]int{}
	}
	p.held[holder]++
	return true
}

// Leave gives back a place that Enter took.
func (p *Places[K]) Leave(holder K) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[holder]--; p.held[holder] == 0 {
		delete(p.held, holder) // strangers choose holders: none is remembered
	}
}

// Holders is how many hold a place.
func (p *Places[K]) Holders() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.held)
}
