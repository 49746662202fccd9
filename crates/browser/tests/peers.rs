//! Several browsers behind one socket: each gets its own, strangers get nothing.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use browser::peer::{Identity, Output, Peer};
use browser::peers::{PeerId, Peers};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Rtc, RtcConfig};

fn here() -> SocketAddr {
    "127.0.0.1:4000".parse().unwrap()
}

struct Browser {
    rtc: Rtc,
    at: SocketAddr,
    mid: Mid,
    wait: Instant,
    heard: Vec<Vec<u8>>,
}

/// A DTLS 1.2 ClientHello of nobody (RFC 6347 section 4.2.2). A `complete` one has all that a
/// browser's has: groups, points, signatures, the extended master secret, an SRTP profile.
fn client_hello(complete: bool) -> Vec<u8> {
    let mut body = vec![254, 253];
    body.extend([9; 32]);
    body.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
    if complete {
        let extensions: [&[u8]; 5] = [
            &[0, 10, 0, 4, 0, 2, 0, 23],
            &[0, 11, 0, 2, 1, 0],
            &[0, 13, 0, 4, 0, 2, 4, 3],
            &[0, 23, 0, 0],
            &[0, 14, 0, 5, 0, 2, 0, 1, 0],
        ];
        let extensions = extensions.concat();
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
    }
    let length = u8::try_from(body.len()).unwrap();
    let mut handshake = vec![1, 0, 0, length, 0, 0, 0, 0, 0, 0, 0, length];
    handshake.extend(body);
    let length = u8::try_from(handshake.len()).unwrap();
    let mut record = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, length];
    record.extend(handshake);
    record
}

/// Browsers that called, and the socket.
struct World {
    now: Instant,
    identity: Identity,
    peers: Peers,
    browsers: Vec<Browser>,
    packets: Vec<(PeerId, Vec<u8>)>,
    connected: Vec<PeerId>,
    /// Sends every peer a forged hello with each datagram.
    spoofing: bool,
    /// The same from the address of whoever sends.
    forging: bool,
    forged: usize,
}

impl World {
    fn new(count: u16) -> World {
        let mut world = World {
            now: Instant::now(),
            identity: Identity::generate().unwrap(),
            peers: Peers::default(),
            browsers: Vec::new(),
            packets: Vec::new(),
            connected: Vec::new(),
            spoofing: false,
            forging: false,
            forged: 0,
        };
        for number in 0..count {
            world.join(number);
        }
        world
    }

    /// One more browser calls.
    fn join(&mut self, number: u16) {
        let now = self.now;
        let at = SocketAddr::from(([127, 0, 0, 1], 5000 + number));
        let mut rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .enable_pcmu(true, false)
            .build(now);
        rtc.add_local_candidate(Candidate::host(at, Protocol::Udp).unwrap());
        let mut change = rtc.sdp_api();
        let mid = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = change.apply().unwrap();
        let mut peer = Peer::new(&self.identity, &[here()], now);
        let (answer, _) = peer.answer(&offer.to_sdp_string()).unwrap();
        let answer = SdpAnswer::from_sdp_string(&answer).unwrap();
        rtc.sdp_api().accept_answer(pending, answer).unwrap();
        self.peers.insert(now, PeerId(number.into()), peer);
        self.browsers.push(Browser {
            rtc,
            at,
            mid,
            wait: now,
            heard: Vec::new(),
        });
    }

    fn run(&mut self, length: Duration) {
        let end = self.now + length;
        loop {
            self.exchange();
            if self.now >= end {
                return;
            }
            let waits = self.browsers.iter().map(|browser| browser.wait);
            let next = waits.chain(self.peers.poll_timeout()).min().unwrap_or(end);
            self.now = next.max(self.now + Duration::from_millis(1)).min(end);
            self.peers.handle_timeout(self.now);
            for browser in &mut self.browsers {
                browser.rtc.handle_input(Input::Timeout(self.now)).unwrap();
            }
        }
    }

    fn exchange(&mut self) {
        for _ in 0..200 {
            let mut moved = false;
            while let Some((id, output)) = self.peers.poll_output() {
                match output {
                    Output::Transmit { to, bytes } => {
                        let Some(browser) = self.browsers.iter_mut().find(|b| b.at == to) else {
                            continue;
                        };
                        moved = true;
                        let receive = Receive::new(Protocol::Udp, here(), to, &bytes).unwrap();
                        browser
                            .rtc
                            .handle_input(Input::Receive(self.now, receive))
                            .unwrap();
                    }
                    Output::Packet(packet) => self.packets.push((id, packet)),
                    Output::Connected => self.connected.push(id),
                    Output::Disconnected
                    | Output::Closed
                    | Output::Measured(_)
                    | Output::Wait(_) => {}
                }
            }
            for browser in &mut self.browsers {
                loop {
                    match browser.rtc.poll_output().unwrap() {
                        str0m::Output::Timeout(at) => {
                            browser.wait = at;
                            break;
                        }
                        str0m::Output::Transmit(transmit) => {
                            moved = true;
                            if self.spoofing {
                                let stranger = SocketAddr::from(([127, 0, 0, 1], 6666));
                                let hello = client_hello(true);
                                assert!(!self.peers.handle_datagram(self.now, stranger, &hello));
                            }
                            let bytes: Vec<u8> = transmit.contents.into();
                            self.peers.handle_datagram(self.now, browser.at, &bytes);
                            if self.forging {
                                let hello = client_hello(false);
                                self.peers.handle_datagram(self.now, browser.at, &hello);
                                self.forged += 1;
                            }
                        }
                        str0m::Output::Event(Event::RtpPacket(packet)) => {
                            browser.heard.push(packet.payload.to_vec())
                        }
                        str0m::Output::Event(_) => {}
                    }
                }
            }
            if !moved {
                return;
            }
        }
        panic!("nobody comes to rest");
    }
}

#[test]
fn each_browser_is_heard_by_its_own_peer_although_strangers_shout() {
    let mut world = World::new(20);
    world.spoofing = true;
    world.run(Duration::from_secs(3));
    world.connected.sort_unstable();
    assert_eq!(world.connected, (0..20).map(PeerId).collect::<Vec<_>>());
    for number in 0..20u8 {
        let now = world.now;
        let browser = &mut world.browsers[usize::from(number)];
        let (rtc, mid) = (&mut browser.rtc, browser.mid);
        rtc.direct_api()
            .stream_tx_by_mid(mid, None)
            .unwrap()
            .write_rtp(RtpWrite::new(
                0.into(),
                100u64.into(),
                0,
                now,
                vec![number; 160],
            ));
        let mut packet = vec![0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
        packet.extend([number | 0x80; 160]);
        world.peers.send(now, PeerId(number.into()), &packet);
    }
    world.run(Duration::from_millis(200));
    world.packets.sort();
    for number in 0..20u8 {
        let (id, packet) = &world.packets[usize::from(number)];
        assert_eq!(
            (*id, &packet[12..]),
            (PeerId(number.into()), &[number; 160][..])
        );
        assert_eq!(
            world.browsers[usize::from(number)].heard,
            [vec![number | 0x80; 160]]
        );
    }
}

#[test]
fn what_is_removed_leaves_nothing_behind() {
    let mut world = World::new(3);
    world.run(Duration::from_secs(2));
    for number in 0..3 {
        world.peers.remove(world.now, PeerId(number));
    }
    assert!(world.peers.is_empty());
    assert_eq!(world.peers.poll_timeout(), None);
    let at = world.browsers[0].at;
    while world.peers.poll_output().is_some() {}
    assert!(!world.peers.handle_datagram(world.now, at, &[0x80; 172]));
}

/// A thousand set-ups behind one socket, while complete hellos come from strangers and, as their
/// senders can write any address into a datagram, bad ones from each browser's own address.
#[test]
fn a_thousand_set_ups_succeed_although_forged_hellos_come_from_the_browsers_own_addresses() {
    // All of them at night; each costs a handshake on both sides.
    let most = if std::env::var_os("SWITCHBOARD_NIGHTLY").is_some() {
        1000
    } else {
        100
    };
    let wave = 25;
    let mut world = World::new(0);
    world.spoofing = true;
    world.forging = true;
    for first in (0..most).step_by(wave) {
        // Who is connected already falls silent: it would only cost time.
        world.browsers.clear();
        for number in first..first + wave {
            world.join(u16::try_from(number).unwrap());
        }
        world.run(Duration::from_secs(1));
        assert_eq!(world.connected.len(), first + wave);
    }
    world.connected.sort_unstable();
    assert_eq!(
        world.connected,
        (0..most as u64).map(PeerId).collect::<Vec<_>>(),
        "each once"
    );
    assert!(world.forged > 2 * most, "{} forgeries", world.forged);
}
