//! From a SIP URI to addresses (RFC 3263): which records to ask for, and what the answers mean. Who
//! asks is not our business.
//!
//! ```text
//! numeric ─────────────────────────────────────────────► address
//! port given ──────────────────────────► A, AAAA ──────► address
//! transport given ─────────► SRV ─┬────► A, AAAA ──────► address
//! neither ──► NAPTR ─┬──────►     │ none: A, AAAA of the host itself, at the usual port
//!                    └ none: SRV of each transport
//! ```

use crate::flow::Transport;
use crate::message::Uri;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// Records of one kind that are looked at; a zone with more is cut.
const MOST_RECORDS: usize = 16;
/// Ways that come out at most.
const MOST_WAYS: usize = 20;

/// What is to be asked of the DNS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// NAPTR records of a domain.
    Naptr(String),
    /// SRV records of a name like `_sip._udp.example.com`.
    Srv(String),
    /// A and AAAA records of a host.
    Addresses(String),
}

/// What the DNS has; empty for no records, no such name, no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// For [`Question::Naptr`].
    Naptr(Vec<Naptr>),
    /// For [`Question::Srv`].
    Srv(Vec<Srv>),
    /// For [`Question::Addresses`].
    Addresses(Vec<IpAddr>),
}

/// A NAPTR record (RFC 3403).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lowest first.
    pub order: u16,
    /// Within an order, lowest first.
    pub preference: u16,
    /// `s` when an SRV look-up follows; others are not for us.
    pub flags: String,
    /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`, or not for us.
    pub services: String,
    /// The name of the SRV records.
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lowest first.
    pub priority: u16,
    /// Within a priority, the share of the calls.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `.` says that the service is not offered.
    pub target: String,
}

/// A look-up under way: [`Resolution::poll`], ask, [`Resolution::answer`], until nothing is asked.
#[derive(Clone, Debug)]
pub struct Resolution {
    host: String,
    steps: VecDeque<Step>,
    ways: Vec<(Transport, SocketAddr)>,
    /// The transport to reach the host itself by when no SRV record is found.
    last: Option<Transport>,
}

#[derive(Clone, Debug)]
enum Step {
    /// NAPTR, for these transports.
    Naptr(&'static [Transport]),
    Srv(Transport, String),
    Host(Transport, String, u16),
}

impl Resolution {
    /// Begins with a URI, or with what an operator wrote down as host, port and transport.
    pub fn new(uri: &Uri) -> Self {
        let transport = if uri.scheme == "sips" {
            Some(Transport::Tls)
        } else {
            uri.params.value("transport").and_then(Transport::parse)
        };
        Self::of(&uri.host, uri.port, transport)
    }

    /// The same for a host.
    pub fn of(host: &str, port: Option<u16>, transport: Option<Transport>) -> Self {
        let host = host.trim_matches(['[', ']']);
        let mut resolution = Self {
            host: host.to_owned(),
            steps: VecDeque::new(),
            ways: Vec::new(),
            last: None,
        };
        let usual = transport.unwrap_or(Transport::Udp);
        if let Ok(address) = host.parse::<IpAddr>() {
            // Section 4.2: a numeric host needs nobody.
            let port = port.unwrap_or(usual.default_port());
            resolution.ways.push((usual, (address, port).into()));
        } else if let Some(port) = port {
            resolution
                .steps
                .push_back(Step::Host(usual, host.to_owned(), port));
        } else if let Some(transport) = transport {
            resolution.last = Some(transport);
            resolution
                .steps
                .push_back(Step::Srv(transport, service(transport, host)));
        } else {
            resolution.last = Some(Transport::Udp);
            resolution.steps.push_back(Step::Naptr(&[
                Transport::Udp,
                Transport::Tcp,
                Transport::Tls,
            ]));
        }
        resolution
    }

    /// The next question; it comes again until it is answered.
    pub fn poll(&mut self) -> Option<Question> {
        if self.ways.len() >= MOST_WAYS {
            self.steps.clear();
        }
        Some(match self.steps.front()? {
            Step::Naptr(_) => Question::Naptr(self.host.clone()),
            Step::Srv(_, name) => Question::Srv(name.clone()),
            Step::Host(_, name, _) => Question::Addresses(name.clone()),
        })
    }

    /// The answer to the last question. `draw` gives a number below its argument, by chance: the
    /// weights of SRV records are shares.
    pub fn answer(&mut self, answer: Answer, mut draw: impl FnMut(u32) -> u32) {
        let Some(step) = self.steps.pop_front() else {
            return;
        };
        match (step, answer) {
            (Step::Naptr(transports), Answer::Naptr(records)) => {
                self.chosen(transports, records);
            }
            (Step::Srv(transport, _), Answer::Srv(records)) => {
                let mut records = records;
                records.truncate(MOST_RECORDS);
                if !records.is_empty() {
                    self.last = None;
                }
                let hosts = ordered(records, &mut draw)
                    .into_iter()
                    .filter(|record| !matches!(record.target.as_str(), "." | ""))
                    .map(|record| Step::Host(transport, record.target, record.port));
                // Before the next transport's.
                for host in hosts.collect::<Vec<_>>().into_iter().rev() {
                    self.steps.push_front(host);
                }
            }
            (Step::Host(transport, _, port), Answer::Addresses(addresses)) => {
                let room = MOST_WAYS.saturating_sub(self.ways.len());
                for address in addresses.into_iter().take(room) {
                    let way = (transport, SocketAddr::new(address, port));
                    if !self.ways.contains(&way) {
                        self.ways.push(way);
                    }
                }
            }
            // An answer to another question counts as none.
            _ => {}
        }
        if self.steps.is_empty()
            && let Some(transport) = self.last.take()
        {
            // Sections 4.1 and 4.2: no SRV records, so the host itself at the usual port.
            let port = transport.default_port();
            self.steps
                .push_back(Step::Host(transport, self.host.clone(), port));
        }
    }

    /// The ways that were found, best first.
    pub fn ways(self) -> Vec<(Transport, SocketAddr)> {
        self.ways
    }

    /// Section 4.1: the domain's own preference; without one, every transport, ours first.
    fn chosen(&mut self, transports: &[Transport], mut records: Vec<Naptr>) {
        records.truncate(MOST_RECORDS);
        records.sort_by_key(|record| (record.order, record.preference));
        for record in records {
            let transport = match record.services.to_ascii_uppercase().as_str() {
                "SIP+D2U" => Transport::Udp,
                "SIP+D2T" => Transport::Tcp,
                "SIPS+D2T" => Transport::Tls,
                _ => continue,
            };
            if record.flags.eq_ignore_ascii_case("s") && transports.contains(&transport) {
                let name = record.replacement.trim_end_matches('.').to_owned();
                if self.steps.is_empty() {
                    self.last = Some(transport);
                }
                self.steps.push_back(Step::Srv(transport, name));
            }
        }
        if self.steps.is_empty() {
            for &transport in transports {
                let name = service(transport, &self.host);
                self.steps.push_back(Step::Srv(transport, name));
            }
        }
    }
}

/// The name of a host's SRV records for a transport (section 4.1).
fn service(transport: Transport, host: &str) -> String {
    match transport {
        Transport::Udp => format!("_sip._udp.{host}"),
        Transport::Tcp => format!("_sip._tcp.{host}"),
        Transport::Tls => format!("_sips._tcp.{host}"),
    }
}

/// RFC 2782: by priority; within one, drawn by weight, again and again.
fn ordered(mut records: Vec<Srv>, draw: &mut impl FnMut(u32) -> u32) -> Vec<Srv> {
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut out = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let group = records
            .iter()
            .take_while(|record| record.priority == priority);
        let total: u32 = group.map(|record| u32::from(record.weight)).sum();
        let mut drawn = draw(total + 1).min(total);
        let at = records
            .iter()
            .position(|record| {
                let weight = u32::from(record.weight);
                let hit = drawn <= weight;
                drawn = drawn.saturating_sub(weight);
                hit
            })
            .unwrap_or(0);
        out.push(records.remove(at));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zone, and what is asked of it.
    fn resolve(mut resolution: Resolution, zone: &[(&str, Answer)]) -> (Vec<String>, Vec<String>) {
        let mut asked = Vec::new();
        while let Some(question) = resolution.poll() {
            let (name, none) = match &question {
                Question::Naptr(name) => (format!("NAPTR {name}"), Answer::Naptr(Vec::new())),
                Question::Srv(name) => (format!("SRV {name}"), Answer::Srv(Vec::new())),
                Question::Addresses(name) => (format!("A {name}"), Answer::Addresses(Vec::new())),
            };
            let found = zone.iter().find(|(known, _)| *known == name);
            resolution.answer(found.map_or(none, |(_, answer)| answer.clone()), |_| 0);
            asked.push(name);
            assert!(asked.len() < 100, "it never ends");
        }
        let ways = resolution.ways();
        let ways = ways
            .iter()
            .map(|(transport, at)| format!("{transport} {at}"));
        (asked, ways.collect())
    }

    fn uri(text: &str) -> Resolution {
        Resolution::new(&Uri::parse(text).expect("a URI"))
    }

    fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Srv {
        Srv {
            priority,
            weight,
            port,
            target: target.to_owned(),
        }
    }

    fn naptr(order: u16, services: &str, replacement: &str) -> Naptr {
        Naptr {
            order,
            preference: 50,
            flags: "s".to_owned(),
            services: services.to_owned(),
            replacement: replacement.to_owned(),
        }
    }

    fn at(last: u8) -> Answer {
        Answer::Addresses(vec![[192, 0, 2, last].into()])
    }

    // sip-calls-3
    #[test]
    fn what_is_written_out_is_not_asked_for() {
        let numeric = |text| resolve(uri(text), &[]);
        assert_eq!(numeric("sip:a@192.0.2.7").1, ["UDP 192.0.2.7:5060"]);
        assert_eq!(
            numeric("sip:a@[2001:db8::7]:99;transport=tcp").1,
            ["TCP [2001:db8::7]:99"]
        );
        assert_eq!(numeric("sips:a@192.0.2.7").1, ["TLS 192.0.2.7:5061"]);
        assert!(numeric("sip:a@192.0.2.7").0.is_empty());
        let (asked, ways) = resolve(uri("sip:a@b.test:5070"), &[("A b.test", at(1))]);
        assert_eq!(asked, ["A b.test"]);
        assert_eq!(ways, ["UDP 192.0.2.1:5070"]);
    }

    /// The example of RFC 3263 section 4.1.
    #[test]
    fn the_example_of_the_standard() {
        let zone = [
            (
                "NAPTR example.com",
                Answer::Naptr(vec![
                    naptr(100, "SIP+D2U", "_sip._udp.example.com."),
                    naptr(50, "SIPS+D2T", "_sips._tcp.example.com."),
                    naptr(90, "SIP+D2T", "_sip._tcp.example.com."),
                    naptr(10, "E2U+email", "elsewhere.example.com."),
                ]),
            ),
            (
                "SRV _sip._tcp.example.com",
                Answer::Srv(vec![
                    srv(2, 0, 5060, "server2.example.com"),
                    srv(1, 0, 5060, "server1.example.com"),
                ]),
            ),
            ("A server1.example.com", at(1)),
            ("A server2.example.com", at(2)),
        ];
        let (asked, ways) = resolve(uri("sip:user@example.com"), &zone);
        assert_eq!(
            asked,
            [
                "NAPTR example.com",
                "SRV _sips._tcp.example.com",
                "SRV _sip._tcp.example.com",
                "A server1.example.com",
                "A server2.example.com",
                "SRV _sip._udp.example.com",
            ]
        );
        assert_eq!(ways, ["TCP 192.0.2.1:5060", "TCP 192.0.2.2:5060"]);
        // Who wants TLS gets nothing else.
        let (asked, ways) = resolve(uri("sips:user@example.com"), &zone);
        assert_eq!(asked, ["SRV _sips._tcp.example.com", "A example.com"]);
        assert!(ways.is_empty());
    }

    #[test]
    fn a_host_without_records_is_reached_at_the_usual_port() {
        let (asked, ways) = resolve(uri("sip:a@b.test"), &[("A b.test", at(1))]);
        assert_eq!(
            asked,
            [
                "NAPTR b.test",
                "SRV _sip._udp.b.test",
                "SRV _sip._tcp.b.test",
                "SRV _sips._tcp.b.test",
                "A b.test"
            ]
        );
        assert_eq!(ways, ["UDP 192.0.2.1:5060"]);
        let (asked, ways) = resolve(
            Resolution::of("b.test", None, Some(Transport::Tls)),
            &[("A b.test", at(1))],
        );
        assert_eq!(asked, ["SRV _sips._tcp.b.test", "A b.test"]);
        assert_eq!(ways, ["TLS 192.0.2.1:5061"]);
    }

    #[test]
    fn weights_are_shares_and_a_dot_means_no() {
        let records = || {
            vec![
                srv(1, 0, 1, "never-alone"),
                srv(1, 30, 2, "some"),
                srv(1, 70, 3, "most"),
                srv(0, 0, 4, "first"),
            ]
        };
        let order = |numbers: &[u32]| {
            let mut numbers = numbers.iter();
            let mut draw = |below: u32| *numbers.next().expect("a number") % below;
            let all = ordered(records(), &mut draw);
            all.iter().map(|one| one.port).collect::<Vec<_>>()
        };
        assert_eq!(order(&[0, 0, 0, 0]), [4, 1, 2, 3]);
        assert_eq!(order(&[0, 31, 0, 0]), [4, 3, 1, 2]);
        assert_eq!(order(&[0, 30, 70, 0]), [4, 2, 3, 1]);
        let zone = [("SRV _sip._udp.b.test", Answer::Srv(vec![srv(0, 0, 0, ".")]))];
        let only_udp = Resolution::of("b.test", None, Some(Transport::Udp));
        let asked = vec!["SRV _sip._udp.b.test".to_owned()];
        assert_eq!(resolve(only_udp, &zone), (asked, Vec::new()));
    }

    #[test]
    fn a_hostile_zone_is_bounded() {
        let many = (0..1000).map(|at| srv(at, 0, 5060, "b.test")).collect();
        let addresses = (0..200).map(|last| [192, 0, 2, last].into()).collect();
        let zone = [
            ("SRV _sip._udp.b.test", Answer::Srv(many)),
            ("A b.test", Answer::Addresses(addresses)),
        ];
        let (asked, ways) = resolve(uri("sip:a@b.test"), &zone);
        assert!(asked.len() <= 2 + MOST_RECORDS && ways.len() == MOST_WAYS);
    }
}
