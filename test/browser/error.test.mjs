// SPDX-License-Identifier: Apache-2.0
//
// What a person sees when a login cannot go on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { allow, arrived, begin, open, picture, redeem, register, signIn, world } from './browser.mjs';

let chromium;
before(async () => (chromium = await open()));
after(() => chromium.close());

// shows checks an error page.
async function shows(page, response, { status, title, name }) {
  assert.equal(response.status(), status);
  assert.equal(new URL(page.url()).origin, world.broker, 'nobody is redirected anywhere');
  assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), title);
  assert.match(await page.title(), new RegExp(title));
  await picture(page, name);
}

for (const [what, change, want] of [
  ['an unknown client', (url) => url.searchParams.set('client_id', 'nobody.here'), { status: 400, title: 'This sign-in request is not valid', name: 'error-client' }],
  ['a foreign redirect URI', (url) => url.searchParams.set('redirect_uri', 'https://evil.example/'), { status: 400, title: 'This sign-in request is not valid', name: 'error-redirect' }],
  ['an unknown vendor', (url) => (url.pathname = '/v1/vendors/nobody/authorize'), { status: 404, title: 'Unknown vendor', name: 'error-vendor' }],
  ['an unknown address', (url) => (url.pathname = '/nothing/here'), { status: 404, title: 'Page not found', name: 'error-address' }],
]) {
  test(what, async () => {
    const person = await chromium.person();
    const page = await person.newPage();
    const url = new URL(begin('platform.web').url);
    change(url);
    await shows(page, await page.goto(url.href), want);
    assert.deepEqual([...person.seen.hosts], ['broker.example']);
    assert.deepEqual(person.seen.violations, []);
  });
}

test('an answer that was answered before, here and in another browser', async () => {
  const person = await chromium.person();
  const page = await person.newPage();
  const login = begin('trusted.web', { vendor: 'quick' });
  let callback;
  page.on('request', (request) => {
    if (request.url().startsWith(`${world.broker}/v1/callback`)) callback = request.url();
  });
  await page.goto(login.url);
  await arrived(page, login);
  const want = { status: 403, title: 'This sign-in belongs to another browser', name: 'error-browser' };
  await shows(page, await page.goto(callback), want);
  const other = await (await chromium.person()).newPage();
  await shows(other, await other.goto(callback), want);
});

test('a bad request of a client that nobody checked', async () => {
  const person = await chromium.person();
  const page = await person.newPage();
  const login = begin(await register('Documents for Teams', `${world.application}/callback`), { scope: 'everything' });
  await shows(page, await page.goto(login.url), { status: 400, title: 'This sign-in request is not valid', name: 'error-return' });
  await page.getByRole('link', { name: 'Return to app.example' }).click();
  assert.equal((await arrived(page, login)).error, 'invalid_scope');
});

test('back, and Allow again', async () => {
  const person = await chromium.person();
  const page = await person.newPage();
  const login = begin('platform.web');
  await page.goto(login.url);
  await allow(page);
  await page.waitForURL((url) => url.origin === world.signIn);
  await page.goBack(); // the page must not be stored, so this is a new one
  await allow(page);
  await signIn(page);
  await redeem(login, await arrived(page, login));
});

test('cookies are blocked', async () => {
  const person = await chromium.person();
  const page = await person.newPage();
  await page.goto(begin('platform.web').url);
  await person.clearCookies();
  const [response] = await Promise.all([page.waitForResponse((r) => r.url().endsWith('/v1/consent')), allow(page)]);
  await page.getByText('This answer cannot be used').first().waitFor();
  await shows(page, response, { status: 403, title: 'This answer cannot be used', name: 'error-cookies' });
});

test('no page can be framed', async () => {
  const person = await chromium.person();
  const page = await person.newPage();
  for (const to of [begin('platform.web').url, `${world.broker}/nothing`]) {
    await page.goto(`${world.application}/frame?${new URLSearchParams({ to })}`);
    await page.waitForLoadState('networkidle');
    const frame = page.frames().find((f) => f !== page.mainFrame());
    assert.equal(frame.url(), 'chrome-error://chromewebdata/');
  }
});
