// Four devices of one identity answer at the same moment: one has the call, three are told so.

import assert from 'node:assert/strict';

import { askedAt, base, client, people, ring, SERVER, until } from './stage.mjs';

/** What ends a call at a device. */
const ENDS = ['call.cancel', 'call.disconnect', 'call.error'];

export async function race(lane, sdk) {
  const rounds = Number(process.env.ROUNDS ?? 3);
  const [, b] = people(sdk);
  // voice-client-10 voice-client-20
  await lane.test(sdk, `has one winner when four answer at once, ${rounds} times`, async (open) => {
    const devices = await Promise.all([0, 1, 2, 3].map((number) => open(`${b}_race`, 440 + 130 * number)));
    const spreads = [];
    const waits = [];
    for (let round = 0; round < rounds; round += 1) {
      const path = `/race_${b}_${round}`;
      const call = await ring(`${b}_race`, { statusCallback: `${base}${path}`, statusCallbackEvent: ['answered', 'completed'] });
      await Promise.all(devices.map((device) => device.until('device.incoming')));
      for (const device of devices) device.began = device.seen;
      const at = Date.now() + 60;
      const clicks = await Promise.all(devices.map((device) => device.do('acceptAt', at)));
      spreads.push(Math.max(...clicks) - Math.min(...clicks));
      const told = await until('one talks and three are free again', async () => {
        const states = await Promise.all(devices.map((device) => device.do('race', device.began, ENDS)));
        const free = states.filter(({ busy, ended, microphones }) => !busy && ended && microphones === 0);
        const winners = states.filter(({ busy, heard, microphones }) => busy && heard > 0 && microphones === 1);
        return free.length === 3 && winners.length === 1 && states;
      }, 20).catch(async (error) => {
        const states = await Promise.all(devices.map((device) => device.do('race', device.began, ENDS)));
        throw new Error(`round ${round}, ${call.sid}: ${error.message}; ${JSON.stringify(states)}`);
      });
      const winner = devices[told.findIndex(({ busy }) => busy)];
      // From the moment when both had answered: before it there is nothing to tell, or no doubt.
      const { accepted } = told.find(({ busy }) => busy);
      for (const loser of told.filter(({ busy }) => !busy)) {
        assert.equal(loser.heard, 0, 'nothing ever flows to a loser');
        // A page that was itself held up, on a busy computer, hears late what was said in time.
        waits.push(loser.ended - Math.max(accepted, loser.accepted ?? 0) - loser.late);
      }
      if (round % 10 === 0) await winner.hears(SERVER, 'program');
      await client.calls(call.sid).update({ status: 'completed' });
      await until('the winner is free', async () => !(await winner.do('busy')));
      for (const device of devices) await device.catchUp();
      // Reported once each, in this order.
      const statuses = await until('the callbacks', () => {
        const statuses = askedAt(path).map((request) => request.form.CallStatus);
        return statuses.length >= 2 && statuses;
      });
      assert.deepEqual(statuses, ['in-progress', 'completed']);
    }
    spreads.sort((one, two) => one - two);
    waits.sort((one, two) => one - two);
    console.log(`-- ${sdk.name}: ${rounds} rounds, clicks within ${spreads[Math.floor(rounds / 2)].toFixed(1)} ms (median; widest ${spreads.at(-1).toFixed(1)}), losers told after ${waits[Math.floor(waits.length / 2)].toFixed(0)} ms (median; last ${waits.at(-1).toFixed(0)})`);
    assert.ok(waits.at(-1) < 1000, `losers are told within a second: ${waits.at(-1)} ms`);
  });
}
