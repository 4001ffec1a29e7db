// SPDX-License-Identifier: Apache-2.0

// Command hello is what the test packs.
package main

func main() {}
