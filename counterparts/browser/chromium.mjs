// A headless Chromium whose pages find Switchboard under the vendor's own names, and the switch that
// cuts their connections.

import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { connect, createServer as createTcp } from 'node:net';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';

const here = new URL('.', import.meta.url);

/** Passes TCP on to `port`; `cut` drops all that is open, `block` refuses what comes next, and `lead` leads it elsewhere. */
export async function wire(port) {
  const open = new Set();
  let blocked = false;
  const server = createTcp((near) => {
    if (blocked) return near.destroy();
    const far = connect(port, '127.0.0.1');
    for (const [socket, other] of [[near, far], [far, near]]) {
      open.add(socket);
      socket.on('data', (bytes) => other.write(bytes));
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

/** Starts Chromium; `port` is where the vendor's names lead. */
export async function chromium(puppeteerFolder, sdks, port) {
  const puppeteer = createRequire(`${puppeteerFolder}/`)('puppeteer-core');
  const server = await pages(sdks);
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
      `--host-resolver-rules=MAP *.twilio.com:443 127.0.0.1:${port}, MAP *.twiliocdn.com:443 127.0.0.1:${port}`,
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
      await page.evaluateOnNewDocument((tone) => (window.hum = tone), hum);
      await page.goto(`http://localhost:${server.address().port}/${sdk.name}/`);
      return new Telephone(page, context, log, hum);
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
  constructor(page, context, log, hum) {
    Object.assign(this, { page, context, log, hum, seen: 0 });
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
    this.seen = (await this.events()).length;
  }

  /** Waits for an event that was not waited for before. */
  async until(name, seconds = 15) {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
      const events = await this.events();
      const at = events.findIndex((event, index) => index >= this.seen && event.name === name);
      if (at >= 0) {
        this.seen = at + 1;
        return events[at];
      }
    }
    throw new Error(`no ${name} in ${seconds} s after ${JSON.stringify((await this.events()).slice(-12))} ${this.log.filter((line) => line.startsWith('uncaught')).slice(-2)}`);
  }

  /** Waits until the loudest tone is the wanted one; `who` makes it, for the table. */
  hears(frequency, who, seconds = 10) {
    return this.hearsOne([frequency], who, seconds);
  }

  /** Waits until the loudest tone is one of those. */
  async hearsOne(frequencies, who, seconds = 10) {
    let last;
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(100)) {
      last = await this.do('listen');
      if (last.level > -60 && frequencies.some((frequency) => Math.abs(last.frequency - frequency) < 12)) {
        this.heard(who, last.frequency, last.level);
        return;
      }
    }
    throw new Error(`${frequencies} Hz is not heard, but ${JSON.stringify(last)}; the page's last events: ${(await this.names()).slice(-6)}`);
  }

  /** Waits until it is quiet. */
  async hearsNothing(seconds = 5) {
    let last;
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(150)) {
      last = await this.do('listen');
      if (last.level < -70) return;
    }
    throw new Error(`it should be quiet: ${JSON.stringify(last)}`);
  }

  /** The page is closed as by a human, who is not asked whether they mean it. */
  async leave() {
    await this.page.close({ runBeforeUnload: true });
  }

  close() {
    return this.context.close();
  }
}
