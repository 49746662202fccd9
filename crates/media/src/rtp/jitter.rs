//! Puts packets back into order and evens out their arrival.
//!
//! The delay begins at 40 ms, grows up to 200 ms when packets come too late to be played, and
//! shrinks again once there has been more in stock than was needed for a while.

/// Packets kept at most; with 20 ms each far more than the greatest delay.
const SLOTS: u64 = 64;
/// Largest payload kept, one Ethernet frame.
const MAX_PAYLOAD: usize = 1500;
const FIRST_TARGET: u32 = 40;
const GREATEST_TARGET: u32 = 200;
/// Ticks after which the stock is looked at: 2 s.
const SHRINK_TICKS: u32 = 100;

#[derive(Debug, Clone, Default)]
struct Slot {
    /// Extended sequence number; 0 is empty, since these count from 65536.
    sequence: u64,
    timestamp: u32,
    payload_type: u8,
    payload: Vec<u8>,
}

/// What the player of a stream gets when it asks for more sound.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// The next packet.
    Packet {
        /// Its payload type.
        payload_type: u8,
        /// Its RTP timestamp.
        timestamp: u32,
        /// Its payload.
        payload: &'a [u8],
    },
    /// The next packet is lost: later ones are here.
    Lost {
        /// How much sound a packet of this stream holds, in ms.
        ms: u32,
        /// Payload type and payload of the packet after it, if that is here.
        following: Option<(u8, &'a [u8])>,
    },
    /// Nothing is here; what comes next may still arrive.
    Empty,
    /// The stream has not begun, or stock is being built up.
    Waiting,
}

/// The buffer of one stream.
#[derive(Debug, Clone)]
pub struct Jitter {
    slots: Vec<Slot>,
    /// Extended sequence number to be played next.
    next: u64,
    /// Highest one stored; below `next` when empty.
    highest: u64,
    playing: bool,
    started: bool,
    target_ms: u32,
    packet_ms: u32,
    late: u64,
    /// Smallest stock since the last look, in ms, and ticks since then.
    least_ms: u32,
    ticks: u32,
    late_since_look: bool,
}

impl Default for Jitter {
    fn default() -> Self {
        Jitter {
            slots: vec![Slot::default(); SLOTS as usize],
            next: 0,
            highest: 0,
            playing: false,
            started: false,
            target_ms: FIRST_TARGET,
            packet_ms: 20,
            late: 0,
            least_ms: u32::MAX,
            ticks: 0,
            late_since_look: false,
        }
    }
}

impl Jitter {
    /// Empties the buffer; the delay learnt is kept.
    pub fn restart(&mut self) {
        for slot in &mut self.slots {
            slot.sequence = 0;
        }
        self.started = false;
        self.playing = false;
    }

    /// Stores a packet by its extended sequence number. `ms` is how much sound it holds.
    pub fn store(
        &mut self,
        sequence: u64,
        timestamp: u32,
        payload_type: u8,
        ms: u32,
        payload: &[u8],
    ) {
        if payload.len() > MAX_PAYLOAD || sequence == 0 {
            return;
        }
        self.packet_ms = ms.clamp(10, 200);
        if !self.started {
            self.started = true;
            self.next = sequence;
            self.highest = sequence - 1;
        }
        if sequence < self.next {
            if !self.playing && self.next - sequence < 8 && self.highest - sequence < SLOTS {
                // Still collecting: an older packet may go first.
                self.next = sequence;
            } else {
                self.late += 1;
                self.late_since_look = true;
                self.target_ms = (self.target_ms + 20).min(GREATEST_TARGET);
                return;
            }
        }
        if sequence >= self.next + SLOTS {
            // A gap no buffer can bridge: begin anew here.
            self.restart();
            self.started = true;
            self.next = sequence;
            self.highest = sequence - 1;
        }
        let slot = &mut self.slots[(sequence % SLOTS) as usize];
        if slot.sequence == sequence {
            return;
        }
        slot.sequence = sequence;
        slot.timestamp = timestamp;
        slot.payload_type = payload_type;
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
        self.highest = self.highest.max(sequence);
        // Never further behind than the greatest delay: a burst after a standstill is cut.
        while self.stock_ms() > GREATEST_TARGET + self.packet_ms + 40 {
            self.slots[(self.next % SLOTS) as usize].sequence = 0;
            self.next += 1;
        }
    }

    fn stock_ms(&self) -> u32 {
        ((self.highest + 1).saturating_sub(self.next) as u32).saturating_mul(self.packet_ms)
    }

    /// Sound in stock and not yet handed out, in milliseconds.
    pub fn depth_ms(&self) -> u32 {
        if self.started { self.stock_ms() } else { 0 }
    }

    /// Packets that came after their time.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// The delay now aimed at, in milliseconds.
    pub fn target_ms(&self) -> u32 {
        self.target_ms
    }

    /// Whether sound is being taken out, not just collected.
    pub fn is_playing(&self) -> bool {
        self.playing
    }

    /// The next packet in order. To be asked whenever sound for the coming 20 ms is missing.
    pub fn take(&mut self) -> Next<'_> {
        if !self.started {
            return Next::Waiting;
        }
        if !self.playing {
            if self.stock_ms() < self.target_ms {
                return Next::Waiting;
            }
            self.playing = true;
            self.ticks = 0;
            self.least_ms = u32::MAX;
        }
        if self.next > self.highest {
            self.late_since_look = true;
            return Next::Empty;
        }
        let sequence = self.next;
        self.next += 1;
        if self.slots[(sequence % SLOTS) as usize].sequence != sequence {
            let following = &self.slots[(self.next % SLOTS) as usize];
            return Next::Lost {
                ms: self.packet_ms,
                following: (following.sequence == self.next)
                    .then_some((following.payload_type, &following.payload)),
            };
        }
        let slot = &mut self.slots[(sequence % SLOTS) as usize];
        slot.sequence = 0;
        Next::Packet {
            payload_type: slot.payload_type,
            timestamp: slot.timestamp,
            payload: &slot.payload,
        }
    }

    /// The stream has paused: stock is built up again before the next sound.
    pub fn pause(&mut self) {
        self.playing = false;
    }

    /// To be called each tick with the sound left over outside the buffer. True now and then when
    /// 20 ms should be left out because the stock is larger than needed.
    pub fn tick(&mut self, outside_ms: u32) -> bool {
        if !self.playing {
            return false;
        }
        self.least_ms = self.least_ms.min(self.stock_ms() + outside_ms);
        self.ticks += 1;
        if self.ticks < SHRINK_TICKS {
            return false;
        }
        let spare = self.least_ms;
        let calm = !std::mem::take(&mut self.late_since_look);
        self.ticks = 0;
        self.least_ms = u32::MAX;
        if calm && spare >= 40 {
            self.target_ms = self.target_ms.saturating_sub(20).max(FIRST_TARGET);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(jitter: &mut Jitter, sequence: u64) {
        jitter.store(
            sequence,
            sequence as u32 * 160,
            0,
            20,
            &[sequence as u8; 160],
        );
    }

    fn take(jitter: &mut Jitter) -> i64 {
        match jitter.take() {
            Next::Packet { payload, .. } => i64::from(payload[0]),
            Next::Lost { .. } => -1,
            Next::Empty => -2,
            Next::Waiting => -3,
        }
    }

    #[test]
    fn waits_orders_and_tells_lost_from_empty() {
        let mut jitter = Jitter::default();
        assert_eq!(take(&mut jitter), -3);
        store(&mut jitter, 65537);
        assert_eq!(take(&mut jitter), -3);
        store(&mut jitter, 65536);
        store(&mut jitter, 65536);
        assert_eq!(take(&mut jitter), 0);
        assert_eq!(take(&mut jitter), 1);
        assert_eq!(take(&mut jitter), -2);
        store(&mut jitter, 65540);
        assert_eq!(
            jitter.take(),
            Next::Lost {
                ms: 20,
                following: None
            }
        );
        assert_eq!(
            jitter.take(),
            Next::Lost {
                ms: 20,
                following: Some((0, &[4; 160]))
            }
        );
        assert_eq!(take(&mut jitter), 4);
    }

    #[test]
    fn late_packets_raise_the_delay_up_to_the_bound() {
        let mut jitter = Jitter::default();
        for sequence in 65536..65540 {
            store(&mut jitter, sequence);
        }
        while take(&mut jitter) >= 0 {}
        for _ in 0..50 {
            store(&mut jitter, 65536);
        }
        assert_eq!(jitter.late(), 50);
        assert_eq!(jitter.target_ms(), 200);
    }

    #[test]
    fn a_burst_is_cut_to_the_bound() {
        let mut jitter = Jitter::default();
        for sequence in 65536..65600 {
            store(&mut jitter, sequence);
        }
        assert!(jitter.depth_ms() <= 260, "{}", jitter.depth_ms());
        store(&mut jitter, 70000);
        assert_eq!(jitter.depth_ms(), 20);
    }

    #[test]
    fn spare_stock_is_given_up() {
        let mut jitter = Jitter::default();
        for sequence in 65536..65544 {
            store(&mut jitter, sequence);
        }
        let mut left_out = 0;
        for sequence in 65544..66544u64 {
            store(&mut jitter, sequence);
            assert!(take(&mut jitter) >= 0);
            if jitter.tick(0) {
                assert!(take(&mut jitter) >= 0);
                left_out += 1;
            }
        }
        assert!(left_out >= 5, "{left_out}");
        assert!(jitter.depth_ms() <= 60, "{}", jitter.depth_ms());
    }
}
