//! Sound in real time: RTP, codecs, playback, tones. No sockets, no tasks.
