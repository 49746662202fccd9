// The page that Switchboard serves, in a headless Chromium: what a newcomer does, with one button, and
// what other pages may not do. Nothing of the vendor's is in here.
//
// See xtask/src/counterparts.rs for the environment and the output. With PICTURES=1 it leaves pictures
// of the page in OUT.

import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import assert from 'node:assert/strict';

const puppeteer = createRequire(`${process.env.LIBRARY}/`)('puppeteer-core');
const ready = JSON.parse(readFileSync(process.env.SWITCHBOARD_READY, 'utf8'));
const authorization = `Basic ${btoa(`${ready.account_sid}:${ready.auth_token}`)}`;
const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

async function until(what, condition, seconds = 15) {
  let last;
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
    last = await condition();
    if (last) return last;
  }
  throw new Error(`waited ${seconds} s in vain for: ${what}`);
}

/** No switch that lets a page sound by itself: the one button is what allows it. */
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox',
    '--use-fake-device-for-media-stream',
    '--disable-background-timer-throttling',
    '--disable-backgrounding-occluded-windows',
    '--disable-renderer-backgrounding',
    '--host-resolver-rules=MAP rebound.example 127.0.0.1',
  ],
});

/** The page, open in a browser of its own. */
class Page {
  faults = [];

  static async open({ language = 'en', scheme = 'light', width = 1200, microphone, udp = true } = {}) {
    const self = new Page();
    self.context = await browser.createBrowserContext();
    if (microphone !== undefined) await self.context.overridePermissions(ready.api, microphone ? ['microphone'] : []);
    self.page = await self.context.newPage();
    self.page.on('pageerror', (error) => self.faults.push(String(error)));
    self.page.on('console', (message) => message.type() === 'error' && self.faults.push(message.text()));
    await self.page.setViewport({ width, height: 900, deviceScaleFactor: 1 });
    await self.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await self.page.evaluateOnNewDocument((wanted) => Object.defineProperty(navigator, 'language', { value: wanted }), language);
    // A page that may only use relays, and has none, is a page whose network lets no UDP through.
    if (!udp) {
      await self.page.evaluateOnNewDocument(() => {
        const Usual = RTCPeerConnection;
        window.RTCPeerConnection = class extends Usual {
          constructor() {
            super({ iceTransportPolicy: 'relay' });
          }
        };
      });
    }
    await self.page.goto(`${ready.api}/`);
    await self.state(0, 'ready');
    await self.state(1, 'ready');
    return self;
  }

  /** What a part of the card at `at` says. */
  text(at, part) {
    return this.page.$$eval('.card', (cards, at, part) => cards[at].querySelector(`[data-part=${part}]`).textContent, at, part);
  }

  state(at, wanted, seconds) {
    return until(`card ${at} ${wanted}`, async () => (await this.page.$$eval('.card', (cards, at) => cards[at]?.dataset.state, at)) === wanted, seconds);
  }

  async press(at, part) {
    const button = (await this.page.$$(`.card [data-part=${part}]`))[at];
    await button.click();
  }

  async type(at, part, text) {
    const input = (await this.page.$$(`.card [data-part=${part}]`))[at];
    await input.click({ count: 3 });
    await input.type(text);
    await input.press('Enter');
  }

  /** Waits until a meter shows speech. */
  loud(at, part, why, seconds = 20) {
    return until(why, async () => (await this.loudest(at, part, 0.2)) > 40, seconds);
  }

  /** The loudest that a meter gets within `seconds`, 0 to 100. */
  async loudest(at, part, seconds) {
    let most = 0;
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(40)) {
      most = Math.max(most, await this.page.$$eval(`.card [data-part=${part}] [role=meter]`, (meters, at) => Number(meters[at].ariaValueNow), at));
    }
    return most;
  }

  /** Seconds of speech that a card has heard. */
  async heard(at) {
    return Number.parseFloat(await this.text(at, 'heard')) || 0;
  }

  events() {
    return this.page.$$eval('#events li', (rows) => rows.map((row) => [...row.children].slice(1).map((cell) => cell.textContent).join(' ')).reverse());
  }

  happened(what, seconds) {
    return until(`“${what}” among what happened`, async () => (await this.events()).some((line) => line.includes(what)), seconds).catch(async (error) => {
      throw new Error(`${error.message}; it was ${JSON.stringify((await this.events()).slice(-8))}`);
    });
  }

  async picture(name) {
    if (process.env.PICTURES) await this.page.screenshot({ path: join(process.env.OUT, `${name}.png`), fullPage: true });
  }

  async close() {
    await this.context.close();
    assert.deepEqual(this.faults, [], 'the page has no faults');
  }
}

let failures = 0;

async function test(name, act) {
  const open = [];
  try {
    await act(async (options) => {
      const page = await Page.open(options);
      open.push(page);
      return page;
    });
    for (const page of open.splice(0)) await page.close();
    console.log(`ok ${name}`);
  } catch (error) {
    failures += 1;
    console.log(`not ok ${name}: ${String(error?.stack ?? error).split('\n').slice(0, 5).join(' | ')}`);
    for (const page of open) await page.context.close().catch(() => {});
  }
}

/** A request with any headers, also those that `fetch` keeps to itself. */
const ask = (method, path, headers = {}, body = '') =>
  new Promise((done, failed) => {
    const { hostname, port } = new URL(ready.api);
    request({ hostname, port, method, path, headers }, (answer) => {
      let text = '';
      answer.on('data', (part) => (text += part)).on('end', () => done({ status: answer.statusCode, headers: answer.headers, text }));
    })
      .on('error', failed)
      .end(body);
  });

await test('one button: two telephones talk, words are heard on both sides, and the call ends', async (open) => {
  const page = await open();
  await page.page.click('#start');
  await page.state(0, 'talking');
  await page.state(1, 'talking');
  await page.happened('has sound both ways');
  // Ada speaks first, and Bob's meter shows it; then Bob, and Ada's.
  await page.loud(1, 'hears', 'Bob hears Ada');
  await page.loud(0, 'hears', 'Ada hears Bob');
  await page.loud(0, 'says', 'Ada speaks again');
  await page.picture('talking');
  const heard = [await page.heard(0), await page.heard(1)];
  assert.ok(heard.every((seconds) => seconds > 1 && seconds < 12), `seconds of speech heard: ${heard}`);
  assert.match(await page.text(0, 'delay'), /^\d+ ms$/);
  assert.match(await page.text(1, 'codec'), /^(PCMU|opus)$/);
  await page.state(0, 'ready', 25);
  await page.state(1, 'ready');
  const events = await page.events();
  for (const line of ['Ada calls client:bob', 'Bob rings: client:ada is calling', 'Bob answers', 'Ada hangs up', 'Bob is told that the call is over']) {
    assert.ok(events.includes(line), `${line}: ${JSON.stringify(events)}`);
  }
});

await test('the button hangs up, too; a call can be declined, muted, and made by hand', async (open) => {
  const page = await open();
  await page.page.click('#start');
  await page.state(1, 'talking');
  await page.page.click('#start');
  await page.state(0, 'ready');
  await page.state(1, 'ready');
  await page.press(1, 'itself');
  await page.type(0, 'whom', 'client:bob');
  await page.state(1, 'ringing');
  await page.press(1, 'decline');
  // The program says that the line is busy, and hangs up.
  await page.state(0, 'talking');
  await page.state(0, 'ready');
  await page.type(0, 'whom', 'client:bob');
  await page.state(1, 'ringing');
  await page.press(1, 'answer');
  await page.happened('Bob has sound both ways');
  // As the server tells both, once they do.
  await page.happened('Bob now hears');
  await page.happened('Ada now hears');
  await page.press(0, 'mute');
  await sleep(3000);
  await page.type(0, 'sentence', 'Nobody can hear this.');
  assert.ok((await page.loudest(1, 'hears', 1.5)) < 15, 'muted');
  await page.press(0, 'mute');
  await page.type(0, 'sentence', 'But this is heard by everybody.');
  await page.loud(1, 'hears', 'not muted any more');
  await page.press(1, 'hangUp');
  await page.state(0, 'ready');
});

await test('dials the demo menu with one click, and presses a key', async (open) => {
  const page = await open();
  await page.page.click(`[data-dial="${ready.numbers.menu}"]`);
  await page.happened('Ada has sound both ways');
  await page.loud(0, 'hears', 'the menu speaks');
  await page.page.click('.card[data-phone=ada] summary');
  await page.page.click('.card[data-phone=ada] [data-key="1"]');
  // "It is now. It always is.", and the end.
  await page.state(0, 'ready', 12);
});

await test('talks with a virtual telephone, which hears the robot', async (open) => {
  const page = await open();
  const number = ready.phones[7];
  await page.page.click(`[data-dial="${number}"]`);
  await page.happened('Ada has sound both ways');
  await until('the robot to speak', async () => (await page.text(0, 'caption')) !== '');
  await sleep(3000);
  await page.press(0, 'hangUp');
  const wav = await until('what it heard', async () => {
    const answer = await fetch(`${ready.api}/_switchboard/v1/phones/${encodeURIComponent(number)}/heard.wav`, { headers: { authorization } });
    return answer.ok && Buffer.from(await answer.arrayBuffer());
  });
  const samples = wav.subarray(wav.indexOf('data') + 8);
  let loud = 0;
  for (let at = 0; at + 1 < samples.length; at += 2) if (Math.abs(samples.readInt16LE(at)) > 1500) loud += 1;
  assert.ok(loud > 1500, `${loud} loud samples`);
});

await test('a call from the API rings at the page', async (open) => {
  const page = await open();
  const answer = await fetch(`${ready.api}/2010-04-01/Accounts/${ready.account_sid}/Calls.json`, {
    method: 'POST',
    headers: { authorization },
    body: new URLSearchParams({ To: 'client:ada', From: ready.numbers.yours, Twiml: '<Response><Say>Hello Ada. This is a program.</Say></Response>' }),
  });
  assert.equal(answer.status, 201);
  await page.state(0, 'ringing');
  assert.match(await page.text(0, 'other'), /\+15005550110 is calling/);
  await page.press(0, 'answer');
  await page.state(0, 'talking');
  await page.loud(0, 'hears', 'the program is heard');
  await page.state(0, 'ready', 12);
});

await test('the second device: both answer, one talks, the other is told that it was too late', async (open) => {
  const page = await open();
  await page.page.click('#second');
  await page.state(2, 'ready');
  await page.page.click('#start');
  await page.state(0, 'talking');
  const notices = await until('a loser who knows', async () => {
    const told = [await page.text(1, 'notice'), await page.text(2, 'notice')];
    return told.some(Boolean) && told;
  });
  const loser = notices[0] ? 1 : 2;
  assert.match(notices[loser - 1], /another device of this name was faster|Another device of this name answered first/i);
  await page.state(loser, 'ready');
  await page.state(3 - loser, 'talking');
  await page.happened('has sound both ways');
  await page.picture('second-device');
  await page.page.click('#start');
  await page.state(0, 'ready');
});

await test('a real microphone, and one that is refused', async (open) => {
  const page = await open({ microphone: true });
  await page.press(0, 'microphone');
  await page.happened('Ada uses the microphone');
  await page.type(0, 'whom', 'client:bob');
  await page.state(1, 'talking');
  await page.loud(0, 'says', 'the microphone’s beeps');
  await page.press(0, 'hangUp');
  const refused = await open({ microphone: false });
  await refused.press(0, 'microphone');
  await until('the cure', async () => /Allow it at the left end of the address bar/.test(await refused.text(0, 'notice')));
});

await test('no UDP: the page says so, and where to let it through', async (open) => {
  const page = await open({ udp: false });
  await page.page.click('#start');
  const told = await until('the cure', async () => /travels as UDP to 127\.0\.0\.1:\d+/.test(await page.text(0, 'notice')));
  assert.ok(told);
  await page.press(0, 'hangUp');
  await page.state(1, 'ready');
});

await test('in Japanese, in the dark, on a narrow screen; nothing is cut off', async (open) => {
  const japanese = await open({ language: 'ja-JP', width: 375 });
  assert.match(await japanese.page.$eval('h1', (title) => title.textContent), /ソフトフォン/);
  const wide = await japanese.page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 375, `${wide} px wide`);
  await japanese.picture('japanese-narrow');
  await japanese.page.click('#language');
  assert.equal(await japanese.page.$eval('h1', (title) => title.textContent), 'Softphones');
  const missing = await japanese.page.evaluate(async () => {
    const { t, speak } = await import('/softphone/words.js');
    const page = await (await fetch('/')).text();
    const keys = [...page.matchAll(/data-t(?:-\w+)?="(\w+)"/g)].map(([, key]) => key);
    return ['en', 'ja'].flatMap((language) => (speak(language), keys.filter((key) => t(key) === key)));
  });
  assert.deepEqual(missing, [], 'every text is in both languages');
  const dark = await open({ scheme: 'dark' });
  assert.equal(await dark.page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(20, 23, 26)');
  await dark.picture('dark');
});

await test('by keyboard alone', async (open) => {
  const page = await open();
  for (let presses = 0; presses < 6; presses += 1) {
    await page.page.keyboard.press('Tab');
    if (await page.page.evaluate(() => document.activeElement.id === 'start')) break;
  }
  assert.equal(await page.page.evaluate(() => document.activeElement.id), 'start');
  await page.page.keyboard.press('Enter');
  await page.state(1, 'talking');
  await page.page.keyboard.press('Enter');
  await page.state(1, 'ready');
});

await test('other pages get nothing: foreign origin, foreign name, frame', async () => {
  const { host } = new URL(ready.api);
  const token = (headers) => ask('POST', '/_switchboard/v1/softphone/token', { host, 'content-type': 'application/json', ...headers }, '{"identity":"ada"}');
  assert.equal((await token({ origin: ready.api })).status, 200);
  assert.equal((await token({ origin: 'http://evil.example' })).status, 403);
  assert.equal((await token({ origin: 'null' })).status, 403);
  assert.equal((await token({ origin: `http://127.0.0.1:${Number(new URL(ready.api).port) + 1}` })).status, 403);
  assert.equal((await token({ 'sec-fetch-site': 'cross-site' })).status, 403);
  assert.equal((await token({ host: 'rebound.example', origin: 'http://rebound.example' })).status, 404);
  assert.equal((await ask('GET', '/_switchboard/v1/softphone/speech.wav?text=a', { host, 'sec-fetch-site': 'cross-site' })).status, 403);
  assert.equal((await ask('GET', '/_switchboard/demo/softphone?To=client:ada', { host, 'sec-fetch-site': 'none' })).status, 403);
  assert.equal((await ask('GET', '/', { host: 'rebound.example' })).status, 404);
  const page = await ask('GET', '/', { host });
  assert.match(page.headers['content-security-policy'], /default-src 'none'; script-src 'self'; .*frame-ancestors 'none'/);
  assert.equal(page.headers['access-control-allow-origin'], undefined);

  const foreign = createServer((_, answer) => answer.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>foreign</title>'));
  await new Promise((done) => foreign.listen(0, '127.0.0.1', done));
  const context = await browser.createBrowserContext();
  try {
    const tab = await context.newPage();
    await tab.goto(`http://127.0.0.1:${foreign.address().port}/`);
    const got = await tab.evaluate(async (url) => {
      const simple = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{"identity":"ada"}' };
      const answers = [fetch(url, simple), fetch(url, { ...simple, headers: { 'content-type': 'application/json' } })];
      return Promise.all(answers.map((answer) => answer.then((answer) => answer.text(), () => 'refused')));
    }, `${ready.api}/_switchboard/v1/softphone/token`);
    assert.deepEqual(got, ['refused', 'refused']);
    const rebound = await tab.goto(`http://rebound.example:${new URL(ready.api).port}/`);
    assert.equal(rebound.status(), 404);
  } finally {
    await context.close();
    foreign.close();
  }
});

await browser.close();
process.exit(failures ? 1 : 0);
