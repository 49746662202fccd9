//! G.711 both ways on many calls, from two threads: every packet is counted by its number at the
//! far end, and carries the time at which it left.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;

use super::packets::{self, Inbox};

/// What one packet holds.
const FRAME: Duration = Duration::from_millis(20);
/// Bytes of G.711 in it.
const PAYLOAD: usize = 160;
/// Calls that share a socket at our end: few enough that its buffer never fills between two looks.
const SHARE: usize = 20;
/// How often sockets are looked at; what came is timed by the kernel.
const LOOK: Duration = Duration::from_millis(4);
/// Shortest sleep between packets: what falls due meanwhile leaves together, a handful at
/// 200 calls, which spares most of the wake-ups.
const NAP: Duration = Duration::from_micros(200);
/// Says that a payload is one of ours. All that we write is letters and digits, which survive
/// a transcoding from and to mu-law unchanged.
const MARK: &[u8; 4] = b"SBxt";
/// Delays are counted in steps of one microsecond up to this.
const LONGEST_US: usize = 500_000;

/// Which time a packet belongs to: it is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Calls are still being set up.
    Before,
    /// What is measured.
    Counted,
    /// Until hang-up.
    After,
}

const PHASES: usize = 3;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The caller, through the server.
    Caller,
    /// The called party, through the server.
    Callee,
    /// Past the server: what the path costs without it.
    Direct,
}

/// One direction of one call.
#[derive(Default)]
struct Stream {
    /// Where packets go: address and port in one number; 0 is nowhere.
    to: AtomicU64,
    sent: [AtomicU32; PHASES],
}

/// What came in on one stream.
#[derive(Clone, Default)]
struct Heard {
    /// One bit for each number of the counted phase.
    seen: Vec<u64>,
    counted: u32,
    other: [u32; PHASES],
    duplicates: u32,
    highest: u32,
    reordered: u32,
}

/// What came of one phase of sound.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Packets sent in the counted phase, through the server.
    pub sent: u64,
    /// Of those, how many arrived, each counted once.
    pub received: u64,
    /// How many came twice.
    pub duplicates: u64,
    /// How many came behind a later one.
    pub reordered: u64,
    /// Sent and received while calls were being set up.
    pub before: (u64, u64),
    /// Direct packets: sent and received.
    pub direct: (u64, u64),
    /// Streams of which some packet is missing.
    pub lossy_streams: u64,
    /// One-way delays through the server.
    pub bridged_delay: Delays,
    /// One-way delays past it, at the same time.
    pub direct_delay: Delays,
    /// Packets that we sent more than 5 ms late: above a few in a thousand, the load was not even.
    pub late: u64,
    /// Datagrams that were none of ours (RTCP, or sound that was changed on the way).
    pub foreign: u64,
}

/// Delays in steps of a microsecond.
#[derive(Clone, Debug, Default)]
pub struct Delays {
    counts: Vec<u32>,
    total: u64,
}

impl Delays {
    fn add(&mut self, nanoseconds: u64) {
        if self.counts.is_empty() {
            self.counts = vec![0; LONGEST_US + 1];
        }
        let at = (nanoseconds / 1000).min(LONGEST_US as u64) as usize;
        self.counts[at] += 1;
        self.total += 1;
    }

    /// The delay that `share` of all packets stayed within, in milliseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut so_far = 0;
        for (at, count) in self.counts.iter().enumerate() {
            so_far += u64::from(*count);
            if so_far >= wanted {
                return at as f64 / 1000.0;
            }
        }
        f64::NAN
    }
}

struct Shared {
    /// Calls first: 2 streams each, then the direct ones.
    streams: Vec<Stream>,
    calls: usize,
    callers: Vec<UdpSocket>,
    callees: Vec<UdpSocket>,
    direct: [UdpSocket; 2],
    phase: AtomicU8,
    ended: AtomicBool,
    late: AtomicU64,
    heard: Mutex<Everything>,
}

#[derive(Default)]
struct Everything {
    heard: Vec<Heard>,
    bridged: Delays,
    direct: Delays,
    foreign: u64,
}

/// The sound of all calls of one run. Ends when dropped.
pub struct Sound {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Sound {
    /// Opens sockets for so many calls and starts both threads; nothing is sent yet, but for the
    /// direct streams, of which there is one for each 20 calls.
    pub fn start(calls: usize) -> anyhow::Result<Self> {
        let open = || -> anyhow::Result<UdpSocket> {
            let socket = UdpSocket::bind("127.0.0.1:0").context("a socket for sound")?;
            packets::prepare(&socket, 1 << 20);
            Ok(socket)
        };
        let several = |_| open();
        let sockets = calls.div_ceil(SHARE);
        let direct = calls.div_ceil(20);
        let mut streams = Vec::new();
        streams.resize_with(calls * 2 + direct, Stream::default);
        let shared = Arc::new(Shared {
            heard: Mutex::new(Everything {
                heard: vec![Heard::default(); streams.len()],
                ..Everything::default()
            }),
            streams,
            calls,
            callers: (0..sockets).map(several).collect::<Result<_, _>>()?,
            callees: (0..sockets).map(several).collect::<Result<_, _>>()?,
            direct: [open()?, open()?],
            phase: AtomicU8::new(Phase::Before as u8),
            ended: AtomicBool::new(false),
            late: AtomicU64::new(0),
        });
        let to = shared.direct[1].local_addr()?;
        for stream in &shared.streams[calls * 2..] {
            stream.to.store(packed(to), Ordering::Relaxed);
        }
        let (sender, receiver) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || send(&sender)),
            std::thread::spawn(move || receive(&receiver)),
        ];
        Ok(Self { shared, threads })
    }

    /// What a description announces for one end of a call.
    pub fn address(&self, way: Way, call: usize) -> SocketAddr {
        let sockets = match way {
            Way::Callee => &self.shared.callees,
            Way::Caller | Way::Direct => &self.shared.callers,
        };
        sockets[call / SHARE]
            .local_addr()
            .expect("the socket is bound")
    }

    /// From now on one end of a call sends there.
    pub fn talk(&self, way: Way, call: usize, to: SocketAddr) {
        self.shared.streams[index(way, call)]
            .to
            .store(packed(to), Ordering::Relaxed);
    }

    /// Nobody sends any more.
    pub fn hush(&self) {
        for stream in &self.shared.streams {
            stream.to.store(0, Ordering::Relaxed);
        }
    }

    /// Packets from now on belong to this phase.
    pub fn enter(&self, phase: Phase) {
        self.shared.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// What has come of it. To be asked when the last packets had time to arrive.
    pub fn tally(&self) -> Tally {
        let all = self
            .shared
            .heard
            .lock()
            .expect("nobody panics while holding it");
        let mut tally = Tally {
            bridged_delay: all.bridged.clone(),
            direct_delay: all.direct.clone(),
            foreign: all.foreign,
            late: self.shared.late.load(Ordering::Relaxed),
            ..Tally::default()
        };
        for (at, (stream, heard)) in self.shared.streams.iter().zip(&all.heard).enumerate() {
            let sent = stream
                .sent
                .each_ref()
                .map(|count| u64::from(count.load(Ordering::Relaxed)));
            let counted = Phase::Counted as usize;
            if at >= self.shared.calls * 2 {
                tally.direct.0 += sent[counted];
                tally.direct.1 += u64::from(heard.counted);
                continue;
            }
            tally.sent += sent[counted];
            tally.received += u64::from(heard.counted);
            tally.duplicates += u64::from(heard.duplicates);
            tally.reordered += u64::from(heard.reordered);
            tally.lossy_streams += u64::from(sent[counted] > u64::from(heard.counted));
            tally.before.0 += sent[Phase::Before as usize];
            tally.before.1 += u64::from(heard.other[Phase::Before as usize]);
        }
        tally
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

/// The number of a stream.
fn index(way: Way, call: usize) -> usize {
    match way {
        Way::Caller | Way::Direct => call * 2,
        Way::Callee => call * 2 + 1,
    }
}

fn packed(address: SocketAddr) -> u64 {
    match address {
        SocketAddr::V4(address) => {
            u64::from(address.ip().to_bits()) << 16 | u64::from(address.port())
        }
        SocketAddr::V6(_) => 0,
    }
}

fn unpacked(number: u64) -> SocketAddrV4 {
    SocketAddrV4::new(
        Ipv4Addr::from_bits((number >> 16) as u32),
        (number & 0xffff) as u16,
    )
}

fn wall() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// Sends every stream's packet in its turn, the turns spread over the 20 ms.
fn send(shared: &Shared) {
    let began = Instant::now();
    let streams = shared.streams.len() as u32;
    let mut packet = [b'0'; 12 + PAYLOAD];
    for round in 0_u32.. {
        for (at, stream) in shared.streams.iter().enumerate() {
            let to = stream.to.load(Ordering::Relaxed);
            let due = began + FRAME * round + FRAME * at as u32 / streams;
            if to == 0 && at % 64 != 0 {
                continue;
            }
            let now = Instant::now();
            if now < due {
                std::thread::sleep((due - now).max(NAP));
            }
            if shared.ended.load(Ordering::Relaxed) {
                return;
            }
            if to == 0 {
                continue;
            }
            let phase = shared.phase.load(Ordering::Relaxed);
            let counted = phase == Phase::Counted as u8 && at < shared.calls * 2;
            if counted && now > due + Duration::from_millis(5) {
                shared.late.fetch_add(1, Ordering::Relaxed);
            }
            let call = at / 2;
            let socket = match at {
                at if at >= shared.calls * 2 => &shared.direct[0],
                at if at % 2 == 0 => &shared.callers[call / SHARE],
                _ => &shared.callees[call / SHARE],
            };
            let number = stream.sent[usize::from(phase)].load(Ordering::Relaxed);
            write(&mut packet, round, at as u32, phase, number);
            if socket.send_to(&packet, unpacked(to)).is_ok() {
                stream.sent[usize::from(phase)].store(number + 1, Ordering::Relaxed);
            }
        }
    }
}

/// RFC 3550 section 5.1, payload type 0; then our mark, phase, stream, number and time as hex.
fn write(packet: &mut [u8; 12 + PAYLOAD], round: u32, stream: u32, phase: u8, number: u32) {
    packet[0] = 0x80;
    packet[1] = 0;
    packet[2..4].copy_from_slice(&(round as u16).to_be_bytes());
    packet[4..8].copy_from_slice(&round.wrapping_mul(PAYLOAD as u32).to_be_bytes());
    packet[8..12].copy_from_slice(&(stream + 1).to_be_bytes());
    let payload = &mut packet[12..];
    payload[..4].copy_from_slice(MARK);
    payload[4] = b'0' + phase;
    hex(&mut payload[5..13], u64::from(stream));
    hex(&mut payload[13..21], u64::from(number));
    hex(&mut payload[21..37], wall());
}

fn hex(into: &mut [u8], mut number: u64) {
    for digit in into.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

/// How long ago a payload of the counted phase left, if it is one of ours.
pub fn age(payload: &[u8]) -> Option<Duration> {
    let rest = payload.get(..37)?.strip_prefix(MARK)?;
    let digits = std::str::from_utf8(&rest[17..33]).ok()?;
    let left = u64::from_str_radix(digits, 16).ok()?;
    let counted = rest[0] == b'0' + Phase::Counted as u8;
    counted.then(|| Duration::from_nanos(wall().saturating_sub(left)))
}

/// A payload of the counted phase that leaves now.
pub fn stamped() -> Vec<u8> {
    let mut packet = [b'0'; 12 + PAYLOAD];
    write(&mut packet, 0, 0, Phase::Counted as u8, 0);
    packet[12..].to_vec()
}

/// Phase, stream, number and time of a packet, if it is one of ours.
fn read(packet: &[u8]) -> Option<(usize, usize, u32, u64)> {
    let payload = packet.get(12..49)?.strip_prefix(MARK)?;
    let number = |digits: &[u8]| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let phase = usize::from(payload[0].checked_sub(b'0')?);
    let stream = number(&payload[1..9])? as usize;
    let at = number(&payload[9..17])? as u32;
    (phase < PHASES).then_some((phase, stream, at, number(&payload[17..33])?))
}

fn receive(shared: &Shared) {
    let mut inbox = Inbox::new();
    while !shared.ended.load(Ordering::Relaxed) {
        let began = Instant::now();
        {
            let mut all = shared.heard.lock().expect("nobody panics while holding it");
            let ends = [
                (Way::Callee, &shared.callers[..]),
                (Way::Caller, &shared.callees[..]),
                (Way::Direct, &shared.direct[1..]),
            ];
            for (from, sockets) in ends {
                for socket in sockets {
                    inbox.drain(socket, |bytes, came| {
                        all.take(shared, from, bytes, came);
                    });
                }
            }
        }
        std::thread::sleep(LOOK.saturating_sub(began.elapsed()));
    }
}

impl Everything {
    fn take(&mut self, shared: &Shared, from: Way, bytes: &[u8], came: u64) {
        let Some((phase, stream, number, left)) = read(bytes) else {
            self.foreign += 1;
            return;
        };
        // What arrives at the wrong end has not arrived.
        let right = match from {
            Way::Direct => stream >= shared.calls * 2,
            _ => stream < shared.calls * 2 && stream % 2 == index(from, 0),
        };
        let Some(heard) = self.heard.get_mut(stream).filter(|_| right) else {
            self.foreign += 1;
            return;
        };
        if phase != Phase::Counted as usize {
            heard.other[phase] += 1;
            return;
        }
        let (word, bit) = (number as usize / 64, 1 << (number % 64));
        if heard.seen.len() <= word {
            heard.seen.resize(word + 1, 0);
        }
        if heard.seen[word] & bit != 0 {
            heard.duplicates += 1;
            return;
        }
        heard.seen[word] |= bit;
        heard.counted += 1;
        heard.reordered += u32::from(number < heard.highest);
        heard.highest = heard.highest.max(number);
        let delay = came.saturating_sub(left);
        match from {
            Way::Direct => self.direct.add(delay),
            _ => self.bridged.add(delay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_tells_what_it_is() {
        let mut packet = [0; 12 + PAYLOAD];
        write(&mut packet, 7, 1234, 1, 99);
        let (phase, stream, number, left) = read(&packet).expect("it is ours");
        assert_eq!((phase, stream, number), (1, 1234, 99));
        assert!(wall() - left < 1_000_000_000);
        packet[13] = 0;
        assert_eq!(read(&packet), None);
    }

    #[test]
    fn a_payload_tells_its_age() {
        let payload = stamped();
        assert!(age(&payload).expect("it is ours") < Duration::from_secs(1));
        assert_eq!(age(&payload[1..]), None);
        assert_eq!(age(&payload[..20]), None);
    }

    #[test]
    fn quantiles_are_those_of_the_packets() {
        let mut delays = Delays::default();
        for delay in 1..=100 {
            delays.add(delay * 1_000_000);
        }
        assert_eq!((delays.quantile(0.5), delays.quantile(0.99)), (50.0, 99.0));
        assert!(Delays::default().quantile(0.5).is_nan());
    }

    /// Wired end to end without a server: everything arrives. With one end wired to nowhere it
    /// is told as lost, not passed over.
    #[test]
    fn what_is_lost_is_counted_as_lost() {
        let sound = Sound::start(2).expect("sockets");
        sound.talk(Way::Caller, 0, sound.address(Way::Callee, 0));
        sound.talk(Way::Callee, 0, sound.address(Way::Caller, 0));
        let nowhere = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        sound.talk(Way::Caller, 1, nowhere.local_addr().expect("it is bound"));
        std::thread::sleep(Duration::from_millis(100));
        sound.enter(Phase::Counted);
        std::thread::sleep(Duration::from_millis(300));
        sound.enter(Phase::After);
        std::thread::sleep(Duration::from_millis(100));
        sound.hush();
        let tally = sound.tally();
        assert_eq!(tally.lossy_streams, 1, "{tally:?}");
        let share = tally.received as f64 / tally.sent as f64;
        assert!(tally.received >= 20, "{tally:?}");
        assert!((0.6..0.72).contains(&share), "{share}");
        assert!(tally.direct.0 >= 10 && tally.direct.0 == tally.direct.1);
        assert!(tally.direct_delay.quantile(0.5) < 100.0);
    }
}
