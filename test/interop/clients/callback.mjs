// SPDX-License-Identifier: Apache-2.0
//
// The redirect URI of a native application: a loopback port (RFC 8252).
import { createServer } from 'node:http';

// listen returns the redirect URI, and a function that waits for the URL that
// the browser comes back with.
export async function listen() {
  let arrived;
  const url = new Promise((resolve) => (arrived = resolve));
  const server = createServer((request, response) => {
    response.end('You can close this page.');
    arrived(new URL(request.url, redirectUri));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const redirectUri = `http://127.0.0.1:${server.address().port}/callback`;
  return {
    redirectUri,
    answer: async () => {
      const answer = await url;
      server.close();
      server.closeAllConnections();
      return answer;
    },
  };
}
