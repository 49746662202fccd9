// The unmodified helper library of node, newest (counterparts-1) or 3.x (counterparts-2), against a
// running Switchboard. See xtask/src/counterparts.rs for the environment and the output.

import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';

const twilio = createRequire(`${process.env.LIBRARY}/`)('twilio');
const ready = JSON.parse(readFileSync(process.env.SWITCHBOARD_READY, 'utf8'));
const { account_sid: sid, auth_token: token, phones } = ready;
const from = ready.numbers.yours ?? Object.values(ready.numbers)[0];
const client = pointed(twilio(sid, token));

/** The one thing an application changes: where the library's requests go. */
function pointed(client) {
  client.api.baseUrl = ready.api;
  client.monitor.baseUrl = ready.api;
  return client;
}

// The application: hands out documents, keeps what it is asked and told.
const documents = new Map();
const heard = [];
const application = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (part) => (body += part));
  request.on('end', () => {
    const url = `${base}${request.url}`;
    const path = request.url.split('?')[0];
    const form = parameters(new URLSearchParams(body));
    heard.push({ url, path, form, method: request.method, signature: request.headers['x-twilio-signature'] });
    response.setHeader('content-type', 'text/xml');
    response.end(documents.get(path) ?? '<Response/>');
  });
});
await new Promise((open) => application.listen(0, '127.0.0.1', open));
const base = `http://127.0.0.1:${application.address().port}`;

/** As an HTTP framework hands them over: a repeated name has a list of values. */
function parameters(pairs) {
  const form = {};
  for (const [name, value] of pairs) {
    form[name] = name in form ? [].concat(form[name], value) : value;
  }
  return form;
}

const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

async function until(what, condition, seconds = 20) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(100)) {
    const found = await condition();
    if (found) return found;
  }
  throw new Error(`waited ${seconds} s in vain for: ${what}`);
}

const status = async (call, wanted) =>
  until(`${call.sid} ${wanted}`, async () => {
    const now = await client.calls(call.sid).fetch();
    return now.status === wanted && now;
  });

/** Sets what one of the virtual phones does when it is called. */
async function phone(number, knobs) {
  const answer = await fetch(`${ready.api}/_switchboard/v1/phones/${encodeURIComponent(number)}`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${sid}:${token}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(knobs),
  });
  assert.ok(answer.ok, `the phone's knobs: ${answer.status} ${await answer.text()}`);
}

async function refused(promise, code, httpStatus) {
  const error = await promise.then(
    () => assert.fail(`not refused with ${code}`),
    (error) => error,
  );
  assert.equal(error.code, code, String(error));
  assert.equal(error.status, httpStatus, String(error));
}

let failures = 0;
async function test(name, act) {
  try {
    await act();
    console.log(`ok ${name}`);
  } catch (error) {
    failures += 1;
    console.log(`not ok ${name}: ${String(error?.stack ?? error).split('\n').slice(0, 4).join(' | ')}`);
  }
}

// counterparts-7
function valid(request) {
  if (request.body === undefined) {
    return twilio.validateRequest(request.token, request.signature, request.url, request.form ?? {});
  }
  return twilio.validateRequestWithBody(request.token, request.signature, request.url, request.body);
}

await test('1,000 signed requests are valid, and invalid when a byte is changed', () => {
  const lines = readFileSync(process.env.SIGNATURES, 'utf8').trimEnd().split('\n');
  assert.equal(lines.length, 1000);
  for (const line of lines) {
    const request = JSON.parse(line);
    if (request.form) request.form = parameters(request.form);
    assert.ok(valid(request), `should be valid: ${line}`);
    const changed = { ...request, signature: (request.signature[0] === 'A' ? 'B' : 'A') + request.signature.slice(1) };
    assert.ok(!valid(changed), `should be invalid: ${line}`);
    const moved = { ...request, url: request.url.replace(/(:\/\/[^/]*\/)/, '$1x') };
    assert.ok(!valid(moved), `should be invalid elsewhere: ${line}`);
  }
});

await test('the account is fetched, by token and by API key', async () => {
  assert.equal((await client.api.accounts(sid).fetch()).sid, sid);
  const keyed = pointed(twilio(ready.api_key_sid, ready.api_key_secret, { accountSid: sid }));
  await keyed.calls.list({ limit: 1 });
});

// counterparts-6
await test('errors come as exceptions with code and status', async () => {
  await refused(client.calls('CA00000000000000000000000000000000').fetch(), 20404, 404);
  await refused(client.calls.create({ to: '', from, url: `${base}/voice` }), 21201, 400);
  await refused(client.calls.create({ to: phones[0], from: '', url: `${base}/voice` }), 21213, 400);
  await refused(client.calls.create({ to: phones[0], from }), 21205, 400);
  await refused(pointed(twilio(sid, '0'.repeat(32))).calls.list({ limit: 1 }), 20003, 401);
});

// counterparts-5: numbers
await test('numbers are bought, listed over pages, changed and released', async () => {
  const offered = await client.availablePhoneNumbers('US').local.list({ limit: 5 });
  assert.equal(offered.length, 5);
  const bought = [];
  for (const { phoneNumber } of offered) {
    bought.push(await client.incomingPhoneNumbers.create({ phoneNumber, voiceUrl: `${base}/voice` }));
  }
  const first = await client.incomingPhoneNumbers.page({ pageSize: 2 });
  assert.equal(first.instances.length, 2);
  const second = await first.nextPage();
  assert.equal(second.instances.length, 2);
  assert.notEqual(second.instances[0].sid, first.instances[0].sid);
  const listed = (await client.incomingPhoneNumbers.list({ pageSize: 2, limit: 200 })).map((number) => number.sid);
  assert.equal(new Set(listed).size, listed.length, 'a number was listed twice');
  for (const number of bought) assert.ok(listed.includes(number.sid));
  const changed = await client.incomingPhoneNumbers(bought[0].sid).update({ friendlyName: 'door bell', voiceMethod: 'GET' });
  assert.deepEqual([changed.friendlyName, changed.voiceMethod], ['door bell', 'GET']);
  const [found] = await client.incomingPhoneNumbers.list({ phoneNumber: bought[1].phoneNumber, limit: 5 });
  assert.equal(found.sid, bought[1].sid);
  for (const number of bought) assert.equal(await client.incomingPhoneNumbers(number.sid).remove(), true);
  await refused(client.incomingPhoneNumbers(bought[0].sid).fetch(), 20404, 404);
});

documents.set('/voice', '<Response><Say>Hello from the library.</Say><Pause length="60"/></Response>');
documents.set('/elsewhere', '<Response><Say>You were redirected.</Say><Pause length="60"/></Response>');

/** A call whose four events are reported. */
const report = (path) => ({
  statusCallback: `${base}${path}`,
  statusCallbackEvent: ['initiated', 'ringing', 'answered', 'completed'],
});

// counterparts-8
await test('a call is made, redirected, ended, reported and deleted', async () => {
  await phone(phones[0], { answer_after_ms: 300 });
  const call = await client.calls.create({ to: phones[0], from, url: `${base}/voice`, ...report('/progress') });
  assert.equal(call.status, 'queued');
  assert.match(call.sid, /^CA[0-9a-f]{32}$/);
  const live = await status(call, 'in-progress');
  assert.equal(live.direction, 'outbound-api');
  assert.ok(live.startTime instanceof Date);
  await until('the first document is fetched', () => heard.some((request) => request.path === '/voice'));
  await client.calls(call.sid).update({ url: `${base}/elsewhere` });
  await until('the second document is fetched', () => heard.some((request) => request.path === '/elsewhere'));
  await refused(client.calls(call.sid).remove(), 20009, 409);
  await client.calls(call.sid).update({ status: 'completed' });
  const ended = await status(call, 'completed');
  assert.ok(Number(ended.duration) >= 0 && ended.endTime instanceof Date);
  const told = () => heard.filter((request) => request.path === '/progress' && request.form.CallSid === call.sid);
  await until('four callbacks', () => told().length === 4);
  assert.deepEqual(told().map((request) => request.form.CallStatus), ['initiated', 'ringing', 'in-progress', 'completed']);
  assert.deepEqual(told().map((request) => request.form.SequenceNumber), ['0', '1', '2', '3']);
  assert.equal(await client.calls(call.sid).remove(), true);
  await refused(client.calls(call.sid).fetch(), 20404, 404);
});

await test('a call is cancelled while ringing', async () => {
  await phone(phones[1], { answer_after_ms: 60000 });
  const call = await client.calls.create({ to: phones[1], from, url: `${base}/voice`, ...report('/cancelled') });
  await status(call, 'ringing');
  await client.calls(call.sid).update({ status: 'canceled' });
  await status(call, 'canceled');
  await until('the last callback', () =>
    heard.some((request) => request.path === '/cancelled' && request.form.CallStatus === 'canceled'),
  );
});

await test('a call is cancelled while queued', async () => {
  // One call a second leaves the queue: the last of four waits for seconds.
  const calls = [];
  for (let at = 0; at < 4; at += 1) {
    calls.push(await client.calls.create({ to: phones[2], from, twiml: '<Response><Hangup/></Response>' }));
  }
  const last = await client.calls(calls[3].sid).update({ status: 'canceled' });
  assert.equal(last.status, 'canceled');
  for (const call of calls.slice(0, 3)) await status(call, 'completed');
  assert.equal((await client.calls(calls[3].sid).fetch()).status, 'canceled');
});

await test('busy and unanswered calls say so', async () => {
  await phone(phones[3], { busy: true });
  await phone(phones[4], { no_answer: true });
  const busy = await client.calls.create({ to: phones[3], from, url: `${base}/voice` });
  const missed = await client.calls.create({ to: phones[4], from, url: `${base}/voice`, timeout: 5 });
  await status(busy, 'busy');
  await status(missed, 'no-answer');
});

// counterparts-5: calls
await test('calls are listed over pages and by filter', async () => {
  const calls = await client.calls.list({ pageSize: 2, limit: 200 });
  assert.ok(calls.length >= 7, `only ${calls.length} calls`);
  assert.equal(new Set(calls.map((call) => call.sid)).size, calls.length, 'a call was listed twice');
  const first = await client.calls.page({ pageSize: 2 });
  assert.equal(first.instances.length, 2);
  assert.equal((await first.nextPage()).instances.length, 2);
  const busy = await client.calls.list({ status: 'busy', limit: 50 });
  assert.ok(busy.length === 1 && busy[0].to === phones[3]);
});

// counterparts-7: what the server sent
await test('everything the application was sent is signed', () => {
  assert.ok(heard.length >= 9, `only ${heard.length} requests`);
  for (const request of heard) {
    assert.ok(twilio.validateRequest(token, request.signature, request.url, request.form), `${request.method} ${request.url}`);
  }
});

// counterparts-41
await test('every other resource is made, read, listed, changed and removed', async () => {
  /** Through its whole life: what `make` made is fetched, found in its list, changed and removed. */
  async function lives(list, make, change, key, code = 404) {
    const made = await list.create(make);
    assert.equal((await list(made.sid).fetch()).sid, made.sid);
    assert.ok((await list.list({ limit: 200 })).some((one) => one.sid === made.sid), `not listed: ${made.sid}`);
    if (change) assert.equal((await list(made.sid).update(change))[key], change[key]);
    return {
      made,
      async ends() {
        assert.equal(await list(made.sid).remove(), true);
        await refused(list(made.sid).fetch(), 20404, code);
      },
    };
  }
  const renamed = { friendlyName: 'renamed' };
  await (await lives(client.applications, { friendlyName: 'app', voiceUrl: `${base}/voice` }, renamed, 'friendlyName')).ends();
  const key = await lives(client.newKeys ? keys(client.newKeys, client.keys) : client.keys, { friendlyName: 'key' }, renamed, 'friendlyName');
  const standard = pointed(twilio(key.made.sid, key.made.secret, { accountSid: sid }));
  await standard.calls.list({ limit: 1 });
  await refused(standard.api.accounts(sid).fetch(), 20003, 401);
  await key.ends();
  await refused(standard.calls.list({ limit: 1 }), 20003, 401);
  await (await lives(client.newSigningKeys ? keys(client.newSigningKeys, client.signingKeys) : client.signingKeys, { friendlyName: 'key' }, renamed, 'friendlyName')).ends();

  const users = await lives(client.sip.credentialLists, { friendlyName: 'users' }, renamed, 'friendlyName');
  const user = await lives(client.sip.credentialLists(users.made.sid).credentials, { username: 'joey', password: 'Password12345' });
  const addresses = await lives(client.sip.ipAccessControlLists, { friendlyName: 'addresses' }, renamed, 'friendlyName');
  const address = await lives(client.sip.ipAccessControlLists(addresses.made.sid).ipAddresses, { friendlyName: 'hall', ipAddress: '192.0.2.1' }, renamed, 'friendlyName');
  const domain = await lives(client.sip.domains, { domainName: `library${Date.now()}.sip.twilio.com` }, renamed, 'friendlyName');
  const { auth, credentialListMappings, ipAccessControlListMappings } = client.sip.domains(domain.made.sid);
  const mappings = [
    await lives(auth.calls.credentialListMappings, { credentialListSid: users.made.sid }),
    await lives(auth.registrations.credentialListMappings, { credentialListSid: users.made.sid }),
    await lives(auth.calls.ipAccessControlListMappings, { ipAccessControlListSid: addresses.made.sid }),
  ];
  assert.equal((await client.sip.domains(domain.made.sid).fetch()).authType, 'CREDENTIAL_LIST,IP_ACL');
  assert.equal((await credentialListMappings.list()).length, 1);
  assert.equal((await ipAccessControlListMappings.list()).length, 1);
  await refused(client.sip.credentialLists(users.made.sid).remove(), 21241, 400);
  for (const one of [...mappings, domain, address, addresses, user, users]) await one.ends();

  const number = '+493023125000';
  const asked = await client.validationRequests.create({ phoneNumber: number, friendlyName: 'Berlin', statusCallback: `${base}/verified` });
  assert.match(asked.validationCode, /^[0-9]{6}$/);
  const [verified] = await client.outgoingCallerIds.list({ phoneNumber: number, limit: 2 });
  await until('the report that it is verified', () =>
    heard.some(({ path, form }) => path === '/verified' && form.VerificationStatus === 'success' && form.OutgoingCallerIdSid === verified.sid),
  );
  assert.equal((await client.outgoingCallerIds(verified.sid).update(renamed)).friendlyName, 'renamed');
  assert.equal(await client.outgoingCallerIds(verified.sid).remove(), true);

  const child = await client.api.accounts.create({ friendlyName: 'child' });
  assert.equal(child.ownerAccountSid, sid);
  assert.equal((await client.api.accounts.list({ friendlyName: 'child', limit: 5 })).length, 1);
  assert.equal((await client.api.accounts(child.sid).update({ status: 'suspended' })).status, 'suspended');
  await refused(pointed(twilio(child.sid, child.authToken)).calls.list({ limit: 1 }), 20005, 403);
  assert.equal((await client.api.accounts(child.sid).update({ status: 'closed' })).status, 'closed');
  assert.equal((await client.balance.fetch()).currency, 'USD');
  const countries = await client.availablePhoneNumbers.list({ limit: 50 });
  assert.ok(countries.some((country) => country.countryCode === 'GB'));
  assert.equal((await client.availablePhoneNumbers('GB').mobile.list({ limit: 3 })).length, 3);

  const call = await client.calls.create({ to: phones[5], from, url: `${base}/voice`, twiml: '<Response/>' });
  const [notification] = await client.calls(call.sid).notifications.list({ limit: 5 });
  assert.equal(notification.errorCode, '32019');
  assert.equal((await client.notifications(notification.sid).fetch()).messageText, notification.messageText);
  assert.equal((await client.calls(call.sid).events.list({ limit: 5 }))[0].request.parameters.to, phones[5]);
  const monitor = client.monitor.v1 ?? client.monitor;
  const alerts = await monitor.alerts.list({ logLevel: 'warning', limit: 50 });
  assert.ok(alerts.some((alert) => alert.sid === notification.sid && alert.resourceSid === call.sid));
  assert.equal((await monitor.alerts(notification.sid).fetch()).errorCode, '32019');
  await client.calls(call.sid).update({ status: 'completed' });
});

/** In most releases new keys are made through a list of their own. */
function keys(made, kept) {
  const list = (sid) => kept(sid);
  list.create = (form) => made.create(form);
  list.list = (filter) => kept.list(filter);
  return list;
}

/** SplitMix32: one seed, one list of addresses; `SEED` in the environment repeats a failure. */
let state = Number(process.env.SEED ?? Date.now() % 1e9);
const seed = state;
function below(limit) {
  state = (state + 0x9e3779b9) | 0;
  let z = state ^ (state >>> 16);
  z = Math.imul(z, 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return ((z ^ (z >>> 15)) >>> 0) % limit;
}
const one = (choices) => choices[below(choices.length)];

/** A query as somebody might configure it: encoded in different ways, repeated, empty, or absent. */
function query() {
  const names = ['q', 'Q', 'room', 'To', 'a.b', 'list[]', 'caf%C3%A9', 'x_y', '~t'];
  const values = ['', '1', 'two+words', 'two%20words', '%2B15005550100', 'gr%C3%BC%C3%9Fe', '%E6%97%A5%E6%9C%AC', '%F0%9F%98%80', 'a,b;c', 'a/b?c', 'a=b', "it's", 'x:y@z', '%26%3D%23', '100%25', 'grüße', '!*()', '%7e'];
  const pairs = Array.from({ length: below(4) }, () => (below(8) ? `${one(names)}=${one(values)}` : one(names)));
  return pairs.length ? `?${pairs.join('&')}` : one(['', '', '?']);
}

/** What the fragment says is for the client alone: it is neither sent nor signed. */
const fragment = () => one(['', '', '', '#rc=2', '#ct=3000&rt=9000', '#rp=all', '#section']);

// counterparts-40
await test('1,000 random webhooks of the running server are valid, and invalid when a byte is changed', async () => {
  const chains = 10;
  const hops = 99;
  const accounts = new Map(); // AccountSid to token
  const expected = new Map(); // path to user information and method
  const wrong = [];
  const seen = new Set();
  const ends = new Set();
  let checked = 0;

  const listen = (answer) =>
    new Promise((open) => {
      const server = createServer((request, response) => {
        let body = '';
        request.setEncoding('utf8');
        request.on('data', (part) => (body += part));
        request.on('end', () => answer(request, response, body));
      });
      server.listen(0, '127.0.0.1', () => open(server));
    });

  function next(chain, hop, user) {
    const path = `/hop/${chain}/${hop}`;
    const method = one(['GET', 'POST', 'POST', undefined]);
    // A relative address stays with the server, and with the user, of the document it stands in.
    const relative = hop > 0 && below(4) === 0;
    const named = relative ? user : one(['', '', '', '', '', 'user:pass@', 'a%40b:p%3Aw@', 'only@']);
    expected.set(path, { user: named, method: method ?? 'POST' });
    const origin = `http://${named}${one(['127.0.0.1', 'localhost'])}:${one(servers).address().port}`;
    return { url: `${relative ? one([path, `${hop}`, `../${chain}/${hop}`]) : origin + path}${query()}${fragment()}`, method };
  }

  const xml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

  function answer(request, response, body) {
    const path = request.url.split('?')[0];
    const wanted = expected.get(path) ?? { user: '', method: 'POST' };
    const url = `http://${wanted.user}${request.headers.host}${request.url}`;
    const form = parameters(new URLSearchParams(body));
    const parts = new URL(url).searchParams;
    const account = form.AccountSid ?? parts.getAll('AccountSid').at(-1);
    const signature = request.headers['x-twilio-signature'] ?? '';
    const secret = accounts.get(account) ?? '';
    const changed = (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1);
    const right = twilio.validateRequest(secret, signature, url, form);
    const refused = !twilio.validateRequest(secret, changed, url, form) && !twilio.validateRequest(secret, signature, url.replace('/hop/', '/hip/').replace('/told/', '/tald/'), form);
    if (!right || !refused || request.method !== wanted.method) wrong.push(`${request.method} ${url} ${JSON.stringify(form)}`);
    checked += 1;
    response.setHeader('content-type', 'text/xml');
    if (wanted.user && !request.headers.authorization) {
      response.setHeader('www-authenticate', 'Basic realm="hop"');
      response.statusCode = 401;
      return response.end();
    }
    if (wanted.user) {
      const [name, password = ''] = wanted.user.slice(0, -1).split(':').map(decodeURIComponent);
      const sent = Buffer.from(request.headers.authorization.split(' ')[1], 'base64').toString();
      if (sent !== `${name}:${password}`) wrong.push(`${path}: authorized as ${sent}`);
    }
    seen.add(path);
    const [, kind, chain, hop] = path.split('/');
    if (kind === 'told') {
      ends.add(`${form.CallSid ?? parts.get('CallSid')} ${form.CallStatus ?? parts.get('CallStatus')}`);
      return response.end();
    }
    if (Number(hop) + 1 >= hops) return response.end('<Response><Hangup/></Response>');
    const { url: to, method } = next(chain, Number(hop) + 1, wanted.user);
    response.end(`<Response><Redirect${method ? ` method="${method}"` : ''}>${xml(to)}</Redirect></Response>`);
  }

  const servers = [await listen(answer), await listen(answer)];
  try {
    // Each chain belongs to a subaccount of its own, whose token signs.
    const offered = await client.availablePhoneNumbers('US').local.list({ areaCode: 312, limit: chains });
    const made = [];
    for (let chain = 0; chain < chains; chain += 1) {
      const account = await client.api.accounts.create({ friendlyName: `Webhooks ${chain}` });
      accounts.set(account.sid, account.authToken);
      const { url, method } = next(chain, 0, '');
      const told = `/told/${chain}`;
      expected.set(told, { user: '', method: one(['GET', 'POST']) });
      await client.api.accounts(account.sid).incomingPhoneNumbers.create({
        phoneNumber: offered[chain].phoneNumber,
        voiceUrl: url,
        voiceMethod: method,
        statusCallback: `http://127.0.0.1:${servers[0].address().port}${told}${query()}${fragment()}`,
        statusCallbackMethod: expected.get(told).method,
      });
      made.push({ account, number: offered[chain].phoneNumber });
    }
    // Nobody answers these: what is told about them carries names of every alphabet.
    const names = ['client:Zoë', 'client:日本語', "client:o'neil+1", 'client:ünï.cödé', 'client:😀', 'Ä & B <c@d>', 'a=b&c=d', 'q"uote%41', '100 %', '*~()!'];
    const placed = [];
    for (const [at, { account }] of made.entries()) {
      const told = `/told/rest${at}`;
      expected.set(told, { user: '', method: one(['GET', 'POST']) });
      const call = await client.api.accounts(account.sid).calls.create({
        to: `client:${one(['nobody', 'größe', '無人', 'a+b', "d'or"])}${at}?room=${one(['a%20b', 'c+d', '%C3%A9'])}`,
        from: names[at],
        twiml: '<Response/>',
        statusCallback: `http://localhost:${servers[1].address().port}${told}${query()}${fragment()}`,
        statusCallbackMethod: expected.get(told).method,
        statusCallbackEvent: ['initiated', 'completed'],
      });
      placed.push(call.sid);
    }
    await Promise.all(
      made.map(async ({ number }, at) => {
        const dialled = await fetch(`${ready.api}/_switchboard/v1/phones/${encodeURIComponent(phones[at])}/calls`, {
          method: 'POST',
          headers: { authorization: `Basic ${Buffer.from(`${sid}:${token}`).toString('base64')}`, 'content-type': 'application/json' },
          body: JSON.stringify({ to: number }),
        });
        assert.ok(dialled.ok, `the phone dials: ${dialled.status} ${await dialled.text()}`);
      }),
    );
    const told = () => [...seen].filter((path) => path.startsWith('/told/')).length;
    await until('every hop and every report', () => seen.size >= chains * hops + 2 * chains && told() === 2 * chains, 60).catch((error) => {
      const reached = Array.from({ length: chains }, (_, chain) => [...seen].filter((path) => path.startsWith(`/hop/${chain}/`)).length);
      throw new Error(`${error.message}; hops reached: ${reached}, reports: ${told()}; wrong: ${wrong.slice(0, 3).join(' ')}; SEED=${seed}`);
    });
    assert.ok(placed.every((call) => ends.has(`${call} no-answer`)), `not told: ${[...ends].join(', ')}`);
    assert.deepEqual(wrong.slice(0, 5), [], `${wrong.length} of ${checked} are wrong, SEED=${seed}`);
    assert.ok(checked >= 1000 && accounts.size === chains, `only ${checked} were checked`);
  } finally {
    for (const server of servers) {
      server.close();
      server.closeAllConnections?.();
    }
  }
});

application.close();
application.closeAllConnections?.();
process.exit(failures === 0 ? 0 : 1);
