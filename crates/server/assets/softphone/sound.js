// Sound: what a telephone says (a robot, or the microphone), what it hears, and how loud both are.

/** Quieter is silence, in dB of full scale; meters begin here. */
const SILENT = -60;
/** Louder counts as speech. */
const SPEECH = -45;

let context;

/** The page's audio; it sounds only once a button was pressed. */
export function audio() {
  context ??= new AudioContext();
  return context;
}

/** To be called in the handler of a button: browsers let a page sound only then. */
export const wake = () => audio().resume();

/** How loud it is at one point of the graph. */
class Level {
  constructor() {
    this.node = audio().createAnalyser();
    this.node.fftSize = 2048;
    this.samples = new Float32Array(this.node.fftSize);
  }

  /** In dB of full scale, -60 to 0. */
  get decibels() {
    this.node.getFloatTimeDomainData(this.samples);
    const power = this.samples.reduce((sum, sample) => sum + sample * sample, 0) / this.samples.length;
    return Math.max(SILENT, 10 * Math.log10(power || 1e-12));
  }

  /** 0 to 100. */
  get percent() {
    return Math.round((1 - this.decibels / SILENT) * 100);
  }
}

const sentences = new Map();

/** A sentence, spoken by the server. */
async function spoken(text) {
  if (!sentences.has(text)) {
    const answer = await fetch(`/_switchboard/v1/softphone/speech.wav?text=${encodeURIComponent(text)}`);
    if (!answer.ok) throw new Error((await answer.json()).message);
    sentences.set(text, await audio().decodeAudioData(await answer.arrayBuffer()));
  }
  return sentences.get(text);
}

/** What a telephone says. Its stream lasts as long as the telephone; silence flows when nothing is said. */
export class Voice {
  #out = audio().createMediaStreamDestination();
  #gate = audio().createGain();
  #microphone;
  #robot;
  level = new Level();

  constructor() {
    this.#gate.connect(this.level.node).connect(this.#out);
  }

  get track() {
    return this.#out.stream.getAudioTracks()[0];
  }

  get muted() {
    return this.#gate.gain.value === 0;
  }

  set muted(on) {
    this.#gate.gain.value = on ? 0 : 1;
  }

  get usesMicrophone() {
    return Boolean(this.#microphone);
  }

  /** Speaks a sentence; true when it was said to its end. */
  async say(text) {
    const buffer = await spoken(text);
    this.hush();
    const robot = audio().createBufferSource();
    robot.buffer = buffer;
    robot.connect(this.#gate);
    this.#robot = robot;
    const ended = new Promise((done) => (robot.onended = done));
    robot.start();
    await ended;
    const whole = this.#robot === robot;
    if (whole) this.#robot = undefined;
    return whole;
  }

  /** Stops the robot in mid-sentence. */
  hush() {
    const robot = this.#robot;
    this.#robot = undefined;
    robot?.stop();
  }

  /** Opens the microphone. Throws what the browser says: no permission, no device. */
  async openMicrophone() {
    const wanted = { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } };
    const stream = await navigator.mediaDevices.getUserMedia(wanted);
    const source = audio().createMediaStreamSource(stream);
    source.connect(this.#gate);
    this.#microphone = { stream, source };
    this.hush();
  }

  closeMicrophone() {
    this.#microphone?.source.disconnect();
    this.#microphone?.stream.getTracks().forEach((track) => track.stop());
    this.#microphone = undefined;
  }
}

/** What a telephone hears. */
export class Ear {
  #element = new Audio();
  #source;
  #timer;
  level = new Level();
  /** Seconds of speech so far. */
  heard = 0;

  /** `loud`: through the loudspeaker, not only on the meter. */
  constructor(stream, loud) {
    // Chrome lets a remote stream into the graph only while an element plays it.
    this.#element.srcObject = stream;
    this.#element.muted = !loud;
    this.#play();
    audio().addEventListener('statechange', this.#play);
    this.#source = audio().createMediaStreamSource(stream);
    this.#source.connect(this.level.node);
    let last = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      if (this.level.decibels > SPEECH) this.heard += (now - last) / 1000;
      last = now;
    }, 50);
  }

  set loud(on) {
    this.#element.muted = !on;
  }

  /** Refused until a button was pressed; tried again then. */
  #play = () => this.#element.play().catch(() => {});

  close() {
    clearInterval(this.#timer);
    audio().removeEventListener('statechange', this.#play);
    this.#source.disconnect();
    this.#element.srcObject = null;
  }
}

const KEYS = ['123', '456', '789', '*0#'];
const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477];

/** Sounds in the page only, at a low volume: `frequencies` in Hz, `seconds` from now. */
function beep(frequencies, seconds, delay = 0) {
  if (audio().state !== 'running') return;
  const gain = audio().createGain();
  gain.connect(audio().destination);
  const begin = audio().currentTime + delay;
  gain.gain.setValueAtTime(0, begin);
  gain.gain.linearRampToValueAtTime(0.04, begin + 0.02);
  gain.gain.setValueAtTime(0.04, begin + seconds - 0.02);
  gain.gain.linearRampToValueAtTime(0, begin + seconds);
  for (const frequency of frequencies) {
    const tone = audio().createOscillator();
    tone.frequency.value = frequency;
    tone.connect(gain);
    tone.start(begin);
    tone.stop(begin + seconds);
  }
}

/** The sound of a key (ITU-T Q.23). */
export function keyTone(key) {
  const row = KEYS.findIndex((keys) => keys.includes(key));
  beep([ROWS[row], COLUMNS[KEYS[row].indexOf(key)]], 0.16);
}

/** Rings until the returned function is called. */
export function ring() {
  const once = () => [0, 0.5].forEach((delay) => beep([660, 880], 0.35, delay));
  once();
  const timer = setInterval(once, 2500);
  return () => clearInterval(timer);
}
