// Tokens: renewed, forged, expired, revoked; what each version shows of it.

import { createHmac } from 'node:crypto';
import assert from 'node:assert/strict';

import { account, askedAt, capability, client, ours, people, ready, ring, SERVER, secret, since, state, token, twilio, until } from './stage.mjs';

/** A token that was good until a moment ago, or lives from `issued` for `ttl` seconds. */
function dated(identity, issued, ttl) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const grants = { identity, voice: { incoming: { allow: true }, outgoing: { application_sid: ready.application_sid } } };
  const head = part({ typ: 'JWT', alg: 'HS256', cty: 'twilio-fpa;v=1' });
  const body = part({ jti: `${ready.api_key_sid}-${issued}`, iss: ready.api_key_sid, sub: account, iat: issued, exp: issued + ttl, grants });
  return `${head}.${body}.${signed(`${head}.${body}`)}`;
}

const signed = (text) => createHmac('sha256', ready.api_key_secret).update(text).digest('base64url');

/** What a version shows for a code of ours: voice-client.md 9.1 and 9.2. */
export function shown(sdk, code, precise) {
  if (sdk.generation === 1) return code;
  const renamed = { 31201: 20151, 31204: 20101, 31205: 20104 }[code];
  if (renamed) return renamed;
  return precise && since(sdk, '2.8.0') ? code : 53000;
}

export async function tokens(lane, sdk) {
  const [a] = people(sdk);
  const it = (name, act) => lane.test(sdk, name, act);

  // voice-client-42
  await it('takes a new token and is called with it', async (open) => {
    const alice = await open(a, 440);
    await alice.do('renew', token(a));
    const call = await ring(a);
    await alice.until('device.incoming');
    await client.calls(call.sid).update({ status: 'canceled' });
    await alice.until('call.cancel');
  });

  const now = Math.floor(Date.now() / 1000);
  const good = token(a);
  const wrong = [
    ['a forged signature', token(a, { secret: 'x'.repeat(32) }), 31202],
    ['no token at all', 'nonsense', 31204],
    ['a key that does not exist', token(a, { key: `SK${'9'.repeat(32)}` }), 31204],
    ['another payload under the signature', good.split('.').with(1, token('mallory').split('.')[1]).join('.'), 31202],
    ['an expired one', dated(a, now - 7200, 3600), 31205],
    ['one that lives for two days', dated(a, now, 2 * 86_400), 31207],
    ['an unreadable name', token('not a name!'), 31105],
  ];
  for (const precise of sdk.generation === 2 ? [false, true] : [true]) {
    // voice-client-40
    await it(`is refused with a wrong token, each with its error${precise ? '' : ', not precise'}`, async (open) => {
      const found = [];
      for (const [what, text, code] of wrong) {
        const mallory = await open(a, 440, { token: text, register: false, device: { enableImprovedSignalingErrorPrecision: precise } });
        await mallory.do('knock');
        const error = await mallory.until('device.error');
        const wanted = shown(sdk, code, precise);
        if (error.detail.code !== wanted) found.push(`${what}: ${error.detail.code} (${error.detail.original}) instead of ${wanted}`);
        await mallory.close();
      }
      assert.equal(found.join('; '), '');
    });
  }

  // voice-client-41
  await it('sees its token expire, and is back with a new one', async (open) => {
    const alice = await open(a, 440, { token: token(a, { ttl: 12 }) });
    // Ten seconds before, from 2.1.
    if (since(sdk, '2.1.0')) await alice.until('device.tokenWillExpire', 10);
    const error = await alice.until('device.error', 15);
    assert.equal(error.detail.code, shown(sdk, 31205, true));
    await alice.until(sdk.generation === 1 ? 'device.offline' : 'device.unregistered');
    const call = await ring(a);
    await state(call.sid, 'no-answer');
    await alice.do('renew', token(a));
    await alice.until('device.ready');
    const again = await ring(a);
    await alice.until('device.incoming');
    await alice.do('reject');
    // A page that is closed right after it would be taken for one that is loaded anew.
    await state(again.sid, 'busy');
  });

  // voice-client-41
  await it('keeps its call when its token expires', async (open) => {
    const alice = await open(a, 440, { token: token(a, { ttl: 5 }) });
    await alice.do('connect', { To: 'hum' });
    await alice.until('call.accept');
    await alice.until('device.error', 10);
    await alice.hears(SERVER, 'program');
    const sid = await alice.do('sid');
    assert.equal((await client.calls(sid).fetch()).status, 'in-progress');
    await alice.do('hangUp');
    await state(sid, 'completed');
  });

  // voice-client-13
  await it('is told that its application is gone', async (open) => {
    const gone = await client.applications.create({ friendlyName: 'gone' });
    await client.applications(gone.sid).remove();
    const alice = await open(a, 440, { token: token(a, { application: gone.sid }) });
    await alice.do('connect', { To: 'hum' });
    const error = await alice.until('call.error');
    assert.equal(error.detail.code, sdk.generation === 1 || since(sdk, '2.8.0') ? 31001 : 31005);
    await alice.until('call.disconnect');
    const told = () => client.notifications.list({ limit: 50 });
    await until('the notification', async () => (await told()).some((one) => one.errorCode === '31001'));
  });

  if (sdk.generation === 1) {
    // voice-client-43
    await it('works with a capability token, whose parameters the program is told', async (open) => {
      const forged = Object.fromEntries(ours.map((name) => [name, 'forged']));
      const alice = await open(a, 440, { token: capability(a, { ...forged, team: 'red & blue' }) });
      await alice.do('connect', { To: 'hum', team: 'of the page' });
      await alice.until('call.accept');
      await alice.hears(SERVER, 'program');
      const sid = await alice.do('sid');
      const { form } = askedAt('/voice').find((request) => request.form.CallSid === sid);
      assert.deepEqual([form.team, form.From, form.AccountSid, form.ApplicationSid], ['red & blue', `client:${a}`, account, ready.application_sid]);
      assert.equal(form.ParentCallSid, undefined);
    });

    // voice-client-43
    await it('is refused with a capability token of another secret', async (open) => {
      const made = new twilio.jwt.ClientCapability({ accountSid: account, authToken: secret.split('').reverse().join(''), ttl: 600 });
      made.addScope(new twilio.jwt.ClientCapability.IncomingClientScope(a));
      const mallory = await open(a, 440, { token: made.toJwt(), register: false });
      assert.equal((await mallory.until('device.error')).detail.code, 31202);
    });
  }
}

/** What was signed with a key falls with it. */
export async function revocation(lane, sdk) {
  const [a] = people(sdk);
  await lane.test(sdk, 'goes offline within a second when its key is deleted', async (open) => {
    const key = await client.newKeys.create({ friendlyName: 'browser suite' });
    const alice = await open(a, 440, { token: token(a, { key: key.sid, secret: key.secret }) });
    const began = Date.now();
    await client.keys(key.sid).remove();
    const error = await alice.until('device.error', 5);
    assert.equal(error.detail.code, shown(sdk, 31204, true));
    const away = await alice.until(sdk.generation === 1 ? 'device.offline' : 'device.unregistered', 5);
    assert.ok(away.at - began < 1000, `${away.at - began} ms`);
  });
}
