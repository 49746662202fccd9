// A connection that drops, or says nothing, at each moment of a call; and a page that leaves on purpose.

import assert from 'node:assert/strict';

import { client, people, ready, ring, SERVER, since, sleep, state, token, until } from './stage.mjs';

export async function drops(lane, sdk) {
  const [a, b] = people(sdk);
  const it = (name, act) => lane.test(sdk, name, act);

  // voice-client-33
  await it('hangs up while its connection is down: the call ends', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    const sid = await alice.do('sid');
    lane.cable.block(true);
    lane.cable.cut();
    await sleep(300);
    await alice.do('hangUp');
    await alice.until('call.disconnect');
    lane.cable.block(false);
    await alice.until('device.ready', 30);
    await state(sid, 'completed');
    // And is a telephone like any other again.
    const call = await ring(a);
    await alice.until('device.incoming');
    await client.calls(call.sid).update({ status: 'canceled' });
    await alice.until('call.cancel');
  });

  // voice-client-33
  await it('hangs up, and its word comes behind the end of its sound: nothing has gone wrong', async (open) => {
    const alice = await open(a, 440);
    const bob = await open(b, 700);
    await alice.do('connect', { To: `client:${b}` });
    await bob.until('device.incoming');
    await alice.until('call.ringing');
    const sid = await alice.do('sid');
    lane.cable.hold(true, 'page');
    await alice.do('hangUp');
    await sleep(700);
    lane.cable.hold(false);
    await state(sid, 'canceled');
    assert.deepEqual(await client.calls(sid).notifications.list(), []);
  });

  // voice-client-33
  await it('answers while its connection is down: it knows that it cannot, and is called again', async (open) => {
    const alice = await open(a, 440);
    const call = await ring(a, { timeout: 8 });
    await alice.until('device.incoming');
    await state(call.sid, 'ringing');
    lane.cable.block(true);
    lane.cable.cut();
    await sleep(300);
    await alice.do('accept');
    // Before 2.1 the page gives the call up with an error; from 2.1 it does nothing until it is told of the call anew.
    if (!since(sdk, '2.1.0')) await alice.until('call.disconnect');
    lane.cable.block(false);
    if (since(sdk, '2.1.0')) await alice.until('device.incoming', 30);
    else {
      await alice.until('device.ready', 30);
      await until('the call that it gave up is over', async () => ['busy', 'no-answer', 'failed', 'completed'].includes((await client.calls(call.sid).fetch()).status), 30);
    }
    assert.equal(await alice.do('openMicrophones'), 0);
    const last = since(sdk, '2.1.0') ? call : await ring(a);
    if (last !== call) await alice.until('device.incoming');
    await alice.do('accept');
    await alice.until('call.accept', 30);
    await state(last.sid, 'in-progress');
    await alice.hears(SERVER, 'program');
    await alice.do('hangUp');
    await state(last.sid, 'completed');
  });

  // voice-client-33
  await it('is hung up while its connection is down: it is told when it is back', async (open) => {
    const alice = await open(a, 440);
    const call = await ring(a);
    await alice.until('device.incoming');
    await state(call.sid, 'ringing');
    lane.cable.block(true);
    lane.cable.cut();
    await client.calls(call.sid).update({ status: 'canceled' });
    await state(call.sid, 'canceled');
    lane.cable.block(false);
    await alice.until('call.cancel', 30);
    await until('it is free', async () => !(await alice.do('busy')));
  });

  // voice-client-34
  await it('leaves and comes back on purpose: it is called only while it is there', async (open) => {
    const alice = await open(a, 440);
    await alice.do('unregister');
    await alice.until(sdk.generation === 1 ? 'device.offline' : 'device.unregistered');
    await state((await ring(a)).sid, 'no-answer');
    assert.ok(!(await alice.names()).includes('device.incoming'));
    // It can still call.
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    await alice.do('hangUp');
    await alice.until('call.disconnect');
    await alice.do('register');
    await alice.until('device.ready');
    const call = await ring(a);
    await alice.until('device.incoming');
    await client.calls(call.sid).update({ status: 'canceled' });
    await alice.until('call.cancel');
  });
}

/** Takes a minute, most of it waiting. */
export async function silence(lane, sdk) {
  const [a] = people(sdk);
  // counterparts-60
  if (since(sdk, '1.13.0')) {
    await lane.test(sdk, 'passes the preflight test without a microphone, at the edge that it names: it speaks what it loads from here', async (open) => {
      const alice = await open(a, 440, { register: false });
      // Its own microphone says nothing.
      await alice.page.evaluate(() => (navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('there is none'))));
      const wanted = token(`${a}_preflight`, { application: ready.preflight_application_sid });
      const { report, events } = await alice.do('preflight', wanted, { fakeMicInput: true, edge: 'dublin' });
      assert.ok(report && events.at(-1) === 'completed', `${events}`);
      assert.deepEqual([report.selectedEdge, report.edge], ['dublin', 'dublin']);
      const levels = report.samples.map((sample) => sample.audioOutputLevel);
      assert.ok(levels.length >= 4 && Math.max(...levels) > 1000, `heard back: ${levels}`);
      assert.ok(alice.sounds.some(({ name, status }) => name === 'cowbell.mp3' && [200, 206].includes(status)), JSON.stringify(alice.sounds));
    });
  }

  // voice-client-9
  await lane.test(sdk, 'hears nothing of the server for 15 seconds: it connects anew, and its call goes on', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    const sid = await alice.do('sid');
    await alice.catchUp();
    lane.cable.hold(true);
    // The connection stands, but nothing comes: the page itself must notice.
    const lost = since(sdk, '2.1.0') ? 'call.reconnecting' : 'device.offline';
    if (lost === 'device.offline' && sdk.generation === 2) await sleep(17_000);
    else await alice.until(lost, 40);
    lane.cable.hold(false);
    if (since(sdk, '2.1.0')) await alice.until('call.reconnected', 40);
    else await alice.until('device.ready', 40);
    await alice.hears(SERVER, 'program again');
    assert.equal((await client.calls(sid).fetch()).status, 'in-progress');
    await alice.do('hangUp');
    await state(sid, 'completed');
  });
}
