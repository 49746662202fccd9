//! All ports of one media thread.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::command::{Command, PortId};
use crate::event::Event;

/// Settings of an engine.
#[derive(Debug, Clone)]
pub struct Config {
    /// An instant and the wall-clock time since 1970 at that instant; RTCP's NTP timestamps are
    /// counted from here.
    pub wall_clock: (Instant, Duration),
    /// Most ports open at once; further ones are refused.
    pub max_ports: usize,
    /// Silence of the remote side after which `MediaTimeout` is reported.
    pub media_timeout: Duration,
}

impl Config {
    /// Defaults, with the wall clock at `now` being `since_1970`.
    pub fn new(now: Instant, since_1970: Duration) -> Self {
        Config {
            wall_clock: (now, since_1970),
            max_ports: 20_000,
            media_timeout: Duration::from_secs(30),
        }
    }
}

/// The media of many legs, advanced from outside.
#[derive(Debug)]
pub struct Engine {
    events: VecDeque<Event>,
}

impl Engine {
    /// An engine without ports. `seed` feeds everything that has to be unpredictable to peers:
    /// first sequence numbers and timestamps, and the spread of RTCP.
    pub fn new(config: Config, seed: u64) -> Self {
        let _ = (config, seed);
        Engine {
            events: VecDeque::new(),
        }
    }

    /// Carries out an order.
    pub fn apply(&mut self, now: Instant, command: Command) {
        let _ = (now, command);
    }

    /// Takes one received datagram, RTP or RTCP; SRTP is decrypted in place.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        port: PortId,
        from: SocketAddr,
        bytes: &mut [u8],
    ) {
        let _ = (now, port, from, bytes);
    }

    /// Advances sound by 20 ms. To be called every 20 ms.
    pub fn tick(&mut self, now: Instant) {
        let _ = now;
    }

    /// Hands out what is to be sent, oldest first. RTCP is told from RTP by its second byte
    /// being 192 to 223 (RFC 5761 section 4).
    pub fn drain_transmits(&mut self, mut send: impl FnMut(PortId, SocketAddr, &[u8])) {
        let _ = &mut send;
    }

    /// The oldest event not yet fetched.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
