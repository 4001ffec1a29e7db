// SPDX-License-Identifier: Apache-2.0
//
// An application that is written with openid-client as its documentation says.
// Arguments: the issuer, the kind of discovery (oauth2 or oidc), the scope, and
// what is known of the client (JSON; nothing means that it registers itself). It
// prints the URL to open, and at the end one line of JSON.
import * as client from 'openid-client';
import { listen } from './callback.mjs';

const [issuer, algorithm, scope, known] = process.argv.slice(2);
const callback = await listen();
const server = new URL(issuer);

let config;
if (known) {
  const { client_id, client_secret } = JSON.parse(known);
  const method = client_secret ? client.ClientSecretBasic(client_secret) : client.None();
  config = await client.discovery(server, client_id, undefined, method, { algorithm });
} else {
  const metadata = {
    client_name: 'openid-client test',
    redirect_uris: [callback.redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
  };
  config = await client.dynamicClientRegistration(server, metadata, client.None(), { algorithm });
}

const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const nonce = algorithm === 'oidc' ? client.randomNonce() : undefined;
const request = {
  redirect_uri: callback.redirectUri,
  scope,
  state,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  ...(nonce && { nonce }),
};
if (process.env.PUSH) {
  console.log(`Open ${await client.buildAuthorizationUrlWithPAR(config, request)}`);
} else {
  console.log(`Open ${client.buildAuthorizationUrl(config, request)}`);
}

const tokens = await client.authorizationCodeGrant(config, await callback.answer(), {
  pkceCodeVerifier: verifier,
  expectedState: state,
  ...(nonce && { expectedNonce: nonce, idTokenExpected: true }),
});
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
if (config.serverMetadata().revocation_endpoint) {
  await client.tokenRevocation(config, renewed.refresh_token);
}
const result = {
  accessToken: renewed.access_token,
  refreshed: renewed.access_token !== tokens.access_token,
  subject: tokens.claims()?.sub,
};
console.log(JSON.stringify(result));
