// Programs and pages that know nothing of Switchboard: helper libraries without a base URL, pages with
// the vendor's SDK and its default hosts. `switchboard trust | run | adopt | open` lead them here.
//
// TESTS is a pattern: only tests whose names match are run. QUICKSTART names a checkout of the vendor's
// published voice quickstart for node, with its packages installed (`npm ci`). See
// xtask/src/counterparts.rs for the rest of the environment and the output.

import { execFileSync, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { delimiter, dirname, join } from 'node:path';
import { tmpdir } from 'node:os';
import tls from 'node:tls';
import assert from 'node:assert/strict';

import { readWav, toneWav } from '../browser/wav.mjs';

const tools = dirname(process.env.LIBRARY);
const ready = JSON.parse(readFileSync(process.env.SWITCHBOARD_READY, 'utf8'));
const data = join(process.env.OUT, 'data');
const program = process.env.SWITCHBOARD;
const here = new URL('.', import.meta.url).pathname;
const example = join(here, '../../examples/softphone');
const puppeteer = createRequire(`${join(tools, 'puppeteer')}/`)('puppeteer-core');
const work = mkdtempSync(join(tmpdir(), 'switchboard-quickstart-'));
const authorization = `Basic ${btoa(`${ready.account_sid}:${ready.auth_token}`)}`;

const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

async function until(what, condition, seconds = 15) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
    const found = await condition();
    if (found) return found;
  }
  throw new Error(`waited ${seconds} s in vain for: ${typeof what === 'function' ? await what() : what}`);
}

/** Runs `switchboard` to its end: exit code, output, error output. */
function switchboard(words, options = {}) {
  return new Promise((done) => {
    const child = spawn(program, words, { cwd: work, env: { ...process.env, SWITCHBOARD_DATA: data, LANG: 'C', ...options.env }, ...options.spawn });
    const said = ['', ''];
    [child.stdout, child.stderr].forEach((stream, at) => stream.on('data', (part) => (said[at] += part)));
    child.on('close', (code) => done({ code, out: said[0], err: said[1] }));
  });
}

async function ours(path, body, method = 'POST') {
  const options = { method, headers: { authorization, 'content-type': 'application/json' } };
  if (body) options.body = JSON.stringify(body);
  const answer = await fetch(`${ready.api}${path}`, options);
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer;
}

const phonePath = (number) => `/_switchboard/v1/phones/${encodeURIComponent(number)}`;
const hex = () => randomBytes(16).toString('hex');

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

let failures = 0;
async function test(name, act) {
  if (process.env.TESTS && !new RegExp(process.env.TESTS).test(name)) return;
  try {
    const why = await act();
    console.log(why ? `not run ${name}: ${why}` : `ok ${name}`);
  } catch (error) {
    failures += 1;
    console.log(`not ok ${name}: ${String(error?.stack ?? error).split('\n').slice(0, 6).join(' | ')}`);
  }
}

const has = (command) => process.env.PATH.split(delimiter).some((folder) => existsSync(join(folder, command)));

// -- trust

/** What a client that trusts nothing but `ca` says to our HTTPS under a name. */
const greet = (ca, servername) =>
  new Promise((done) => {
    const { hostname, port } = new URL(ready.api_tls);
    const socket = tls.connect({ host: hostname, port, servername, ca }, () => (socket.destroy(), done('welcome')));
    socket.on('error', (error) => done(error.code));
  });

// quickstart-6
await test('the authority is trusted, checked and forgotten again in stores of its own', async () => {
  if (!has('update-ca-certificates')) return 'no update-ca-certificates';
  const root = join(work, 'root');
  const home = join(work, 'home');
  for (const folder of ['usr/local/share/ca-certificates', 'usr/share/ca-certificates', 'etc/ssl/certs', 'etc/ca-certificates/update.d']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  writeFileSync(join(root, 'etc/ca-certificates.conf'), '');
  mkdirSync(join(home, '.pki/nssdb'), { recursive: true });
  // A system has other authorities, too.
  writeFileSync(join(root, 'usr/local/share/ca-certificates/other.crt'), tls.rootCertificates[0]);
  const bundle = join(root, 'etc/ssl/certs/ca-certificates.crt');
  const env = { HOME: home };
  const say = async (...words) => {
    const done = await switchboard([...words, '--json', '--root', root], { env });
    return { ...done, stores: done.out && JSON.parse(done.out).stores, authority: done.out && JSON.parse(done.out).authority };
  };
  const states = ({ stores }) => stores.map((store) => `${store.store} ${store.state}`);
  const nss = (state) => `nss ${has('certutil') ? state : 'not-possible'}`;

  assert.deepEqual(states(await say('trust', '--dry-run')), ['system would-install', nss('would-install')]);
  assert.equal((await say('trust', '--check')).code, 1);
  assert.equal((await say('trust')).code, 2, 'nobody was asked');
  assert.ok(!existsSync(bundle), 'looking changes nothing');
  const trusted = await say('trust', '--yes');
  assert.deepEqual([trusted.code, states(trusted)], [0, ['system installed', nss('installed')]], trusted.err);
  assert.ok(trusted.stores[0].steps.some((step) => step.startsWith('update-ca-certificates')));
  assert.deepEqual(states(await say('trust', '--yes')), ['system trusted', nss('trusted')]);
  assert.equal((await say('trust', '--check')).code, 0);
  assert.equal(statSync(join(data, 'authority.key')).mode & 0o777, 0o600);

  const authority = readFileSync(bundle, 'utf8');
  for (const name of ['localhost', 'api.twilio.com', 'chunderw-vpc-gll.twilio.com', 'voice-js.roaming.twilio.com', 'eventgw.us1.twilio.com', 'media.twiliocdn.com']) {
    assert.equal(await greet(authority, name), 'welcome', name);
  }
  assert.equal(await greet(authority, 'bank.example'), 'ERR_TLS_CERT_ALTNAME_INVALID');
  assert.equal(await greet(undefined, 'localhost'), 'SELF_SIGNED_CERT_IN_CHAIN');

  assert.deepEqual(states(await say('untrust', '--dry-run')), ['system would-remove', nss('would-remove')]);
  assert.deepEqual(states(await say('untrust')), ['system removed', nss('removed')]);
  assert.equal(readFileSync(bundle, 'utf8').trim(), tls.rootCertificates[0].trim());
  assert.equal((await say('trust', '--check')).code, 1);
  // One whose data folder is gone.
  writeFileSync(join(root, 'usr/local/share/ca-certificates/switchboard-00000000.crt'), authority);
  assert.deepEqual(states(await say('untrust', '--all'))[0], 'system removed');
  assert.ok(!existsSync(join(root, 'usr/local/share/ca-certificates/switchboard-00000000.crt')));
  const japanese = await switchboard(['trust', '--check', '--lang', 'ja', '--root', root], { env });
  assert.match(japanese.out, /未登録/);
});

// quickstart-6
await test('a stolen key of the authority is no use: openssl refuses a certificate for another name', () => {
  if (!has('openssl')) return 'no openssl';
  const openssl = (...words) => execFileSync('openssl', words, { cwd: work, stdio: 'pipe', encoding: 'utf8' });
  const ca = ['-CA', join(data, 'authority.crt'), '-CAkey', join(data, 'authority.key')];
  const verdicts = ['bank.example', 'api.twilio.com'].map((name) => {
    openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'x.key', '-out', 'x.csr', '-subj', '/CN=x', '-addext', `subjectAltName=DNS:${name}`);
    openssl('x509', '-req', '-in', 'x.csr', ...ca, '-copy_extensions', 'copy', '-days', '1', '-out', 'x.crt');
    try {
      return openssl('verify', '-CAfile', join(data, 'authority.crt'), 'x.crt').trim();
    } catch (error) {
      return error.stderr;
    }
  });
  assert.match(verdicts[0], /permitted subtree violation/);
  assert.equal(verdicts[1], 'x.crt: OK');
});

// -- run

const call = { to: ready.phones[0], from: ready.numbers.yours, twiml: '<Response><Pause length="1"/></Response>' };

async function reached(done, how) {
  assert.equal(done.code, 0, `${how}: ${done.err}`);
  const sid = done.out.trim().split('\n').at(-1);
  assert.match(sid, /^CA[0-9a-f]{32}$/);
  const there = await ours(`/2010-04-01/Accounts/${ready.account_sid}/Calls/${sid}.json`, undefined, 'GET');
  assert.equal((await there.json()).to, ready.phones[0]);
  assert.match(done.err, /api\.twilio\.com is led to Switchboard/);
}

// A program that gets no help: no credentials, no base URL.
const strange = { TWILIO_ACCOUNT_SID: undefined, TWILIO_AUTH_TOKEN: undefined, TWILIO_API_KEY: undefined };

// quickstart-1
for (const folder of ['node-newest', 'node-3']) {
  await test(`${folder} without a base URL makes a call here under switchboard run`, async () => {
    if (!existsSync(join(tools, folder, 'node_modules/twilio'))) return `no ${folder}`;
    const script = `require('twilio')(process.env.TWILIO_ACCOUNT_SID, process.env.TWILIO_AUTH_TOKEN).calls.create(${JSON.stringify(call)}).then((call) => console.log(call.sid), (error) => { console.error(error.message); process.exit(9); })`;
    const env = { ...strange, NODE_PATH: join(tools, folder, 'node_modules') };
    await reached(await switchboard(['run', '--', 'node', '-e', script], { env }), folder);
  });
}

// quickstart-2
{
  const folder = 'python-newest';
  await test(`${folder} without a base URL makes a call here under switchboard run`, async () => {
    const python = join(tools, folder, 'bin/python');
    if (!existsSync(python)) return `no ${folder}`;
    const script = `import os\nfrom twilio.rest import Client\nc = Client(os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_AUTH_TOKEN"])\nprint(c.calls.create(to="${call.to}", from_="${call.from}", twiml="""${call.twiml}""").sid)`;
    await reached(await switchboard(['run', '--', python, '-c', script], { env: strange }), folder);
  });
}

await test('curl under switchboard run trusts us under the vendor\'s name, and the way to others is not changed', async () => {
  if (!has('curl')) return 'no curl';
  const port = await freePort();
  const other = createServer((socket) => socket.on('data', () => socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n')));
  await new Promise((done) => other.listen(port, '127.0.0.1', done));
  const curl = 'curl -sS -o /dev/null -w "%{http_code} %{ssl_verify_result}\\n" -u "$TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN"';
  const script = `${curl} https://api.twilio.com/2010-04-01/Accounts.json; ${curl} --noproxy "" http://127.0.0.1:${port}/; ${curl} http://127.0.0.1:${port}/`;
  const done = await switchboard(['run', '--quiet', '--', 'sh', '-c', script], { env: strange });
  other.close();
  assert.deepEqual([done.out, done.err], ['200 0\n204 0\n204 0\n', ''], JSON.stringify(done));
});

await test('switchboard run ends as the program ends, and passes signals on', async () => {
  assert.equal((await switchboard(['run', '--quiet', '--', 'sh', '-c', 'exit 7'])).code, 7);
  assert.equal((await switchboard(['run', '--quiet', '--', 'sh', '-c', 'kill -9 $$'])).code, 137);
  const missing = await switchboard(['run', '--', 'no-such-program']);
  assert.deepEqual([missing.code, /no-such-program/.test(missing.err)], [1, true]);
  const child = spawn(program, ['run', '--quiet', '--data', data, '--', 'sh', '-c', "trap 'echo told; exit 5' TERM; echo up; while :; do sleep 0.05; done"]);
  let said = '';
  child.stdout.on('data', (part) => {
    said += part;
    if (said === 'up\n') child.kill('SIGTERM');
  });
  const code = await new Promise((done) => child.on('close', done));
  assert.deepEqual([code, said], [5, 'up\ntold\n']);
  const shown = await switchboard(['run', '--show'], { env: strange });
  assert.match(shown.out, new RegExp(`^export TWILIO_ACCOUNT_SID=${ready.account_sid}$`, 'm'));
});

await test('switchboard run starts a server where none runs, and ends it', async () => {
  const own = join(work, 'own');
  const script = 'curl -sS -u "$TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN" https://api.twilio.com/2010-04-01/Accounts.json | head -c 20';
  if (!has('curl')) return 'no curl';
  const done = await switchboard(['run', '--data', own, '--', 'sh', '-c', script], { env: strange });
  assert.deepEqual([done.code, done.out.startsWith('{')], [0, true], JSON.stringify(done));
  assert.ok(!existsSync(join(own, 'facts.json')), 'its server ended');
});

// -- adopt

function dotenv(folder, values) {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, '.env');
  writeFileSync(file, Object.entries(values).map(([name, value]) => `${name}=${value}\n`).join(''));
  return file;
}

const adopt = async (file, ...words) => {
  const done = await switchboard(['adopt', file, '--json', ...words]);
  assert.equal(done.code, 0, done.err);
  return JSON.parse(done.out);
};

await test('adopt fills placeholders in, twice the same, and undo restores the file', async () => {
  const file = join(work, 'placeholders.env');
  const before = readFileSync(join(example, '.env.example'), 'utf8');
  writeFileSync(file, before);
  const done = await adopt(file);
  const after = readFileSync(file, 'utf8');
  assert.deepEqual([done.changed, done.account_sid, done.number, done.made], [true, ready.account_sid, ready.numbers.yours, []]);
  for (const value of [ready.account_sid, ready.api_key_sid, ready.api_key_secret, ready.application_sid]) assert.ok(after.includes(`=${value}\n`), after);
  assert.equal((await adopt(file)).changed, false);
  assert.equal(statSync(done.kept).mode & 0o777, 0o600);
  await adopt(file, '--undo');
  assert.equal(readFileSync(file, 'utf8'), before);
  assert.ok(!existsSync(done.kept));
});

await test('adopt refuses an account\'s number that is another\'s, and an empty file', async () => {
  const file = dotenv(join(work, 'stolen'), { TWILIO_ACCOUNT_SID: `AC${hex()}`, TWILIO_CALLER_ID: ready.numbers.echo });
  const refused = await switchboard(['adopt', file]);
  assert.deepEqual([refused.code, /another account/.test(refused.err)], [1, true], refused.err);
  const empty = await switchboard(['adopt', dotenv(join(work, 'empty'), { PORT: '1' })]);
  assert.deepEqual([empty.code, /nothing to adopt/.test(empty.err)], [1, true], empty.err);
});

// -- pages

/** A browser as `switchboard open` starts it. */
async function browse(url, prepare = () => {}) {
  const planned = JSON.parse((await switchboard(['open', '--print', '--json', '--headless', url])).out);
  assert.equal(planned.arguments.at(-1), url);
  assert.ok(!planned.arguments.includes('--ignore-certificate-errors'));
  const profile = mkdtempSync(join(work, 'profile-'));
  const switches = planned.arguments.slice(0, -1).filter((word) => !word.startsWith('--user-data-dir'));
  const browser = await puppeteer.launch({ executablePath: planned.program, args: switches, userDataDir: profile });
  const page = await browser.newPage();
  const log = [];
  page.on('console', (message) => log.push(message.text()));
  page.on('pageerror', (error) => log.push(`uncaught: ${error}`));
  await prepare(page);
  await page.goto(url);
  return { browser, page, log };
}

/** A program under `switchboard run`; `stop` ends it. */
async function program_(folder, port, ...words) {
  const env = { ...process.env, ...strange, SWITCHBOARD_DATA: data, NODE_PATH: ['node-newest', 'sdk-newest'].map((name) => join(tools, name, 'node_modules')).join(delimiter) };
  const child = spawn(program, ['run', '--quiet', '--', ...words], { cwd: folder, env });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (said += part));
  const closed = new Promise((done) => child.on('close', done));
  await until(() => `the program listens; it said ${said}`, () => fetch(`http://localhost:${port}/`).then((answer) => answer.ok, () => false));
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await closed;
    },
  };
}

function credentials(port) {
  return {
    PORT: port,
    TWILIO_ACCOUNT_SID: `AC${hex()}`,
    TWILIO_CALLER_ID: `+1500555${1000 + Math.floor(Math.random() * 8999)}`,
    TWILIO_TWIML_APP_SID: `AP${hex()}`,
    TWILIO_API_KEY: `SK${hex()}`,
    TWILIO_API_SECRET: hex(),
  };
}

async function loudness(number) {
  const answer = await fetch(`${ready.api}${phonePath(number)}/heard.wav`, { headers: { authorization } });
  if (answer.status !== 200) return 0;
  const wav = readWav(Buffer.from(await answer.arrayBuffer()));
  return wav.samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
}

const tone = join(work, 'tone.wav');
writeFileSync(tone, toneWav(1500, 20));

/** The same three things of any softphone: ready, dials a telephone, is called by one. */
async function exercise(values, page, words) {
  const [called, caller] = ready.phones;
  await words.start();
  await until(async () => `ready; the page says ${await words.state()}`, words.ready);

  await ours(phonePath(called), { answer_after_ms: 200, play: tone });
  await words.dial(called);
  await until(async () => `talking to the telephone; the page says ${await words.state()}`, words.talking);
  await until('the telephone is heard', words.hears);
  await sleep(1500);
  await words.hangUp();
  await until('the call is over', async () => !(await words.talking()));
  await until('the telephone heard the microphone', async () => (await loudness(called)) > 600);

  await ours(phonePath(caller), { play: tone });
  await ours(`${phonePath(caller)}/calls`, { to: values.TWILIO_CALLER_ID });
  await until('the page is called', words.called);
  await words.answer();
  await until('talking to the caller', words.talking);
  await until('the caller is heard', words.hears);
  await words.hangUp();
  await until('the second call is over', async () => !(await words.talking()));
}

// The quickstart hides with a class that moves things out of sight.
const shown = (page, id) => page.$eval(`#${id}`, (part) => !part.closest('.hide'));
const press = (page, id) => page.$eval(`#${id}`, (button) => button.click());

// quickstart-3, quickstart-4
await test('examples/softphone as it is: adopted, run and opened, it registers, dials, is called, and asks the API to call', async () => {
  const port = await freePort();
  const values = credentials(port);
  const folder = join(work, 'softphone');
  const file = dotenv(folder, values);
  const before = readFileSync(file, 'utf8');
  const done = await adopt(file);
  assert.deepEqual([done.changed, done.account_sid, done.made.length, done.voice_url], [false, values.TWILIO_ACCOUNT_SID, 4, `http://localhost:${port}/voice`]);
  assert.deepEqual((await adopt(file)).made, []);
  const running = await program_(folder, port, 'node', join(example, 'softphone.js'));
  const { browser, page, log } = await browse(`http://localhost:${port}/`);
  const state = () => page.$eval('#state', (part) => part.textContent);
  const is = (text) => async () => (await state()).startsWith(text);
  try {
    await exercise(values, page, {
      state,
      start: () => press(page, 'start'),
      ready: is('ready'),
      dial: async (number) => {
        await page.$eval('#to', (input, value) => (input.value = value), number);
        await page.$eval('#dial', (form) => form.requestSubmit());
      },
      talking: is('talking'),
      hears: () => page.$eval('#heard', (meter) => meter.value > 0.02),
      hangUp: () => press(page, 'hangup'),
      called: is('called'),
      answer: () => press(page, 'answer'),
    });
    await press(page, 'ring');
    await until('the API calls', is('called'));
    await press(page, 'answer');
    await until('the sentence is heard', () => page.$eval('#heard', (meter) => meter.value > 0.02));
    await press(page, 'hangup');
    await until('it is over', is('hung up'));
  } catch (error) {
    error.stack += ` | the page: ${log.slice(-5).join(' | ')}`;
    throw error;
  } finally {
    await browser.close();
    await running.stop();
  }
  assert.equal(readFileSync(file, 'utf8'), before, 'the file is untouched');
  const undone = await adopt(file, '--undo');
  assert.equal(undone.removed.length, 4);
  const gone = await fetch(`${ready.api}/2010-04-01/Accounts/${values.TWILIO_ACCOUNT_SID}/IncomingPhoneNumbers.json`, { headers: { authorization } });
  assert.ok(gone.status >= 400 || (await gone.json()).incoming_phone_numbers.length === 0, 'the number is gone');
  // And back again: a closed account is opened by the file that has it.
  assert.equal((await adopt(file)).account_sid, values.TWILIO_ACCOUNT_SID);
});

// quickstart-5
await test('the published quickstart, untouched, registers, dials and is called', async () => {
  const folder = process.env.QUICKSTART;
  const git = () => execFileSync('git', ['-C', folder, 'status', '--porcelain'], { encoding: 'utf8' });
  assert.equal(git(), '', 'it is untouched before');
  const port = await freePort();
  const values = credentials(port);
  const file = dotenv(folder, values);
  await adopt(file);
  const running = await program_(folder, port, 'npm', 'start');
  // The page loads jQuery from a host that nothing here may reach.
  const jquery = readFileSync(join(tools, 'jquery/node_modules/jquery/dist/jquery.min.js'));
  const { browser, page, log } = await browse(`http://localhost:${port}/`, async (page) => {
    // It shows the loudness of outgoing calls only: what arrives is looked at below it.
    await page.evaluateOnNewDocument(() => {
      const Usual = window.RTCPeerConnection;
      window.connections = [];
      window.RTCPeerConnection = class extends Usual {
        constructor(...values) {
          super(...values);
          window.connections.push(this);
        }
      };
    });
    await page.setRequestInterception(true);
    page.on('request', (request) => {
      const foreign = new URL(request.url()).hostname.endsWith('googleapis.com');
      if (foreign) request.respond({ contentType: 'text/javascript', body: jquery });
      else request.continue();
    });
  });
  const state = () => page.$eval('#log', (part) => part.innerText);
  const lines = async (text) => (await state()).split(text).length - 1;
  /** Whether the newest connection brought sound that is no silence: a second of our tone is 0.09. */
  const hears = () =>
    page.evaluate(async () => {
      const rows = [...((await window.connections.at(-1)?.getStats()) ?? new Map()).values()];
      return rows.some((row) => row.type === 'inbound-rtp' && row.totalAudioEnergy > 0.05);
    });
  try {
    await exercise(values, page, {
      state,
      start: () => press(page, 'startup-button'),
      ready: () => lines('Ready to make and receive calls'),
      dial: async (number) => {
        await page.$eval('#phone-number', (input, value) => (input.value = value), number);
        await press(page, 'button-call');
      },
      talking: async () => (await shown(page, 'button-hangup-outgoing')) || (await shown(page, 'button-hangup-incoming')),
      hears,
      hangUp: async () => press(page, (await shown(page, 'button-hangup-incoming')) ? 'button-hangup-incoming' : 'button-hangup-outgoing'),
      called: () => shown(page, 'incoming-call'),
      answer: () => press(page, 'button-accept-incoming'),
    });
    await until('the caller heard the microphone', async () => (await loudness(ready.phones[1])) > 600);
  } catch (error) {
    error.stack += ` | the page: ${log.slice(-5).join(' | ')}`;
    throw error;
  } finally {
    await browser.close();
    await running.stop();
  }
  await adopt(file, '--undo');
  assert.equal(git(), '', 'it is untouched after');
});

rmSync(work, { recursive: true, force: true });
process.exit(failures ? 1 : 0);
