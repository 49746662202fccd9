//! Asks the DNS what [`sip::resolve`] wants to know. The system's own resolver turns names into
//! addresses but cannot be asked for SRV and NAPTR records: these are asked of the servers that the
//! system names, over UDP, and over TCP when the answer does not fit.

mod message;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sip::Transport;
use sip::resolve::{Answer, Question, Resolution};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// How long one server may take; a name whose servers are silent has no records.
const PATIENCE: Duration = Duration::from_secs(2);
/// Servers that are asked, one after the other (resolv.conf(5) has no more either).
const MOST_SERVERS: usize = 3;
/// Answers that are kept; beyond, all are forgotten.
const MOST_KEPT: usize = 1_000;
/// For how long an answer is kept at least, so that a zone with a TTL of 0 costs no query a call.
const LEAST_KEPT: Duration = Duration::from_secs(5);
/// For how long at most, so that a carrier that moves is found.
const MOST_AGE: Duration = Duration::from_secs(300);

/// The way to the DNS. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    servers: Arc<[SocketAddr]>,
    kept: Arc<Mutex<HashMap<Question, (Instant, Answer)>>>,
}

impl Resolver {
    /// With the servers that this system names.
    pub fn of_system() -> Self {
        let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let servers = text
            .lines()
            .filter_map(|line| line.strip_prefix("nameserver"))
            // A zone after `%` matters for link-local servers only, which are left out.
            .filter_map(|rest| rest.trim().parse::<IpAddr>().ok())
            .map(|address| SocketAddr::new(address, 53));
        Self::with(servers)
    }

    /// With these servers.
    fn with(servers: impl Iterator<Item = SocketAddr>) -> Self {
        Self {
            servers: servers.take(MOST_SERVERS).collect(),
            kept: Arc::default(),
        }
    }

    /// Where to send a request, best first; empty when the name is nowhere.
    pub async fn ways(&self, mut resolution: Resolution) -> Vec<(Transport, SocketAddr)> {
        while let Some(question) = resolution.poll() {
            let answer = self.ask(question).await;
            resolution.answer(answer, |below| rand::random_range(0..below));
        }
        resolution.ways()
    }

    async fn ask(&self, question: Question) -> Answer {
        // Names that are in no zone are known to the system.
        if let Question::Addresses(name) = &question {
            let found = tokio::net::lookup_host((name.trim_end_matches('.'), 0)).await;
            let found = found.map(|all| all.map(|address| address.ip()).collect());
            return Answer::Addresses(found.unwrap_or_default());
        }
        let now = Instant::now();
        let kept = self.kept().get(&question).cloned();
        if let Some((_, answer)) = kept.filter(|(until, _)| *until > now) {
            return answer;
        }
        let (answer, age) = self.records(&question).await;
        let mut all = self.kept();
        if all.len() >= MOST_KEPT {
            all.clear();
        }
        let until = now + age.clamp(LEAST_KEPT, MOST_AGE);
        all.insert(question, (until, answer.clone()));
        answer
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<Question, (Instant, Answer)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the first server that answers says, and for how long.
    async fn records(&self, question: &Question) -> (Answer, Duration) {
        for &server in self.servers.iter() {
            let id = rand::random();
            let Some(query) = message::query(id, question) else {
                break;
            };
            let asked = tokio::time::timeout(PATIENCE, exchange(server, &query, id, question));
            match asked.await {
                Ok(Ok(reply)) => return (reply.answer, reply.age),
                Ok(Err(error)) => tracing::debug!(%server, %error, "a DNS server did not answer"),
                Err(_) => tracing::debug!(%server, "a DNS server is silent"),
            }
        }
        (message::nothing(question), LEAST_KEPT)
    }
}

/// Asks one server. The port is the system's choice, a new one each time: whoever wants to answer in
/// its place must guess it beside the number (RFC 5452).
async fn exchange(
    server: SocketAddr,
    query: &[u8],
    id: u16,
    question: &Question,
) -> std::io::Result<message::Reply> {
    let any: SocketAddr = if server.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut buffer = vec![0; 4_096];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // Not an answer to this question: forged, or a late one.
        let Some(reply) = message::read(&buffer[..length], id, question) else {
            continue;
        };
        if !reply.cut {
            return Ok(reply);
        }
        break;
    }
    let mut stream = TcpStream::connect(server).await?;
    stream.write_u16(query.len() as u16).await?;
    stream.write_all(query).await?;
    let length = stream.read_u16().await?;
    let mut whole = vec![0; usize::from(length)];
    stream.read_exact(&mut whole).await?;
    message::read(&whole, id, question)
        .ok_or_else(|| std::io::Error::other("the answer cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::sip::bind_both;

    fn name(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for label in text.split('.').filter(|label| !label.is_empty()) {
            out.push(label.len() as u8);
            out.extend(label.as_bytes());
        }
        out.push(0);
        out
    }

    /// One record of the question's name; its data as given.
    fn record(kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
        let mut out = vec![0xc0, 12];
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out.extend(ttl.to_be_bytes());
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
        out
    }

    fn srv(priority: u16, port: u16, target: &str) -> Vec<u8> {
        let mut data = Vec::new();
        for number in [priority, 0, port] {
            data.extend(number.to_be_bytes());
        }
        data.extend(name(target));
        record(33, 60, &data)
    }

    fn naptr(order: u16, services: &str, replacement: &str) -> Vec<u8> {
        let mut data = Vec::new();
        data.extend(order.to_be_bytes());
        data.extend([0, 1]);
        for text in ["s", services, ""] {
            data.push(text.len() as u8);
            data.extend(text.as_bytes());
        }
        data.extend(name(replacement));
        record(35, 60, &data)
    }

    fn reply(query: &[u8], flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
        // The question goes from the header to the extension of 11 bytes.
        let mut out = query[..query.len() - 11].to_vec();
        out[2..4].copy_from_slice(&flags.to_be_bytes());
        out[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
        out[10..12].copy_from_slice(&[0, 0]);
        records.iter().for_each(|record| out.extend(record));
        out
    }

    // sip-calls-3
    #[tokio::test]
    async fn a_scripted_zone_says_where_to_call_and_is_asked_once() {
        let (udp, tcp) = bind_both("127.0.0.1:0".parse().unwrap()).unwrap();
        let server = udp.local_addr().unwrap();
        let resolver = Resolver::with([server].into_iter());
        let script = tokio::spawn(async move {
            let mut asked = 0;
            let mut buffer = [0; 512];
            loop {
                let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
                asked += 1;
                let query = &buffer[..length];
                let text = String::from_utf8_lossy(query).into_owned();
                let answer = if text.contains("_udp") {
                    // Does not fit: by TCP.
                    reply(query, 0x8380, &[])
                } else if text.contains("_tcp") {
                    // Noise, a forgery with another number, and then the truth.
                    udp.send_to(b"noise", from).await.unwrap();
                    let mut forged = reply(query, 0x8180, &[srv(0, 6666, "127.0.0.6")]);
                    forged[0] ^= 1;
                    udp.send_to(&forged, from).await.unwrap();
                    reply(
                        query,
                        0x8180,
                        &[srv(2, 5070, "localhost"), srv(1, 5080, "localhost")],
                    )
                } else {
                    reply(
                        query,
                        0x8180,
                        &[
                            naptr(2, "SIP+D2U", "_sip._udp.carrier.test"),
                            naptr(1, "SIP+D2T", "_sip._tcp.carrier.test"),
                        ],
                    )
                };
                udp.send_to(&answer, from).await.unwrap();
                if text.contains("_udp") {
                    let (mut stream, _) = tcp.accept().await.unwrap();
                    let length = stream.read_u16().await.unwrap();
                    let mut query = vec![0; length.into()];
                    stream.read_exact(&mut query).await.unwrap();
                    let whole = reply(&query, 0x8180, &[srv(0, 5090, "localhost")]);
                    stream.write_u16(whole.len() as u16).await.unwrap();
                    stream.write_all(&whole).await.unwrap();
                    if asked == 3 {
                        return;
                    }
                }
            }
        });
        let uri = sip::Uri::parse("sip:1@carrier.test").unwrap();
        let mut ways = resolver.ways(Resolution::new(&uri)).await;
        ways.retain(|(_, address)| address.is_ipv4());
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let expected = [
            (Transport::Tcp, local(5080)),
            (Transport::Tcp, local(5070)),
            (Transport::Udp, local(5090)),
        ];
        assert_eq!(ways, expected);
        script.await.unwrap();
        // The server is gone; what it said is not.
        let mut again = resolver.ways(Resolution::new(&uri)).await;
        again.retain(|(_, address)| address.is_ipv4());
        assert_eq!(again, expected);
    }
}
