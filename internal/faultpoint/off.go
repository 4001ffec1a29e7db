// SPDX-License-Identifier: Apache-2.0

//go:build !faultpoints

package faultpoint

// Hit does nothing: this binary was built without fault points.
func Hit(string) {}
