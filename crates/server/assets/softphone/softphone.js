// The page: two telephones, the button that makes them talk, numbers to dial, and what happened.

import { Card } from './card.js';
import { converse, introduce } from './conversation.js';
import { Phone, State } from './phone.js';
import { audio, wake } from './sound.js';
import { speak, spoken, t, write } from './words.js';

/** Lines of the history that are kept. */
const LINES = 200;
const THEME = 'switchboard-theme';

const part = (id) => document.getElementById(id);
const cards = [];
const history = [];
let conversing = false;
/** How Switchboard is called on the command line. */
let program = 'switchboard';

/** A token of the development account for one of the page's telephones. */
async function token(identity) {
  const answer = await fetch('/_switchboard/v1/softphone/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ identity }),
  });
  const { token, message } = await answer.json();
  if (!answer.ok) throw new Error(message);
  return token;
}

function add(name, identity, number) {
  const phone = new Phone(name, identity, token);
  const card = new Card(phone, number);
  cards.push(card);
  part('phones').append(card.element);
  phone.addEventListener('note', ({ detail }) => note(card, detail));
  phone.addEventListener('change', show);
  phone.addEventListener('audible', () => {
    if (!conversing) introduce(phone).catch((error) => phone.inform('noSpeech', { message: error.message }));
  });
  return card;
}

const ada = add('Ada', 'ada').phone;
const bob = add('Bob', 'bob').phone;
bob.answersItself = true;

/** The one button. */
async function start() {
  wake();
  if (ada.call) return ada.hangUp();
  const bobs = cards.map((card) => card.phone).filter((phone) => phone.identity === bob.identity);
  for (const phone of bobs) phone.answersItself = true;
  conversing = true;
  try {
    await converse(ada, bobs);
  } catch (error) {
    ada.inform('noSpeech', { message: error.message });
  } finally {
    conversing = false;
    show();
  }
}

/** Adds or removes a second telephone that is called as Bob, too. */
function toggleSecond() {
  wake();
  const second = cards[2];
  if (second) {
    second.remove();
    cards.pop();
    cards[1].number = undefined;
  } else {
    cards[1].number = 1;
    add('Bob', 'bob', 2).phone.answersItself = true;
  }
  relabel();
}

function note(card, { key, values, sid }) {
  history.unshift({ at: new Date(), card: card.number ? `${card.phone.name} ${card.number}` : card.phone.name, key, values });
  history.splice(LINES);
  if (/^CA/.test(sid ?? '')) part('logs').textContent = `${program} logs --call ${sid}`;
  list();
}

function list() {
  const rows = history.map(({ at, card, key, values }) => {
    const row = part('event').content.firstElementChild.cloneNode(true);
    const [time, who, what] = row.children;
    time.textContent = at.toLocaleTimeString(spoken(), { hour12: false });
    time.dateTime = at.toISOString();
    who.textContent = card;
    who.dataset.name = card[0];
    what.textContent = t(key, values);
    return row;
  });
  part('events').replaceChildren(...rows);
  part('nothing').hidden = rows.length > 0;
  part('log-hint').hidden = !part('logs').textContent;
}

function show() {
  const phones = cards.map((card) => card.phone);
  part('start').textContent = t(ada.call ? 'stop' : 'start');
  part('start').dataset.on = Boolean(ada.call);
  part('start').disabled = !ada.call && !(ada.free && bob.free);
  part('second').textContent = t(cards[2] ? 'secondGone' : 'second');
  part('second').disabled = phones.some((phone) => phone.identity === bob.identity && phone.call);
  for (const button of document.querySelectorAll('[data-dial]')) button.disabled = !ada.free;
  part('wake').hidden = audio().state === 'running' || phones.every((phone) => !phone.call);
  // A microphone that hears the other telephone's loudspeaker sends it round and round.
  for (const phone of phones) {
    const other = phones.some((one) => one !== phone && one.voice.usesMicrophone);
    if (other && phone.loud && phone.state === State.TALKING && !phone.hushed) {
      phone.hushed = true;
      phone.loud = false;
    } else if (!other && phone.hushed) {
      phone.hushed = false;
      phone.loud = true;
    }
  }
}

function relabel() {
  document.documentElement.lang = spoken();
  document.title = `${t('title')} – Switchboard`;
  write(document);
  for (const card of cards) card.relabel();
  list();
  show();
}

async function directory() {
  const answer = await fetch('/_switchboard/v1/softphone/directory');
  const { numbers, phones, program: name } = await answer.json();
  program = name;
  part('command').textContent = `${program} call --to client:ada --speak "Hello Ada"`;
  const entry = (number, purpose) => {
    const row = part('entry').content.firstElementChild.cloneNode(true);
    const [button, what] = row.children;
    button.textContent = button.dataset.dial = number;
    if (purpose) what.dataset.t = purpose;
    else what.remove();
    return row;
  };
  const check = entry('preflight', 'preflight');
  check.firstElementChild.dataset.t = 'check';
  part('numbers').append(...numbers.map(({ number, purpose }) => entry(number, purpose)), check);
  part('virtual').append(...phones.map((number) => entry(number)));
  part('known').append(...[...numbers.map(({ number }) => number), ...phones, 'client:ada', 'client:bob'].map((value) => Object.assign(document.createElement('option'), { value })));
  write(part('directory'));
  show();
}

part('start').addEventListener('click', start);
part('second').addEventListener('click', toggleSecond);
part('directory').addEventListener('click', async ({ target }) => {
  const { dial } = target.closest('[data-dial]')?.dataset ?? {};
  if (dial) {
    wake();
    await ada.dial(dial);
    document.querySelector('[data-phone=ada]').scrollIntoView({ block: 'nearest', behavior: 'smooth' });
  }
});
document.addEventListener('click', async ({ target }) => {
  const { copy } = target.dataset;
  if (!copy) return;
  await navigator.clipboard.writeText(part(copy).textContent);
  target.textContent = t('copied');
  setTimeout(() => (target.textContent = t('copy')), 1500);
});
part('language').addEventListener('click', () => {
  speak(spoken() === 'ja' ? 'en' : 'ja');
  relabel();
});
part('theme').addEventListener('click', () => {
  const now = document.documentElement.dataset.theme;
  const dark = now ? now === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'light' : 'dark';
  localStorage.setItem(THEME, document.documentElement.dataset.theme);
});
for (const type of ['pointerdown', 'keydown']) document.addEventListener(type, wake);
audio().addEventListener('statechange', show);
addEventListener('pagehide', () => cards.forEach((card) => card.phone.close()));
addEventListener('pageshow', ({ persisted }) => persisted && location.reload());

const theme = localStorage.getItem(THEME);
if (theme) document.documentElement.dataset.theme = theme;
relabel();
directory();
