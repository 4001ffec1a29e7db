// SPDX-License-Identifier: Apache-2.0
//
// Logins from the first request to the token.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { allow, arrived, begin, cancel, open, picture, redeem, register, signIn, world } from './browser.mjs';

let chromium;
before(async () => (chromium = await open()));
after(() => chromium.close());

const platform = 'platform.web';

// visit opens a login with a new person.
async function visit(login, settings) {
  const person = await chromium.person(settings);
  const page = await person.newPage();
  await page.goto(login.url);
  return { person, page };
}

// good checks what holds for every walk.
function good(person) {
  assert.deepEqual(person.seen.violations, []);
  const known = [world.broker, world.vendor, world.signIn, world.application, world.native].map((url) => new URL(url).hostname);
  assert.deepEqual([...person.seen.hosts].filter((host) => !known.includes(host) && host !== 'quick.example'), []);
}

test('a web application, through a sign-in page on another host', async () => {
  const login = begin(await register('Documents for Teams', `${world.application}/callback`), { scope: 'documents.read documents.write' });
  const { person, page } = await visit(login);
  assert.match(await page.getByRole('main').innerText(), /Documents for Teams.*app\.example.*Read all your documents/s);
  assert.deepEqual([...person.seen.hosts], ['broker.example']);
  await picture(page, 'consent-web');
  await allow(page);
  await signIn(page);
  await redeem(login, await arrived(page, login));
  good(person);
});

test('a native application on loopback, with a vendor that approves at once', async () => {
  const login = begin(await register('Terminal', world.native, 'quick'), { vendor: 'quick', redirectUri: world.native });
  const { person, page } = await visit(login);
  await picture(page, 'consent-native');
  await allow(page);
  await redeem(login, await arrived(page, login));
  good(person);
});

test('a native application on loopback, through a sign-in page', async () => {
  const login = begin(await register('Terminal', world.native), { redirectUri: world.native });
  const { person, page } = await visit(login);
  await allow(page);
  await signIn(page);
  await redeem(login, await arrived(page, login));
  good(person);
});

test('a trusted application is not asked about', async () => {
  const login = begin('trusted.web', { vendor: 'quick' });
  const { person, page } = await visit(login);
  await redeem(login, await arrived(page, login));
  good(person);
});

test('a vendor that answers by form post', async () => {
  const login = begin(platform, { vendor: 'postal' });
  const { person, page } = await visit(login);
  await allow(page);
  await redeem(login, await arrived(page, login));
  good(person);
});

test('cancel at the consent page', async () => {
  for (const redirectUri of [`${world.application}/callback`, world.native]) {
    const login = begin(await register('Documents for Teams', redirectUri), { redirectUri });
    const { person, page } = await visit(login);
    await cancel(page);
    assert.equal((await arrived(page, login)).error, 'access_denied');
    good(person);
  }
});

test('cancel at the vendor', async () => {
  const login = begin(platform);
  const { person, page } = await visit(login);
  await allow(page);
  await page.waitForURL((url) => url.origin === world.signIn);
  await cancel(page);
  assert.equal((await arrived(page, login)).error, 'access_denied');
  good(person);
});

test('two tabs do not disturb each other', async () => {
  const person = await chromium.person();
  const logins = [begin(platform), begin(await register('Terminal', world.native), { redirectUri: world.native })];
  const tabs = [];
  for (const login of logins) {
    const page = await person.newPage();
    await page.goto(login.url);
    tabs.push(page);
  }
  for (const page of tabs) {
    await allow(page);
    await page.waitForURL((url) => url.origin === world.signIn);
  }
  for (const index of [1, 0]) {
    await signIn(tabs[index]);
    await redeem(logins[index], await arrived(tabs[index], logins[index]));
  }
  good(person);
});

test('the same request in two tabs', async () => {
  const person = await chromium.person();
  const login = begin(platform, { vendor: 'quick' });
  const tabs = [await person.newPage(), await person.newPage()];
  for (const page of tabs) await page.goto(login.url);
  for (const page of tabs) {
    await allow(page);
    await redeem(login, await arrived(page, login));
  }
  good(person);
});

test('do not ask again', async () => {
  const first = begin(platform, { vendor: 'quick' });
  const { person, page } = await visit(first);
  await page.getByLabel('Do not ask again').check();
  await picture(page, 'consent-remember');
  await allow(page);
  await arrived(page, first);

  const again = begin(platform, { vendor: 'quick' });
  await page.goto(again.url);
  await redeem(again, await arrived(page, again)); // no question

  const more = begin(platform, { vendor: 'quick', scope: 'documents.write' });
  await page.goto(more.url);
  await page.getByText('Change, share and delete').waitFor(); // more than before: asked

  const elsewhere = begin(platform, { vendor: 'quick' });
  await page.goto(`${world.application}/link?${new URLSearchParams({ to: elsewhere.url })}`);
  await page.getByRole('link').click();
  await allow(page); // another site sent the browser: asked
  await arrived(page, elsewhere);
  good(person);
});

test('the keyboard alone', async () => {
  const login = begin(platform, { vendor: 'quick' });
  const { person, page } = await visit(login);
  const focused = () =>
    page.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return { what: document.activeElement.innerText || document.activeElement.name || 'page', ring: outlineStyle !== 'none' && outlineWidth !== '0px' };
    });
  assert.equal((await focused()).what === 'Allow', false, 'Allow must not have the focus by itself');
  for (const what of ['remember', 'Allow', 'Cancel']) {
    await page.keyboard.press('Tab');
    assert.deepEqual(await focused(), { what, ring: true });
    if (what === 'Allow') await picture(page, 'consent-focus');
  }
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await redeem(login, await arrived(page, login));
  good(person);
});

test('without scripts', async () => {
  const login = begin(platform);
  const { person, page } = await visit(login, { javaScriptEnabled: false });
  await allow(page);
  await signIn(page);
  await redeem(login, await arrived(page, login));
  good(person);
});
