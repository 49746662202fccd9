//! The port numbers for sound: which are free, and which still rest.
//!
//! A number that was used rests for a while before it is used again, so that late packets of the
//! old call find nobody (reliability A19). Taking one costs the same whether many or few are left.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long a used number rests.
const REST: Duration = Duration::from_secs(60);
/// How long it rests at least: when no other is left, a call is worth more than the rest of its
/// wait. A packet that is later than this is refused by the new call's latch, unless it comes from
/// where that call's sound comes from.
const LEAST_REST: Duration = Duration::from_secs(1);
/// Numbers that other programs may hold before a call is refused. Those rest like used ones, so
/// that the next call does not meet them again.
const OCCUPIED: usize = 32;

/// The sockets of one port: RTP on an even port number, RTCP on the next (RFC 3550 section 11).
pub struct Sockets {
    /// For RTP.
    pub rtp: UdpSocket,
    /// For RTCP.
    pub rtcp: Option<UdpSocket>,
    /// What the description announces.
    pub address: SocketAddr,
    /// Gives the number back once nobody has it any more; to be dropped after the sockets.
    pub lease: Lease,
}

/// A range of port numbers on one address.
pub struct PortPool {
    address: IpAddr,
    numbers: Arc<Mutex<Numbers>>,
}

/// The right to a pair of port numbers, until it is dropped.
pub struct Lease {
    number: u16,
    numbers: Arc<Mutex<Numbers>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        lock(&self.numbers).put_back(Instant::now(), self.number);
    }
}

fn lock(numbers: &Mutex<Numbers>) -> MutexGuard<'_, Numbers> {
    numbers
        .lock()
        .expect("nobody panics while holding the numbers")
}

impl PortPool {
    /// Port numbers `first..=last`; an odd first one is left out, as is a last one without its pair.
    pub fn new(address: IpAddr, first: u16, last: u16) -> Self {
        let first = first.saturating_add(first % 2);
        Self {
            address,
            numbers: Arc::new(Mutex::new(Numbers {
                fresh: (first..last).step_by(2).collect(),
                resting: VecDeque::new(),
            })),
        }
    }

    /// Binds a free pair. Fails with [`io::ErrorKind::AddrInUse`] when the whole range is taken: the
    /// operator must widen it. Other failures are the operating system's, the limit of open files
    /// among them.
    pub fn bind(&self) -> io::Result<Sockets> {
        for _ in 0..OCCUPIED {
            let taken = lock(&self.numbers).take(Instant::now());
            let Some(number) = taken else { break };
            let lease = Lease {
                number,
                numbers: self.numbers.clone(),
            };
            match self.bind_pair(number) {
                Ok((rtp, rtcp)) => {
                    return Ok(Sockets {
                        address: rtp.local_addr()?,
                        rtp,
                        rtcp: Some(rtcp),
                        lease,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    fn bind_pair(&self, number: u16) -> io::Result<(UdpSocket, UdpSocket)> {
        let bound = |number| {
            let socket = UdpSocket::bind((self.address, number))?;
            socket.set_nonblocking(true)?;
            io::Result::Ok(socket)
        };
        Ok((bound(number)?, bound(number + 1)?))
    }
}

/// Even numbers of pairs that nobody has.
struct Numbers {
    /// Never used.
    fresh: VecDeque<u16>,
    /// Used, and since when not any more; the longest first.
    resting: VecDeque<(Instant, u16)>,
}

impl Numbers {
    /// One that has rested, else one never used, else the one that has rested longest.
    fn take(&mut self, now: Instant) -> Option<u16> {
        let rested = |least: Duration, resting: &VecDeque<(Instant, u16)>| {
            let (since, _) = resting.front()?;
            (now.saturating_duration_since(*since) >= least).then_some(())
        };
        if rested(REST, &self.resting).is_none() {
            if let Some(number) = self.fresh.pop_front() {
                return Some(number);
            }
            rested(LEAST_REST, &self.resting)?;
        }
        self.resting.pop_front().map(|(_, number)| number)
    }

    fn put_back(&mut self, now: Instant, number: u16) {
        self.resting.push_back((now, number));
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_used_number_rests_while_others_are_left_and_a_second_when_none_is() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut numbers = Numbers {
            fresh: [10, 12, 14].into(),
            resting: VecDeque::new(),
        };
        assert_eq!(numbers.take(at(0.0)), Some(10));
        numbers.put_back(at(1.0), 10);
        assert_eq!(numbers.take(at(2.0)), Some(12));
        numbers.put_back(at(3.0), 12);
        // A minute is over for the first one only.
        assert_eq!(numbers.take(at(61.0)), Some(10));
        assert_eq!(numbers.take(at(61.5)), Some(14));
        // None is left but one that has rested half a minute more than it must.
        assert_eq!(numbers.take(at(61.5)), Some(12));
        assert_eq!(numbers.take(at(61.5)), None);
        numbers.put_back(at(62.0), 14);
        assert_eq!(numbers.take(at(62.9)), None);
        assert_eq!(numbers.take(at(63.0)), Some(14));
    }

    #[test]
    fn an_empty_range_refuses_at_once_and_recovers() {
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        // Six pairs, one of them another program's.
        let pool = PortPool::new(loopback, 43_001, 43_014);
        let other = UdpSocket::bind((loopback, 43_005)).unwrap();
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(pool.bind().unwrap());
        }
        let ports: Vec<_> = held.iter().map(|one| one.address.port()).collect();
        assert_eq!(ports, [43_002, 43_006, 43_008, 43_010, 43_012]);
        let begun = Instant::now();
        for _ in 0..1_000 {
            let refused = pool.bind().map(|_| ()).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        }
        assert!(begun.elapsed() < Duration::from_millis(500));
        held.truncate(4);
        drop(other);
        assert!(pool.bind().is_err(), "what was used rests");
        std::thread::sleep(LEAST_REST + Duration::from_millis(50));
        let again: Vec<_> = (0..2).map(|_| pool.bind().unwrap()).collect();
        let ports: Vec<_> = again.iter().map(|one| one.address.port()).collect();
        assert_eq!(ports, [43_004, 43_012]);
    }
}
