// What every version must do: register, call, be called, hang up, reject, cancel, keys, come back.

import assert from 'node:assert/strict';

import { account, askedAt, base, client, documents, ours, PHONE, phoneWav, people, ready, ring, SERVER, since, sleep, state, token, until, virtual } from './stage.mjs';

/** Row and column of the key 5 (ITU-T Q.23), in Hz. */
const FIVE = [770, 1336];
/** All of them, with a pause on the way, which is no key. (What is left of a longer group would be lost to the next.) */
const KEYS = '1w234567890*#';

export async function calls(lane, sdk) {
  const [a, b] = people(sdk);
  const it = (name, act) => lane.test(sdk, name, act);

  // voice-client-1 voice-client-10 voice-client-12 voice-client-38
  await it('calls out: the program is asked, hears and is heard, the browser hangs up', async (open) => {
    const forged = Object.fromEntries(ours.map((name) => [name, 'forged']));
    const alice = await open(a, 440, { token: token(a, { params: { team: 'red & blue', From: 'forged' } }) });
    await alice.do('connect', { ...forged, To: 'talk', note: 'a b&c=d', team: 'of the page' });
    // If only for a moment.
    await alice.until('call.ringing');
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    // The program sends back what it hears.
    await alice.hears(440, 'program, of herself');
    const sid = await alice.do('sid');
    assert.match(sid, /^CA[0-9a-f]{32}$/);
    const request = askedAt('/voice').find((request) => request.form.CallSid === sid);
    assert.ok(request.valid, 'the signature');
    assert.deepEqual([request.form.note, request.form.team], ['a b&c=d', 'red & blue']);
    assert.deepEqual([request.form.AccountSid, request.form.ApiVersion, request.form.ParentCallSid], [account, '2010-04-01', undefined]);
    assert.deepEqual(
      [request.form.From, request.form.Caller, request.form.To, request.form.Direction, request.form.CallStatus, request.form.ApplicationSid],
      [`client:${a}`, `client:${a}`, 'talk', 'inbound', 'ringing', ready.application_sid],
    );
    await alice.do('hangUp');
    await alice.until('call.disconnect');
    await state(sid, 'completed');
    await until('the microphone is closed', async () => (await alice.do('openMicrophones')) === 0);
  });

  // voice-client-2
  await it('presses keys, and the program hangs up', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'digits' });
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    await alice.do('press', KEYS);
    const sid = await alice.do('sid');
    const request = await until('the keys', () => askedAt('/digits').find((request) => request.form.CallSid === sid));
    assert.equal(request.form.Digits, KEYS.replace('w', ''));
    await client.calls(sid).update({ status: 'completed' });
    await alice.until('call.disconnect');
  });

  // voice-client-2
  await it('hears the keys that the program presses', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'keys' });
    await alice.until('call.accept');
    await alice.hearsAll(FIVE, 'key 5');
    await alice.do('hangUp');
  });

  // voice-client-3
  await it('talks with a telephone: each hears the other', async (open) => {
    await virtual(lane.phone, { answer_after_ms: 500, play: phoneWav });
    const alice = await open(a, 440);
    await alice.do('connect', { To: lane.phone });
    await alice.until('call.ringing');
    await alice.until('call.accept');
    await alice.hears(PHONE, 'telephone');
    await sleep(1500);
    await alice.do('hangUp');
    await alice.until('call.disconnect');
    await lane.phoneHears(sdk, 'talks with a telephone: each hears the other', 440, 'alice', [PHONE]);
  });

  // voice-client-4 voice-client-10
  await it('is called by the API, hears and is heard, and the API hangs up', async (open) => {
    const alice = await open(a, 440);
    const call = await ring(a, { url: `${base}/talk` });
    await alice.until('device.incoming');
    const { custom, ...parameters } = await alice.do('parameters');
    assert.deepEqual([parameters.CallSid, parameters.AccountSid, parameters.From, parameters.To], [call.sid, account, ready.numbers.yours, `client:${a}`]);
    await state(call.sid, 'ringing');
    await alice.do('accept');
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    await alice.hears(440, 'program, of herself');
    await state(call.sid, 'in-progress');
    await client.calls(call.sid).update({ status: 'completed' });
    await alice.until('call.disconnect');
    await until('the microphone is closed', async () => (await alice.do('openMicrophones')) === 0);
  });

  // voice-client-36
  if (since(sdk, '1.9.0')) await it('is called with its option forceAggressiveIceNomination, and hears', async (open) => {
    const alice = await open(a, 440, { device: { forceAggressiveIceNomination: true } });
    // Each time who leads is decided anew.
    for (let round = 0; round < 4; round += 1) {
      const call = await ring(a);
      await alice.until('device.incoming');
      await alice.do('accept');
      await alice.until('call.accept');
      await alice.hears(SERVER, 'program');
      await client.calls(call.sid).update({ status: 'completed' });
      await alice.until('call.disconnect');
    }
  });

  // voice-client-37
  if (since(sdk, '1.11.0')) await it('is told that it is at the edge that it asked for', async (open) => {
    for (const edge of ['sydney', undefined]) {
      const alice = await open(a, 440, { device: edge ? { edge } : {} });
      const place = await alice.do('place');
      assert.equal(place.edge, edge ?? 'ashburn');
      if (since(sdk, '2.1.0')) assert.deepEqual([place.identity, place.home], [a, 'us1']);
      // What is changed later holds, too.
      if (edge && since(sdk, '2.0.0')) {
        await alice.do('change', { edge: 'dublin' });
        await until('the other edge', async () => (await alice.do('place')).edge === 'dublin');
        const call = await until('it can be called', async () => {
          const call = await ring(a);
          return (await alice.until('device.incoming', 2).catch(() => undefined)) && call;
        });
        await client.calls(call.sid).update({ status: 'canceled' });
      }
      await alice.close();
    }
  });

  // voice-client-40
  await it('has a name that is no word, and is called by it', async (open) => {
    const name = `id-1.${a}@example.com`;
    const alice = await open(name, 440);
    const call = await ring(name);
    await alice.until('device.incoming');
    assert.equal((await alice.do('parameters')).To, `client:${name}`);
    await alice.do('reject');
    await state(call.sid, 'busy');
    // And calls a telephone.
    await virtual(lane.phone, { answer_after_ms: 100 });
    await alice.do('connect', { To: lane.phone });
    await alice.until('call.accept');
    const sid = await alice.do('sid');
    assert.equal(askedAt('/voice').findLast(({ form }) => form.CallSid === sid).form.From, `client:${name}`);
    await alice.do('hangUp');
  });

  // voice-client-5
  await it('rejects: the call is busy', async (open) => {
    const alice = await open(a, 440);
    const call = await ring(a);
    await alice.until('device.incoming');
    await alice.do('reject');
    await state(call.sid, 'busy');
  });

  // voice-client-6
  await it('sees a caller give up', async (open) => {
    const alice = await open(a, 440);
    const call = await ring(a);
    await alice.until('device.incoming');
    await state(call.sid, 'ringing');
    await client.calls(call.sid).update({ status: 'canceled' });
    await alice.until('call.cancel');
    await state(call.sid, 'canceled');
  });

  // voice-client-6
  await it('gives up: the other browser is told', async (open) => {
    const alice = await open(a, 440);
    const bob = await open(b, 700);
    await alice.do('connect', { To: `client:${b}` });
    await bob.until('device.incoming');
    await alice.do('hangUp');
    await alice.until('call.disconnect');
    await bob.until('call.cancel', 3);
  });

  // voice-client-7
  await it('is not there: the call is not answered', async () => {
    const call = await ring(`nobody_${a}`);
    await state(call.sid, 'no-answer');
  });

  // voice-client-8
  await it('calls another browser: who hears whom, parameters, callbacks in order', async (open) => {
    const alice = await open(a, 440);
    const bob = await open(b, 700);
    // Somebody else talks meanwhile, with a program.
    const carol = await open(`carol_${a}`, 950);
    await carol.do('connect', { To: 'hum' });
    await carol.until('call.accept');
    await alice.do('connect', { To: `client:${b}` });
    await bob.until('device.incoming');
    assert.deepEqual((await bob.do('parameters')).custom, { order: 'forty two & more', 'custom + name': '我不吃蛋 + 1', twice: '2' });
    // dial-14; generation 1 would take a description for the answer, and has no sound yet.
    if (sdk.generation === 2) await alice.hearsAll([440, 480], 'ringing tone');
    assert.ok(!(await alice.events()).some(({ name }) => name === 'call.accept'));
    await bob.do('accept');
    await alice.until('call.accept');
    await bob.until('call.accept');
    const everybody = [440, 700, 950, SERVER];
    await alice.hearsOnly(700, 'bob', everybody);
    await bob.hearsOnly(440, 'alice', everybody);
    await carol.hearsOnly(SERVER, 'program', everybody);
    // Both are told, once, that they hear each other; whom, and by which call.
    const parent = await alice.do('sid');
    const child_ = await bob.do('sid');
    const told = { members: [`client:${b}`] };
    for (const [who, notice] of [
      [alice, { callsid: parent, with: `client:${b}`, withCallSid: child_, ...told }],
      [bob, { callsid: child_, with: `client:${a}`, withCallSid: parent, ...told }],
    ]) {
      const events = await until('the notice', async () => {
        const events = (await who.events()).filter(({ name }) => ['notice.bridged', 'call.accept'].includes(name));
        return events.length >= 2 && events;
      });
      assert.deepEqual(events.map(({ name }) => name), ['call.accept', 'notice.bridged']);
      assert.deepEqual(events[1].detail, notice);
    }
    await bob.do('hangUp');
    await bob.until('call.disconnect');
    await until('the dial action', () => askedAt('/dialled').find((request) => request.form.CallSid === parent && request.form.DialCallStatus === 'completed'));
    // Told beside the dial action, before or after it.
    const child = await until('the last callback', () => {
      const statuses = askedAt('/child').filter((request) => request.form.ParentCallSid === parent).map((request) => request.form.CallStatus);
      return statuses.includes('completed') && statuses;
    });
    assert.deepEqual(child, ['initiated', 'ringing', 'in-progress', 'completed']);
  });

  // voice-client-19
  await it('learns that the other is busy, or not there, and was never answered', async (open) => {
    const alice = await open(a, 440);
    const bob = await open(b, 700);
    for (const [whom, code, status] of [[b, 31486, 'busy'], [`nobody_${a}`, 31480, 'no-answer']]) {
      await alice.do('connect', { To: 'reached', whom });
      await alice.until('call.ringing');
      if (whom === b) {
        await bob.until('device.incoming');
        await bob.do('reject');
      }
      const error = await alice.until('call.error');
      assert.equal(error.detail.code, sdk.generation === 1 || since(sdk, '2.8.0') ? code : 31005);
      await alice.until('call.disconnect');
      await state(await alice.do('sid'), status);
    }
    assert.ok(!(await alice.names()).includes('call.accept'));
  });

  // voice-client-9
  await it('keeps its call when the connection drops', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    const sid = await alice.do('sid');
    lane.cable.cut();
    // From 2.1 the page says so itself; before, its call is simply there.
    if (since(sdk, '2.1.0')) {
      assert.equal((await alice.until('call.reconnecting')).detail.code, 53001);
      await alice.until('call.reconnected', 30);
    } else await alice.until('device.ready', 30);
    await alice.hears(SERVER, 'program again');
    assert.equal((await client.calls(sid).fetch()).status, 'in-progress');
    await alice.do('hangUp');
    await state(sid, 'completed');
  });

  // voice-client-9
  await it('rings on when the connection drops, and is answered', async (open) => {
    const alice = await open(a, 440);
    const call = await ring(a);
    await alice.until('device.incoming');
    await state(call.sid, 'ringing');
    lane.cable.cut();
    // From 2.1 the call is dead in the page, which is told its end, and of the call anew.
    if (since(sdk, '2.1.0')) await alice.until('device.incoming', 30);
    else await alice.until('device.ready', 30);
    assert.equal(await alice.do('sid'), call.sid);
    await alice.do('accept');
    await alice.until('call.accept');
    await alice.hears(SERVER, 'program');
    await alice.do('hangUp');
    await state(call.sid, 'completed');
  });

  // voice-client-42
  await it('takes a new token, in a call too, and is called with it', async (open) => {
    const alice = await open(a, 440);
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    await alice.do('renew', token(a));
    await sleep(500);
    await alice.hears(SERVER, 'program still');
    const sid = await alice.do('sid');
    await alice.do('hangUp');
    await state(sid, 'completed');
    const call = await ring(a);
    await alice.until('device.incoming');
    await client.calls(call.sid).update({ status: 'canceled' });
    await alice.until('call.cancel');
  });

  // voice-client-32
  await it('loads its sounds, and rings at once', async (open) => {
    documents.set('/ring.wav', documents.get('/server.wav'));
    documents.set('/nine.wav', documents.get('/short.wav'));
    const own = ['/ring.wav', '/nine.wav'];
    const asked = own.map((path) => askedAt(path).length);
    const alice = await open(a, 440, { device: { sounds: { incoming: `${base}/ring.wav`, dtmf9: `${base}/nine.wav` } } });
    const files = await until('the sounds', () => {
      const names = new Set(alice.sounds.map(({ name }) => name));
      return names.size >= 13 && alice.sounds;
    }).catch(() => alice.sounds);
    assert.equal(new Set(files.map(({ name }) => name)).size, 13, `loaded were ${files.map(({ name, status }) => `${name} ${status}`)}`);
    assert.deepEqual(files.filter(({ status }) => status !== 200 && status !== 206), []);
    // Whatever the name says, these are WAV files.
    assert.deepEqual(files.filter(({ type }) => type !== 'audio/wav'), []);
    await until('sounds of the page itself are loaded where the page says', () => own.every((path, at) => askedAt(path).length > asked[at]));
    const call = await ring(a);
    const began = Date.now();
    // Without its sounds every version waits for two seconds.
    const { at } = await alice.until('device.incoming');
    assert.ok(at - began < 2000, `${at - began} ms`);
    await client.calls(call.sid).update({ status: 'canceled' });
    await alice.until('call.cancel');
  });

  // counterparts-60
  if (since(sdk, '1.13.0')) {
    await it('passes the preflight test: its own sound comes back, and the server hangs up', async (open) => {
      const alice = await open(a, 440, { register: false });
      const { report, events } = await alice.do('preflight', token(`${a}_preflight`, { application: ready.preflight_application_sid }));
      assert.match(report?.callSid ?? '', /^CA[0-9a-f]{32}$/, JSON.stringify(events));
      assert.ok(events.includes('connected') && events.at(-1) === 'completed', `${events}`);
      const levels = report.samples.map((sample) => sample.audioOutputLevel);
      assert.ok(levels.length >= 4 && Math.max(...levels) > 1000, `heard back: ${levels}`);
      const { networkTiming: times, stats, totals } = report;
      for (const name of ['signaling', 'ice', 'dtls', 'peerConnection']) assert.ok(times[name]?.duration >= 0, `${name}: ${JSON.stringify(times)}`);
      assert.ok(stats.mos.average > 3 && stats.rtt.average >= 0 && stats.jitter.average >= 0, JSON.stringify(stats));
      assert.ok(totals.packetsReceived > 100 && totals.packetsSent > 100, JSON.stringify(totals));
      assert.deepEqual([report.edge, report.selectedEdge, report.isTurnRequired], ['ashburn', 'roaming', false]);
      assert.ok(report.iceCandidateStats.length > 0 && report.callQuality, JSON.stringify([report.iceCandidateStats.length, report.callQuality]));
      await state(report.callSid, 'completed');
    });
  }
}
