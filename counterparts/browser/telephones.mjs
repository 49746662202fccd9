// Browsers and telephones: a SIP phone of others, and the virtual ones, in both directions.

import assert from 'node:assert/strict';

import { telephone } from './baresip.mjs';
import { arriving, askedAt, base, documents, hearsTone, people, PHONE, phoneWav, ready, since, until, virtual } from './stage.mjs';

/** The telephone's own tone, and the two of its key 5 (ITU-T Q.23), in Hz. */
const DESK = 1200;
const FIVE = [770, 1336];

export async function telephones(lane, sdk) {
  const [a] = people(sdk);
  const it = (name, act) => lane.test(sdk, name, act);
  const dial = `<Response><Dial answerOnBridge="true" timeout="20"><Client>${a}</Client></Dial></Response>`;

  // voice-client-70
  await it('calls a SIP phone: each hears the other, keys arrive both ways', async (open) => {
    const desk = await telephone(`out-${sdk.name}`, lane.number, DESK);
    try {
      const alice = await open(a, 440);
      await alice.do('connect', { To: desk.address });
      await desk.wait('CALL_INCOMING');
      await alice.until('call.ringing');
      desk.order('accept');
      await alice.until('call.accept');
      await alice.hears(DESK, 'SIP phone');
      await alice.do('press', '7*1');
      await until('the keys', () => desk.happened('CALL_DTMF_START').length === 3);
      assert.equal(desk.happened('CALL_DTMF_START').map((event) => event.param).join(''), '7*1');
      const pressed = desk.press('55555555');
      await alice.hearsAll(FIVE, 'key 5 of SIP phone');
      await pressed;
      await new Promise((wake) => setTimeout(wake, 1200));
      desk.order('hangup');
      await alice.until('call.disconnect');
      hearsTone(await desk.heard(), 440, [DESK], 'the SIP phone');
      lane.heard(sdk, 'calls a SIP phone: each hears the other, keys arrive both ways', 'SIP phone', 'alice', 440);
    } finally {
      await desk.end();
    }
  });

  // voice-client-71
  await it('is called by a SIP phone through its number: each hears the other', async (open) => {
    const desk = await telephone(`in-${sdk.name}`, lane.number, DESK);
    try {
      const alice = await open(a, 440);
      arriving.set(`desk${lane.number}`, dial);
      desk.order('dial', `sip:${ready.numbers.yours}@${desk.host}`);
      await alice.until('device.incoming');
      const { From } = await alice.do('parameters');
      assert.ok(From.includes(`desk${lane.number}@`), From);
      await alice.do('accept');
      await alice.until('call.accept');
      await desk.wait('CALL_ESTABLISHED');
      await alice.hears(DESK, 'SIP phone');
      await new Promise((wake) => setTimeout(wake, 1500));
      await alice.do('hangUp');
      await desk.wait('CALL_CLOSED');
      hearsTone(await desk.heard(), 440, [DESK], 'the SIP phone');
      lane.heard(sdk, 'is called by a SIP phone through its number: each hears the other', 'SIP phone', 'alice', 440);
    } finally {
      await desk.end();
    }
  });

  // voice-client-72
  await it('is called by a virtual phone: each hears the other', async (open) => {
    const alice = await open(a, 440);
    arriving.set(lane.phone, dial);
    await virtual(lane.phone, { play: phoneWav });
    await virtual(lane.phone, { to: ready.numbers.yours }, '/calls');
    await alice.until('device.incoming');
    assert.equal((await alice.do('parameters')).From, lane.phone);
    await alice.do('accept');
    await alice.until('call.accept');
    await alice.hears(PHONE, 'telephone');
    await new Promise((wake) => setTimeout(wake, 1500));
    await alice.do('hangUp');
    await lane.phoneHears(sdk, 'is called by a virtual phone: each hears the other', 440, 'alice', [PHONE]);
  });

  // voice-client-73
  await it('is told whether the number of its caller was verified', async (open) => {
    const alice = await open(a, 440);
    arriving.set(lane.phone, dial);
    for (const [verstat, info] of [['TN-Validation-Passed-A', { isVerified: true }], ['TN-Validation-Passed-B', { isVerified: false }], [null, null]]) {
      await virtual(lane.phone, { verstat });
      await virtual(lane.phone, { to: ready.numbers.yours }, '/calls');
      await alice.until('device.incoming');
      assert.equal((await alice.do('parameters')).StirStatus, verstat ?? undefined);
      if (since(sdk, '1.12.0')) assert.deepEqual(await alice.do('callerInfo'), info);
      assert.equal(askedAt('/voice').findLast(({ form }) => form.From === lane.phone).form.StirVerstat, verstat ?? undefined);
      await alice.do('reject');
      await until('the telephone is free', async () => (await (await virtual(lane.phone, {})).json()).state === 'idle');
    }
  });

  // voice-client-72
  await it('is called by a phone whose keys reached the program, and hears those that follow', async (open) => {
    const alice = await open(a, 440);
    documents.set(`/chosen_${a}`, dial);
    arriving.set(lane.phone, `<Response><Gather numDigits="2" timeout="10" action="${base}/chosen_${a}"/></Response>`);
    await virtual(lane.phone, { digits: [{ at_ms: 800, digits: '42' }, { at_ms: 6000, digits: '5555555555' }] });
    await virtual(lane.phone, { to: ready.numbers.yours }, '/calls');
    await alice.until('device.incoming');
    assert.equal(askedAt(`/chosen_${a}`).at(-1).form.Digits, '42');
    await alice.do('accept');
    await alice.until('call.accept');
    await alice.hearsAll(FIVE, 'key 5 of telephone');
    await alice.do('hangUp');
  });
}
