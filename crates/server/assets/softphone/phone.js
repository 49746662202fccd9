// One telephone: who it is, whom it talks to, and what happens next. No page in here; card.js shows it.

import { Signalling } from './signalling.js';
import { Quality } from './quality.js';
import { Ear, Voice } from './sound.js';

/** Sound must arrive this soon after the answer, in milliseconds. */
const SOUND = 8_000;
/** How long a telephone that answers by itself lets it ring. */
const PATIENCE = 1_200;

/** What a telephone is doing. */
export const State = Object.freeze({
  AWAY: 'away',
  READY: 'ready',
  CALLING: 'calling',
  RINGING: 'ringing',
  ANSWERING: 'answering',
  TALKING: 'talking',
});

/** A call at this telephone. */
class Call {
  /** The other side's name or number. */
  other;
  /** CallSid; a name of our own until the server tells it. */
  sid;
  peer;
  ear;
  quality;
  /** Offered by the server, not answered yet. */
  offer;
  restarting = false;
  began = Date.now();
  answered;
  audible;

  constructor(other, sid) {
    this.other = other;
    this.sid = sid;
  }

  get seconds() {
    return this.answered ? (Date.now() - this.answered) / 1000 : 0;
  }

  close() {
    this.ear?.close();
    this.peer?.close();
  }
}

/** Tells `change` whenever there is something new to show, and `note` with a key of words.js and values. */
export class Phone extends EventTarget {
  #signalling;
  #timers = [];
  call;
  state = State.AWAY;
  voice = new Voice();
  answersItself = false;
  #loud = true;
  /** What its owner should know: a key of words.js and values. */
  notice;

  /** `name` is shown, `identity` is called, `token` asks for a token for it. */
  constructor(name, identity, token) {
    super();
    this.name = name;
    this.identity = identity;
    this.#signalling = new Signalling(`Switchboard softphone ${crypto.randomUUID()}`, () => token(identity))
      .on('state', (state) => this.#onState(state))
      .on('error', ({ error }) => this.inform('refused', { code: error.code, message: error.message }))
      .on('invite', (payload) => this.#onInvite(payload))
      .on('ringing', (payload) => this.#onRinging(payload))
      .on('answer', (payload) => this.#onAnswer(payload))
      .on('answered-elsewhere', (payload) => this.#onAnsweredElsewhere(payload))
      .on('bridged', (payload) => this.#onBridged(payload))
      .on('cancel', (payload) => this.#onEnd(payload))
      .on('hangup', (payload) => this.#onEnd(payload));
    this.#signalling.connect();
  }

  get free() {
    return this.state === State.READY;
  }

  get loud() {
    return this.#loud;
  }

  set loud(on) {
    this.#loud = on;
    if (this.call?.ear) this.call.ear.loud = on;
    this.#changed();
  }

  /** Calls a number, `client:NAME` or `sip:` address. */
  async dial(to) {
    if (!this.free) return;
    const call = new Call(to, `TJS${crypto.randomUUID()}`);
    this.#begin(call, State.CALLING);
    this.#note('dials', { to });
    this.#open(call);
    await call.peer.setLocalDescription(await call.peer.createOffer());
    if (this.call !== call) return;
    const params = `To=${encodeURIComponent(to)}`;
    this.#signalling.send('invite', { callsid: call.sid, sdp: call.peer.localDescription.sdp, twilio: { params } });
  }

  async answer() {
    const { call } = this;
    if (this.state !== State.RINGING) return;
    this.#become(State.ANSWERING);
    this.#note('answers');
    this.#open(call);
    try {
      await call.peer.setRemoteDescription({ type: 'offer', sdp: call.offer });
      await call.peer.setLocalDescription(await call.peer.createAnswer());
    } catch (error) {
      // Closed meanwhile: somebody else was faster.
      if (this.call === call) this.#fail(error);
      return;
    }
    if (this.call !== call) return;
    this.#signalling.send('answer', { callsid: call.sid, sdp: call.peer.localDescription.sdp });
    this.#talk(call);
  }

  decline() {
    if (this.state !== State.RINGING) return;
    this.#signalling.send('reject', { callsid: this.call.sid });
    this.#note('declines');
    this.#finish();
  }

  hangUp() {
    if (!this.call) return;
    if (this.state === State.RINGING) return this.decline();
    this.#signalling.send('hangup', { callsid: this.call.sid });
    this.#note('hangsUp');
    this.#finish();
  }

  /** Presses a key: in the sound if the two sides agreed on that, else by a frame. */
  press(key) {
    if (this.state !== State.TALKING) return;
    const sender = this.call.peer.getSenders()[0]?.dtmf;
    if (sender?.canInsertDTMF) sender.insertDTMF(sender.toneBuffer + key, 160, 70);
    else this.#signalling.send('dtmf', { callsid: this.call.sid, dtmf: key });
    this.#note('presses', { key });
  }

  mute(on) {
    this.voice.muted = on;
    this.#changed();
  }

  /** Speaks instead of a person. */
  async say(text) {
    this.saying = text;
    this.#changed();
    const whole = await this.voice.say(text);
    if (this.saying === text) this.saying = undefined;
    this.#changed();
    return whole;
  }

  async useMicrophone(on) {
    if (!on) this.voice.closeMicrophone();
    else {
      try {
        if (!navigator.mediaDevices) throw new DOMException('', 'SecurityError');
        await this.voice.openMicrophone();
        this.notice = undefined;
        this.#note('microphoneOn');
      } catch (error) {
        const known = ['NotAllowedError', 'NotFoundError', 'NotReadableError', 'SecurityError'];
        this.inform(`microphone${known.includes(error.name) ? error.name : 'NotReadableError'}`);
      }
    }
    this.#changed();
  }

  /** Is gone for good. */
  close() {
    if (this.call) this.hangUp();
    this.voice.closeMicrophone();
    this.#signalling.close();
  }

  #onState(state) {
    const online = state === 'online';
    if (online && this.state === State.AWAY) {
      this.notice = undefined;
      this.#become(State.READY);
      this.#note('registered');
    } else if (state === 'away') {
      // A call goes on without its signalling: its sound has a way of its own.
      if (this.state === State.READY) this.#become(State.AWAY);
      if (!['refused', 'off'].includes(this.notice?.key)) this.inform('off');
    } else if (online && this.notice?.key === 'off') {
      this.notice = undefined;
      this.#note('back');
    }
    this.#changed();
  }

  #onInvite({ callsid, sdp, parameters }) {
    const from = parameters.From ?? '';
    if (!this.free) return this.#note('busy', { from });
    const call = new Call(from, callsid);
    call.offer = sdp;
    this.#begin(call, State.RINGING);
    this.#note('rings', { from });
    if (this.answersItself) this.#after(PATIENCE, () => this.answer());
  }

  #onRinging({ callsid }) {
    if (this.state !== State.CALLING) return;
    this.call.sid = callsid;
    this.#note('ringsThere', { to: this.call.other });
  }

  async #onAnswer({ callsid, sdp }) {
    const { call } = this;
    if (!call || (call.sid !== callsid && !call.sid.startsWith('TJS'))) return;
    const first = this.state === State.CALLING;
    call.sid = callsid;
    try {
      if (sdp && (first || call.restarting)) await call.peer.setRemoteDescription({ type: 'answer', sdp });
    } catch (error) {
      return this.#fail(error);
    }
    call.restarting = false;
    if (first && this.call === call) {
      this.#note('answered', { to: call.other });
      this.#talk(call);
    }
  }

  #onAnsweredElsewhere({ callsid, by }) {
    if (this.call?.sid !== callsid) return;
    const late = this.state === State.ANSWERING || this.state === State.TALKING;
    // Another telephone of the same name is still another telephone.
    const own = [this.identity, `client:${this.identity}`].includes(by);
    this.inform(`${late ? 'tooLate' : 'elsewhere'}${own ? 'Own' : ''}`, { by });
  }

  #onBridged({ callsid, with: other = '' }) {
    if (this.call?.sid === callsid) this.#note('bridged', { other });
  }

  #onEnd({ callsid, error }) {
    if (!this.call || (callsid && callsid !== this.call.sid)) return;
    const told = this.notice?.key ?? '';
    if (error) this.inform('failed', { code: error.code, message: error.message });
    else if (!/^(tooLate|elsewhere)/.test(told)) this.#note(this.state === State.RINGING ? 'callerGone' : 'ended');
    this.#finish();
  }

  /** The way of the sound. */
  #open(call) {
    const peer = new RTCPeerConnection();
    call.peer = peer;
    call.quality = new Quality(peer);
    peer.addTrack(this.voice.track);
    peer.ontrack = ({ track }) => {
      call.ear = new Ear(new MediaStream([track]), this.#loud);
      this.#changed();
    };
    peer.onconnectionstatechange = () => {
      if (this.call !== call) return;
      if (peer.connectionState === 'connected') {
        if (!call.audible) this.#note('soundUp', { ms: Date.now() - call.answered });
        call.audible = Date.now();
        if (this.notice?.key === 'noSound' || this.notice?.key === 'soundLost') this.notice = undefined;
        this.dispatchEvent(new Event('audible'));
      } else if (peer.connectionState === 'failed') {
        this.#restart(call);
      }
      this.#changed();
    };
  }

  /** Looks for a new way for the sound (an ICE restart). */
  async #restart(call) {
    this.inform('soundLost');
    call.restarting = true;
    await call.peer.setLocalDescription(await call.peer.createOffer({ iceRestart: true }));
    if (this.call === call) this.#signalling.send('reinvite', { callsid: call.sid, sdp: call.peer.localDescription.sdp });
  }

  #talk(call) {
    call.answered = Date.now();
    this.#become(State.TALKING);
    this.#after(SOUND, () => {
      if (this.call !== call || call.audible) return;
      const [, address, port] = /^a=candidate:\S+ \d+ udp \d+ (\S+) (\d+)/im.exec(call.peer.remoteDescription.sdp) ?? [];
      this.inform('noSound', { where: `${address}:${port}` });
    });
  }

  #begin(call, state) {
    this.notice = undefined;
    this.call = call;
    this.#become(state);
  }

  #finish() {
    this.#timers.splice(0).forEach(clearTimeout);
    this.voice.hush();
    this.call?.close();
    this.call = undefined;
    this.#become(this.#signalling.online ? State.READY : State.AWAY);
  }

  #fail(error) {
    this.inform('failed', { code: error.name, message: error.message });
    this.hangUp();
  }

  #become(state) {
    this.state = state;
    this.#changed();
  }

  #after(milliseconds, act) {
    this.#timers.push(setTimeout(act, milliseconds));
  }

  /** Shows its owner something, until something else is to be shown. */
  inform(key, values = {}) {
    this.notice = { key, values };
    this.#note(key, values);
    this.#changed();
  }

  #note(key, values = {}) {
    this.dispatchEvent(new CustomEvent('note', { detail: { key, values, sid: this.call?.sid } }));
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
