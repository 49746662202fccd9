//! What a bridged call costs the media threads, beside the least any program could pay.
//!
//! `cargo bench -p server --bench rtp -- [CALLS] [SECONDS]` sends G.711 both ways through bridged
//! ports of real [`rtp::MediaThread`]s and, in turns with it, through a bare forwarder that does
//! nothing but wait, receive and send. Absolute figures move with the machine; the ratio says what
//! our code adds. The first round warms up and is thrown away.
#![allow(
    clippy::unwrap_used,
    reason = "in a measurement, a panic is the report"
)]

#[allow(
    dead_code,
    unused_imports,
    reason = "no browser takes part, and its tests use more of it"
)]
#[path = "../src/drivers/datagrams.rs"]
mod datagrams;
#[allow(dead_code, reason = "no browser takes part")]
#[path = "../src/drivers/ice_tcp.rs"]
mod ice_tcp;
#[allow(unused_imports, reason = "its tests use more of it than this")]
#[path = "../src/drivers/port_pool.rs"]
mod port_pool;
#[allow(
    dead_code,
    unused_imports,
    reason = "the program and its tests use more of it than this"
)]
#[path = "../src/drivers/rtp.rs"]
mod rtp;
#[allow(dead_code, reason = "no browser takes part")]
#[path = "../src/drivers/webrtc.rs"]
mod webrtc;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use media::{Command, PayloadFormat, PortId, PortSettings};
use socket2::SockRef;

/// Bytes of a packet with 20 ms of G.711.
const PACKET: usize = 172;
/// The generator sends what is due this often.
const SLOT: Duration = Duration::from_micros(250);
/// How often the whole of both is measured.
const ROUNDS: usize = 3;

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    let calls = numbers.first().copied().unwrap_or(500);
    let seconds = numbers.get(1).copied().unwrap_or(4);
    println!("{calls} bridged calls, {seconds} s each, {ROUNDS} rounds after one to warm up");
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for (which, name) in ["bare forwarder", "media threads"].into_iter().enumerate() {
            let figures = if which == 0 {
                bare(calls, seconds)
            } else {
                ours(calls, seconds)
            };
            if round > 0 {
                println!("{name:>15}: {figures}");
                costs[which].push(figures.percent);
            }
        }
    }
    let [bare, ours] = costs.map(|mut costs| {
        costs.sort_by(f64::total_cmp);
        costs[costs.len() / 2]
    });
    println!(
        "median: {ours:.4} % of a core per call; bare {bare:.4} %; ratio {:.2}",
        ours / bare
    );
}

/// What one run showed.
struct Figures {
    /// Of a core, per call.
    percent: f64,
    per_packet: Duration,
    sent: u64,
    lost: i64,
    delay: [Duration; 3],
    /// Memory of the process that came with the calls, per call.
    memory: usize,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.4} % of a core per call, {:.2} us per packet, {} sent, {} lost, \
             delay {:?} median {:?} p99 {:?} most, {} bytes per call",
            self.percent,
            self.per_packet.as_secs_f64() * 1e6,
            self.sent,
            self.lost,
            self.delay[0],
            self.delay[1],
            self.delay[2],
            self.memory
        )
    }
}

fn ours(calls: usize, seconds: usize) -> Figures {
    let before = resident();
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let threads: Vec<_> = (0..cores as u64)
        .map(|seed| rtp::MediaThread::start(seed, None, |_| {}).unwrap())
        .collect();
    let pool = port_pool::PortPool::new(Ipv4Addr::LOCALHOST.into(), 20_000, 59_999);
    let phones = phones();
    let format = PayloadFormat {
        payload_type: 0,
        format: media::codec::PCMU,
    };
    let mut targets = Vec::new();
    for call in 0..calls as u64 {
        let mut place = Vec::new();
        for leg in [2 * call, 2 * call + 1] {
            let thread = rtp::MediaThread::least_busy(&threads).unwrap();
            place.push(thread);
            let sockets = pool.bind().unwrap();
            targets.push(sockets.address);
            thread.open(PortId(leg), sockets, leg as u32, String::new());
            let phone = &phones[call as usize % phones.len()];
            thread.apply(Command::Configure {
                port: PortId(leg),
                settings: Box::new(PortSettings::new(phone.local_addr().unwrap(), format)),
            });
        }
        place[1].send_to(place[0], PortId(2 * call + 1));
        place[0].apply(Command::Bridge {
            a: PortId(2 * call),
            b: PortId(2 * call + 1),
        });
    }
    thread::sleep(Duration::from_millis(300));
    let figures = talk(&phones, &targets, calls, seconds, "media", before);
    for thread in threads {
        thread.stop();
    }
    thread::sleep(Duration::from_millis(300));
    figures
}

/// Waits, receives and sends: what every relay has to do.
fn bare(calls: usize, seconds: usize) -> Figures {
    let before = resident();
    let phones = phones();
    let to: Vec<SocketAddr> = phones.iter().map(|p| p.local_addr().unwrap()).collect();
    let sockets: Vec<UdpSocket> = (0..calls * 2)
        .map(|_| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let targets: Vec<SocketAddr> = sockets.iter().map(|s| s.local_addr().unwrap()).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let worker = thread::Builder::new().name("bare".to_owned());
    let worker = {
        let stop = stop.clone();
        worker.spawn(move || forward(&sockets, &to, &stop)).unwrap()
    };
    let figures = talk(&phones, &targets, calls, seconds, "bare", before);
    stop.store(true, Ordering::Relaxed);
    worker.join().unwrap();
    figures
}

fn forward(sockets: &[UdpSocket], to: &[SocketAddr], stop: &AtomicBool) {
    // SAFETY: the arguments are plain numbers.
    let poll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    assert!(poll >= 0);
    for (at, socket) in sockets.iter().enumerate() {
        let mut wanted = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: at as u64,
        };
        // SAFETY: `wanted` lives through the call, which keeps no pointer.
        let added =
            unsafe { libc::epoll_ctl(poll, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &mut wanted) };
        assert_eq!(added, 0);
    }
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 64];
    let mut packet = [0; 1500];
    while !stop.load(Ordering::Relaxed) {
        // SAFETY: the kernel writes at most as many events as the vector holds.
        let ready = unsafe { libc::epoll_wait(poll, events.as_mut_ptr(), 64, 100) };
        for event in &events[..ready.max(0) as usize] {
            let at = event.u64 as usize;
            if let Ok((length, _)) = sockets[at].recv_from(&mut packet) {
                let _ = sockets[at ^ 1].send_to(&packet[..length], to[at / 2 % to.len()]);
            }
        }
    }
    // SAFETY: the descriptor is ours and used nowhere else.
    unsafe { libc::close(poll) };
}

/// The sockets of all telephones, what ports send to and hear from: two, so that the threads of two
/// cores do not wait for each other at one.
fn phones() -> [UdpSocket; 2] {
    [(), ()].map(|()| {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let _ = SockRef::from(&socket).set_recv_buffer_size(4 << 20);
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        socket
    })
}

/// Sends 50 packets a second to each target, takes what comes back, and asks what `worker` used.
fn talk(
    phones: &[UdpSocket; 2],
    targets: &[SocketAddr],
    calls: usize,
    seconds: usize,
    worker: &str,
    before: usize,
) -> Figures {
    let begin = Instant::now();
    let sent = Arc::new(AtomicU64::new(0));
    let expected = targets.len() * seconds * 50;
    let done = Arc::new(AtomicBool::new(false));
    let listeners = phones.each_ref().map(|phone| {
        let (ears, done) = (phone.try_clone().unwrap(), done.clone());
        thread::spawn(move || {
            let mut packet = [0; 1500];
            let mut delays = Vec::with_capacity(expected / 2 + 1);
            while !done.load(Ordering::Relaxed) {
                // Reports (RTCP) come here too.
                if let Ok((PACKET, _)) = ears.recv_from(&mut packet) {
                    let stamp = u64::from_be_bytes(packet[12..20].try_into().unwrap());
                    delays.push((begin.elapsed().as_nanos() as u64).saturating_sub(stamp) as u32);
                }
            }
            delays
        })
    });
    let used = processor_time(worker);
    let per_slot = SLOT.as_secs_f64() / 0.02 * targets.len() as f64;
    let mut packet = [0x55; PACKET];
    packet[..2].copy_from_slice(&[0x80, 0]);
    let slots = (seconds as f64 / SLOT.as_secs_f64()) as usize;
    for slot in 0..slots {
        let due = SLOT * slot as u32;
        if let Some(wait) = due.checked_sub(begin.elapsed()) {
            thread::sleep(wait);
        }
        let range = (slot as f64 * per_slot) as usize..((slot + 1) as f64 * per_slot) as usize;
        for which in range {
            let (at, sequence) = (which % targets.len(), which / targets.len());
            packet[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
            packet[4..8].copy_from_slice(&(sequence as u32 * 160).to_be_bytes());
            packet[8..12].copy_from_slice(&(at as u32 + 1).to_be_bytes());
            packet[12..20].copy_from_slice(&(begin.elapsed().as_nanos() as u64).to_be_bytes());
            if phones[at / 2 % 2].send_to(&packet, targets[at]).is_ok() {
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    let took = begin.elapsed();
    thread::sleep(Duration::from_millis(50));
    let used = processor_time(worker) - used;
    let memory = resident().saturating_sub(before + expected * 4) / calls;
    thread::sleep(Duration::from_millis(300));
    done.store(true, Ordering::Relaxed);
    let heard = listeners.map(|listener| listener.join().unwrap());
    let mut delays: Vec<u32> = heard.into_iter().flatten().collect();
    delays.sort_unstable();
    let sent = sent.load(Ordering::Relaxed);
    let at = |part: f64| {
        let which = (delays.len() as f64 * part) as usize;
        Duration::from_nanos(u64::from(
            delays
                .get(which.min(delays.len().saturating_sub(1)))
                .copied()
                .unwrap_or(0),
        ))
    };
    Figures {
        percent: used.as_secs_f64() / took.as_secs_f64() * 100.0 / calls as f64,
        per_packet: used / sent.max(1) as u32,
        sent,
        lost: sent as i64 - delays.len() as i64,
        delay: [at(0.5), at(0.99), at(1.0)],
        memory,
    }
}

/// Processor time of the threads of a name, from the kernel's scheduler.
fn processor_time(name: &str) -> Duration {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").trim() == name {
            let used = read("schedstat");
            total += used
                .split(' ')
                .next()
                .and_then(|word| word.parse::<u64>().ok())
                .unwrap_or(0);
        }
    }
    Duration::from_nanos(total)
}

/// Bytes of memory the process holds.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok())
        .unwrap_or(0)
        * 4096
}
