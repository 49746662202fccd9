//! Several browsers behind one socket: each gets its own, strangers get nothing.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use browser::framing::{Frames, framed};
use browser::peer::{Identity, Output, Path, Peer, Transport};
use browser::peers::{PeerId, Peers};
use str0m::change::{SdpAnswer, SdpOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive, TcpType};
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
    spoilt: Vec<String>,
    /// It was called, so that it is who begins the handshake; and it has begun.
    called: bool,
    begun: bool,
    /// Its network lets no UDP through: what comes on its stream, and what it says there.
    stream: Option<(Frames, Frames)>,
}

impl Browser {
    fn path(&self) -> Path {
        match self.stream {
            Some(_) => Path::tcp(self.at),
            None => Path::from(self.at),
        }
    }

    /// Takes what was sent to it. A handshake that was spoilt ends it.
    fn receive(&mut self, now: Instant, bytes: &[u8]) {
        let mut whole = vec![bytes.to_vec()];
        let mut protocol = Protocol::Udp;
        if let Some((here_from, _)) = &mut self.stream {
            (whole, protocol) = (Vec::new(), Protocol::Tcp);
            for piece in framed(bytes).unwrap().chunks(7) {
                here_from.push(piece);
                while let Some(bytes) = here_from.take(1500).unwrap() {
                    whole.push(bytes.to_vec());
                }
            }
        }
        for bytes in whole {
            let receive = Receive::new(protocol, here(), self.at, &bytes).unwrap();
            if let Err(error) = self.rtc.handle_input(Input::Receive(now, receive)) {
                self.spoilt.push(error.to_string());
                self.rtc.disconnect();
            }
        }
    }

    /// Says a tone, here a number, once.
    fn say(&mut self, now: Instant, tone: u8) {
        let sound = vec![tone; 160];
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(self.mid, None).unwrap();
        stream.write_rtp(RtpWrite::new(0.into(), 100u64.into(), 0, now, sound));
    }
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

/// The same in fragments of 30 bytes (RFC 6347 section 4.2.3), each in a datagram of its own; as the
/// client's message of that number.
fn fragments(message: u8) -> Vec<Vec<u8>> {
    let whole = client_hello(true);
    let (header, body) = whole[13..].split_at(12);
    let mut datagrams = Vec::new();
    for (at, piece) in body.chunks(30).enumerate() {
        let mut handshake = header.to_vec();
        handshake[5] = message;
        handshake[8] = u8::try_from(at * 30).unwrap();
        handshake[11] = u8::try_from(piece.len()).unwrap();
        handshake.extend(piece);
        let mut record = whole[..13].to_vec();
        record[12] = u8::try_from(handshake.len()).unwrap();
        record.extend(handshake);
        datagrams.push(record);
    }
    datagrams
}

/// Makes the datagrams of a forger.
type Forge = fn() -> Vec<Vec<u8>>;

/// What somebody can send who only knows a browser's address, and what it is called.
const FORGERIES: [(&str, Forge); 8] = [
    ("incomplete", || vec![client_hello(false)]),
    ("complete", || vec![client_hello(true)]),
    ("complete, as an answer to a cookie", || {
        let mut hello = client_hello(true);
        hello[13 + 5] = 1;
        vec![hello]
    }),
    ("in fragments", || fragments(0)),
    ("a first fragment", || fragments(0)[..1].to_vec()),
    ("a last fragment", || fragments(0)[2..].to_vec()),
    ("a fragment of the next message", || {
        fragments(1)[..1].to_vec()
    }),
    ("behind another record", || {
        let mut datagram = vec![20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
        datagram.extend(client_hello(true));
        vec![datagram]
    }),
];

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
    /// From the address of whoever sends, before and after each of its datagrams.
    forging: Option<Forge>,
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
            forging: None,
            forged: 0,
        };
        for number in 0..count {
            world.join(number, Transport::Udp);
        }
        world
    }

    /// One more browser calls, from a network that lets only this through.
    fn join(&mut self, number: u16, transport: Transport) {
        self.meet(number, transport, false);
    }

    /// One more browser calls, or is called.
    fn meet(&mut self, number: u16, transport: Transport, called: bool) {
        let now = self.now;
        let at = SocketAddr::from(([127, 0, 0, 1], 5000 + number));
        let mut rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .enable_pcmu(true, false)
            .build(now);
        let candidate = match transport {
            Transport::Udp => Candidate::host(at, Protocol::Udp),
            Transport::Tcp => Candidate::builder()
                .tcp()
                .host(at)
                .tcptype(TcpType::Active)
                .build(),
        };
        rtc.add_local_candidate(candidate.unwrap());
        let mut peer = Peer::new(&self.identity, &[here()], now);
        let stream = "127.0.0.1 4000 typ host tcptype passive";
        let mid = if called {
            let offer = peer.offer();
            assert!(offer.contains(stream), "{offer}");
            // Browsers choose to begin.
            let offer = offer.replace("actpass", "passive");
            let offer = SdpOffer::from_sdp_string(&offer).unwrap();
            let answer = rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string();
            assert!(
                answer.contains("a=setup:active"),
                "as browsers do: {answer}"
            );
            peer.accept(&answer).unwrap();
            let mid = answer.lines().find_map(|line| line.strip_prefix("a=mid:"));
            Mid::from(mid.unwrap())
        } else {
            let mut change = rtc.sdp_api();
            let mid = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
            let (offer, pending) = change.apply().unwrap();
            let (answer, _) = peer.answer(&offer.to_sdp_string()).unwrap();
            assert!(answer.contains(stream), "{answer}");
            assert!(answer.contains("a=setup:active"), "{answer}");
            let answer = SdpAnswer::from_sdp_string(&answer).unwrap();
            rtc.sdp_api().accept_answer(pending, answer).unwrap();
            mid
        };
        self.peers.insert(now, PeerId(number.into()), peer);
        self.browsers.push(Browser {
            rtc,
            at,
            mid,
            wait: now,
            heard: Vec::new(),
            spoilt: Vec::new(),
            called,
            begun: false,
            stream: (transport == Transport::Tcp).then(Default::default),
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
                        let to_it = |b: &&mut Browser| b.path() == to;
                        let Some(browser) = self.browsers.iter_mut().find(to_it) else {
                            continue;
                        };
                        moved = true;
                        browser.receive(self.now, &bytes);
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
                            let from = browser.path();
                            browser.begun |= bytes.first() == Some(&22);
                            let forging = self.forging.filter(|_| browser.begun || !browser.called);
                            let forged = forging.map_or_else(Vec::new, |forge| forge());
                            let late = if browser.called { 0 } else { forged.len() };
                            for hello in &forged[..late] {
                                self.peers.handle_datagram(self.now, from, hello);
                                self.forged += 1;
                            }
                            match &mut browser.stream {
                                None => {
                                    self.peers.handle_datagram(self.now, from, &bytes);
                                }
                                // As a network may cut it.
                                Some((_, there)) => {
                                    for piece in framed(&bytes).unwrap().chunks(100) {
                                        there.push(piece);
                                        while let Some(bytes) = there.take(1500).unwrap() {
                                            assert!(
                                                self.peers.handle_datagram(self.now, from, bytes)
                                            );
                                        }
                                    }
                                }
                            }
                            for hello in &forged {
                                self.peers.handle_datagram(self.now, from, hello);
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
        world.browsers[usize::from(number)].say(now, number);
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

/// voice-client-62: RFC 6544.
#[test]
fn who_has_no_udp_is_heard_and_hears_on_a_stream() {
    let mut world = World::new(1);
    world.join(1, Transport::Tcp);
    world.run(Duration::from_secs(3));
    world.connected.sort_unstable();
    assert_eq!(world.connected, [PeerId(0), PeerId(1)]);
    for number in [0, 1] {
        world.browsers[usize::from(number)].say(world.now, number);
        let mut packet = vec![0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
        packet.extend([number | 0x80; 160]);
        world.peers.send(world.now, PeerId(number.into()), &packet);
    }
    world.run(Duration::from_millis(200));
    world.packets.sort();
    for number in [0, 1] {
        let (id, packet) = &world.packets[usize::from(number)];
        assert_eq!((*id, packet[12]), (PeerId(number.into()), number));
        let browser = &world.browsers[usize::from(number)];
        assert_eq!(browser.heard, [vec![number | 0x80; 160]]);
    }
    // A datagram with the stream's address is no word on the stream.
    let at = world.browsers[1].at;
    assert!(world.peers.whose(Path::tcp(at), &[0x80]).is_some());
    assert!(world.peers.whose(at, &[0x80]).is_none());
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

/// voice-client-61. Where the browser begins the handshake, its first hello must come before the
/// forgeries: which of two it is that has no cookie yet, nobody can tell.
#[test]
fn no_forgery_from_a_browsers_own_address_takes_its_place() {
    let mut failed = Vec::new();
    for (name, forge) in FORGERIES {
        let mut world = World::new(0);
        for number in 0..10 {
            world.meet(number, Transport::Udp, number % 2 == 1);
        }
        world.forging = Some(forge);
        world.run(Duration::from_secs(5));
        world.connected.sort_unstable();
        if world.connected != (0..10).map(PeerId).collect::<Vec<_>>() {
            let spoilt = world.browsers.iter().flat_map(|b| b.spoilt.clone()).next();
            failed.push((name, world.connected.len(), spoilt));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
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
    world.forging = Some(|| vec![client_hello(false)]);
    for first in (0..most).step_by(wave) {
        // Who is connected already falls silent: it would only cost time.
        world.browsers.clear();
        for number in first..first + wave {
            world.join(u16::try_from(number).unwrap(), Transport::Udp);
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
