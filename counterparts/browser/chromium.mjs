// A headless Chromium whose pages find Switchboard under the vendor's own names, and the switch that
// cuts their connections.

import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { connect, createServer as createTcp } from 'node:net';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';

// A suite that is told to end takes its browsers with it: puppeteer ends them, and not the program.
process.once('SIGTERM', () => setTimeout(() => process.exit(143), 1500));

const here = new URL('.', import.meta.url);

/**
 * Passes TCP on to `port`; `cut` drops all that is open, `block` refuses what comes next, `lead` leads it elsewhere, and
 * `hold` keeps back what the server says, or the page, until it is let go.
 */
export async function wire(port) {
  const open = new Set();
  let blocked = false;
  let held;
  let silent;
  const server = createTcp((near) => {
    if (blocked) return near.destroy();
    const far = connect(port, '127.0.0.1');
    for (const [socket, other] of [[near, far], [far, near]]) {
      open.add(socket);
      socket.on('data', (bytes) => {
        if (held && socket === (silent === 'server' ? far : near)) held.push(() => other.write(bytes));
        else other.write(bytes);
      });
      socket.on('error', () => other.destroy());
      socket.on('close', () => (open.delete(socket), other.destroy()));
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    port: server.address().port,
    cut: () => open.forEach((socket) => socket.destroy()),
    block: (on) => (blocked = on),
    lead: (to) => (port = to),
    hold: (on, whom = 'server') => {
      for (const write of held ?? []) write();
      held = on ? [] : undefined;
      silent = whom;
    },
    close: () => (server.close(), open.forEach((socket) => socket.destroy())),
  };
}

/** Passes datagrams on to the port it is led to, and back; `cut` loses all of them. */
export async function relay() {
  let to;
  let lost = false;
  const near = createSocket('udp4');
  const far = createSocket('udp4');
  let page;
  near.on('message', (bytes, from) => {
    page = from;
    if (!lost && to) far.send(bytes, to, '127.0.0.1');
  });
  far.on('message', (bytes) => {
    if (!lost && page) near.send(bytes, page.port, page.address);
  });
  for (const socket of [near, far]) await new Promise((done) => socket.bind(0, '127.0.0.1', done));
  return {
    port: near.address().port,
    lead: (port) => (to = port),
    cut: (on) => (lost = on),
    close: () => (near.close(), far.close()),
  };
}

/** Serves the page of each SDK: `/NAME/` with the bundle that npm installed. */
async function pages(sdks) {
  const server = createServer((request, response) => {
    const [, name, file] = request.url.split('?')[0].split('/');
    const sdk = sdks.find((sdk) => sdk.name === name);
    const send = (type, body) => response.writeHead(200, { 'content-type': type }).end(body);
    if (!sdk) return response.writeHead(404).end();
    if (file === 'sdk.js') return send('text/javascript', readFileSync(sdk.bundle));
    if (file === 'phone.js') return send('text/javascript', readFileSync(new URL('phone.js', here)));
    return send('text/html', '<!doctype html><title>telephone</title><script src="phone.js"></script><script src="sdk.js"></script>');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return server;
}

/** Starts Chromium; `port` is where the vendor's names lead, if anywhere. */
export async function chromium(puppeteerFolder, sdks, port) {
  const puppeteer = createRequire(`${puppeteerFolder}/`)('puppeteer-core');
  const server = await pages(sdks);
  const to = port ? `127.0.0.1:${port}` : '~NOTFOUND';
  const names = ['*.twilio.com:443', '*.twiliocdn.com:443'].map((name) => `MAP ${port ? name : name.split(':')[0]} ${to}`);
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox',
      '--ignore-certificate-errors',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      '--autoplay-policy=no-user-gesture-required',
      '--disable-background-timer-throttling',
      '--disable-backgrounding-occluded-windows',
      '--disable-renderer-backgrounding',
      `--host-resolver-rules=${names.join(', ')}`,
    ],
  });
  return {
    /** Opens a telephone that hums at `hum` Hz. */
    async open(sdk, hum) {
      const context = await browser.createBrowserContext();
      const page = await context.newPage();
      const log = [];
      page.on('console', (message) => log.push(message.text()));
      page.on('pageerror', (error) => log.push(`uncaught: ${error}`));
      const sounds = [];
      // Where a page takes its token, over HTTP.
      const shown = new Set();
      page.on('request', (request) => {
        if (request.headers()['x-twilio-token']) shown.add(new URL(request.url()).hostname);
      });
      page.on('response', (response) => {
        const name = response.url().match(/\/sounds\/releases\/1\.0\.0\/([^?]*)/)?.[1];
        if (name) sounds.push({ name, status: response.status(), type: response.headers()['content-type'] });
      });
      await page.evaluateOnNewDocument((tone) => (window.hum = tone), hum);
      await page.goto(`http://localhost:${server.address().port}/${sdk.name}/`);
      return new Telephone(page, context, log, hum, { sounds, shown });
    },
    async close() {
      await browser.close();
      server.close();
    },
  };
}

const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

/** One page with a telephone in it. */
class Telephone {
  constructor(page, context, log, hum, { sounds, shown }) {
    Object.assign(this, { page, context, log, hum, sounds, shown, seen: 0 });
  }

  /** Runs one of the page's words. */
  do(word, ...values) {
    return this.page.evaluate((name, list) => window.phone[name](...list), word, values);
  }

  events() {
    return this.page.evaluate(() => window.phone.events);
  }

  async names() {
    return (await this.events()).map((event) => event.name);
  }

  /** Everything so far is past. */
  async catchUp() {
    this.seen = await this.do('count');
  }

  /** Waits for an event that was not waited for before. */
  async until(name, seconds = 15) {
    const found = await this.do('next', this.seen, name, seconds * 1000);
    if (found) {
      this.seen = found.at + 1;
      return found.event;
    }
    throw new Error(`no ${name} in ${seconds} s after ${JSON.stringify((await this.events()).slice(-12))} ${this.log.filter((line) => line.startsWith('uncaught')).slice(-2)}`);
  }

  /** Waits until the loudest tone is the wanted one; `who` makes it, for the table. */
  hears(frequency, who, seconds = 10) {
    return this.#listen(who, seconds, `${frequency} Hz is not heard`, async () => {
      const { frequency: found, level } = await this.do('listen');
      return { found, level, good: level > -60 && Math.abs(found - frequency) < 12 };
    });
  }

  /** Waits until several tones are heard at once, each about as loud. */
  hearsAll(frequencies, who, seconds = 10) {
    return this.#listen(who, seconds, `${frequencies} Hz are not heard at once`, async () => {
      const levels = await this.do('levels', frequencies);
      const level = Math.min(...levels);
      return { found: frequencies[0], level, good: level > -60 && Math.max(...levels) - level < 12 };
    });
  }

  /** Waits until one tone is heard, and of `everybody` else's at most a thousandth. */
  hearsOnly(frequency, who, everybody, seconds = 10) {
    const others = everybody.filter((other) => other !== frequency);
    return this.#listen(who, seconds, `${frequency} Hz is not all that is heard`, async () => {
      const [level, ...rest] = await this.do('levels', [frequency, ...others]);
      const below = level - Math.max(...rest);
      return { found: frequency, level, below, rest, good: level > -60 && below > 30 };
    });
  }

  async #listen(who, seconds, why, look) {
    let last;
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(100)) {
      last = await look();
      if (last.good) return this.heard(who, last.found, last.level, last.below);
    }
    throw new Error(`${why}, but ${JSON.stringify(last)}; the page's last events: ${(await this.names()).slice(-6)}`);
  }

  /** The page is closed as by a human, who is not asked whether they mean it. */
  async leave() {
    await this.page.close({ runBeforeUnload: true });
  }

  close() {
    return this.context.close();
  }
}
