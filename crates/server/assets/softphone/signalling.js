// The signalling of one telephone: JSON frames over a WebSocket that comes back by itself. What the
// frames mean for a call is phone.js's affair.

/** The server beats every 10 s; a socket that is silent for longer than this is dead. */
const SILENCE = 15_000;
/** Between attempts to come back, in milliseconds: doubled up to the second. */
const PAUSES = [250, 5_000];
/** Frames that wait for the socket. More are more than one call can have to say. */
const WAITING = 32;
/** The token is renewed this long before it ends, in seconds. */
const RENEWAL = 60;

/**
 * `connect()` registers, and stays registered until `close()`. Tells `state` ("connecting", "online",
 * "away", "refused") and every frame of the server by its type.
 */
export class Signalling {
  #listeners = new Map();
  #waiting = [];
  #socket;
  #silence;
  #renewal;
  #return;
  #pause = PAUSES[0];

  /** `agent` names this telephone among those of its identity; `token` asks for a new token. */
  constructor(agent, token) {
    this.agent = agent;
    this.token = token;
    this.online = false;
  }

  on(type, listener) {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
    return this;
  }

  connect() {
    this.#tell('state', 'connecting');
    const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/signal`);
    this.#socket = socket;
    socket.onopen = () => this.#listen(socket);
    socket.onmessage = ({ data }) => this.#read(data);
    socket.onclose = () => this.#lost(socket);
    this.#hear();
  }

  close() {
    clearTimeout(this.#silence);
    clearTimeout(this.#renewal);
    clearTimeout(this.#return);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000);
  }

  /** Sends a frame now, or as soon as the server can be reached. */
  send(type, payload) {
    if (this.online) return this.#write(type, payload);
    this.#waiting = [...this.#waiting, [type, payload]].slice(-WAITING);
  }

  async #listen(socket) {
    try {
      const token = await this.token();
      if (socket !== this.#socket || socket.readyState !== WebSocket.OPEN) return;
      const browser = { userAgent: this.agent, platform: navigator.platform };
      this.#write('listen', { token, browserinfo: { p: 'browser', v: '0.1.0', browser, plugin: 'softphone' } });
    } catch (error) {
      this.#tell('error', { error: { code: 0, message: error.message } });
      socket.close(1000);
    }
  }

  #write(type, payload) {
    this.#socket.send(JSON.stringify({ type, version: '1.6', payload }));
  }

  #read(text) {
    this.#hear();
    if (text === '\n') return this.#socket.send('\n');
    const { type, payload = {} } = JSON.parse(text);
    if (type === 'connected') this.#welcome(payload);
    if (type === 'ready') this.#ready();
    if (type === 'error' && !this.online) this.#tell('state', 'refused');
    this.#tell(type, payload);
  }

  #welcome({ token }) {
    this.#pause = PAUSES[0];
    clearTimeout(this.#renewal);
    // A new token is shown on the open socket.
    const seconds = Math.max(30, (token?.ttl ?? 600) - RENEWAL);
    this.#renewal = setTimeout(() => this.#listen(this.#socket), seconds * 1000);
    this.#write('register', { media: { audio: true } });
  }

  #ready() {
    if (this.online) return;
    this.online = true;
    for (const [type, payload] of this.#waiting.splice(0)) this.#write(type, payload);
    this.#tell('state', 'online');
  }

  #hear() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket?.close(), SILENCE);
  }

  #lost(socket) {
    if (socket !== this.#socket) return;
    this.online = false;
    clearTimeout(this.#silence);
    clearTimeout(this.#renewal);
    this.#tell('state', 'away');
    this.#return = setTimeout(() => this.connect(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, PAUSES[1]);
  }

  #tell(type, payload) {
    for (const listener of this.#listeners.get(type) ?? []) listener(payload);
  }
}
