// What two robots say to each other.

import { State } from './phone.js';

const LINES = [
  'Hello Bob, this is Ada. Can you hear me?',
  'Yes, loud and clear. Every word goes through Switchboard, on your own computer.',
  'And nobody needed a microphone.',
  'That is because we are robots. Now it is your turn. Goodbye!',
];
/** Between two sentences, in milliseconds. */
const BREATH = 350;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits until it is so, or 20 s are over. */
async function until(condition) {
  for (const end = Date.now() + 20_000; Date.now() < end; await pause(50)) if (condition()) return true;
  return false;
}

/** `caller` calls one of `others`; they talk; the caller hangs up. Ends early when anybody ends the call. */
export async function converse(caller, others) {
  await caller.dial(`client:${others[0].identity}`);
  const talks = (phone) => phone.state === State.TALKING && phone.call.audible;
  const winner = () => others.find(talks);
  if (!(await until(() => !caller.call || (talks(caller) && winner()))) || !caller.call) return;
  const pair = [caller, winner()];
  for (const [at, line] of LINES.entries()) {
    const speaker = pair[at % 2];
    if (!pair.every(talks) || !(await speaker.say(line))) return;
    await pause(BREATH);
  }
  if (caller.call) caller.hangUp();
}

/** What a robot says who was called by somebody else, or who calls somebody else. */
export async function introduce(phone) {
  await pause(800);
  if (phone.state === State.TALKING && !phone.voice.usesMicrophone && !phone.saying) {
    await phone.say(`Hello, this is ${phone.name}, a robot. Type words for me to say, or use your microphone.`);
  }
}
