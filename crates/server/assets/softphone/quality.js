// How good a call is, once a second, from what the browser measures itself (W3C webrtc-stats).

export class Quality {
  #before = { lost: 0, received: 0 };

  constructor(peer) {
    this.peer = peer;
  }

  /**
   * Of the last second: `loss` in percent, `jitter` and `delay` (there and back) in milliseconds, the
   * codec. What is not known yet is undefined.
   */
  async sample() {
    const report = await this.peer.getStats();
    const all = [...report.values()];
    const heard = all.find((one) => one.type === 'inbound-rtp' && one.kind === 'audio');
    if (!heard) return {};
    const far = all.find((one) => one.type === 'remote-inbound-rtp');
    const pair = all.find((one) => one.type === 'candidate-pair' && one.nominated);
    const lost = Math.max(0, heard.packetsLost - this.#before.lost);
    const received = heard.packetsReceived - this.#before.received;
    this.#before = { lost: heard.packetsLost, received: heard.packetsReceived };
    const delay = far?.roundTripTime ?? pair?.currentRoundTripTime;
    return {
      loss: lost + received > 0 ? (100 * lost) / (lost + received) : undefined,
      jitter: heard.jitter * 1000,
      delay: delay === undefined ? undefined : delay * 1000,
      codec: report.get(heard.codecId)?.mimeType.replace('audio/', ''),
    };
  }
}
