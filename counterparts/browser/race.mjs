// Four devices answer at the same moment: one has the call, three are told so, and why.

import { cpus, loadavg } from 'node:os';
import assert from 'node:assert/strict';

import { account, arriving, askedAt, base, client, people, PHONE, phoneWav, ready, ring, SERVER, sleep, until, virtual } from './stage.mjs';

/** Rounds of a page. The SDKs leave something of each call in its sound, which takes more and more of the computer. */
const STAY = 25;
/** What ends a call at a device. */
const ENDS = ['call.cancel', 'call.disconnect', 'call.error'];
/** Answers this far apart are a race, in milliseconds. */
const CLOSE = 5;

/** Lets all of them answer at once: who won, what each was told, and how far apart the answers were. */
async function answerAtOnce(devices, what) {
  await Promise.all(devices.map((device) => device.until('device.incoming')));
  for (const device of devices) device.began = device.seen;
  const at = Date.now() + 60;
  const clicks = await Promise.all(devices.map((device) => device.do('acceptAt', at)));
  const look = () => Promise.all(devices.map((device) => device.do('race', device.began, ENDS)));
  const told = await until('one talks and three are free again', async () => {
    const states = await look();
    const free = states.filter(({ busy, ended, microphones, notices }) => !busy && ended && microphones === 0 && notices['answered-elsewhere'].length);
    const winners = states.filter(({ busy, heard, microphones }) => busy && heard > 0 && microphones === 1);
    return free.length === devices.length - 1 && winners.length === 1 && states;
  }, 20).catch(async (error) => {
    throw new Error(`${what}: ${error.message}; ${JSON.stringify(await look())}`);
  });
  const winner = devices[told.findIndex(({ busy }) => busy)];
  // From the moment when both had answered: before it there is nothing to tell, or no doubt.
  const { accepted } = told.find(({ busy }) => busy);
  const losers = told.filter(({ busy }) => !busy);
  for (const loser of losers) assert.equal(loser.heard, 0, 'nothing ever flows to a loser');
  // A page that was itself held up, on a busy computer, hears late what was said in time.
  const waits = losers.map((loser) => loser.ended - Math.max(accepted, loser.accepted ?? 0) - loser.late);
  return { winner, losers, waits, look, spread: Math.max(...clicks) - Math.min(...clicks) };
}

/**
 * Runs as many rounds as are wanted, and more until so many were close enough: at most three times as many, and none after
 * two seconds for each. Says what came of it.
 */
async function rounds(sdk, what, wanted, act) {
  const [spreads, waits] = [[], []];
  const close = () => spreads.filter((spread) => spread <= CLOSE).length;
  const end = Date.now() + 2000 * wanted;
  for (let round = 0; round < wanted || (close() < wanted && round < 3 * wanted && Date.now() < end); round += 1) {
    const { spread, waits: waited } = await act(round);
    spreads.push(spread);
    waits.push(...waited);
  }
  for (const list of [spreads, waits]) list.sort((one, two) => one - two);
  const middle = (list) => list[Math.floor(list.length / 2)];
  // All rounds had their one winner; how close the answers were is the computer's to give.
  console.log(`-- ${sdk.name}, ${what}: ${close()} rounds with answers within ${CLOSE} ms, of ${spreads.length} (median ${middle(spreads).toFixed(1)} ms, widest ${spreads.at(-1).toFixed(1)}); losers told after ${middle(waits).toFixed(0)} ms (median; last ${waits.at(-1).toFixed(0)})`);
  // On a computer that has other things to do everybody waits, too.
  const limit = 1000 * Math.max(1, loadavg()[0] / cpus().length / 2);
  assert.ok(waits.at(-1) < limit, `losers are told within a second: ${waits.at(-1)} ms`);
}

export async function race(lane, sdk) {
  const wanted = Number(process.env.ROUNDS ?? 3);
  /** Four pages for a round: those of the last one, or new ones. */
  const pages = async (round, open, before, name) => {
    if (round % STAY) return before;
    for (const page of before) await page.close();
    return Promise.all([0, 1, 2, 3].map((number) => open(name(number), 440 + 130 * number)));
  };
  const [a, b] = people(sdk);

  // voice-client-10 voice-client-20 voice-client-29
  await lane.test(sdk, `has one winner when four answer at once, ${wanted} times`, async (open) => {
    let devices = [];
    await rounds(sdk, 'four devices of one name', wanted, async (round) => {
      devices = await pages(round, open, devices, () => `${b}_race`);
      const path = `/race_${b}_${round}`;
      const call = await ring(`${b}_race`, { statusCallback: `${base}${path}`, statusCallbackEvent: ['answered', 'completed'] });
      const raced = await answerAtOnce(devices, `round ${round}, ${call.sid}`);
      const name = `client:${b}_race`;
      for (const { notices } of raced.losers) {
        const [{ device, ...rest }, ...more] = notices['answered-elsewhere'];
        assert.deepEqual([rest, more], [{ callsid: call.sid, by: name, members: [name], reason: 'answered-elsewhere' }, []]);
        assert.ok(device.sdk === sdk.version && device.userAgent.includes('Chrome'), JSON.stringify(device));
        assert.deepEqual(notices.bridged, []);
      }
      if (round % 10 === 0) await raced.winner.hears(SERVER, 'program');
      await client.calls(call.sid).update({ status: 'completed' });
      await until('the winner is free', async () => !(await raced.winner.do('busy')));
      for (const device of devices) await device.catchUp();
      // Reported once each, in this order.
      const statuses = await until('the callbacks', () => {
        const statuses = askedAt(path).map((request) => request.form.CallStatus);
        return statuses.length >= 2 && statuses;
      });
      assert.deepEqual(statuses, ['in-progress', 'completed']);
      return raced;
    });
  });

  // voice-client-20 voice-client-29 voice-client-30
  const few = Math.ceil(wanted / 8);
  await lane.test(sdk, `has one bridge when two people with two pages each answer a Dial at once, ${few} times`, async (open) => {
    const names = [a, b].map((name) => `${name}_dial`);
    let devices = [];
    await virtual(lane.phone, { play: phoneWav });
    await rounds(sdk, 'two people with two pages each', few, async (round) => {
      devices = await pages(round, open, devices, (number) => names[number % 2]);
      const [child, action] = [`/child_${a}_${round}`, `/raced_${a}_${round}`];
      const nouns = names.map((name) => `<Client statusCallback="${base}${child}" statusCallbackEvent="initiated ringing answered completed">${name}</Client>`);
      arriving.set(lane.phone, `<Response><Dial answerOnBridge="true" timeout="20" action="${base}${action}">${nouns.join('')}</Dial></Response>`);
      await virtual(lane.phone, { to: ready.numbers.yours }, '/calls');
      const raced = await answerAtOnce(devices, `round ${round}`);
      const { winner } = raced;
      const members = names.map((name) => `client:${name}`);
      const mine = devices.indexOf(winner) % 2;
      const { CallSid: sid } = await winner.do('parameters');

      // The winner is told once that the two hear each other; each loser, who took the call and who was asked.
      const told = await until('the winner is told that they hear each other', async () => {
        const notices = (await raced.look())[devices.indexOf(winner)].notices.bridged;
        return notices.length && notices;
      });
      await winner.hears(PHONE, 'telephone');
      const parent = told[0].withCallSid;
      assert.deepEqual(told, [{ callsid: sid, with: lane.phone, withCallSid: parent, members }]);
      for (const { notices } of raced.losers) {
        const [{ by, callsid, device, ...rest }, ...more] = notices['answered-elsewhere'];
        assert.deepEqual([rest, more], [{ members, reason: 'answered-elsewhere' }, []]);
        // The second page of the one who was a moment too late lost to the first.
        assert.ok(callsid === sid ? by === members[mine] : members.includes(by), `${by} of ${callsid}, not ${sid}`);
      }
      const others = raced.losers.flatMap(({ notices }) => notices['answered-elsewhere']).filter(({ callsid }) => callsid !== sid);
      assert.equal(others.length, 2);
      assert.ok(others.some(({ by }) => by === members[mine]), `${JSON.stringify(others)}`);

      await sleep(1300);
      await winner.do('hangUp');
      for (const device of devices) await until('all are free', async () => !(await device.do('busy')));
      for (const device of devices) await device.catchUp();

      // One bridge, and the telephone heard the winner and nobody else.
      const after = await until('the action', () => askedAt(action).length && askedAt(action));
      assert.deepEqual(after.map(({ form }) => [form.CallSid, form.DialCallStatus, form.DialBridged, form.DialCallSid]), [[parent, 'completed', 'true', sid]]);
      const reports = await until('the end of each', () => {
        const forms = askedAt(child).map(({ form }) => form);
        const of = new Map(forms.map(({ CallSid }) => [CallSid, forms.filter((form) => form.CallSid === CallSid)]));
        return of.size === 2 && [...of.values()].every((forms) => forms.some(({ CallStatus }) => ['completed', 'canceled'].includes(CallStatus))) && of;
      });
      assert.deepEqual(reports.get(sid).map(({ CallStatus }) => CallStatus), ['initiated', 'ringing', 'in-progress', 'completed']);
      for (const [call, forms] of reports) {
        assert.ok(forms.every(({ ParentCallSid, AccountSid }) => ParentCallSid === parent && AccountSid === account));
        if (call === sid) continue;
        const last = forms.at(-1);
        assert.ok(['completed', 'canceled'].includes(last.CallStatus) && Number(last.CallDuration) <= 1, JSON.stringify(last));
        assert.deepEqual([last.SwitchboardReason, last.SwitchboardAnsweredBy, last.SwitchboardAnsweredByCallSid, last.SwitchboardGroupMembers], ['answered-elsewhere', members[mine], sid, members.join()]);
      }
      await lane.phoneHears(sdk, 'has one bridge when two people with two pages each answer', winner.hum, 'winner', devices.map(({ hum }) => hum).filter((hum) => hum !== winner.hum));
      return raced;
    });
  });
}
