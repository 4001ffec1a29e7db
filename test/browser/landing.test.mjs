// SPDX-License-Identifier: Apache-2.0
//
// The page at the broker's own address, its theme, and its languages.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { begin, open, picture, world } from './browser.mjs';

let chromium;
before(async () => (chromium = await open()));
after(() => chromium.close());

test('the landing page', async () => {
  const person = await chromium.person();
  const page = await person.newPage();
  const response = await page.goto(`${world.broker}/`);
  assert.equal(response.status(), 200);
  assert.equal(await page.title(), 'Acme Platform');
  await page.getByText('Status: ready').waitFor();
  assert.equal(await page.getByRole('listitem').allInnerTexts().then((t) => t.join()), 'Acme Documents');
  assert.equal(await page.getByRole('link', { name: 'Get help' }).getAttribute('href'), 'https://acme.example/help');
  const logo = page.locator('.brand img');
  assert.ok(await logo.evaluate((img) => img.complete && img.naturalWidth > 0), 'the logo is shown under the policy');
  await picture(page, 'landing');
  assert.deepEqual([...person.seen.hosts], ['broker.example']);
  assert.deepEqual(person.seen.violations, []);
});

test('the colors of the theme', async () => {
  const person = await chromium.person();
  const page = await person.newPage();
  await page.goto(begin('platform.web').url);
  const allow = page.getByRole('button', { name: 'Allow' });
  for (const [colorScheme, want] of [['light', 'rgb(122, 31, 92)'], ['dark', 'rgb(240, 166, 212)']]) {
    await page.emulateMedia({ colorScheme });
    assert.equal(await allow.evaluate((b) => getComputedStyle(b).backgroundColor), want);
  }
});

test('German', async () => {
  const person = await chromium.person();
  const page = await person.newPage();
  await page.setExtraHTTPHeaders({ 'Accept-Language': 'de' });
  await page.goto(`${world.broker}/`);
  await picture(page, 'landing-german');
  await page.goto(begin('platform.web').url);
  await page.getByRole('button', { name: 'Erlauben' }).waitFor();
  await picture(page, 'consent-german');
});
