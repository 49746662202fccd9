// What every version must do: register, call, be called, hang up, reject, cancel, keys, come back.

import assert from 'node:assert/strict';

import { account, askedAt, client, heardBy, PHONE, phoneWav, people, ready, ring, SERVER, since, sleep, state, token, until, virtual } from './stage.mjs';
import { loudest } from './wav.mjs';

/** Row and column of the key 5 (ITU-T Q.23), in Hz. */
const FIVE = [770, 1336];

export async function calls(lane, sdk) {
  const [a, b] = people(sdk);
  const it = (name, act) => lane.test(sdk, name, act);

  // voice-client-1 voice-client-10
  await it('calls out: the program is asked, hears and is heard, the browser hangs up', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'hum', note: 'a b&c=d' });
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
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

  // voice-client-2
  await it('presses keys, and the program hangs up', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'digits' });
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    await alice.do('press', '12#4');
    const sid = await alice.do('sid');
    const request = await until('the keys', () => askedAt('/digits').find((request) => request.form.CallSid === sid));
    assert.equal(request.form.Digits, '12');
    await client.calls(sid).update({ status: 'completed' });
    await alice.until('call.disconnect');
  });

  // voice-client-2
  await it('hears the keys that the program presses', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'keys' });
    await alice.until('call.accept');
    await alice.hearsOne(FIVE, 'key 5');
    await alice.until('call.disconnect');
  });

  // voice-client-3
  await it('talks with a telephone: each hears the other', async (open) => {
    await virtual(lane.phone, { answer_after_ms: 500, play: phoneWav });
    const alice = await open(a, 440);
    await alice.do('connect', { To: lane.phone });
    await alice.until('call.ringing');
    await alice.until('call.accept');
    await alice.hears(PHONE, 'telephone');
    await sleep(1500);
    await alice.do('hangUp');
    await alice.until('call.disconnect');
    const heard = await until('the recording', async () => {
      const wav = await heardBy(lane.phone).catch(() => undefined);
      return wav?.seconds > 1 && wav;
    });
    assert.ok(Math.abs(loudest(heard) - 440) < 15, `the telephone heard ${loudest(heard)} Hz`);
  });

  // voice-client-4 voice-client-10
  await it('is called by the API, hears, and the API hangs up', async (open) => {
    const alice = await open(a, 440);
    const call = await ring(a);
    await alice.until('device.incoming');
    const { custom, ...parameters } = await alice.do('parameters');
    assert.deepEqual([parameters.CallSid, parameters.AccountSid, parameters.From, parameters.To], [call.sid, account, ready.numbers.yours, `client:${a}`]);
    await state(call.sid, 'ringing');
    await alice.do('accept');
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    await state(call.sid, 'in-progress');
    await client.calls(call.sid).update({ status: 'completed' });
    await alice.until('call.disconnect');
    await until('the microphone is closed', async () => (await alice.do('openMicrophones')) === 0);
  });

  // voice-client-5
  await it('rejects: the call is busy', async (open) => {
    const alice = await open(a, 440);
    const call = await ring(a);
    await alice.until('device.incoming');
    await alice.do('reject');
    await state(call.sid, 'busy');
  });

  // voice-client-6
  await it('sees a caller give up', async (open) => {
    const alice = await open(a, 440);
    const call = await ring(a);
    await alice.until('device.incoming');
    await state(call.sid, 'ringing');
    await client.calls(call.sid).update({ status: 'canceled' });
    await alice.until('call.cancel');
    await state(call.sid, 'canceled');
  });

  // voice-client-6
  await it('gives up: the other browser is told', async (open) => {
    const alice = await open(a, 440);
    const bob = await open(b, 700);
    await alice.do('connect', { To: `client:${b}` });
    await bob.until('device.incoming');
    await alice.do('hangUp');
    await alice.until('call.disconnect');
    await bob.until('call.cancel', 3);
  });

  // voice-client-7
  await it('is not there: the call is not answered', async () => {
    const call = await ring(`nobody_${a}`);
    await state(call.sid, 'no-answer');
  });

  // voice-client-8
  await it('calls another browser: who hears whom, parameters, callbacks in order', async (open) => {
    const alice = await open(a, 440);
    const bob = await open(b, 700);
    await alice.do('connect', { To: `client:${b}` });
    await bob.until('device.incoming');
    assert.equal((await bob.do('parameters')).custom.order ?? 'forty two & more', 'forty two & more');
    await bob.do('accept');
    await alice.until('call.accept');
    await bob.until('call.accept');
    await alice.hears(700, 'bob');
    await bob.hears(440, 'alice');
    await bob.do('hangUp');
    await bob.until('call.disconnect');
    const parent = await alice.do('sid');
    await until('the dial action', () => askedAt('/dialled').find((request) => request.form.CallSid === parent && request.form.DialCallStatus === 'completed'));
    const child = askedAt('/child').filter((request) => request.form.ParentCallSid === parent);
    assert.deepEqual(child.map((request) => request.form.CallStatus), ['initiated', 'ringing', 'in-progress', 'completed']);
  });

  // voice-client-9
  await it('keeps its call when the connection drops', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    const sid = await alice.do('sid');
    lane.cable.cut();
    await alice.until('device.ready', 30);
    await alice.hears(SERVER, 'program again');
    assert.equal((await client.calls(sid).fetch()).status, 'in-progress');
    await alice.do('hangUp');
    await state(sid, 'completed');
  });

  // counterparts-60
  if (since(sdk, '1.13.0')) {
    await it('passes the preflight test: its own sound comes back, and the server hangs up', async (open) => {
      const alice = await open(a, 440, { register: false });
      const { report, events } = await alice.do('preflight', token(`${a}_preflight`, { application: ready.preflight_application_sid }));
      assert.match(report?.callSid ?? '', /^CA[0-9a-f]{32}$/, JSON.stringify(events));
      assert.ok(events.includes('connected') && events.at(-1) === 'completed', `${events}`);
      const levels = report.samples.map((sample) => sample.audioOutputLevel);
      assert.ok(levels.length >= 4 && Math.max(...levels) > 1000, `heard back: ${levels}`);
      await state(report.callSid, 'completed');
    });
  }
}
