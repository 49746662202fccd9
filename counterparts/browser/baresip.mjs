// A SIP telephone of others (baresip) beside the browsers: it hums, presses keys and keeps what it hears.

import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { client, ready, base, sleep, until } from './stage.mjs';
import { readWav, toneWav } from './wav.mjs';

const MODULES = ['/usr/lib/baresip/modules', '/usr/lib/x86_64-linux-gnu/baresip/modules', '/usr/lib/aarch64-linux-gnu/baresip/modules'];
const PASSWORD = 'Wonderland-2026';

/** A domain whose users may register and whose calls ask `/arriving`. */
let domain;
async function makeDomain() {
  const made = await client.sip.domains.create({ domainName: `browsers.sip.twilio.com`, voiceUrl: `${base}/voice`, sipRegistration: true });
  const list = await client.sip.credentialLists.create({ friendlyName: 'telephones beside browsers' });
  for (const number of [0, 1, 2, 3]) await client.sip.credentialLists(list.sid).credentials.create({ username: `desk${number}`, password: PASSWORD });
  await client.sip.domains(made.sid).auth.calls.credentialListMappings.create({ credentialListSid: list.sid });
  await client.sip.domains(made.sid).auth.registrations.credentialListMappings.create({ credentialListSid: list.sid });
  return made.domainName;
}

const freePort = () =>
  new Promise((found) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });

/** A registered telephone that hums at `hum` Hz, silent at 0. */
export async function telephone(name, number, hum) {
  // It listens on the port after its own, too, which somebody else may have.
  for (let trial = 1; ; trial += 1) {
    try {
      return await start(name, number, hum);
    } catch (error) {
      if (trial === 3 || !String(error).includes('Address already in use')) throw error;
    }
  }
}

async function start(name, number, hum) {
  domain ??= makeDomain();
  const host = await domain;
  const folder = join(process.env.OUT, `baresip-${name}`);
  mkdirSync(folder, { recursive: true });
  const wav = join(folder, 'hum.wav');
  writeFileSync(wav, toneWav(hum, 60));
  const control = await freePort();
  const config = [
    `sip_listen 127.0.0.1:${await freePort()}`,
    'call_local_timeout 60',
    'call_max_calls 4',
    `audio_source aufile,${wav}`,
    'ausrc_srate 8000',
    'auplay_srate 8000',
    'ausrc_channels 1',
    'auplay_channels 1',
    'audio_telev_pt 101',
    `module_path ${MODULES.find(existsSync)}`,
    'module g711.so',
    'module aufile.so',
    'module sndfile.so',
    `snd_path ${folder}`,
    'module_tmp account.so',
    'module_app ctrl_tcp.so',
    'module_app menu.so',
    `ctrl_tcp_listen 127.0.0.1:${control}`,
  ];
  const account =
    `<sip:desk${number}@${host};transport=udp>;auth_user=desk${number};auth_pass=${PASSWORD};outbound="sip:${ready.sip};transport=udp";regint=600` +
    ';answermode=manual;audio_codecs=PCMU/8000/1;dtmfmode=rtpevent;ptime=20';
  for (const [file, lines] of [['config', config], ['accounts', [account]], ['contacts', []]]) writeFileSync(join(folder, file), `${lines.join('\n')}\n`);
  const log = join(folder, 'log');
  const child = spawn('baresip', ['-4', '-s', '-f', folder], { stdio: ['ignore', openSync(log, 'w'), openSync(log, 'a')], env: { ...process.env, HOME: folder } });
  const events = [];
  const said = () => readFileSync(log, 'utf8');
  let wire;
  try {
    wire = await until('the control port of baresip', () => new Promise((done, failed) => {
      if (child.exitCode !== null) failed(new Error(`baresip ended: ${said()}`));
      const socket = connect(control, '127.0.0.1', () => done(socket));
      socket.on('error', () => done(undefined));
    }));
    let buffer = '';
    wire.on('data', (text) => {
      buffer += text;
      for (let colon = buffer.indexOf(':'); colon > 0; colon = buffer.indexOf(':')) {
        const length = Number(buffer.slice(0, colon));
        if (buffer.length < colon + length + 2) break;
        events.push(JSON.parse(buffer.slice(colon + 1, colon + 1 + length)));
        buffer = buffer.slice(colon + length + 2);
      }
    });
    await until('baresip registers', () => said().includes('[1 binding]'));
  } catch (error) {
    child.kill();
    throw error;
  }
  const order = (command, params = '') => {
    const text = JSON.stringify({ command, params, token: command });
    wire.write(`${Buffer.byteLength(text)}:${text},`);
  };
  return {
    address: `sip:desk${number}@${host}`,
    host,
    order,
    happened: (type) => events.filter((event) => event.type === type),
    wait: (type) => until(`baresip says ${type} after ${events.map((event) => event.type)}`, () => events.find((event) => event.type === type), 20),
    async press(digits) {
      for (const digit of digits) order('sndcode', digit), await sleep(350);
    },
    /** What it heard in its last call, which has ended. */
    async heard() {
      await sleep(300);
      const file = readdirSync(folder).filter((file) => /^dump-.*-dec\.wav$/.test(file)).sort().at(-1);
      return readWav(readFileSync(join(folder, file)));
    },
    end: () => new Promise((done) => (child.on('exit', done), wire.destroy(), child.kill('SIGTERM'))),
  };
}
