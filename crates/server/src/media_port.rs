//! One leg's media port, from its socket to what was negotiated: where the description's words
//! (`sip::sdp`) are translated into the media's (`media`).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use browser::peer::{Agreed as AgreedWithBrowser, Identity, Peer};
use media::{Command, PayloadFormat, PortId, PortSettings, SrtpKeys, Suite};
use sip::sdp::{Agreed, Description, Direction, Format, Local};

use crate::clock;
use crate::drivers::port_pool::PortPool;
use crate::drivers::rtp::{BEHIND, MediaThread};
use crate::drivers::webrtc::{About, Impairments};

/// Payload type that we announce for telephone-event; the number every phone knows it by.
const TELEPHONE_EVENT: u8 = 101;

/// Payload type of comfort noise (RFC 3551 section 6).
const COMFORT_NOISE: u8 = 13;

/// Where ports are opened.
#[derive(Clone)]
pub struct MediaRoom {
    /// The threads that carry the sound, at least one.
    threads: Arc<[MediaThread]>,
    pool: Arc<PortPool>,
    /// The address that descriptions name; without one that of the port.
    told_ip: Option<IpAddr>,
    last: Arc<AtomicU64>,
    /// Added to every port number: tells whose port it is.
    family: u64,
    /// Who we are to browsers, and where they are told that we are.
    identity: Identity,
    announced: Arc<[SocketAddr]>,
}

impl MediaRoom {
    /// Ports of `pool` on `threads`, of which the first has the socket of the browsers; they find it
    /// at the `announced` addresses. Telephones are told that the ports are at `told_ip`.
    pub fn new(
        threads: Vec<MediaThread>,
        pool: PortPool,
        told_ip: IpAddr,
        identity: Identity,
        announced: Vec<SocketAddr>,
    ) -> Self {
        Self {
            threads: threads.into(),
            pool: Arc::new(pool),
            told_ip: Some(told_ip),
            last: Arc::new(AtomicU64::new(0)),
            family: 0,
            identity,
            announced: announced.into(),
        }
    }

    /// The beginning of a browser's media.
    pub fn peer(&self) -> Peer {
        Peer::new(&self.identity, &self.announced, clock::now().instant)
    }

    /// Opens a port whose other end will be a browser.
    pub fn open_for_browser(&self) -> MediaPort {
        let port = self.next();
        // It stays on the thread that has the socket.
        let thread = self.threads[0].clone();
        thread.open_for_browser(port, rand::random(), canonical_name());
        MediaPort::new(port, BEHIND, thread)
    }

    fn next(&self) -> PortId {
        PortId(self.family | (self.last.fetch_add(1, Ordering::Relaxed) + 1))
    }

    /// The same room for telephones of our own, with port numbers of another family: nothing is
    /// between them and us.
    pub fn family(&self, family: u64) -> Self {
        Self {
            family,
            told_ip: None,
            ..self.clone()
        }
    }

    /// Opens a port. Fails when the range of port numbers is used up.
    pub fn open(&self) -> io::Result<MediaPort> {
        let thread = MediaThread::least_busy(&self.threads)
            .ok_or_else(|| io::Error::other("there is no media thread"))?
            .clone();
        let sockets = self.pool.bind()?;
        let port = self.next();
        let address = sockets.address;
        thread.open(port, sockets, rand::random(), canonical_name());
        let mut port = MediaPort::new(port, address, thread);
        port.told_ip = self.told_ip.unwrap_or(address.ip());
        Ok(port)
    }

    /// Has something done on every thread.
    pub fn everywhere(&self, work: fn()) {
        for thread in self.threads.iter() {
            thread.run(work);
        }
    }

    /// Ends the threads.
    pub fn stop(&self) {
        for thread in self.threads.iter() {
            thread.stop();
        }
    }
}

/// A name for RTCP that tells nothing (RFC 7022).
fn canonical_name() -> String {
    format!("{:016x}@switchboard", rand::random::<u64>())
}

/// Why an offer or an answer cannot be taken; 488 is the reply to each.
#[derive(Debug, thiserror::Error)]
pub enum Unacceptable {
    /// Not a session description.
    #[error("the description cannot be read: {0}")]
    Unreadable(String),
    /// Nothing in common.
    #[error(transparent)]
    Disagreement(#[from] sip::sdp::Disagreement),
    /// Agreed on something that we cannot do.
    #[error("the agreed format or key cannot be used")]
    Unusable,
}

/// An open port and its side of the negotiation. Closes when dropped.
pub struct MediaPort {
    /// Its number.
    pub port: PortId,
    /// Where it receives RTP.
    pub address: SocketAddr,
    /// The address of it that descriptions name.
    told_ip: IpAddr,
    thread: MediaThread,
    /// What we last described; its version grows.
    local: Option<Local>,
    /// Our SRTP key and salt, once one was offered.
    srtp_key: Option<String>,
    session_id: u64,
    /// What is sent, once that is agreed.
    sends: Option<media::Format>,
    /// Whether sound is taken only from where the description says.
    pub described: bool,
    /// Whether plain sound is refused.
    pub encrypted: bool,
}

impl std::fmt::Debug for MediaPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MediaPort({:?} at {})", self.port, self.address)
    }
}

impl MediaPort {
    fn new(port: PortId, address: SocketAddr, thread: MediaThread) -> Self {
        Self {
            port,
            address,
            told_ip: address.ip(),
            thread,
            local: None,
            srtp_key: None,
            session_id: rand::random::<u32>().into(),
            sends: None,
            described: false,
            encrypted: false,
        }
    }

    /// Starts the sound with a browser; one that the port had before goes.
    pub fn attach(&mut self, peer: Peer, about: About) -> Result<(), Unacceptable> {
        let agreed = peer.agreed().ok_or(Unacceptable::Unusable)?;
        self.configure_for_browser(agreed)?;
        self.thread.attach(self.port, about, Box::new(peer));
        Ok(())
    }

    /// Whether what it plays is heard above 4 kHz.
    pub fn is_wide(&self) -> bool {
        self.sends.is_some_and(|format| format.sample_rate > 8000)
    }

    /// Whether offer and answer are done.
    pub fn is_agreed(&self) -> bool {
        self.sends.is_some()
    }

    /// Makes the network of the browser bad, or good again.
    pub fn impair(&self, impairments: Impairments) {
        self.thread.impair(self.port, impairments);
    }

    /// Answers a browser that restarts ICE; resolves to nothing when the call is over.
    pub fn restart(&self, offer: String) -> impl Future<Output = Option<String>> + use<> {
        let answered = self.thread.restart(self.port, offer);
        async move { answered.await.ok()?.ok() }
    }

    fn configure_for_browser(&mut self, agreed: &AgreedWithBrowser) -> Result<(), Unacceptable> {
        let receive: Vec<_> = agreed
            .codecs
            .iter()
            .filter_map(|codec| {
                Some(PayloadFormat {
                    payload_type: codec.payload_type,
                    format: media::Format::from_rtpmap(codec.name, codec.clock_rate)?,
                })
            })
            .collect();
        let send = *receive.first().ok_or(Unacceptable::Unusable)?;
        self.sends = Some(send.format);
        let mut settings = PortSettings::new(BEHIND, send);
        settings.receive = receive;
        // RTCP is the peer's affair.
        settings.rtcp_mux = false;
        settings.telephone_event_send = agreed.telephone_event;
        settings.telephone_event_receive = agreed.telephone_event;
        settings.latching = media::Latching::DescriptionOnly;
        settings.max_bitrate = agreed.opus.max_bitrate;
        settings.fec = agreed.opus.fec;
        if let Some(packet_time) = agreed.packet_time {
            settings.ptime = Duration::from_millis(packet_time.into());
        }
        self.apply(Command::Configure {
            port: self.port,
            settings: Box::new(settings),
        });
        Ok(())
    }

    /// A description of all that we can do; `secure` adds keys (SDES) for SRTP.
    pub fn offer(&mut self, secure: bool) -> String {
        let local = self.describe(secure);
        sip::sdp::offer(&local).to_string()
    }

    /// Another offer in a session, encrypted if it is.
    pub fn offer_again(&mut self) -> String {
        let secure = self.secure();
        self.offer(secure)
    }

    /// Whether the sound is, or was last offered to be, encrypted.
    pub fn secure(&self) -> bool {
        self.local
            .as_ref()
            .is_some_and(|local| local.srtp_key.is_some())
    }

    /// Takes the answer to our offer, which was `secure` or not, and starts the sound.
    pub fn accept(
        &mut self,
        answer: &str,
        signalling: SocketAddr,
        secure: bool,
    ) -> Result<(), Unacceptable> {
        let answer = read(answer)?;
        let mut local = match &self.local {
            Some(local) => local.clone(),
            None => self.describe(secure),
        };
        // Of several places that were called at once the last may have been offered another kind.
        local.srtp_key = self.srtp_key.clone().filter(|_| secure);
        self.local = Some(local.clone());
        let agreed = sip::sdp::accept(&local, &answer)?;
        self.configure(&agreed, signalling)?;
        self.keep_open();
        Ok(())
    }

    /// The call was answered: from now on the peer is never left without packets, even while
    /// there is nothing to play. Not before, because some telephones take the first packet for the
    /// end of ringing.
    pub fn keep_open(&self) {
        self.apply(Command::KeepOpen { port: self.port });
    }

    /// Answers an offer and starts the sound.
    pub fn answer(&mut self, offer: &str, signalling: SocketAddr) -> Result<String, Unacceptable> {
        let offer = read(offer)?;
        let secure = offer
            .audio()
            .is_some_and(|audio| audio.protocol.to_ascii_uppercase().starts_with("RTP/SAVP"));
        // What began encrypted stays so (RFC 3264 section 8 leaves it to us): an offer in plain is a
        // mistake, or somebody between us and the telephone.
        if !secure && (self.encrypted || self.secure()) {
            return Err(sip::sdp::Disagreement::Encryption.into());
        }
        let local = self.describe(secure);
        let answer = sip::sdp::answer(&local, &offer)?;
        self.configure(&answer.agreed, signalling)?;
        Ok(answer.description.to_string())
    }

    /// The thread that carries it.
    pub fn thread(&self) -> MediaThread {
        self.thread.clone()
    }

    /// Moves it to the thread of a port with which it shall be bridged.
    pub fn move_to(&mut self, thread: &MediaThread) {
        self.thread.send_to(thread, self.port);
        self.thread = thread.clone();
    }

    /// Passes an order about this port to its thread.
    pub fn apply(&self, command: Command) {
        self.thread.apply(command);
    }

    fn describe(&mut self, secure: bool) -> Local {
        let previous = self.local.take();
        let srtp_key = secure.then(|| {
            self.srtp_key
                .get_or_insert_with(|| BASE64.encode(rand::random::<[u8; 30]>()))
                .clone()
        });
        // PCMU first: it is what carriers and browsers choose, so that two legs share a codec and
        // their packets pass through undecoded (performance study).
        let formats = [media::codec::PCMU, media::codec::PCMA, media::codec::G722]
            .iter()
            .map(|format| {
                Format::new(
                    format.payload_type.unwrap_or(0),
                    format.name,
                    format.clock_rate,
                )
            })
            .chain([
                Format::new(COMFORT_NOISE, "CN", 8000),
                Format::new(TELEPHONE_EVENT, "telephone-event", 8000).with_fmtp("0-16"),
            ])
            .collect();
        let local = Local {
            address: self.told_ip,
            port: self.address.port(),
            formats,
            ptime: 20,
            direction: Direction::SendRecv,
            srtp_key,
            session_id: self.session_id,
            version: previous.map_or(1, |local| local.version + 1),
        };
        self.local = Some(local.clone());
        local
    }

    fn configure(&mut self, agreed: &Agreed, signalling: SocketAddr) -> Result<(), Unacceptable> {
        let codec = |format: &Format| media::Format::from_rtpmap(&format.name, format.clock_rate);
        let receive = agreed
            .formats
            .iter()
            .zip(&agreed.receive_payload_types)
            .filter_map(|(format, payload_type)| {
                Some(PayloadFormat {
                    payload_type: *payload_type,
                    format: codec(format)?,
                })
            })
            .collect();
        let first = agreed.formats.first().ok_or(Unacceptable::Unusable)?;
        let send = PayloadFormat {
            payload_type: first.payload_type,
            format: codec(first).ok_or(Unacceptable::Unusable)?,
        };
        let srtp = agreed
            .srtp
            .as_ref()
            .map(|keys| srtp_keys(&keys.local, &keys.remote).ok_or(Unacceptable::Unusable))
            .transpose()?;
        self.sends = Some(send.format);
        let mut settings = PortSettings::new(agreed.remote, send);
        settings.receive = receive;
        settings.remote_rtcp = Some(agreed.remote_rtcp);
        settings.rtcp_mux = agreed.rtcp_mux;
        settings.telephone_event_send = agreed.telephone_event.map(|(send, _)| send);
        settings.telephone_event_receive = agreed.telephone_event.map(|(_, receive)| receive);
        settings.comfort_noise_send = agreed.comfort_noise;
        settings.ptime = Duration::from_millis(agreed.ptime.into());
        settings.direction = match agreed.direction {
            Direction::SendRecv => media::Direction::SendReceive,
            Direction::SendOnly => media::Direction::SendOnly,
            Direction::RecvOnly => media::Direction::ReceiveOnly,
            Direction::Inactive => media::Direction::Inactive,
        };
        settings.srtp = srtp;
        settings.latching = if self.described {
            media::Latching::DescriptionOnly
        } else {
            media::Latching::Learn {
                window: Duration::from_secs(3),
                expected: Some(signalling.ip()),
            }
        };
        self.apply(Command::Configure {
            port: self.port,
            settings: Box::new(settings),
        });
        // Phones without telephone-event send their keys as tones.
        self.apply(Command::DetectDtmf {
            port: self.port,
            on: agreed.telephone_event.is_none(),
        });
        Ok(())
    }
}

impl Drop for MediaPort {
    fn drop(&mut self) {
        self.thread.apply(Command::ClosePort { port: self.port });
    }
}

fn read(text: &str) -> Result<Description, Unacceptable> {
    Description::parse(text).map_err(|fault| Unacceptable::Unreadable(fault.to_string()))
}

fn srtp_keys(local: &str, remote: &str) -> Option<SrtpKeys> {
    let key = |text: &str| BASE64.decode(text).ok()?.try_into().ok();
    Some(SrtpKeys {
        suite: Suite::AesCm128HmacSha1_80,
        send: key(local)?,
        receive: key(remote)?,
    })
}
