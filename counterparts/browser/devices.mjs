// Several calls and several devices: which rings, which goes, what a page that is gone leaves.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';

import { lose } from './late.mjs';
import { askedAt, base, client, control, documents, Lane, library, people, ring, SERVER, since, sleep, state, telemetryOf, token, until, virtual } from './stage.mjs';

export async function devices(lane, sdk) {
  const [a, b] = people(sdk);
  const it = (name, act) => lane.test(sdk, name, act);

  // voice-client-22
  await it('is called twice at once: one is given up, the other accepted', async (open) => {
    const alice = await open(a, 440);
    const first = await ring(a);
    await alice.until('device.incoming');
    const second = await ring(a);
    await alice.until('device.incoming');
    await client.calls(first.sid).update({ status: 'canceled' });
    await alice.until('call.cancel');
    await alice.do('pick', second.sid);
    assert.equal(await alice.do('sid'), second.sid);
    await alice.do('accept');
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    await state(first.sid, 'canceled');
    await state(second.sid, 'in-progress');
    await alice.do('hangUp');
    await state(second.sid, 'completed');
  });

  // voice-client-22
  await it('is called twice at once: one is accepted, then the other, and the first ends', async (open) => {
    const alice = await open(a, 440);
    const first = await ring(a);
    await alice.until('device.incoming');
    await alice.do('accept');
    await alice.until('call.accept');
    await state(first.sid, 'in-progress');
    // Generation 1 drops what comes while it talks, unless it is told otherwise.
    const second = await ring(a);
    await alice.until('device.incoming');
    await alice.do('pick', second.sid);
    await alice.do('accept');
    await state(first.sid, 'completed');
    await state(second.sid, 'in-progress');
    await alice.hears(SERVER, 'program');
    await alice.do('hangUp');
    await state(second.sid, 'completed');
  });

  // voice-client-23
  await it('ignores a call, which goes on ringing, and is called again', async (open) => {
    const alice = await open(a, 440);
    const call = await ring(a);
    await alice.until('device.incoming');
    await state(call.sid, 'ringing');
    await alice.do('ignore');
    await new Promise((wake) => setTimeout(wake, 500));
    await state(call.sid, 'ringing', 1);
    await client.calls(call.sid).update({ status: 'canceled' });
    await alice.until('call.cancel');
    const again = await ring(a);
    await alice.until('device.incoming');
    await alice.do('reject');
    // A page that is closed right after it would be taken for one that is loaded anew.
    await state(again.sid, 'busy');
  });

  // voice-client-24
  await it('is closed while it rings: the other device goes on ringing', async (open) => {
    const one = await open(a, 440);
    const two = await open(a, 570);
    const call = await ring(a);
    await one.until('device.incoming');
    await two.until('device.incoming');
    await one.leave();
    await two.do('accept');
    await two.until('call.accept');
    await two.hears(SERVER, 'program');
    await two.do('hangUp');
    await state(call.sid, 'completed');
  });

  // voice-client-24
  await it('is closed while it rings: the call ends within seconds', async (open) => {
    const alice = await open(a, 440);
    const call = await ring(a);
    await alice.until('device.incoming');
    await alice.leave();
    await state(call.sid, 'no-answer', 5);
  });

  // voice-client-25
  await it('is closed in a call: the call ends within seconds', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    const sid = await alice.do('sid');
    await alice.leave();
    await state(sid, 'completed', 5);
  });

  // voice-client-27
  await it('rings for the other browser until that answers', async (open) => {
    const alice = await open(a, 440);
    await virtual(lane.phone, { answer_after_ms: 2500 });
    await alice.do('connect', { To: lane.phone });
    const ringing = await alice.until('call.ringing');
    const accepted = await alice.until('call.accept');
    assert.ok(accepted.at - ringing.at > 1500, `answered after ${accepted.at - ringing.at} ms`);
    await alice.do('hangUp');
  });

  // dial-17
  await it('hears a whisper before it is joined; one that hangs up is no answer', async (open) => {
    const alice = await open(a, 440);
    const bob = await open(b, 700);
    for (const [whisper, status] of [
      [`<Play>${base}/short.wav</Play>`, 'completed'],
      ['<Hangup/>', 'no-answer'],
    ]) {
      documents.set(`/whisper/${b}`, `<Response>${whisper}</Response>`);
      await alice.do('connect', { To: `whisper:${b}` });
      const asked = askedAt(`/whisper/${b}`).length;
      await bob.until('device.incoming');
      await bob.do('accept');
      await bob.until('call.accept');
      const child = await bob.do('sid');
      if (status === 'completed') {
        await bob.hears(SERVER, 'whisper');
        assert.ok(!(await alice.events()).some(({ name }) => name === 'call.accept'), 'the caller hears that it rings');
        await alice.until('call.accept');
        await alice.hears(700, 'bob');
        await bob.hears(440, 'alice');
        await bob.do('hangUp');
      }
      await bob.until('call.disconnect');
      const dialled = await until('the dial action', () => askedAt('/dialled').find(({ form }) => form.DialCallSid === child && form.DialCallStatus === status));
      await until('the caller is done', async () => !(await alice.do('busy')));
      const whispers = askedAt(`/whisper/${b}`).slice(asked);
      assert.deepEqual(whispers.map(({ form }) => [form.CallSid, form.Direction, form.CallStatus, form.To]), [[child, 'outbound-dial', 'in-progress', `client:${b}`]]);
      assert.equal(whispers[0].form.ParentCallSid, dialled.form.CallSid);
      await state(child, 'completed');
    }
  });

  await it('hangs up while the other rings: no answer is reported', async (open) => {
    const alice = await open(a, 440);
    const bob = await open(b, 700);
    await alice.do('connect', { To: `client:${b}` });
    await alice.until('call.ringing');
    await bob.until('device.incoming');
    const sid = await alice.do('sid');
    await alice.do('hangUp');
    await bob.until('call.cancel', 3);
    await until('the call is over', async () => ['completed', 'canceled', 'no-answer'].includes((await client.calls(sid).fetch()).status));
  });

  if (since(sdk, '2.11.0')) {
    // voice-client-14 voice-client-26
    await it('hands a ringing call over with its connectToken, and its bad network with it', async (open) => {
      const alice = await open(a, 440);
      const call = await ring(a);
      await alice.until('device.incoming');
      await control(`calls/${call.sid}/impairment`, { constant: true, direction: 'to_browser' });
      const tab = await open(a, 570, { register: false });
      await tab.do('connect', undefined, { connectToken: await alice.do('connectToken') });
      await tab.until('call.accept');
      await alice.until('call.cancel');
      await hearsNothing(tab);
      await control(`calls/${call.sid}/impairment`, {});
      await tab.hears(SERVER, 'program');
      await state(call.sid, 'in-progress');
      await tab.do('hangUp');
      await state(call.sid, 'completed');
    });

    // voice-client-14
    await it('hands a call over in the middle: its bad network goes with it, both devices are measured', async (open) => {
      const alice = await open(a, 440);
      const call = await ring(a);
      await alice.until('device.incoming');
      await alice.do('accept');
      await alice.until('call.accept');
      await alice.hears(SERVER, 'program');
      await sleep(1500);
      await control(`calls/${call.sid}/impairment`, { constant: true, direction: 'to_browser' });
      const tab = await open(a, 570, { register: false });
      await tab.do('connect', undefined, { connectToken: await alice.do('connectToken') });
      await tab.until('call.accept');
      await until('the first device is free', async () => !(await alice.do('busy')));
      assert.equal(await alice.do('openMicrophones'), 0);
      await hearsNothing(tab);
      await control(`calls/${call.sid}/impairment`, {});
      await tab.hears(SERVER, 'program');
      assert.equal((await client.calls(call.sid).fetch()).status, 'in-progress');
      await tab.do('hangUp');
      await state(call.sid, 'completed');
      const { media } = await until('both measurements', async () => {
        const found = await telemetryOf(call.sid);
        return found.media.length >= 2 && found;
      });
      assert.equal(media.length, 2);
      for (const { samples } of media) assert.ok(samples.some((one) => one.packets_sent > 40), JSON.stringify(samples));
    });
  }

  // A Switchboard of its own, which can be stopped without anybody else's harm.
  if (process.env.SWITCHBOARD) {
    const own = await begin(join(process.env.OUT, `restart-${sdk.name}`));
    // What an application chose is chosen when the server is started again.
    const application = await library(own.ready).applications.create({ friendlyName: 'restart', voiceUrl: `${base}/hum`, voiceMethod: 'POST' });
    await control(`applications/${application.sid}`, { late_answer: 'error-31008' }, own.ready);
    const apart = await Lane.open(lane.number, new URL(own.ready.api_tls).port);
    // voice-client-28
    await apart.test(sdk, 'comes back by itself when the server was started again', async (open) => {
      const alice = await open(a, 440, { token: token(a, { of: own.ready }) });
      own.ready = await own.again();
      apart.cable.lead(new URL(own.ready.api_tls).port);
      await alice.until('device.ready', 30);
      const call = await library(own.ready).calls.create({ to: `client:${a}`, from: own.ready.numbers.yours, twiml: '<Response><Pause length="9"/></Response>' });
      await alice.until('device.incoming', 20);
      assert.equal(await alice.do('sid'), call.sid);
      await alice.do('accept');
      await alice.until('call.accept');
    });
    // voice-client-31
    await apart.test(sdk, 'answers too late as the application said before the server was started again', async (open) => {
      const two = await Promise.all([440, 570].map((hum) => open(`${a}_two`, hum, { token: token(`${a}_two`, { of: own.ready }) })));
      const { loser } = await lose(apart, two, () => library(own.ready).calls.create({ to: `client:${a}_two`, from: own.ready.numbers.yours, applicationSid: application.sid }));
      const error = await loser.until('call.error');
      assert.equal(error.detail.code, sdk.generation === 1 || since(sdk, '2.8.0') ? 31008 : 31005);
      await loser.until('call.disconnect');
    });
    await apart.close();
    await own.end();
  }
}

/** Packets come, and there is no sound in them. */
async function hearsNothing(tab) {
  // It takes a moment until its link is up.
  await until('packets', async () => (await tab.do('received')) > 50);
  const [level] = await tab.do('levels', [SERVER]);
  assert.ok(level < -90, `the program is heard: ${level} dB`);
}

/** Starts a Switchboard with its data in `folder`. */
async function begin(folder) {
  let child;
  const start = async () => {
    child = spawn(process.env.SWITCHBOARD, ['dev', '--json', '--ports', 'auto', '--data', folder], { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    child.stdout.on('data', (text) => (said += text));
    return JSON.parse(await until('another Switchboard', () => said.includes('\n') && said.split('\n')[0], 60));
  };
  const end = () => new Promise((done) => (child.on('exit', done), child.kill('SIGTERM')));
  const ready = await start();
  return { ready, end, again: async () => (await end(), start()) };
}
