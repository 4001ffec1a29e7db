// SPDX-License-Identifier: Apache-2.0

// Package interop lets other people's OAuth and MCP clients, unmodified and from
// npm, log in through the real broker binary: the MCP conformance tool, the MCP
// TypeScript SDK, openid-client and mcp-remote. `make test-interop` installs them
// and runs the tests, which have the build tag interop.
//
// The clients know the address of an issuer, or of an MCP server, and nothing
// else of the broker. Each of them says which URL the user has to open. The user
// (user.go) is a headless browser that opens it, presses Allow on the consent
// page, and ends at the client's redirect URI. The MCP server (mcpserver.go)
// accepts the vendor's access tokens and nothing else, so whoever gets an answer
// from it holds a real one.
//
// clients holds the few lines that a user of each library would write.
package interop
