// Pages that prefer Opus: to a program, to a telephone that knows only G.711, to a page without a
// preference, and to one that prefers it too.

import assert from 'node:assert/strict';

import { askedAt, client, PHONE, phoneWav, people, SERVER, since, sleep, until, virtual } from './stage.mjs';

export async function opus(lane, sdk) {
  // From 1.7 a page says which codecs it prefers.
  if (!since(sdk, '1.7.0')) return;
  const [a, b] = people(sdk);
  const it = (name, act) => lane.test(sdk, name, act);
  const prefers = { codecPreferences: ['opus', 'pcmu'], maxAverageBitrate: 20000 };

  // voice-client-90 voice-client-91
  await it('prefers Opus: hears a program, which is told its keys', async (open) => {
    const alice = await open(a, 440, { device: prefers });
    await alice.do('connect', { To: 'digits' });
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    assert.deepEqual(await alice.do('codecs'), { sends: 'audio/opus', hears: 'audio/opus', limit: '20000' });
    await alice.do('press', '12#456789*01');
    const sid = await alice.do('sid');
    const request = await until('the keys', () => askedAt('/digits').find((request) => request.form.CallSid === sid));
    assert.equal(request.form.Digits, '12#456789*01');
    await client.calls(sid).update({ status: 'completed' });
    await alice.until('call.disconnect');
  });

  // voice-client-90
  await it('prefers Opus: talks with a telephone', async (open) => {
    await virtual(lane.phone, { answer_after_ms: 500, play: phoneWav });
    const alice = await open(a, 440, { device: prefers });
    await alice.do('connect', { To: lane.phone });
    await alice.until('call.accept');
    await alice.hears(PHONE, 'telephone');
    await sleep(1500);
    await alice.do('hangUp');
    await lane.phoneHears(sdk, 'prefers Opus: talks with a telephone', 440, 'alice', [PHONE]);
  });

  // voice-client-90
  for (const [name, device, codec] of [['without a preference', {}, 'audio/PCMU'], ['that prefers it too', prefers, 'audio/opus']]) {
    await it(`prefers Opus: talks with a page ${name}`, async (open) => {
      const alice = await open(a, 440, { device: prefers });
      const bob = await open(b, 700, { device });
      await alice.do('connect', { To: `client:${b}` });
      await bob.until('device.incoming');
      await bob.do('accept');
      await alice.until('call.accept');
      await alice.hears(700, 'bob');
      await bob.hears(440, 'alice');
      const { sends, hears } = await bob.do('codecs');
      assert.deepEqual([sends, hears], [codec, codec]);
    });
  }
}
