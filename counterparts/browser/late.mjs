// Two devices answer, and neither hears of the other in time: what the one sees that was later, for each
// word that an application can choose (voice-client.md 4.4, B3 to B6, B10 and B12).

import assert from 'node:assert/strict';

import { base, client, control, people, ring, since, sleep, SERVER, until } from './stage.mjs';

/** What ends a call at a device, in the order in which it is seen. */
const SEEN = ['call.accept', 'call.error', 'call.cancel', 'call.disconnect'];

/** The events at the loser, errors with their code. */
function wanted(sdk, word) {
  const ended = ['call.accept', 'call.disconnect'];
  const failed = (code) => ['call.accept', `call.error ${code}`, 'call.disconnect'];
  switch (word) {
    case 'hangup-then-cancel':
      return ended;
    case 'cancel':
      // Before 1.10.3 the microphone would stay open: `hangup` comes first.
      if (!since(sdk, '1.10.3')) return ended;
      return since(sdk, '1.12.1') ? ['call.accept', 'call.cancel'] : ['call.accept', 'call.disconnect', 'call.cancel'];
    case 'error-31003':
      return failed(sdk.generation === 1 || since(sdk, '2.8.0') ? 31003 : 31005);
    case 'error-31008':
      return failed(sdk.generation === 1 || since(sdk, '2.8.0') ? 31008 : 31005);
  }
}

/** One call that two devices answer, neither of which hears anything meanwhile: which lost, which won. */
export async function lose(lane, devices, begin) {
  const call = await begin();
  await Promise.all(devices.map((device) => device.until('device.incoming')));
  lane.cable.hold(true);
  await Promise.all(devices.map((device) => device.do('accept')));
  // Both answers are on their way before either page hears anything.
  await until('both have answered', async () => (await Promise.all(devices.map((device) => device.do('answered')))).every(Boolean));
  await sleep(300);
  lane.cable.hold(false);
  let loser;
  await until('one hears the program', async () => {
    const heard = await Promise.all(devices.map((device) => device.do('received')));
    loser = devices[heard.findIndex((packets) => packets === 0)];
    return heard.some((packets) => packets > 20) && loser;
  });
  const winner = devices.find((device) => device !== loser);
  await winner.hears(SERVER, 'program');
  return { call, loser, winner };
}

export async function late(lane, sdk) {
  const [a] = people(sdk);
  const two = (open) => Promise.all([440, 570].map((hum) => open(`${a}_late`, hum)));
  const application = await client.applications.create({ friendlyName: `late ${sdk.name}`, voiceUrl: `${base}/hum`, voiceMethod: 'POST' });
  const told = async (word) => {
    const answer = await control(`applications/${application.sid}`, { late_answer: word });
    assert.equal((await answer.json()).late_answer, word);
  };

  for (const word of ['hangup-then-cancel', 'cancel', 'error-31003', 'error-31008']) {
    // voice-client-31
    await lane.test(sdk, `answers too late where the application says ${word}`, async (open) => {
      await told(word);
      const { call, loser, winner } = await lose(lane, await two(open), () => ring(`${a}_late`, { url: undefined, applicationSid: application.sid }));
      const seen = async () => (await loser.events()).filter(({ name }) => SEEN.includes(name)).map(({ name, detail }) => (detail?.code ? `${name} ${detail.code}` : name));
      const expected = wanted(sdk, word);
      await until('the end', async () => (await seen()).length >= expected.length).catch(async () => {});
      await sleep(500);
      assert.deepEqual(await seen(), expected);
      await until('the microphone is closed', async () => (await loser.do('openMicrophones')) === 0 && !(await loser.do('busy')));
      await client.calls(call.sid).update({ status: 'completed' });
      await winner.until('call.disconnect');
    });
  }

  // voice-client-31
  await lane.test(sdk, 'answers too late where the application says silence', async (open) => {
    await told('silence');
    const { call, loser, winner } = await lose(lane, await two(open), () => ring(`${a}_late`, { url: undefined, applicationSid: application.sid }));
    // The oldest only says that the connection was lost, and waits for its user.
    if (!since(sdk, '1.7.0')) {
      assert.equal((await loser.until('call.warning', 60)).detail, 'ice-connectivity-lost');
      await loser.do('hangUp');
      return loser.until('call.disconnect');
    }
    // The others find out by themselves that no sound comes: 53405 from generation 2, 31003 before.
    const error = await loser.until('call.error', 60);
    assert.equal(error.detail.code, sdk.generation === 2 ? 53405 : 31003);
    await loser.until('call.disconnect', 5).catch(() => {});
    assert.ok((await loser.names()).includes('call.disconnect'));
    await winner.hears(SERVER, 'program still');
    await client.calls(call.sid).update({ status: 'completed' });
    await winner.until('call.disconnect');
  });
  await client.applications(application.sid).remove();
}
