// Sound that is lost and comes back, and strangers at the media port.

import { createSocket } from 'node:dgram';
import assert from 'node:assert/strict';

import { relay } from './chromium.mjs';
import { client, people, SERVER, since, state, until } from './stage.mjs';

/** Changes what the page is told of where our sound is: `pattern` goes. */
const without = (who, pattern) =>
  who.page.evaluate((pattern) => {
    const usual = RTCPeerConnection.prototype.setRemoteDescription;
    RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }, ...callbacks) {
      window.lastConnection = this;
      return usual.call(this, { type, sdp: sdp.replace(new RegExp(pattern, 'g'), '') }, ...callbacks);
    };
  }, pattern);

export async function media(lane, sdk) {
  const [a, b] = people(sdk);
  const it = (name, act) => lane.test(sdk, name, act);

  // voice-client-60
  if (since(sdk, '1.7.6')) await it('restarts ICE when its sound is cut, and hears again', async (open) => {
    const alice = await open(a, 440);
    const way = await relay();
    try {
      await alice.page.evaluate((port) => (window.relay = port), way.port);
      await without(alice, 'a=candidate:\\S+ 1 tcp .*\r\n');
      await alice.do('connect', { To: 'hum' });
      way.lead(await until('the port for sound', () => alice.do('mediaPort')));
      await alice.until('call.accept');
      await alice.hears(SERVER, 'program');
      const sid = await alice.do('sid');
      way.cut(true);
      const lost = await alice.until('call.reconnecting', 40);
      if (lost.detail) assert.equal(lost.detail.code, 53405);
      way.cut(false);
      await alice.until('call.reconnected', 30);
      await alice.hears(SERVER, 'program again');
      assert.equal((await client.calls(sid).fetch()).status, 'in-progress');
      await alice.do('hangUp');
      await state(sid, 'completed');
    } finally {
      way.close();
    }
  });

  // voice-client-63
  await it('ends a call whose sound never comes', async (open) => {
    const alice = await open(a, 440);
    const way = await relay();
    try {
      way.cut(true);
      await alice.page.evaluate((port) => (window.relay = port), way.port);
      await without(alice, 'a=candidate:\\S+ 1 tcp .*\r\n');
      await alice.do('connect', { To: 'hum' });
      await alice.until('call.accept');
      const sid = await alice.do('sid');
      const began = Date.now();
      const error = await alice.until('call.error', 30);
      // Before 2.0 the page gives up after as long itself, and may be the first.
      const codes = sdk.generation === 1 ? [31003, 53405] : since(sdk, '2.8.0') ? [53405] : [53405, 31005];
      assert.ok(codes.includes(error.detail.code), JSON.stringify(error));
      await alice.until('call.disconnect', 30);
      const took = Date.now() - began;
      assert.ok(took > 5000, `${took} ms`);
      await state(sid, 'completed');
    } finally {
      way.close();
    }
  });

  // voice-client-62
  await it('talks over TCP where UDP is not let through', async (open) => {
    const [alice, bob] = [await open(a, 440), await open(b, 700)];
    for (const who of [alice, bob]) await without(who, 'a=candidate:\\S+ 1 udp .*\r\n');
    await alice.do('connect', { To: `client:${b}` });
    await bob.until('device.incoming');
    await bob.do('accept');
    await alice.until('call.accept');
    await alice.hears(700, 'bob');
    await bob.hears(440, 'alice');
    for (const who of [alice, bob]) {
      const protocols = await who.page.evaluate(async () => {
        const rows = [...(await window.lastConnection.getStats()).values()];
        const pair = rows.find((row) => row.type === 'candidate-pair' && row.nominated && row.state === 'succeeded');
        return rows.filter((row) => [pair?.localCandidateId, pair?.remoteCandidateId].includes(row.id)).map((row) => row.protocol);
      });
      assert.deepEqual(protocols, ['tcp', 'tcp']);
    }
    await alice.do('hangUp');
    await bob.until('call.disconnect');
  });

  await it('sets up calls while strangers shout at the media port', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    const port = await alice.do('mediaPort');
    const stranger = createSocket('udp4');
    // A DTLS 1.2 record with the beginning of a ClientHello, a STUN request of nobody, RTP of nobody.
    const hello = Buffer.concat([Buffer.from('16fefd0000000000000000003c0100003000000000000000', 'hex'), Buffer.alloc(60, 7)]);
    const stun = Buffer.from('000100182112a442000102030405060708090a0b000600106e6f626f64793a6e6f626f64793a3132', 'hex');
    const sound = Buffer.concat([Buffer.from('8000000100000000deadbeef', 'hex'), Buffer.alloc(160, 0xff)]);
    let sent = 0;
    const shouting = setInterval(() => {
      for (let count = 0; count < 20; count += 1) for (const shout of [hello, stun, sound]) stranger.send(shout, port, '127.0.0.1'), (sent += 1);
    }, 10);
    try {
      for (let round = 0; round < 4; round += 1) {
        await alice.do('hangUp');
        await alice.until('call.disconnect');
        await alice.do('connect', { To: 'hum' });
        await alice.until('call.accept');
        await alice.hears(SERVER, 'program');
      }
    } finally {
      clearInterval(shouting);
      stranger.close();
    }
    assert.ok(sent > 1000, `${sent} shouts`);
  });
}
