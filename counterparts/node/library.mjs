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

application.close();
application.closeAllConnections?.();
process.exit(failures === 0 ? 0 : 1);
