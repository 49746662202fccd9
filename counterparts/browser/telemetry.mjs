// What is known of a call beside its sound: telemetry of the page, our own measurement, messages; and a
// network that is made bad on purpose. WARNINGS=1 also provokes the SDK's warnings, for two minutes.

import assert from 'node:assert/strict';

import { account, askedAt, base, client, control, people, SERVER, since, sleep, state, telemetryOf, until } from './stage.mjs';

export async function telemetries(lane, sdk) {
  const [a] = people(sdk);
  const it = (name, act) => lane.test(sdk, name, act);

  await it('tells how its call went: events and samples are kept under the call', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    await alice.do('mute', true);
    await sleep(2500);
    const sid = await alice.do('sid');
    await alice.do('hangUp');
    await alice.until('call.disconnect');
    // Generation 1 rejects this if it is not taken.
    await alice.do('judge', 2, 'echo');
    const wanted = ['connection/accepted-by-remote', 'connection/muted', 'connection/disconnected-by-local', 'feedback/received'];
    let found;
    // The oldest measure in a way that Chromium has given up.
    const samples = since(sdk, '1.9.0') ? 2 : 0;
    const names = () => found.events.map((event) => `${event.group}/${event.name}`);
    const kept = await until('the telemetry', async () => {
      found = await telemetryOf(sid);
      return wanted.every((name) => names().includes(name)) && found.metrics.length >= samples && found.media.length >= 1 && found;
    }).catch((error) => {
      throw new Error(`${error.message}; kept were ${names()}, ${found.metrics.length} samples, ${found.media.length} of ours`);
    });
    // Before the call has its name the page calls it by one of its own.
    const early = kept.events.filter((event) => !event.payload.call_sid);
    assert.ok(kept.events.every((event) => event.timestamp && [sid, undefined].includes(event.payload.call_sid)), 'each event is of the call');
    assert.equal(new Set(early.map((event) => event.payload.temp_call_sid)).size, 1, 'and of no other that was to come');
    assert.ok(early.some((event) => event.name === (since(sdk, '1.13.0') ? 'outgoing' : 'succeeded')), `what came early: ${early.map((event) => `${event.group}/${event.name}`)}`);
    if (samples) assert.ok(kept.metrics.at(-1).total_packets_received > 50, JSON.stringify(kept.metrics.at(-1)));
    const seconds = kept.media[0].samples;
    assert.ok(seconds.length >= 2 && seconds.some((one) => one.packets_received > 40 && one.packets_sent > 40 && one.mos > 4), JSON.stringify(seconds));
  });

  // voice-client-39: messages are known since 2.2.
  if (sdk.generation === 2 && !/^2\.[01]\./.test(sdk.name)) await it('exchanges call messages with the program', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    const sid = await alice.do('sid');
    const subscription = await client.calls(sid).userDefinedMessageSubscriptions.create({ callback: `${base}/said` });
    assert.match(subscription.sid, /^ZY/);
    await alice.do('send', { says: 'the page' });
    await alice.until('call.messageSent');
    const said = await until('the message', () => askedAt('/said').find((request) => request.form.CallSid === sid));
    assert.ok(said.valid, 'the signature');
    assert.deepEqual([JSON.parse(said.form.Content), said.form.SequenceNumber, said.form.AccountSid], [{ says: 'the page' }, '1', account]);
    assert.equal(said.form.ContentType, 'application/json');
    assert.match(said.form.Sid, /^KX[0-9a-f]{32}$/);
    const sent = await client.calls(sid).userDefinedMessages.create({ content: '{"says":"the program"}', idempotencyKey: 'once' });
    const again = await client.calls(sid).userDefinedMessages.create({ content: '{"says":"the program"}', idempotencyKey: 'once' });
    assert.equal(again.sid, sent.sid);
    assert.deepEqual((await alice.until('call.messageReceived')).detail.content, { says: 'the program' });
    await alice.do('send', 'x', 'not-a-valid-message-type');
    const refused = since(sdk, '2.12.1') ? { event: 'call.error', code: 31210 } : { event: 'device.error', code: 53000 };
    assert.equal((await alice.until(refused.event)).detail.code, refused.code);
    // One that is far too long costs nothing but itself.
    await alice.do('send', 'x'.repeat(100_000));
    const told = since(sdk, '2.12.1') ? { event: 'call.error', code: 31212 } : { event: 'device.error', code: 53000 };
    assert.equal((await alice.until(told.event)).detail.code, told.code);
    await alice.do('send', 'shorter');
    await alice.until('call.messageSent');
    assert.equal(await client.calls(sid).userDefinedMessageSubscriptions(subscription.sid).remove(), true);
    await alice.do('hangUp');
    await alice.until('call.disconnect');
    assert.equal((await alice.names()).filter((name) => name === 'call.messageReceived').length, 1);
    await state(sid, 'completed');
    await assert.rejects(client.calls(sid).userDefinedMessages.create({ content: '1' }), (error) => error.code === 21220);
  });

  // Takes two minutes: the SDK looks at windows of ten seconds.
  if (process.env.WARNINGS) {
    await it('warns of a bad network, and takes it back', async (open) => {
      const alice = await open(a, 440);
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
          const { events } = await telemetryOf(sid);
          return events.slice(before).some((event) => event.group === group && event.name === 'constant-audio-output-level');
        }, 60);
      let before = (await telemetryOf(sid)).events.length;
      await impair({ constant: true, direction: 'to_browser' });
      await level('audio-level-warning-raised');
      before = (await telemetryOf(sid)).events.length;
      await impair({});
      await level('audio-level-warning-cleared');
      // A microphone from which nothing comes, as of one that is unplugged.
      mark = (await alice.events()).length;
      await alice.do('hush', true);
      await told('call.warning', ['constant-audio-input-level']);
      await alice.do('hush', false);
      await told('call.warning-cleared', ['constant-audio-input-level']);
    });
  }
}
