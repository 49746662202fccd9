// One telephone on the page.

import { State } from './phone.js';
import { keyTone, ring, wake } from './sound.js';
import { t, write } from './words.js';

/** Levels that a strip shows, and the time between them in milliseconds: the last six seconds. */
const HISTORY = 120;
const STEP = 50;

/** The level of a direction over the last seconds. */
class Strip {
  #levels = new Array(HISTORY).fill(0);

  constructor(element) {
    this.meter = element.querySelector('[role=meter]');
    this.canvas = element.querySelector('canvas');
    this.brush = this.canvas.getContext('2d');
  }

  add(level) {
    this.#levels = [...this.#levels.slice(1), level];
    this.meter.setAttribute('aria-valuenow', level);
    this.#draw();
  }

  #draw() {
    const { canvas, brush } = this;
    const scale = devicePixelRatio;
    const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const { color } = getComputedStyle(canvas);
    const pitch = width / HISTORY;
    brush.clearRect(0, 0, width, height);
    brush.fillStyle = color;
    this.#levels.forEach((level, at) => {
      // The ear hears decibels, the eye tells taller bars apart more easily.
      const tall = Math.max(scale, (level / 100) ** 1.8 * height);
      brush.globalAlpha = level ? 0.35 + (0.65 * at) / HISTORY : 0.25;
      brush.fillRect(at * pitch, (height - tall) / 2, Math.max(1, pitch * 0.62), tall);
    });
  }
}

/** Shows a telephone and hands it what a person does. */
export class Card {
  #silence;
  #clock;
  #levels;

  /** `number` is shown when an identity has several devices. */
  constructor(phone, number) {
    this.phone = phone;
    this.number = number;
    this.element = document.getElementById('card').content.firstElementChild.cloneNode(true);
    this.element.dataset.phone = phone.identity;
    this.says = new Strip(this.#part('says'));
    this.hears = new Strip(this.#part('hears'));
    this.#bind();
    this.relabel();
    phone.addEventListener('change', () => this.show());
    this.#clock = setInterval(() => this.#tick(), 1000);
    this.#levels = setInterval(() => this.#measure(), STEP);
  }

  /** Is taken off the page. */
  remove() {
    clearInterval(this.#clock);
    clearInterval(this.#levels);
    this.#silence?.();
    this.phone.close();
    this.element.remove();
  }

  /** After the language changed. */
  relabel() {
    write(this.element);
    this.#part('name').textContent = this.phone.name;
    this.#part('initial').textContent = this.phone.name[0];
    this.#part('address').textContent = `client:${this.phone.identity}`;
    this.#part('number').textContent = this.number ? t('device', { number: this.number }) : '';
    this.element.setAttribute('aria-label', `${this.phone.name} ${this.#part('number').textContent}`);
    for (const key of this.element.querySelectorAll('[data-key]')) key.setAttribute('aria-label', t('key', { key: key.dataset.key }));
    this.show();
  }

  show() {
    const { phone } = this;
    const { state, call, notice, saying } = phone;
    this.element.dataset.state = state;
    this.#part('state').textContent = t(state);
    const who = { calling: 'to', ringing: 'from', answering: 'from', talking: 'with' }[state];
    this.#part('other').textContent = who ? t(who, { other: called(call.other) }) : '';
    this.#part('caption').textContent = saying ?? '';
    this.#part('notice').textContent = notice ? t(notice.key, notice.values) : '';
    this.#part('notice').hidden = !notice;

    this.#show('answer', state === State.RINGING);
    this.#show('decline', state === State.RINGING);
    this.#show('hangUp', [State.CALLING, State.ANSWERING, State.TALKING].includes(state));
    this.#show('dial', !call);
    this.#part('call').disabled = !phone.free;
    for (const part of ['speak', 'keys']) this.#part(part).disabled = state !== State.TALKING;
    this.#part('mute').checked = phone.voice.muted;
    this.#part('microphone').checked = phone.voice.usesMicrophone;
    this.#part('itself').checked = phone.answersItself;
    this.#part('loud').checked = phone.loud;

    if ((state === State.RINGING) !== Boolean(this.#silence)) {
      this.#silence?.();
      this.#silence = state === State.RINGING ? ring() : undefined;
    }
    if (!call) this.#quality({});
  }

  #bind() {
    const { phone } = this;
    const on = (part, type, act) => this.#part(part).addEventListener(type, act);
    on('answer', 'click', () => phone.answer());
    on('decline', 'click', () => phone.decline());
    on('hangUp', 'click', () => phone.hangUp());
    on('mute', 'change', ({ target }) => phone.mute(target.checked));
    on('microphone', 'change', ({ target }) => phone.useMicrophone(target.checked));
    on('itself', 'change', ({ target }) => (phone.answersItself = target.checked));
    on('loud', 'change', ({ target }) => (phone.loud = target.checked));
    on('dial', 'submit', (event) => {
      event.preventDefault();
      wake();
      phone.dial(this.#part('whom').value.trim());
    });
    on('speech', 'submit', (event) => {
      event.preventDefault();
      const text = this.#part('sentence').value.trim() || t('sentenceText');
      this.#part('sentence').value = '';
      phone.say(text).catch((error) => phone.inform('noSpeech', { message: error.message }));
    });
    this.#part('keys').addEventListener('click', ({ target }) => {
      const { key } = target.closest('[data-key]')?.dataset ?? {};
      if (key) this.#press(key);
    });
    // The keyboard's own keys work while a key of the keypad has the focus.
    this.#part('keys').addEventListener('keydown', ({ key }) => {
      if (/^[0-9*#]$/.test(key)) this.#press(key);
    });
  }

  #press(key) {
    keyTone(key);
    this.phone.press(key);
  }

  #measure() {
    const { voice, call } = this.phone;
    this.says.add(call ? voice.level.percent : 0);
    this.hears.add(call?.ear ? call.ear.level.percent : 0);
  }

  async #tick() {
    const { call, state } = this.phone;
    if (state !== State.TALKING) return;
    const seconds = Math.floor(call.seconds);
    const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    this.#part('state').textContent = `${t(state)} ${clock}`;
    const sample = await call.quality.sample();
    if (this.phone.call === call) this.#quality({ ...sample, heard: call.ear?.heard });
  }

  #quality({ loss, jitter, delay, codec, heard }) {
    const figure = (part, value, unit, digits) => {
      this.#part(part).textContent = value === undefined ? t('none') : t(unit, { value: value.toFixed(digits) });
    };
    figure('loss', loss, 'percent', 1);
    figure('jitter', jitter, 'ms', 0);
    figure('delay', delay, 'ms', 0);
    figure('heard', heard, 'seconds', 1);
    this.#part('codec').textContent = codec ?? t('none');
  }

  #show(part, on) {
    this.#part(part).hidden = !on;
  }

  #part(name) {
    return this.element.querySelector(`[data-part=${name}]`);
  }
}

/** `client:bob` is Bob to a reader. */
function called(address) {
  const [, name] = /^client:(.+)$/.exec(address) ?? [];
  return name ? name[0].toUpperCase() + name.slice(1) : address;
}
