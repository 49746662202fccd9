// The telephone in the page: one set of words over both generations of the vendor's SDK, a microphone
// that hums a tone of its own, and ears that tell which tone they hear. Loaded before the SDK.

(() => {
  const audio = new AudioContext();
  const hum = audio.createOscillator();
  const gain = audio.createGain();
  hum.frequency.value = window.hum;
  gain.gain.value = 0.3;
  hum.connect(gain);
  hum.start();

  /** The tracks that nobody has stopped. */
  const microphones = new Set();

  /** How long the microphone takes to open, in milliseconds: opens the window of a race. */
  let slowness = 0;

  navigator.mediaDevices.getUserMedia = async () => {
    await new Promise((wake) => setTimeout(wake, slowness));
    await audio.resume();
    const out = audio.createMediaStreamDestination();
    gain.connect(out);
    const [track] = out.stream.getTracks();
    microphones.add(track);
    const stop = track.stop.bind(track);
    // What is left connected costs the computer more with every call.
    track.stop = () => {
      stop();
      if (microphones.delete(track)) gain.disconnect(out);
    };
    return out.stream;
  };

  // The same two devices from the first moment. Chromium names them only once a microphone was
  // opened; version 2 takes the new names for new devices, opens the microphone a second time as the
  // chosen one, and keeps that open between calls, as a person who chose it would want.
  const devices = ['audioinput', 'audiooutput'].map((kind) => ({ deviceId: 'default', groupId: 'page', kind, label: `The page's ${kind}` }));
  navigator.mediaDevices.enumerateDevices = async () => devices;

  // The last connection, to see what flows on it whatever the SDK says of it.
  let connection;
  let mediaPort;
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...values) {
      super(...values);
      connection = this;
    }

    /** The sound of one who has a `relay` goes through it. */
    setRemoteDescription(description, ...callbacks) {
      let { type, sdp } = description;
      mediaPort = Number(sdp.match(/a=candidate:\S+ 1 udp \d+ \S+ (\d+)/)?.[1]);
      if (window.relay) sdp = sdp.replace(/(a=candidate:\S+ 1 udp \d+ \S+) \d+/g, `$1 ${window.relay}`);
      return super.setRemoteDescription({ type, sdp }, ...callbacks);
    }
  };

  /** RTP packets that came in on it. */
  async function received() {
    let sum = 0;
    const rows = await connection?.getStats();
    rows?.forEach((row) => (sum += row.type === 'inbound-rtp' ? row.packetsReceived : 0));
    return sum;
  }

  /** How long this page was held up at most, in milliseconds, since it was last asked. */
  let late = 0;
  let tick = performance.now();
  setInterval(() => {
    const now = performance.now();
    late = Math.max(late, now - tick - 20);
    tick = now;
  }, 20);

  const calls = [];
  const events = [];
  let device;
  let call;
  const waiting = new Set();
  function note(name, detail) {
    events.push({ name, detail, at: Date.now() });
    for (const look of waiting) look();
  }

  /** The first event of that name after `seen` others, and its place; waits for it. */
  function next(seen, name, milliseconds) {
    return new Promise((done) => {
      const answer = (value) => (waiting.delete(look), clearTimeout(timer), done(value));
      const look = () => {
        const at = events.findIndex((event, index) => index >= seen && event.name === name);
        if (at >= 0) answer({ at, event: events[at] });
      };
      const timer = setTimeout(answer, milliseconds);
      waiting.add(look);
      look();
    });
  }

  /** What there is to tell of an event's argument. */
  const told = (value) =>
    value && typeof value === 'object' && 'code' in value
      ? { code: value.code, message: String(value.message), original: value.originalError?.message ?? value.originalError?.code }
      : typeof value === 'object'
        ? null
        : value;

  // What the server tells beside what the SDK shows: types that its stream passes on and nobody asks for.
  const streams = new Set();
  function eavesdrop() {
    const stream = device.stream ?? device._stream;
    if (!stream || streams.has(stream)) return;
    streams.add(stream);
    for (const name of ['answered-elsewhere', 'bridged']) stream.on(name, (payload) => note(`notice.${name}`, payload));
  }

  function watch(next) {
    call = next;
    calls.push(next);
    if (calls.length > 8) calls.shift();
    eavesdrop();
    const names = ['accept', 'cancel', 'disconnect', 'error', 'reject', 'ringing', 'reconnecting', 'reconnected', 'transportClose', 'messageReceived', 'messageSent', 'warning', 'warning-cleared'];
    for (const name of names) {
      next.on(name, (value) => note(`call.${name}`, name === 'messageReceived' ? { content: value.content, type: value.messageType } : told(value)));
    }
    return next;
  }

  let ear;

  /** What the call brings, as levels in dB, one for each of so many Hz. */
  async function spectrum() {
    const stream = call?.getRemoteStream();
    if (!stream || stream.getAudioTracks().length === 0) return undefined;
    await audio.resume();
    if (ear?.of !== stream.id) {
      ear?.source.disconnect();
      // Chrome lets a remote stream flow into the graph only while an element plays it too.
      const element = new Audio();
      element.muted = true;
      element.srcObject = stream;
      element.play().catch(() => {});
      const source = audio.createMediaStreamSource(stream);
      ear = Object.assign(audio.createAnalyser(), { fftSize: 8192, smoothingTimeConstant: 0, of: stream.id, element, source });
      source.connect(ear);
      await new Promise((wake) => setTimeout(wake, 300));
    }
    const bins = new Float32Array(ear.frequencyBinCount);
    ear.getFloatFrequencyData(bins);
    return { bins, width: audio.sampleRate / ear.fftSize };
  }

  /** The loudest tone in Hz, and its level in dB. */
  async function listen() {
    const heard = await spectrum();
    if (!heard) return { frequency: 0, level: -200 };
    const { bins, width } = heard;
    let best = 1;
    for (let at = 1; at < bins.length; at += 1) if (bins[at] > bins[best]) best = at;
    return { frequency: best * width, level: bins[best] };
  }

  /** The level of each of some tones, in dB. */
  async function levels(frequencies) {
    const heard = await spectrum();
    return frequencies.map((frequency) => {
      if (!heard) return -200;
      const at = Math.round(frequency / heard.width);
      return Math.max(-200, ...heard.bins.slice(at - 1, at + 2));
    });
  }

  window.phone = {
    events,
    next,
    count: () => events.length,
    listen,
    levels,
    slow: (milliseconds) => (slowness = milliseconds),
    openMicrophones: () => [...microphones].filter((track) => track.readyState === 'live').length,
    busy: () => Boolean(device.isBusy ?? device.activeConnection?.()),
    parameters: () => ({ ...call.parameters, custom: Object.fromEntries(call.customParameters ?? []) }),
    /** The codecs in use both ways, and the limit of bits per second that we were told for Opus. */
    async codecs() {
      const rows = [...(await connection.getStats()).values()];
      const codec = (type) => {
        const stream = rows.find((row) => row.type === type && row.kind === 'audio');
        return rows.find((row) => row.id === stream?.codecId)?.mimeType;
      };
      const limit = connection.remoteDescription.sdp.match(/maxaveragebitrate=(\d+)/)?.[1];
      return { sends: codec('outbound-rtp'), hears: codec('inbound-rtp'), limit };
    },
    status: () => call?.status(),
    sid: () => call?.parameters?.CallSid,
    /** What is known of the caller, from 1.12: null where nothing is. */
    callerInfo: () => call.callerInfo,
    /** Who and where the SDK believes to be. */
    place: () => ({ identity: device.identity, edge: device.edge, home: device.home }),
    /** What a person says of the call's sound; resolves once it was taken. */
    judge: (score, issue) => call.postFeedback(score, issue),

    /** Makes the device; registers it unless told otherwise. */
    async start(token, options, register = true) {
      const first = !Twilio.Call;
      if (first) {
        device = new Twilio.Device(token, { allowIncomingWhileBusy: true, enableRingingState: true, enableIceRestart: true, ...options, noRegister: !register });
        for (const name of ['ready', 'offline', 'connect', 'disconnect', 'cancel', 'error']) {
          device.on(name, (value) => note(`device.${name}`, told(value)));
        }
        device.on('incoming', (next) => (watch(next), note('device.incoming')));
      } else {
        device = new Twilio.Device(token, { allowIncomingWhileBusy: true, enableImprovedSignalingErrorPrecision: true, ...options });
        for (const name of ['registering', 'registered', 'unregistered', 'destroyed', 'error', 'tokenWillExpire']) {
          device.on(name, (value) => note(`device.${name === 'registered' ? 'ready' : name}`, told(value)));
        }
        device.on('incoming', (next) => (watch(next), note('device.incoming')));
        if (register) device.register().catch((error) => note('device.refused', told(error)));
      }
      window.device = device;
    },
    /** Generation 2 says nothing to the server until it must; generation 1 has knocked already. */
    knock: () => void (Twilio.Call && device.register().catch(() => {})),
    async connect(params, options) {
      watch(await (Twilio.Call ? device.connect({ params, ...options }) : device.connect(params)));
    },
    /** Runs the SDK's own test of a line to its end: its report, and the events on the way. */
    preflight(token, options) {
      const seen = [];
      return new Promise((done) => {
        const test = Twilio.Device.runPreflight(token, options);
        for (const name of ['connected', 'sample', 'warning']) test.on(name, () => seen.push(name));
        test.on('completed', (report) => done({ report, events: [...seen, 'completed'] }));
        test.on('failed', (error) => done({ events: [...seen, `failed: ${error?.code} ${error?.message ?? error}`] }));
      });
    },
    accept: () => call.accept(),
    ignore: () => call.ignore(),
    /** Accepts at that moment of the clock; when it really did, in milliseconds. */
    async acceptAt(at) {
      // Waiting actively for longer would take the processor from the other pages of a small computer.
      await new Promise((wake) => setTimeout(wake, at - Date.now() - 1));
      while (Date.now() < at);
      const now = performance.timeOrigin + performance.now();
      late = 0;
      call.accept();
      return now;
    },
    /** How the last call ended here, or that it did not. */
    async race(from, ends) {
      const busy = Boolean(device.isBusy ?? device.activeConnection?.());
      const past = events.slice(from);
      const ended = past.find(({ name }) => ends.includes(name))?.at;
      const accepted = past.find(({ name }) => name === 'call.accept')?.at;
      const notices = Object.fromEntries(['answered-elsewhere', 'bridged'].map((kind) => [kind, past.filter(({ name }) => name === `notice.${kind}`).map(({ detail }) => detail)]));
      return { busy, ended, accepted, late, notices, microphones: window.phone.openMicrophones(), heard: await received(), names: past.map(({ name }) => name).join() };
    },
    received,
    /** Whether our answer to a call is made, which is then sent. */
    answered: () => connection?.signalingState === 'stable' && Boolean(connection.localDescription?.sdp),
    /** The words are from now on about the call with this identifier. */
    pick: (sid) => Boolean((call = calls.find((known) => known.parameters.CallSid === sid) ?? call)),
    connectToken: () => call.connectToken,
    /** The server's port for sound, once its description came. */
    mediaPort: () => mediaPort,
    reject: () => call.reject(),
    hangUp: () => call.disconnect(),
    press: (digits) => call.sendDigits(digits),
    mute: (on) => call.mute(on),
    send: (content, messageType = 'user-defined-message') => call.sendMessage({ content, messageType }),
    change: (options) => device.updateOptions(options),
    renew: (token) => (device.updateToken ? device.updateToken(token) : device.setup(token)),
    /** Nothing comes from the microphone any more, or again. */
    hush: (on) => void (gain.gain.value = on ? 0 : 0.3),
    register: () => (Twilio.Call ? void device.register() : device.registerPresence()),
    unregister: () => (device.unregister ? device.unregister() : device.unregisterPresence()),
    end: () => device.destroy(),
  };
})();
