// SPDX-License-Identifier: Apache-2.0

// Package kubesource is the broker's eye on the cluster: it watches the one
// published index Secret by name, gets the shards that it does not have yet,
// and hands over each snapshot that loads.
//
// The last good snapshot is never given up: an API server that is away, a shard
// that is gone, or a malformed document is logged and counted, and serving goes
// on. A GET of the index every 30 seconds backs the watch. It needs get, list
// and watch on the index by name, and get on the Secrets of the published
// namespace, and nothing else.
//
// Everything happens in one goroutine, so loads never overlap.
package kubesource
