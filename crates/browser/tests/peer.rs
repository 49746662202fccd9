//! A browser (`str0m` as a full ICE agent) against our peer: who offers, what is agreed, sound both
//! ways, restarts, strangers.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use browser::peer::{Identity, Output, Peer};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Rtc, RtcConfig};

/// Where our shared socket is.
fn here() -> SocketAddr {
    "127.0.0.1:4000".parse().unwrap()
}

/// A browser and our peer, joined by a network that loses nothing.
struct Line {
    now: Instant,
    browser: Rtc,
    at: SocketAddr,
    mid: Option<Mid>,
    heard: Vec<(u16, Vec<u8>)>,
    peer: Peer,
    packets: Vec<Vec<u8>>,
    connected: u32,
    peer_wait: Instant,
    browser_wait: Instant,
}

impl Line {
    fn new() -> Line {
        let now = Instant::now();
        let identity = Identity::generate().unwrap();
        let peer = Peer::new(&identity, &[here()], now);
        let at = "127.0.0.1:5000".parse().unwrap();
        let mut browser = RtcConfig::new()
            .set_rtp_mode(true)
            .enable_pcmu(true, false)
            .build(now);
        browser.add_local_candidate(Candidate::host(at, Protocol::Udp).unwrap());
        Line {
            now,
            browser,
            at,
            mid: None,
            heard: Vec::new(),
            peer,
            packets: Vec::new(),
            connected: 0,
            peer_wait: now,
            browser_wait: now,
        }
    }

    fn browser_offers(&mut self) -> (String, SdpPendingOffer) {
        let mut change = self.browser.sdp_api();
        self.mid = Some(change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None));
        let (offer, pending) = change.apply().unwrap();
        (offer.to_sdp_string(), pending)
    }

    /// The browser takes our answer.
    fn browser_takes(&mut self, pending: SdpPendingOffer, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        self.browser
            .sdp_api()
            .accept_answer(pending, answer)
            .unwrap();
    }

    fn call_out() -> Line {
        let mut line = Line::new();
        let (offer, pending) = line.browser_offers();
        let (answer, _) = line.peer.answer(&offer).unwrap();
        line.browser_takes(pending, &answer);
        line
    }

    fn call_in() -> Line {
        let mut line = Line::new();
        let offer = SdpOffer::from_sdp_string(&line.peer.offer()).unwrap();
        let answer = line.browser.sdp_api().accept_offer(offer).unwrap();
        line.peer.accept(&answer.to_sdp_string()).unwrap();
        line
    }

    fn run(&mut self, length: Duration) {
        let end = self.now + length;
        while self.now < end {
            self.exchange();
            let next = self.peer_wait.min(self.browser_wait).min(end);
            self.now = next.max(self.now + Duration::from_millis(1));
            if self.now >= self.peer_wait {
                self.peer.handle_timeout(self.now);
            }
            if self.now >= self.browser_wait {
                self.browser.handle_input(Input::Timeout(self.now)).unwrap();
            }
        }
        self.exchange();
    }

    fn exchange(&mut self) {
        for _ in 0..100 {
            let mut moved = false;
            loop {
                match self.peer.poll_output() {
                    Some(Output::Transmit { to, bytes }) => {
                        assert_eq!(to, self.at.into());
                        moved = true;
                        let receive = Receive::new(Protocol::Udp, here(), self.at, &bytes).unwrap();
                        self.browser
                            .handle_input(Input::Receive(self.now, receive))
                            .unwrap();
                    }
                    Some(Output::Packet(packet)) => self.packets.push(packet),
                    Some(Output::Connected) => self.connected += 1,
                    Some(Output::Wait(at)) => {
                        self.peer_wait = at;
                        break;
                    }
                    Some(Output::Disconnected | Output::Closed | Output::Measured(_)) => {}
                    None => break,
                }
            }
            loop {
                match self.browser.poll_output().unwrap() {
                    str0m::Output::Timeout(at) => {
                        self.browser_wait = at;
                        break;
                    }
                    str0m::Output::Transmit(transmit) => {
                        moved = true;
                        let bytes: Vec<u8> = transmit.contents.into();
                        let taken = self.peer.handle_datagram(self.now, self.at.into(), &bytes);
                        assert!(taken);
                    }
                    str0m::Output::Event(Event::RtpPacket(packet)) => self
                        .heard
                        .push((packet.header.sequence_number, packet.payload.to_vec())),
                    str0m::Output::Event(Event::MediaAdded(added)) => self.mid = Some(added.mid),
                    str0m::Output::Event(_) => {}
                }
            }
            if !moved {
                return;
            }
        }
        panic!("the two never come to rest");
    }

    fn speak_both_ways(&mut self) {
        let payload_type = self.peer.agreed().unwrap().codecs[0].payload_type;
        let mid = self.mid.unwrap();
        for number in 0..5u16 {
            let mut packet = vec![0x80, payload_type];
            packet.extend((65_533u16.wrapping_add(number)).to_be_bytes());
            packet.extend((u32::from(number) * 160).to_be_bytes());
            packet.extend(7u32.to_be_bytes());
            packet.extend([number as u8; 160]);
            let now = self.now;
            self.peer.send(now, &packet);
            let mut direct = self.browser.direct_api();
            direct
                .stream_tx_by_mid(mid, None)
                .unwrap()
                .write_rtp(RtpWrite::new(
                    payload_type.into(),
                    u64::from(number + 1000).into(),
                    u32::from(number) * 160,
                    now,
                    vec![number as u8 | 0x40; 160],
                ));
            // Not all in one moment: a queue hands out one packet at a time.
            self.run(Duration::from_millis(20));
        }
        self.run(Duration::from_millis(500));
        assert_eq!(self.packets.len(), 5);
        for (number, packet) in self.packets.iter().enumerate() {
            assert_eq!(packet[1] & 0x7f, payload_type);
            assert_eq!(packet[2..4], (number as u16 + 1000).to_be_bytes());
            assert_eq!(packet[12..], [number as u8 | 0x40; 160]);
        }
        assert_eq!(
            self.heard.len(),
            5,
            "also past the roll-over of the sequence number"
        );
        assert_eq!(self.heard[4], (1, vec![4; 160]));
        self.packets.clear();
        self.heard.clear();
    }
}

#[test]
fn the_browser_calls_and_both_hear() {
    let mut line = Line::call_out();
    let agreed = line.peer.agreed().unwrap().clone();
    let pcmu = agreed.codecs.iter().find(|codec| codec.name == "PCMU");
    assert_eq!(pcmu.unwrap().payload_type, 0);
    line.run(Duration::from_secs(2));
    assert_eq!(line.connected, 1);
    line.speak_both_ways();
}

#[test]
fn the_browser_is_called_and_both_hear() {
    let mut line = Line::call_in();
    line.run(Duration::from_secs(2));
    assert_eq!(line.connected, 1);
    line.speak_both_ways();
}

/// voice-client-64
#[test]
fn every_address_is_told_in_offers_and_answers() {
    let now = Instant::now();
    let announced = ["203.0.113.4:8462", "192.168.1.5:9000", "[2001:db8::4]:8462"]
        .map(|address| address.parse().unwrap());
    let mut line = Line::new();
    let peer = || Peer::new(&Identity::generate().unwrap(), &announced, now);
    let (offer, _) = line.browser_offers();
    let (answer, _) = peer().answer(&offer).unwrap();
    for description in [peer().offer(), answer] {
        let mut priorities = Vec::new();
        for transport in ["udp", "tcp"] {
            for address in &announced {
                let place = format!(" {} {} typ host", address.ip(), address.port());
                let told = description.lines().find(|line| {
                    line.contains(&place) && line.contains(&format!(" 1 {transport} "))
                });
                let told = told.unwrap_or_else(|| panic!("{transport} {address}: {description}"));
                assert_eq!(
                    told.contains("tcptype passive"),
                    transport == "tcp",
                    "{told}"
                );
                let priority = told.split(' ').nth(3).unwrap();
                priorities.push(priority.parse::<u32>().unwrap());
            }
        }
        let (udp, tcp) = priorities.split_at(announced.len());
        assert!(udp.iter().min() > tcp.iter().max(), "{priorities:?}");
    }
}

#[test]
fn every_description_is_whole_ice_lite_and_ends_its_lines_as_the_sdks_need() {
    let identity = Identity::generate().unwrap();
    let mut peer = Peer::new(&identity, &[here()], Instant::now());
    let offer = peer.offer();
    for line in [
        "a=ice-lite",
        "a=setup:actpass",
        "a=rtcp-mux",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=sendrecv",
    ] {
        assert!(offer.contains(&format!("{line}\r\n")), "{line} in {offer}");
    }
    assert!(offer.contains(" 127.0.0.1 4000 typ host"));
    assert!(offer.contains(&peer.fragment()));
    assert_eq!(offer.matches('\n').count(), offer.matches("\r\n").count());
    assert_eq!(offer.matches("m=").count(), 1);
}

/// The offer of a page that prefers Opus and limits it, as the SDK writes it: only the list of
/// payload types is put into another order.
fn preferring_opus(offer: &str) -> String {
    let formats = offer
        .lines()
        .find_map(|line| line.strip_prefix("m=audio 9 UDP/TLS/RTP/SAVPF "))
        .unwrap()
        .to_owned();
    let others = formats.split(' ').filter(|format| *format != "111");
    let reordered = others.fold("111".to_owned(), |list, format| format!("{list} {format}"));
    offer
        .replace(&formats, &reordered)
        .replace("useinbandfec=1", "useinbandfec=1;maxaveragebitrate=16000")
}

#[test]
fn the_browsers_favourite_comes_first_and_its_limit_comes_back() {
    let mut line = Line::new();
    let (offer, pending) = line.browser_offers();
    let (answer, agreed) = line.peer.answer(&preferring_opus(&offer)).unwrap();
    let names: Vec<_> = agreed.codecs.iter().map(|codec| codec.name).collect();
    assert_eq!(names, ["opus", "PCMU"]);
    assert_eq!(agreed.codecs[0].clock_rate, 48_000);
    assert_eq!(
        (agreed.opus.max_bitrate, agreed.opus.fec),
        (Some(16_000), true)
    );
    let ours: Vec<_> = answer
        .split("\r\n")
        .filter(|line| line.starts_with("a=fmtp:111 "))
        .collect();
    assert_eq!(ours.len(), 1, "{answer}");
    assert!(ours[0].ends_with(";maxaveragebitrate=16000"), "{answer}");
    assert_eq!(answer.matches('\n').count(), answer.matches("\r\n").count());
    line.browser_takes(pending, &answer);
    line.run(Duration::from_secs(2));
    line.speak_both_ways();
}

#[test]
fn nothing_is_mirrored_that_was_not_asked_for() {
    let mut line = Line::new();
    let (offer, _) = line.browser_offers();
    let (answer, agreed) = line.peer.answer(&offer).unwrap();
    assert_eq!(agreed.opus.max_bitrate, None);
    assert!(!answer.contains("maxaveragebitrate"));
    assert_eq!(agreed.packet_time, None);
}

#[test]
fn a_restart_of_ice_keeps_the_call_and_its_keys() {
    let mut line = Line::call_out();
    line.run(Duration::from_secs(2));
    let before = line.peer.fragment();
    let mut change = line.browser.sdp_api();
    change.ice_restart(true);
    let (offer, pending) = change.apply().unwrap();
    let (answer, _) = line.peer.answer(&offer.to_sdp_string()).unwrap();
    line.browser_takes(pending, &answer);
    assert_ne!(line.peer.fragment(), before);
    line.run(Duration::from_secs(2));
    line.speak_both_ways();
}

#[test]
fn strangers_are_not_listened_to() {
    let mut line = Line::call_out();
    line.run(Duration::from_secs(2));
    let stranger: SocketAddr = "127.0.0.1:6000".parse().unwrap();
    // The beginning of a DTLS 1.2 ClientHello, and a packet of sound.
    let hello = [&[22, 254, 253][..], &[0; 60]].concat();
    let sound = [&[0x80, 0][..], &[0; 170]].concat();
    for bytes in [&hello, &sound] {
        assert!(!line.peer.handle_datagram(line.now, stranger.into(), bytes));
    }
    line.speak_both_ways();
}

#[test]
fn what_cannot_be_used_is_refused() {
    let identity = Identity::generate().unwrap();
    let mut peer = Peer::new(&identity, &[here()], Instant::now());
    assert!(peer.accept("v=0").is_err(), "nothing was offered");
    assert!(peer.answer("not a description").is_err());
    assert!(peer.answer(&"a".repeat(100_000)).is_err());
    let mut line = Line::new();
    let (offer, _) = line.browser_offers();
    let only_speex: String = offer
        .split_inclusive("\r\n")
        .map(
            |line| match line.strip_prefix("m=audio 9 UDP/TLS/RTP/SAVPF ") {
                Some(_) => "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".to_owned(),
                None => line.to_owned(),
            },
        )
        .filter(|line| !line.starts_with("a=rtpmap:") || line.contains(":111 "))
        .map(|line| line.replace("opus/48000/2", "speex/16000"))
        .collect();
    assert!(line.peer.answer(&only_speex).is_err(), "{only_speex}");
}

/// `forceAggressiveIceNomination` takes `a=ice-lite` out of our offer: Chrome then waits to be led by
/// us, who never lead, and must be told otherwise (RFC 8445 section 7.3.1.1).
#[test]
fn a_browser_that_is_not_told_that_we_are_lite_leads_all_the_same() {
    // Each draws a number by which such a conflict is decided, half of them the greater one.
    for round in 0..12 {
        let mut line = Line::new();
        let offer = line.peer.offer();
        let stripped = offer.replace("a=ice-lite\r\n", "");
        assert_ne!(stripped, offer);
        let offer = SdpOffer::from_sdp_string(&stripped).unwrap();
        let answer = line.browser.sdp_api().accept_offer(offer).unwrap();
        line.peer.accept(&answer.to_sdp_string()).unwrap();
        line.run(Duration::from_secs(3));
        assert_eq!(line.connected, 1, "round {round}");
        line.speak_both_ways();
    }
}

/// The attributes of a browser that are not about codecs.
const WAY: [&str; 8] = [
    "a=fingerprint:sha-256 19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2",
    "a=ice-options:trickle",
    "a=ice-pwd:asd88fgpdd777uzjYhagZgasd88fgpdd",
    "a=ice-ufrag:8hhY",
    "a=mid:0",
    "a=rtcp-mux",
    "a=sendrecv",
    "a=ssrc:2645936458 cname:someone",
];

/// A description as a browser writes it; the SDKs change the order of the payload types only.
fn written(formats: &str, setup: &str, codecs: &[&str]) -> String {
    let mut lines = vec![
        "v=0".to_owned(),
        "o=mozilla...THIS_IS_SDPARTA-99.0 8398292848762847429 0 IN IP4 0.0.0.0".to_owned(),
        "s=-".to_owned(),
        "t=0 0".to_owned(),
        "a=group:BUNDLE 0".to_owned(),
        "a=msid-semantic:WMS *".to_owned(),
        format!("m=audio 9 UDP/TLS/RTP/SAVPF {formats}"),
        "c=IN IP4 0.0.0.0".to_owned(),
        format!("a=setup:{setup}"),
    ];
    lines.extend(WAY.iter().chain(codecs).map(|line| (*line).to_owned()));
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

/// Codecs as Firefox lists them: one channel is written out, and its header extensions have directions.
const FIREFOX: [&str; 10] = [
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level",
    "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1",
    "a=fmtp:101 0-15",
    "a=rtpmap:109 opus/48000/2",
    "a=rtpmap:9 G722/8000/1",
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:8 PCMA/8000",
    "a=rtpmap:101 telephone-event/8000/1",
];

/// Codecs as Safari lists them, and Chrome did for years: keys at every clock rate.
const SAFARI: [&str; 18] = [
    "a=extmap-allow-mixed",
    "a=extmap:14 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "a=rtcp:9 IN IP4 0.0.0.0",
    "a=rtpmap:111 opus/48000/2",
    "a=rtcp-fb:111 transport-cc",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=rtpmap:63 red/48000/2",
    "a=fmtp:63 111/111",
    "a=rtpmap:103 ISAC/16000",
    "a=rtpmap:9 G722/8000",
    "a=rtpmap:102 ILBC/8000",
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:8 PCMA/8000",
    "a=rtpmap:105 CN/16000",
    "a=rtpmap:13 CN/8000",
    "a=rtpmap:110 telephone-event/48000",
    "a=rtpmap:113 telephone-event/16000",
    "a=rtpmap:126 telephone-event/8000",
];

/// voice-client-92
#[test]
fn every_browsers_way_of_writing_is_understood() {
    for (browser, formats, codecs, opus, keys) in [
        ("Firefox", "0 109 9 8 101", &FIREFOX[..], 109, 101),
        (
            "Safari",
            "0 111 63 103 9 102 8 105 13 110 113 126",
            &SAFARI[..],
            111,
            126,
        ),
    ] {
        let now = Instant::now();
        let peer = || Peer::new(&Identity::generate().unwrap(), &[here()], now);
        let (answer, agreed) = peer()
            .answer(&written(formats, "actpass", codecs))
            .unwrap_or_else(|error| panic!("{browser}: {error}"));
        let types: Vec<_> = agreed.codecs.iter().map(|one| one.payload_type).collect();
        assert_eq!(types, [0, opus], "{browser}");
        assert_eq!(agreed.telephone_event, Some(keys), "{browser}: {answer}");
        assert!(agreed.opus.fec, "{browser}");
        let keys = format!("a=rtpmap:{keys} telephone-event/8000");
        assert!(answer.contains(&keys), "{browser}: {answer}");
        // And as the answer to ours, whose payload types it keeps.
        let mut peer = peer();
        let offer = peer.offer();
        let formats = offer.lines().find(|line| line.starts_with("m=audio"));
        let formats = formats
            .and_then(|line| line.split_once("SAVPF "))
            .unwrap()
            .1;
        let kept: Vec<_> = (offer.lines())
            .filter(|line| line.starts_with("a=rtpmap:") || line.starts_with("a=fmtp:"))
            .map(|line| line.replace("telephone-event/8000", "telephone-event/8000/1"))
            .collect();
        let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        let mid = offer
            .lines()
            .find_map(|line| line.strip_prefix("a=mid:"))
            .unwrap();
        let answer = written(formats, "active", &kept)
            .replace("a=mid:0", &format!("a=mid:{mid}"))
            .replace("BUNDLE 0", &format!("BUNDLE {mid}"));
        let agreed = peer
            .accept(&answer)
            .unwrap_or_else(|error| panic!("{browser}: {error}"));
        assert_eq!(agreed.telephone_event, Some(101), "{browser}");
        assert_eq!(agreed.codecs.len(), 2, "{browser}");
    }
}
