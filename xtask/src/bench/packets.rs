//! Many datagrams per system call, each with the time at which the kernel got it.
#![allow(
    unsafe_code,
    reason = "recvmmsg and receive times have no safe wrapper"
)]

use std::mem::{size_of, zeroed};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

/// Datagrams taken at once.
const BATCH: usize = 64;
/// Longest datagram that is read whole.
const LONGEST: usize = 512;
/// Room for one control message with a timespec (cmsg(3)).
const CONTROL: usize = 64;

/// Makes the kernel note when each datagram came, and keep more of them than usual.
pub fn prepare(socket: &UdpSocket, bytes: libc::c_int) {
    let on: libc::c_int = 1;
    for (option, value) in [
        (libc::SO_TIMESTAMPNS, &on),
        (libc::SO_RCVBUF, &bytes),
        // Only root may; the other has been set before.
        (libc::SO_RCVBUFFORCE, &bytes),
    ] {
        // SAFETY: the pointer is to a c_int that lives through the call, and its size is given.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                std::ptr::from_ref(value).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            );
        }
    }
}

/// Buffers for one call of recvmmsg(2).
pub struct Inbox {
    bytes: Vec<[u8; LONGEST]>,
    control: Vec<[u64; CONTROL / 8]>,
}

impl Inbox {
    /// Empty buffers.
    pub fn new() -> Self {
        Self {
            bytes: vec![[0; LONGEST]; BATCH],
            control: vec![[0; CONTROL / 8]; BATCH],
        }
    }

    /// Hands over all that waits: the bytes, and when the kernel got them, in nanoseconds since 1970.
    pub fn drain(&mut self, socket: &UdpSocket, mut take: impl FnMut(&[u8], u64)) {
        loop {
            let mut vectors: Vec<libc::iovec> = self
                .bytes
                .iter_mut()
                .map(|buffer| libc::iovec {
                    iov_base: buffer.as_mut_ptr().cast(),
                    iov_len: LONGEST,
                })
                .collect();
            let mut headers: Vec<libc::mmsghdr> = vectors
                .iter_mut()
                .zip(&mut self.control)
                .map(|(vector, control)| {
                    // SAFETY: all zero is a valid mmsghdr: null pointers and no lengths.
                    let mut header: libc::mmsghdr = unsafe { zeroed() };
                    header.msg_hdr.msg_iov = vector;
                    header.msg_hdr.msg_iovlen = 1;
                    header.msg_hdr.msg_control = control.as_mut_ptr().cast();
                    header.msg_hdr.msg_controllen = CONTROL as _;
                    header
                })
                .collect();
            // SAFETY: every header points to one vector and one control buffer of the given sizes,
            // which outlive the call and are used by nothing else during it.
            let count = unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr(),
                    BATCH as libc::c_uint,
                    libc::MSG_DONTWAIT,
                    std::ptr::null_mut(),
                )
            };
            let count = usize::try_from(count).unwrap_or(0);
            for (header, bytes) in headers[..count].iter().zip(&self.bytes) {
                let length = (header.msg_len as usize).min(LONGEST);
                take(&bytes[..length], came(&header.msg_hdr));
            }
            if count < BATCH {
                return;
            }
        }
    }
}

/// The receive time among the control messages of one datagram; 0 when there is none.
fn came(header: &libc::msghdr) -> u64 {
    // SAFETY: the kernel filled the control buffer that the header points to and set its length;
    // CMSG_FIRSTHDR stays within it, and the timespec is read unaligned.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        if message.is_null() || (*message).cmsg_type != libc::SCM_TIMESTAMPNS {
            return 0;
        }
        let time = libc::CMSG_DATA(message)
            .cast::<libc::timespec>()
            .read_unaligned();
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn datagrams_come_whole_and_with_their_time() {
        let here = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        prepare(&here, 1 << 20);
        let to = here.local_addr().expect("it is bound");
        let now = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.expect("after 1970").as_nanos() as u64
        };
        let before = now();
        for number in 0..100_u8 {
            here.send_to(&[number; 172], to).expect("loopback");
        }
        let after = now();
        let mut seen = Vec::new();
        Inbox::new().drain(&here, |bytes, at| {
            assert_eq!(bytes.len(), 172);
            // The kernel may stamp a packet a little after the call that sent it has returned.
            let slack = 1_000_000_000;
            assert!(
                (before..=after + slack).contains(&at),
                "{before} {at} {after}"
            );
            seen.push(bytes[0]);
        });
        assert_eq!(seen, (0..100).collect::<Vec<u8>>());
    }
}
