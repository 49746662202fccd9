//! Many datagrams of one UDP socket in each system call, where the system can do that.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use super::rtp::LARGEST;

/// Datagrams in one call. What they cause leaves when all of them are handled, which takes a quarter
/// of a millisecond: half of what a bridged packet may be late.
const MOST: usize = 16;

/// A datagram, and to whom.
pub type Leaving = (SocketAddr, Vec<u8>);

/// What was read. Its memory is kept for what comes next.
pub struct Inbox {
    buffers: Box<[[u8; LARGEST]; MOST]>,
    /// Of the first buffers, from whom and how long.
    came: Vec<(SocketAddr, usize)>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            buffers: Box::new([[0; LARGEST]; MOST]),
            came: Vec::with_capacity(MOST),
        }
    }
}

impl Inbox {
    /// Reads what has come to a socket that does not block, in place of what was read before; false
    /// when nothing is left there.
    pub fn read(&mut self, socket: &UdpSocket) -> bool {
        self.came.clear();
        match receive(socket, &mut self.buffers, &mut self.came) {
            Ok(()) => self.came.len() == MOST,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            // ICMP unreachable of an earlier packet surfaces here; the next read goes on.
            Err(_) => true,
        }
    }

    /// How many came.
    pub fn count(&self) -> usize {
        self.came.len()
    }

    /// What came, and from whom.
    pub fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let each = self.came.iter().zip(self.buffers.iter());
        each.map(|((from, length), buffer)| (*from, &buffer[..*length]))
    }
}

/// Sends all of them. A full send buffer or an address that is gone costs a datagram, as the network
/// would.
pub fn send(socket: &UdpSocket, leaving: &mut Vec<Leaving>) {
    let mut rest = &leaving[..];
    while let [(to, bytes), later @ ..] = rest {
        if later.is_empty() {
            let _ = socket.send_to(bytes, to);
            break;
        }
        // An error is about the first of them, which is left out.
        rest = &rest[transmit(socket, rest).unwrap_or(1).max(1)..];
    }
    leaving.clear();
}

#[cfg(target_os = "linux")]
use linux::{receive, transmit};

#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "recvmmsg and sendmmsg have no safe wrapper that tells how many were sent"
)]
mod linux {
    use std::array;
    use std::io;
    use std::mem::zeroed;
    use std::net::{SocketAddr, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::ptr::{from_mut, null_mut};

    use socket2::{SockAddr, SockAddrStorage};

    use super::{LARGEST, Leaving, MOST};

    fn header(
        name: *mut libc::c_void,
        length: libc::socklen_t,
        part: &mut libc::iovec,
    ) -> libc::mmsghdr {
        // SAFETY: all zero is a valid mmsghdr: null pointers and no lengths.
        let mut header: libc::mmsghdr = unsafe { zeroed() };
        header.msg_hdr.msg_name = name;
        header.msg_hdr.msg_namelen = length;
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
        header
    }

    pub(super) fn receive(
        socket: &UdpSocket,
        buffers: &mut [[u8; LARGEST]; MOST],
        came: &mut Vec<(SocketAddr, usize)>,
    ) -> io::Result<()> {
        let mut names: [_; MOST] = array::from_fn(|_| SockAddrStorage::zeroed());
        let mut parts = buffers.each_mut().map(|buffer| libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: LARGEST,
        });
        let mut each = names.iter_mut().zip(&mut parts);
        let mut headers: [_; MOST] = array::from_fn(|_| {
            let (name, part) = each.next().expect("there are as many of each");
            let length = name.size_of();
            header(from_mut(name).cast(), length, part)
        });
        // SAFETY: every header points to a name and to one part of the given sizes, which outlive the
        // call and are used by nothing else during it.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                MOST as libc::c_uint,
                libc::MSG_DONTWAIT,
                null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (header, name) in headers.iter().zip(names).take(count) {
            // SAFETY: the kernel has written an address of this length.
            let name = unsafe { SockAddr::new(name, header.msg_hdr.msg_namelen) };
            let from = name.as_socket();
            let from = from.expect("a UDP socket hears of internet addresses");
            came.push((from, (header.msg_len as usize).min(LARGEST)));
        }
        Ok(())
    }

    /// Sends the first ones, as many as one call takes and the kernel has room for; how many.
    pub(super) fn transmit(socket: &UdpSocket, leaving: &[Leaving]) -> io::Result<usize> {
        let count = leaving.len().min(MOST);
        let names: [_; MOST] =
            array::from_fn(|at| leaving.get(at).map(|(to, _)| SockAddr::from(*to)));
        let mut parts: [_; MOST] = array::from_fn(|at| {
            let bytes = leaving.get(at).map_or(&[][..], |(_, bytes)| bytes);
            libc::iovec {
                iov_base: bytes.as_ptr().cast_mut().cast(),
                iov_len: bytes.len(),
            }
        });
        let mut each = names.iter().zip(&mut parts);
        let mut headers: [_; MOST] = array::from_fn(|_| {
            let (name, part) = each.next().expect("there are as many of each");
            let (name, length) = name.as_ref().map_or((null_mut(), 0), |name| {
                (name.as_ptr().cast_mut(), name.len())
            });
            header(name.cast(), length, part)
        });
        // SAFETY: the first `count` headers point to a name and to one part of the given sizes, which
        // outlive the call; the kernel only reads them.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

/// One after the other.
#[cfg(not(target_os = "linux"))]
fn receive(
    socket: &UdpSocket,
    buffers: &mut [[u8; LARGEST]; MOST],
    came: &mut Vec<(SocketAddr, usize)>,
) -> io::Result<()> {
    for buffer in buffers {
        match socket.recv_from(buffer) {
            Ok((length, from)) => came.push((from, length)),
            // The next read tells of it again.
            Err(_) if !came.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn transmit(socket: &UdpSocket, leaving: &[Leaving]) -> io::Result<usize> {
    let (to, bytes) = &leaving[0];
    socket.send_to(bytes, to).map(|_| 1)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::super::webrtc::canonical;
    use super::*;

    fn bound(address: &str) -> UdpSocket {
        let socket = UdpSocket::bind(address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        socket
    }

    #[test]
    fn more_than_fit_into_one_call_are_sent_in_order_and_read_whole() {
        let [here, there] = [(); 2].map(|()| bound("127.0.0.1:0"));
        here.set_nonblocking(true).unwrap();
        let (to, from) = (here.local_addr().unwrap(), there.local_addr().unwrap());
        let mut leaving: Vec<Leaving> = (0..40).map(|n| (to, vec![n; usize::from(n)])).collect();
        // Nobody can be reached there: it is left out, and nothing else is.
        leaving[20].0 = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        leaving.push((to, vec![40; LARGEST + 100]));
        send(&there, &mut leaving);
        assert!(leaving.is_empty());
        let mut inbox = Inbox::default();
        let mut heard = Vec::new();
        // On loopback what was sent has come.
        while inbox.read(&here) || inbox.count() > 0 {
            assert!(inbox.count() <= MOST);
            for (sender, bytes) in inbox.datagrams() {
                assert_eq!(sender, from);
                heard.push(bytes.to_vec());
            }
        }
        let mut expected: Vec<Vec<u8>> = (0..40).map(|n| vec![n; usize::from(n)]).collect();
        expected.remove(20);
        // Too long for any voice: cut, as `recv_from` does it.
        expected.push(vec![40; LARGEST]);
        assert_eq!(heard, expected);
    }

    #[test]
    fn both_families_are_heard_and_reached_on_one_socket() {
        let Ok(here) = UdpSocket::bind("[::]:0") else {
            return; // No IPv6 here.
        };
        here.set_nonblocking(true).unwrap();
        let port = here.local_addr().unwrap().port();
        let four = bound("127.0.0.1:0");
        four.send_to(b"four", ("127.0.0.1", port)).unwrap();
        let mut inbox = Inbox::default();
        assert!(!inbox.read(&here));
        let came: Vec<_> = inbox.datagrams().collect();
        let mapped = four.local_addr().unwrap();
        assert_eq!(came.len(), 1);
        assert_eq!(came[0].1, b"four");
        assert_eq!(canonical(came[0].0), mapped);
        let to = came[0].0;
        send(
            &here,
            &mut vec![(to, b"back".to_vec()), (to, b"again".to_vec())],
        );
        let mut heard = [0; 10];
        assert_eq!(four.recv(&mut heard).unwrap(), 4);
        assert_eq!(four.recv(&mut heard).unwrap(), 5);
    }
}
