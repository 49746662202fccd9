// Pages that name Switchboard in an option, as a team does that leads no name elsewhere: the vendor's
// names lead nowhere in this Chromium (voice-client.md 1.3, A and B).

import assert from 'node:assert/strict';

import { askedAt, base, client, documents, Lane, people, ring, SERVER, since, state, telemetryOf, until } from './stage.mjs';

export async function options(lane, sdk) {
  const [a] = people(sdk);
  const plain = await Lane.open(lane.number, undefined, false);
  const host = `localhost:${plain.cable.port}`;
  documents.set('/ring.wav', documents.get('/server.wav'));
  const ways = [
    ['chunderw', { chunderw: host, eventgw: host, maxCallSignalingTimeoutMs: 30_000, sounds: { incoming: `${base}/ring.wav` } }],
    ['edge', { edge: `${host}/signal?`, maxCallSignalingTimeoutMs: 30_000 }],
  ];
  for (const [option, device] of ways) {
    // From 1.11 an edge can be named.
    if (option === 'edge' && !since(sdk, '1.11.0')) continue;
    // voice-client-35
    await plain.test(sdk, `is led here by its option ${option} alone`, async (open) => {
      const rung = askedAt('/ring.wav').length;
      const alice = await open(a, 440, { device });
      await alice.do('connect', { To: 'hum' });
      await alice.until('call.accept');
      await alice.hears(SERVER, 'program');
      const sid = await alice.do('sid');
      // Where some versions come back to in a call is another name, which leads here too (voice-client-101).
      if (since(sdk, '2.1.0')) {
        plain.cable.cut();
        await alice.until('call.reconnecting');
        await alice.until('call.reconnected', 15);
        await alice.hears(SERVER, 'program again');
      }
      await alice.do('hangUp');
      await alice.until('call.disconnect');
      await state(sid, 'completed');
      const call = await ring(a);
      await alice.until('device.incoming');
      await alice.do('accept');
      await alice.until('call.accept');
      await alice.hears(SERVER, 'program');
      await client.calls(call.sid).update({ status: 'completed' });
      await alice.until('call.disconnect');
      if (device.sounds) assert.ok(askedAt('/ring.wav').length > rung, 'the page\'s own ring tone was loaded');
      // Before 2.1 telemetry goes where its own option says, from then on where the server says: here, with the token.
      if (device.eventgw || since(sdk, '2.1.0')) {
        await until('the telemetry', async () => (await telemetryOf(sid)).events.some(({ name }) => name === 'disconnected-by-local'));
        assert.deepEqual([...alice.shown].filter((name) => !name.endsWith('localhost')), [], 'the token is shown to nobody else');
      }
    });
  }
  await plain.close();
}
