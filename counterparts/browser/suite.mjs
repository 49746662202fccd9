// The vendor's browser SDKs, unmodified, in a headless Chromium against a running Switchboard. Every
// microphone hums a tone of its own, so that each test can say who hears whom.
//
// ONLY names the parts to run, joined by commas; ROUNDS is how often four devices race. See
// xtask/src/counterparts.rs for the environment and the output.

import { finish, inLanes, sdks } from './stage.mjs';
import { calls } from './calls.mjs';
import { race } from './race.mjs';
import { revocation, tokens } from './tokens.mjs';
import { devices } from './devices.mjs';
import { media } from './media.mjs';
import { telephones } from './telephones.mjs';

<<<<<<< HEAD
import { chromium, wire } from './chromium.mjs';
import { burstsWav, loudest, readWav, toneWav } from './wav.mjs';

const tools = dirname(process.env.LIBRARY);
const twilio = createRequire(`${join(tools, 'node-newest')}/`)('twilio');
const ready = JSON.parse(readFileSync(process.env.SWITCHBOARD_READY, 'utf8'));
const { account_sid: account, auth_token: secret, phones } = ready;
const client = twilio(account, secret);
client.api.baseUrl = ready.api;

const sdks = process.env.TOOLS.split(',')
  .filter((folder) => folder.startsWith('sdk-'))
  .map((folder) => {
    const name = folder.slice(4);
    const bundles = ['twilio-client', '@twilio/voice-sdk'].map((package_) => join(tools, folder, 'node_modules', package_, 'dist/twilio.js'));
    return { name, bundle: bundles.find(existsSync), generation: existsSync(bundles[0]) ? 1 : 2 };
  });

const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

async function until(what, condition, seconds = 15) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
    const found = await condition();
    if (found) return found;
  }
  throw new Error(`waited ${seconds} s in vain for: ${what}`);
}

// The application: a document for each path, and what was asked of it.
const documents = new Map();
const asked = [];
const application = createServer((request, response) => {
  let body = '';
  request.on('data', (part) => (body += part));
  request.on('end', () => {
    const path = request.url.split('?')[0];
    const form = Object.fromEntries(new URLSearchParams(body));
    const valid = twilio.validateRequest(secret, request.headers['x-twilio-signature'] ?? '', `${base}${request.url}`, form);
    asked.push({ path, form, valid });
    const document = documents.get(path);
    if (document instanceof Buffer) return response.writeHead(200, { 'content-type': 'audio/wav' }).end(document);
    response.writeHead(200, { 'content-type': 'text/xml' }).end(typeof document === 'function' ? document(form) : (document ?? '<Response/>'));
  });
});
await new Promise((done) => application.listen(0, '127.0.0.1', done));
const base = `http://127.0.0.1:${application.address().port}`;
const askedAt = (path) => asked.filter((request) => request.path === path);

// Tones that G.711 carries and that are not each other's harmonics, in Hz.
const PHONE = 2100;
const SERVER = 1500;
const phoneWav = join(process.env.OUT, 'phone.wav');
writeFileSync(phoneWav, toneWav(PHONE, 20));
documents.set('/server.wav', toneWav(SERVER, 20));
// A second of sound, a second of nothing: a level that is not constant.
documents.set('/bursts.wav', burstsWav(SERVER, 20));
documents.set('/hum', `<Response><Play loop="0">${base}/server.wav</Play></Response>`);
// What the page asks for is what it gets, as in the vendor's quick start.
documents.set('/voice', (form) => {
  if (form.To?.startsWith('client:')) {
    const [identity] = form.To.slice(7).split('?');
    return `<Response><Dial answerOnBridge="true" timeout="20" action="${base}/dialled"><Client statusCallback="${base}/child" statusCallbackEvent="initiated ringing answered completed"><Identity>${identity}</Identity><Parameter name="order" value="forty two &amp; more"/></Client></Dial></Response>`;
  }
  if (form.To?.startsWith('+')) return `<Response><Dial answerOnBridge="true" callerId="${ready.numbers.yours}"><Number>${form.To}</Number></Dial></Response>`;
  if (form.To === 'digits') return `<Response><Gather numDigits="4" timeout="15" action="${base}/digits"><Play loop="0">${base}/server.wav</Play></Gather></Response>`;
  if (form.To === 'bursts') return `<Response><Play loop="0">${base}/bursts.wav</Play></Response>`;
  if (form.To === 'short') return `<Response><Play digits="1"/><Pause length="1"/><Hangup/></Response>`;
  return `<Response><Play loop="0">${base}/server.wav</Play></Response>`;
});
documents.set('/digits', `<Response><Play loop="0">${base}/server.wav</Play></Response>`);
await client.applications(ready.application_sid).update({ voiceUrl: `${base}/voice`, voiceMethod: 'POST', statusCallback: `${base}/status` });

function token(identity, options = {}) {
  const { AccessToken } = twilio.jwt;
  const made = new AccessToken(account, options.key ?? ready.api_key_sid, options.secret ?? ready.api_key_secret, { identity, ttl: options.ttl ?? 3600 });
  made.addGrant(new AccessToken.VoiceGrant({ outgoingApplicationSid: options.application ?? ready.application_sid, incomingAllow: true }));
  return made.toJwt();
}

function capability(identity) {
  const { ClientCapability } = twilio.jwt;
  const made = new ClientCapability({ accountSid: account, authToken: secret, ttl: 600 });
  made.addScope(new ClientCapability.OutgoingClientScope({ applicationSid: ready.application_sid, clientName: identity }));
  made.addScope(new ClientCapability.IncomingClientScope(identity));
  return made.toJwt();
}

/** Sets what one of the virtual phones does when it is called. */
const virtual = (number, knobs, path = '') => control(`phones/${encodeURIComponent(number)}${path}`, knobs);

/** Tells the control plane something. */
async function control(path, words) {
  const answer = await fetch(`${ready.api}/_switchboard/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${account}:${secret}`)}`, 'content-type': 'application/json' },
    body: JSON.stringify(words),
  });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.text()}`);
}

async function heardBy(number) {
  const answer = await fetch(`${ready.api}/_switchboard/v1/phones/${encodeURIComponent(number)}/heard.wav`, {
    headers: { authorization: `Basic ${btoa(`${account}:${secret}`)}` },
  });
  assert.equal(answer.status, 200);
  return readWav(Buffer.from(await answer.arrayBuffer()));
}

/** What was measured in a call. */
async function telemetry(sid) {
  const answer = await fetch(`${ready.api}/_switchboard/v1/calls/${sid}/telemetry`, { headers: { authorization: `Basic ${btoa(`${account}:${secret}`)}` } });
  assert.equal(answer.status, 200);
  return answer.json();
}

const state = async (sid, wanted) =>
  until(`${sid} ${wanted}`, async () => {
    const now = await client.calls(sid).fetch();
    return now.status === wanted && now;
  });

const cable = await wire(Number(new URL(ready.api_tls).port));
const browser = await chromium(join(tools, 'puppeteer'), sdks, cable.port);
let failures = 0;

async function test(name, act) {
  const open = [];
  try {
    await act(async (sdk, identity, hum, options = {}) => {
      const page = await browser.open(sdk, hum);
      open.push(page);
      await page.do('start', options.token ?? token(identity), options.device ?? {}, options.register ?? true);
      if (options.register ?? true) await page.until('device.ready');
      return page;
    });
    console.log(`ok ${name}`);
  } catch (error) {
    failures += 1;
    console.log(`not ok ${name}: ${String(error?.stack ?? error).split('\n').slice(0, 5).join(' | ')}`);
  } finally {
    for (const page of open) await page.close();
    cable.block(false);
  }
}

/** A call from the API that rings at `identity`, and hums. */
const ring = (identity, options = {}) =>
  client.calls.create({ to: `client:${identity}`, from: ready.numbers.yours, url: `${base}/hum`, timeout: 25, ...options });

for (const sdk of sdks) {
  const a = `alice_${sdk.name.replaceAll('.', '_')}`;
  const b = `bob_${sdk.name.replaceAll('.', '_')}`;
  const it = (name, act) => test(`${sdk.name} ${name}`, act);

  await it('calls out: the program is asked, both hear, the browser hangs up', async (open) => {
    const alice = await open(sdk, a, 440);
    await alice.do('connect', { To: 'hum', note: 'a b&c=d' });
    await alice.until('call.accept');
    await alice.hears(SERVER);
    const sid = await alice.do('sid');
    assert.match(sid, /^CA[0-9a-f]{32}$/);
    const request = askedAt('/voice').find((request) => request.form.CallSid === sid);
    assert.ok(request.valid, 'the signature');
    assert.equal(request.form.note, 'a b&c=d');
    assert.deepEqual(
      [request.form.From, request.form.Caller, request.form.To, request.form.Direction, request.form.CallStatus, request.form.ApplicationSid],
      [`client:${a}`, `client:${a}`, 'hum', 'inbound', 'ringing', ready.application_sid],
    );
    await alice.do('hangUp');
    await alice.until('call.disconnect');
    await state(sid, 'completed');
    await until('the microphone is closed', async () => (await alice.do('openMicrophones')) === 0);
  });

  await it('presses keys, and the program hangs up', async (open) => {
    const alice = await open(sdk, a, 440);
    await alice.do('connect', { To: 'digits' });
    await alice.until('call.accept');
    await alice.hears(SERVER);
    await alice.do('press', '12#4');
    const sid = await alice.do('sid');
    const request = await until('the keys', () => askedAt('/digits').find((request) => request.form.CallSid === sid));
    assert.equal(request.form.Digits, '12');
    await client.calls(sid).update({ status: 'completed' });
    await alice.until('call.disconnect');
  });

  await it('talks with a telephone: each hears the other', async (open) => {
    await virtual(phones[0], { answer_after_ms: 500, play: phoneWav });
    const alice = await open(sdk, a, 440);
    await alice.do('connect', { To: phones[0] });
    await alice.until('call.ringing');
    await alice.until('call.accept');
    await alice.hears(PHONE);
    await sleep(1500);
    await alice.do('hangUp');
    await alice.until('call.disconnect');
    const heard = await until('the recording', async () => {
      const wav = await heardBy(phones[0]).catch(() => undefined);
      return wav?.seconds > 1 && wav;
    });
    assert.ok(Math.abs(loudest(heard) - 440) < 15, `the telephone heard ${loudest(heard)} Hz`);
  });

  await it('is called by the API, hears, and the API hangs up', async (open) => {
    const alice = await open(sdk, a, 440);
    const call = await ring(a);
    await alice.until('device.incoming');
    const { custom, ...parameters } = await alice.do('parameters');
    assert.deepEqual([parameters.CallSid, parameters.AccountSid, parameters.From, parameters.To], [call.sid, account, ready.numbers.yours, `client:${a}`]);
    await state(call.sid, 'ringing');
    await alice.do('accept');
    await alice.until('call.accept');
    await alice.hears(SERVER);
    await state(call.sid, 'in-progress');
    await client.calls(call.sid).update({ status: 'completed' });
    await alice.until('call.disconnect');
  });

  await it('tells how its call went: events and samples are kept under the call', async (open) => {
    const alice = await open(sdk, a, 440);
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    await alice.hears(SERVER);
    await alice.do('mute', true);
    await sleep(2500);
    const sid = await alice.do('sid');
    await alice.do('hangUp');
    await alice.until('call.disconnect');
    const wanted = ['connection/accepted-by-remote', 'connection/muted', 'connection/disconnected-by-local'];
    const kept = await until('the telemetry', async () => {
      const found = await telemetry(sid);
      const names = found.events.map((event) => `${event.group}/${event.name}`);
      return wanted.every((name) => names.includes(name)) && found.metrics.length >= 2 && found.media.length >= 1 && found;
    });
    assert.ok(kept.events.every((event) => event.payload.call_sid === sid && event.timestamp), 'each event is of the call');
    assert.ok(kept.metrics.at(-1).total_packets_received > 50, JSON.stringify(kept.metrics.at(-1)));
    const seconds = kept.media[0].samples;
    assert.ok(seconds.length >= 2 && seconds.some((one) => one.packets_received > 40 && one.packets_sent > 40 && one.mos > 4), JSON.stringify(seconds));
  });

  await it('exchanges call messages with the program', async (open) => {
    const alice = await open(sdk, a, 440);
    if (!(await alice.page.evaluate(() => Boolean(Twilio.Call?.prototype.sendMessage)))) return;
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    await alice.hears(SERVER);
    const sid = await alice.do('sid');
    const subscription = await client.calls(sid).userDefinedMessageSubscriptions.create({ callback: `${base}/said` });
    assert.match(subscription.sid, /^ZY/);
    await alice.do('send', { says: 'the page' });
    await alice.until('call.messageSent');
    const said = await until('the message', () => askedAt('/said').find((request) => request.form.CallSid === sid));
    assert.ok(said.valid, 'the signature');
    assert.deepEqual([JSON.parse(said.form.Content), said.form.SequenceNumber, said.form.AccountSid], [{ says: 'the page' }, '1', account]);
    const sent = await client.calls(sid).userDefinedMessages.create({ content: '{"says":"the program"}', idempotencyKey: 'once' });
    const again = await client.calls(sid).userDefinedMessages.create({ content: '{"says":"the program"}', idempotencyKey: 'once' });
    assert.equal(again.sid, sent.sid);
    assert.deepEqual((await alice.until('call.messageReceived')).detail.content, { says: 'the program' });
    assert.equal(await client.calls(sid).userDefinedMessageSubscriptions(subscription.sid).remove(), true);
    await alice.do('hangUp');
    await alice.until('call.disconnect');
    assert.equal((await alice.names()).filter((name) => name === 'call.messageReceived').length, 1);
    await state(sid, 'completed');
    await assert.rejects(client.calls(sid).userDefinedMessages.create({ content: '1' }), (error) => error.code === 21220);
  });

  await it('goes offline within a second when its key is deleted', async (open) => {
    const key = await client.newKeys.create({ friendlyName: 'short-lived' });
    const alice = await open(sdk, a, 440, { token: token(a, { key: key.sid, secret: key.secret }) });
    const began = Date.now();
    assert.equal(await client.keys(key.sid).remove(), true);
    const offline = await alice.until(sdk.generation === 1 ? 'device.offline' : 'device.unregistered', 5);
    assert.ok(offline.at - began < 1000, `${offline.at - began} ms`);
  });

  await it('rejects: the call is busy', async (open) => {
    const alice = await open(sdk, a, 440);
    const call = await ring(a);
    await alice.until('device.incoming');
    await alice.do('reject');
    await state(call.sid, 'busy');
  });

  await it('sees a caller give up', async (open) => {
    const alice = await open(sdk, a, 440);
    const call = await ring(a);
    await alice.until('device.incoming');
    await state(call.sid, 'ringing');
    await client.calls(call.sid).update({ status: 'canceled' });
    await alice.until('call.cancel');
    await state(call.sid, 'canceled');
  });

  await it('is not there: the call is not answered', async () => {
    const call = await ring(`nobody_${a}`);
    const ended = await until('the end', async () => {
      const now = await client.calls(call.sid).fetch();
      return ['no-answer', 'failed'].includes(now.status) && now;
    });
    assert.equal(ended.status, 'no-answer');
  });

  await it('calls another browser: who hears whom, parameters, callbacks in order', async (open) => {
    const alice = await open(sdk, a, 440);
    const bob = await open(sdk, b, 700);
    await alice.do('connect', { To: `client:${b}` });
    await bob.until('device.incoming');
    assert.equal((await bob.do('parameters')).custom.order ?? 'forty two & more', 'forty two & more');
    await bob.do('accept');
    await alice.until('call.accept');
    await bob.until('call.accept');
    await alice.hears(700);
    await bob.hears(440);
    await bob.do('hangUp');
    await bob.until('call.disconnect');
    const parent = await alice.do('sid');
    await until('the dial action', () => askedAt('/dialled').find((request) => request.form.CallSid === parent && request.form.DialCallStatus === 'completed'));
    const child = askedAt('/child').filter((request) => request.form.ParentCallSid === parent);
    assert.deepEqual(child.map((request) => request.form.CallStatus), ['initiated', 'ringing', 'in-progress', 'completed']);
  });

  await it('keeps its call when the connection drops', async (open) => {
    const alice = await open(sdk, a, 440);
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    await alice.hears(SERVER);
    const sid = await alice.do('sid');
    cable.cut();
    await alice.until('device.ready', 30);
    await alice.hears(SERVER);
    assert.equal((await client.calls(sid).fetch()).status, 'in-progress');
    await alice.do('hangUp');
    await state(sid, 'completed');
  });

  await it('takes a new token, and is refused with a forged one', async (open) => {
    const alice = await open(sdk, a, 440);
    await alice.do('renew', token(a));
    await sleep(500);
    const call = await ring(a);
    await alice.until('device.incoming');
    await client.calls(call.sid).update({ status: 'canceled' });
    await alice.until('call.cancel');
    const mallory = await open(sdk, a, 440, { token: token(a, { secret: 'x'.repeat(32) }), register: false });
    if (sdk.generation === 2) await mallory.page.evaluate(() => void window.device.register().catch(() => {}));
    const error = await mallory.until('device.error');
    assert.equal(error.detail.code, 31202);
  });

  // counterparts-60, since 1.13.0.
  if (!/^1\.([0-9]|1[0-2])\./.test(sdk.name)) {
    await it('passes the preflight test: its own sound comes back, and the server hangs up', async (open) => {
      const alice = await open(sdk, a, 440, { register: false });
      const { report, events } = await alice.do('preflight', token(`${a}_preflight`, { application: ready.preflight_application_sid }));
      assert.match(report?.callSid ?? '', /^CA[0-9a-f]{32}$/, JSON.stringify(events));
      assert.ok(events.includes('connected') && events.at(-1) === 'completed', `${events}`);
      const levels = report.samples.map((sample) => sample.audioOutputLevel);
      assert.ok(levels.length >= 4 && Math.max(...levels) > 1000, `heard back: ${levels}`);
      await state(report.callSid, 'completed');
    });
  }

  // Takes two minutes: the SDK looks at windows of ten seconds.
  if (process.env.WARNINGS) {
    await it('warns of a bad network, and takes it back', async (open) => {
      const alice = await open(sdk, a, 440);
      await alice.do('connect', { To: 'bursts' });
      await alice.until('call.accept');
      const sid = await alice.do('sid');
      let mark = 0;
      const told = (event, names) =>
        until(`${event} ${names}`, async () => {
          const heard = (await alice.events()).slice(mark).filter((one) => one.name === event).map((one) => one.detail);
          return names.every((name) => heard.includes(name));
        }, 60);
      const impair = async (impairment) => {
        mark = (await alice.events()).length;
        await control(`calls/${sid}/impairment`, impairment);
      };
      // A microphone that hums evenly.
      await told('call.warning', ['constant-audio-input-level']);
      mark = (await alice.events()).length;
      await alice.do('waver');
      await told('call.warning-cleared', ['constant-audio-input-level']);
      const bad = ['high-rtt', 'high-jitter', 'high-packet-loss', 'high-packets-lost-fraction', 'low-mos'];
      await impair({ delay_ms: 300, jitter_ms: 60, loss: 20 });
      await told('call.warning', bad);
      await impair({});
      await told('call.warning-cleared', bad);
      await impair({ silence: true, direction: 'to_browser' });
      await told('call.warning', ['low-bytes-received']);
      await impair({});
      await told('call.warning-cleared', ['low-bytes-received']);
      const level = (group) =>
        until(`${group} of the level`, async () => {
          const { events } = await telemetry(sid);
          return events.slice(before).some((event) => event.group === group && event.name === 'constant-audio-output-level');
        }, 60);
      let before = (await telemetry(sid)).events.length;
      await impair({ constant: true, direction: 'to_browser' });
      await level('audio-level-warning-raised');
      before = (await telemetry(sid)).events.length;
      await impair({});
      await level('audio-level-warning-cleared');
    });
  }

  if (sdk.generation === 1) {
    await it('works with a capability token', async (open) => {
      const alice = await open(sdk, a, 440, { token: capability(a) });
      await alice.do('connect', { To: 'hum' });
      await alice.until('call.accept');
      await alice.hears(SERVER);
    });
  }

  await it('loses or wins when four answer at once', async (open) => {
    const rounds = Number(process.env.ROUNDS ?? 3);
    const devices = [];
    for (let number = 0; number < 4; number += 1) devices.push(await open(sdk, a, 440 + 130 * number));
    for (let round = 0; round < rounds; round += 1) {
      const call = await ring(a);
      for (const device of devices) await device.until('device.incoming');
      const began = Date.now();
      await Promise.all(devices.map((device) => device.do('accept')));
      const busy = await until('three are free again', async () => {
        const states = await Promise.all(devices.map((device) => device.do('busy')));
        return Date.now() - began > 1000 && states.filter(Boolean).length === 1 && states;
      });
      const winner = devices[busy.indexOf(true)];
      await winner.hears(SERVER);
      for (const device of devices.filter((device) => device !== winner)) {
        const names = (await device.names()).slice(device.seen);
        assert.ok(names.some((name) => ['call.cancel', 'call.disconnect', 'call.error'].includes(name)), `a loser was told: ${names}`);
        await until('a loser closes its microphone', async () => (await device.do('openMicrophones')) === 0);
      }
      await client.calls(call.sid).update({ status: 'completed' });
      await until('the winner is free', async () => !(await winner.do('busy')));
      for (const device of devices) device.seen = (await device.events()).length;
    }
  });
}

await browser.close();
cable.close();
application.close();
process.exit(failures ? 1 : 0);
=======
const parts = { calls, tokens, revocation, devices, telephones, media, race };
const wanted = (process.env.ONLY ?? 'calls,race').split(',');
await inLanes(sdks, async (lane, sdk) => {
  for (const name of wanted) await parts[name](lane, sdk);
});
finish();
>>>>>>> dfc6dda (Let every sampled version of the browser SDKs pass one matrix; a page that is closed ends what it alone could hear)
