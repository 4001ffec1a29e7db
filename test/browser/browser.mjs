// SPDX-License-Identifier: Apache-2.0
//
// What the walks share: Chromium, clients of the broker, and checks.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import axe from 'axe-core';
import { chromium } from 'playwright-core';

export const world = JSON.parse(process.env.WORLD);

// open starts Chromium with a new profile. It finds *.example on loopback, no
// other name at all, and trusts the keys of the world.
export async function open() {
  const profile = await mkdtemp(join(tmpdir(), 'browser-'));
  const options = {
    executablePath: world.chromium,
    headless: true,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
      '--host-resolver-rules=MAP *.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
      `--ignore-certificate-errors-spki-list=${world.keys.join(',')}`,
    ],
  };
  const first = await chromium.launchPersistentContext(profile, options);
  const browser = first.browser() ?? first;
  return {
    // person is a new person: no cookies. violations and hosts grow as they browse.
    person: async (settings = {}) => {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...settings });
      context.setDefaultTimeout(20_000);
      const seen = { violations: [], hosts: new Set() };
      context.on('console', (message) => {
        if (/Content Security Policy|Content-Security-Policy/.test(message.text())) seen.violations.push(message.text());
      });
      context.on('request', (request) => seen.hosts.add(new URL(request.url()).hostname));
      return Object.assign(context, { seen });
    },
    close: async () => {
      await first.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

// begin makes an authorization request, as a client does.
export function begin(clientId, { vendor = 'acme', redirectUri = `${world.application}/callback`, scope } = {}) {
  const issuer = `${world.broker}/v1/vendors/${vendor}`;
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(16).toString('base64url');
  const url = new URL(`${issuer}/authorize`);
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const parameters = {
    response_type: 'code', client_id: clientId, redirect_uri: redirectUri, state, code_challenge: challenge, code_challenge_method: 'S256',
    ...(scope && { scope }),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { url: url.href, issuer, vendor, clientId, redirectUri, state, verifier };
}

// register registers a client at the broker.
export async function register(name, redirectUri, vendor = 'acme') {
  const native = redirectUri.startsWith('http:');
  const answer = await fetch(`${world.brokerAddress}/v1/vendors/${vendor}/register`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      client_name: name, redirect_uris: [redirectUri], token_endpoint_auth_method: 'none', application_type: native ? 'native' : 'web',
    }),
  });
  const body = await answer.json();
  assert.equal(answer.status, 201, JSON.stringify(body));
  return body.client_id;
}

// arrived waits until a page is back at the client, and reads the answer.
export async function arrived(page, login) {
  await page.waitForURL((url) => url.href.startsWith(login.redirectUri));
  const answer = Object.fromEntries(new URL(page.url()).searchParams);
  assert.equal(answer.state, login.state, JSON.stringify(answer));
  assert.equal(answer.iss, login.issuer);
  return answer;
}

// redeem turns the code of a login into the vendor's tokens.
export async function redeem(login, { code, ...rest }) {
  assert.ok(code, JSON.stringify(rest));
  const answer = await fetch(`${world.brokerAddress}/v1/vendors/${login.vendor}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code', code, redirect_uri: login.redirectUri, code_verifier: login.verifier, client_id: login.clientId,
    }),
  });
  const tokens = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(tokens));
  assert.match(tokens.access_token, /^vendor-access-/);
}

// signIn fills in the vendor's own form, which is on another host.
export async function signIn(page) {
  await page.waitForURL((url) => url.origin === world.signIn);
  await page.getByLabel('Name').fill('someone');
  await page.getByRole('button', { name: 'Sign in' }).click();
}

export const allow = (page) => page.getByRole('button', { name: 'Allow' }).click();
export const cancel = (page) => page.getByRole('button', { name: 'Cancel' }).click();

// accessible fails on any violation that axe finds; best practices count.
export async function accessible(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  const told = violations.map((v) => `${v.id}: ${v.help}\n${v.nodes.map((n) => `  ${n.html}: ${n.failureSummary}`).join('\n')}`);
  assert.deepEqual(told, []);
}

// picture checks a page in light and dark, on a phone and on a desk, and keeps a
// screenshot of each.
export async function picture(page, name) {
  await mkdir(world.screenshots, { recursive: true });
  const before = page.viewportSize();
  for (const width of [320, 375, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${name} has to be scrolled sideways at ${width} px`);
    if (width === 320) continue; // WCAG 1.4.10
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await accessible(page);
      await page.screenshot({ path: join(world.screenshots, `${name}-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
}
