// What all the browser suites stand on: the running Switchboard, the application it asks, and the
// telephones in the pages. See xtask/src/counterparts.rs for the environment and the output.

import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import assert from 'node:assert/strict';

import { chromium, wire } from './chromium.mjs';
import { burstsWav, loudest, loudness, readWav, toneWav } from './wav.mjs';

export const tools = dirname(process.env.LIBRARY);
export const twilio = createRequire(`${join(tools, 'node-newest')}/`)('twilio');

/** What a Switchboard says of itself when it is ready. */
export const ready = JSON.parse(readFileSync(process.env.SWITCHBOARD_READY, 'utf8'));
export const { account_sid: account, auth_token: secret, phones } = ready;

/** The helper library, pointed at a Switchboard. */
export function library(of) {
  const made = twilio(of.account_sid, of.auth_token);
  made.api.baseUrl = of.api;
  return made;
}
export const client = library(ready);

/** The SDKs: folders `sdk-*` among TOOLS. */
export const sdks = process.env.TOOLS.split(',')
  .filter((folder) => folder.startsWith('sdk-'))
  .map((folder) => {
    const bundles = ['twilio-client', '@twilio/voice-sdk'].map((package_) => join(tools, folder, 'node_modules', package_));
    const place = bundles.find(existsSync);
    const version = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')).version;
    return { name: folder.slice(4), bundle: join(place, 'dist/twilio.js'), generation: place === bundles[0] ? 1 : 2, version };
  })
  .filter(({ name }) => !process.env.SDKS || process.env.SDKS.split(',').includes(name));

/** Whether an SDK is this version or a newer one. */
export function since(sdk, version) {
  const [is, wanted] = [sdk.version, version].map((text) => text.split('.').map(Number));
  const at = is.findIndex((number, index) => number !== wanted[index]);
  return at < 0 || is[at] > wanted[at];
}

export const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

export async function until(what, condition, seconds = 15) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
    const found = await condition();
    if (found) return found;
  }
  throw new Error(`waited ${seconds} s in vain for: ${what}`);
}

// The application: a document for each path, and what was asked of it.
export const documents = new Map();
const asked = [];
const application = createServer((request, response) => {
  let body = '';
  request.on('data', (part) => (body += part));
  request.on('end', () => {
    const path = request.url.split('?')[0];
    const form = Object.fromEntries(new URLSearchParams(body));
    const valid = twilio.validateRequest(secret, request.headers['x-twilio-signature'] ?? '', `${base}${request.url}`, form);
    asked.push({ path, form, valid, at: Date.now() });
    const document = documents.get(path);
    if (document instanceof Buffer) return response.writeHead(200, { 'content-type': 'audio/wav', 'access-control-allow-origin': '*' }).end(document);
    response.writeHead(200, { 'content-type': 'text/xml' }).end(typeof document === 'function' ? document(form) : (document ?? '<Response/>'));
  });
});
await new Promise((done) => application.listen(0, '127.0.0.1', done));
export const base = `http://127.0.0.1:${application.address().port}`;
export const askedAt = (path) => asked.filter((request) => request.path === path);

// Tones that G.711 carries and that are not each other's harmonics, in Hz.
export const PHONE = 2100;
export const SERVER = 1500;
export const phoneWav = join(process.env.OUT, 'phone.wav');
writeFileSync(phoneWav, toneWav(PHONE, 20));
documents.set('/server.wav', toneWav(SERVER, 20));
/** What neither a page nor its token can say of its call. */
export const ours = ['From', 'Caller', 'CallSid', 'AccountSid', 'ApiVersion', 'Direction', 'CallStatus', 'ApplicationSid', 'ParentCallSid'];
// A second of sound, a second of nothing: a level that is not constant.
documents.set('/bursts.wav', burstsWav(SERVER, 20));
/** What a call to our number from outside runs: told apart by who calls. */
export const arriving = new Map();
documents.set('/arriving', (form) => [...arriving].find(([from]) => form.From.includes(from))?.[1] ?? '<Response/>');
const hum = `<Play loop="0">${base}/server.wav</Play>`;
documents.set('/hum', `<Response>${hum}</Response>`);
// A tone for a moment, then what it hears itself.
documents.set('/short.wav', toneWav(SERVER, 2));
documents.set('/talk', `<Response><Play>${base}/short.wav</Play><Echo/></Response>`);
// What the page asks for is what it gets, as in the vendor's quick start.
documents.set('/voice', (form) => {
  const to = form.To ?? '';
  // A call to our number from outside rings at the browser that the test named.
  if (form.Direction === 'inbound' && !form.From.startsWith('client:')) return documents.get('/arriving')(form);
  if (to.startsWith('client:')) {
    const [identity] = to.slice(7).split('?');
    return `<Response><Dial answerOnBridge="true" timeout="20" action="${base}/dialled"><Client statusCallback="${base}/child" statusCallbackEvent="initiated ringing answered completed"><Identity>${identity}</Identity><Parameter name="order" value="forty two &amp; more"/><Parameter name="custom + name" value="我不吃蛋 + 1"/><Parameter name="twice" value="1"/><Parameter name="twice" value="2"/></Client></Dial></Response>`;
  }
  if (to.startsWith('whisper:')) {
    return `<Response><Dial answerOnBridge="true" action="${base}/dialled"><Client url="${base}/whisper/${to.slice(8)}">${to.slice(8)}</Client></Dial></Response>`;
  }
  if (to.startsWith('+')) return `<Response><Dial answerOnBridge="true" callerId="${ready.numbers.yours}"><Number>${to}</Number></Dial></Response>`;
  if (to === 'reached') return `<Response><Dial answerOnBridge="true" timeout="20"><Client>${form.whom}</Client></Dial></Response>`;
  if (to.startsWith('sip:')) return `<Response><Dial answerOnBridge="true"><Sip>${to}</Sip></Dial></Response>`;
  if (to === 'digits') return `<Response><Gather numDigits="12" finishOnKey="" timeout="15" action="${base}/digits">${hum}</Gather></Response>`;
  if (to === 'bursts') return `<Response><Play loop="0">${base}/bursts.wav</Play></Response>`;
  if (to === 'keys') return `<Response><Pause length="1"/><Play digits="5w5w5w5w5w5w5w5w5w5w"/></Response>`;
  if (to === 'talk') return documents.get('/talk');
  return `<Response>${hum}</Response>`;
});
documents.set('/digits', `<Response>${hum}</Response>`);
await client.applications(ready.application_sid).update({ voiceUrl: `${base}/voice`, voiceMethod: 'POST', statusCallback: `${base}/status` });

/** An access token. */
export function token(identity, options = {}) {
  const { AccessToken } = twilio.jwt;
  const of = options.of ?? ready;
  const made = new AccessToken(options.account ?? of.account_sid, options.key ?? of.api_key_sid, options.secret ?? of.api_key_secret, { identity, ttl: options.ttl ?? 3600 });
  made.addGrant(new AccessToken.VoiceGrant({ outgoingApplicationSid: options.application ?? of.application_sid, outgoingApplicationParams: options.params, incomingAllow: true }));
  return made.toJwt();
}

/** A capability token, as generation 1 had them. */
export function capability(identity, params = {}) {
  const { ClientCapability } = twilio.jwt;
  const made = new ClientCapability({ accountSid: account, authToken: secret, ttl: 600 });
  made.addScope(new ClientCapability.OutgoingClientScope({ applicationSid: ready.application_sid, clientName: identity, params }));
  made.addScope(new ClientCapability.IncomingClientScope(identity));
  return made.toJwt();
}

/** Sets what one of the virtual phones does when it is called; with `/calls`, makes it call. */
export const virtual = (number, knobs, path = '') => control(`phones/${encodeURIComponent(number)}${path}`, knobs);

/** Tells the control plane something. */
export async function control(path, words, of = ready) {
  const answer = await fetch(`${of.api}/_switchboard/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${of.account_sid}:${of.auth_token}`)}`, 'content-type': 'application/json' },
    body: JSON.stringify(words),
  });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer;
}

/** What is kept of a call's telemetry. */
export async function telemetryOf(sid) {
  const answer = await fetch(`${ready.api}/_switchboard/v1/calls/${sid}/telemetry`, { headers: { authorization: `Basic ${btoa(`${account}:${secret}`)}` } });
  assert.equal(answer.status, 200);
  return answer.json();
}

/** What a virtual phone heard in its last call. */
export async function heardBy(number) {
  const answer = await fetch(`${ready.api}/_switchboard/v1/phones/${encodeURIComponent(number)}/heard.wav`, {
    headers: { authorization: `Basic ${btoa(`${account}:${secret}`)}` },
  });
  assert.equal(answer.status, 200);
  return readWav(Buffer.from(await answer.arrayBuffer()));
}

/** That a recording has that tone, and of no other much. */
export function hearsTone(wav, hum, others, ear) {
  const found = loudest(wav);
  assert.ok(Math.abs(found - hum) < 15, `${ear} heard ${found} Hz`);
  for (const other of others) assert.ok(loudness(wav, other) < loudness(wav, hum) / 300, `${ear} heard ${other} Hz, too`);
}

/** Waits until a call has a status. */
export const state = async (sid, wanted, seconds = 15) =>
  until(`${sid} ${wanted}`, async () => {
    const now = await client.calls(sid).fetch();
    return now.status === wanted && now;
  }, seconds);

/** A call from the API that rings at `identity`, and hums. */
export const ring = (identity, options = {}) =>
  client.calls.create({ to: `client:${identity}`, from: ready.numbers.yours, url: `${base}/hum`, timeout: 25, ...options });

/** Who heard whom, for the table. */
const heard = [];
let failures = 0;

/** Prints the table, lets go of everything and ends. */
export function finish() {
  if (heard.length) {
    console.log('-- who heard whom');
    const widths = [8, 34, 11, 22, 6, 6, 12];
    for (const row of [['SDK', 'test', 'who', 'heard', 'Hz', 'dB', 'others below'], ...heard]) console.log(row.map((text, at) => String(text).padEnd(widths[at])).join(''));
    console.log('--');
  }
  application.close();
  process.exit(failures ? 1 : 0);
}

/** A Chromium of its own, behind a cable of its own: what is cut there disturbs nobody else. */
export class Lane {
  constructor(number, cable, browser) {
    Object.assign(this, { number, cable, browser, phone: phones[number] });
  }

  /** Unless it is not `led` here, its Chromium finds Switchboard under the vendor's names. */
  static async open(number, port = new URL(ready.api_tls).port, led = true) {
    const cable = await wire(Number(port));
    return new Lane(number, cable, await chromium(join(tools, 'puppeteer'), sdks, led ? cable.port : undefined));
  }

  async close() {
    await this.browser.close();
    this.cable.close();
  }

  /** Writes down who heard whom. */
  heard(sdk, name, ear, who, frequency, level = '', below = '') {
    const round = (value) => (value === '' ? '' : Math.round(value));
    heard.push([sdk.name, name.split(/[,:]/)[0].slice(0, 33), ear, who, round(frequency), round(level), round(below)]);
  }

  /** What the lane's virtual telephone heard in its call with a page that hums: that tone, and none of the others. */
  async phoneHears(sdk, name, hum, who, others = []) {
    let why;
    // Until its recording is there, that of the call before is.
    await until('the recording', async () => {
      const wav = await heardBy(this.phone).catch(() => undefined);
      try {
        if (wav?.seconds > 1) return hearsTone(wav, hum, others, 'the telephone') ?? true;
      } catch (error) {
        why = error;
      }
    }).catch((error) => {
      throw why ?? error;
    });
    this.heard(sdk, name, 'telephone', who, hum);
  }

  /** Runs one test of one SDK; `act` is given a function that opens telephones. */
  async test(sdk, name, act) {
    if (process.env.TESTS && !new RegExp(process.env.TESTS).test(name)) return;
    const open = [];
    const began = Date.now();
    try {
      await act(async (identity, hum, options = {}) => {
        const page = await this.browser.open(sdk, hum);
        page.heard = (who, frequency, level, below = '') => this.heard(sdk, name, identity.split('_')[0], who, frequency, level, below);
        open.push(page);
        await page.do('start', options.token ?? token(identity), options.device ?? {}, options.register ?? true);
        if (options.register ?? true) await page.until('device.ready', 20);
        return page;
      });
      // What the server says must not make a page throw. Of themselves the oldest do once a second, those before 2.1 when
      // their connection drops or their token expires, and those up to 2.12 when one drops while a call rings; and whoever
      // answers before the ring tone has begun to play.
      const own = /^uncaught: (Error: Error|DOMException: AbortError: The play|Error: \{"code":31205|TypeError: .*'getSDP'|.*getStats)/;
      const thrown = open.flatMap((page) => page.log.filter((line) => line.startsWith('uncaught') && !own.test(line)));
      if (since(sdk, '1.7.3')) assert.deepEqual(thrown, []);
      console.log(`ok ${sdk.name} ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failures += 1;
      console.log(`not ok ${sdk.name} ${name}: ${String(error?.stack ?? error).split('\n').slice(0, 5).join(' | ')}`);
    } finally {
      this.cable.block(false);
      this.cable.hold(false);
      for (const page of open) await page.close().catch(() => {});
    }
  }
}

/** Gives each of `things` to `act` with a lane, so many at once. */
export async function inLanes(things, act, most = Number(process.env.LANES ?? 2)) {
  const waiting = [...things];
  await Promise.all(
    Array.from({ length: Math.min(most, things.length) }, async (_, number) => {
      const lane = await Lane.open(number);
      for (let next = waiting.shift(); next; next = waiting.shift()) await act(lane, next);
      await lane.close();
    }),
  );
}

/** The names of an SDK's people. */
export const people = (sdk) => ['alice', 'bob'].map((name) => `${name}_${sdk.name.replaceAll('.', '_')}`);
