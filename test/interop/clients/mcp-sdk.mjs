// SPDX-License-Identifier: Apache-2.0
//
// An MCP client that is written with the MCP TypeScript SDK as its documentation
// says. Arguments: the MCP server's URL, and what is known of the client (JSON;
// nothing means that it registers itself). It prints the URL to open, and at the
// end one line of JSON.
import { auth } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { listen } from './callback.mjs';

const [serverUrl, known] = process.argv.slice(2);
const callback = await listen();
const kept = { client: known ? JSON.parse(known) : undefined, registered: false };

const provider = {
  get redirectUrl() {
    return callback.redirectUri;
  },
  get clientMetadata() {
    return {
      client_name: 'MCP SDK test',
      redirect_uris: [callback.redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: process.env.AUTH_METHOD ?? 'none',
    };
  },
  state: () => crypto.randomUUID(),
  clientInformation: () => kept.client,
  saveClientInformation: (client) => {
    kept.registered ||= kept.client === undefined;
    kept.client = client;
  },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => (kept.tokens = tokens),
  redirectToAuthorization: (url) => console.log(`Open ${url}`),
  saveCodeVerifier: (verifier) => (kept.verifier = verifier),
  codeVerifier: () => kept.verifier,
  discoveryState: () => kept.discovery,
  saveDiscoveryState: (state) => (kept.discovery = state),
};

const expect = async (want, options) => {
  const got = await auth(provider, { serverUrl, ...options });
  if (got !== want) throw new Error(`auth() says ${got}, want ${want}`);
};

await expect('REDIRECT');
const answer = await callback.answer();
if (answer.searchParams.has('error')) throw new Error(`the answer is ${answer.searchParams}`);
await expect('AUTHORIZED', { authorizationCode: answer.searchParams.get('code') });

const first = kept.tokens.access_token;
const tools = async () => {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL(serverUrl), { authProvider: provider }));
  const { tools } = await client.listTools();
  await client.close();
  return tools.map((tool) => tool.name);
};
await tools();

await expect('AUTHORIZED'); // refreshes
const result = {
  tools: await tools(),
  registered: kept.registered,
  method: kept.client.token_endpoint_auth_method,
  refreshed: kept.tokens.access_token !== first,
  issuer: answer.searchParams.get('iss'),
};
console.log(JSON.stringify(result));
