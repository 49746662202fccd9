//! What a server uses: CPU time, memory, files and thrown-away datagrams, read from `/proc`.

use std::collections::HashSet;
use std::fs;
use std::ops::Sub;

use anyhow::Context;

/// What a process and its descendants have used so far, and what they hold now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time, in milliseconds (the kernel counts in steps of 10).
    pub cpu_ms: f64,
    /// Memory in use.
    pub rss_kib: f64,
    /// Open files, sockets among them.
    pub files: f64,
}

impl Usage {
    /// Of a process and all that it started.
    pub fn of(process: u32) -> anyhow::Result<Self> {
        let mut sum = Self::of_one(process)?;
        for child in descendants(process) {
            // One that ended meanwhile uses nothing.
            if let Ok(usage) = Self::of_one(child) {
                sum.cpu_ms += usage.cpu_ms;
                sum.rss_kib += usage.rss_kib;
                sum.files += usage.files;
            }
        }
        Ok(sum)
    }

    fn of_one(process: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // Behind the name, which may hold anything: field 3 is first, 14 and 15 are the ticks of
        // 10 ms in user and system mode (proc(5)).
        let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at - 3).and_then(|text| text.parse::<f64>().ok());
        let cpu_ms = (ticks(14).context("utime")? + ticks(15).context("stime")?) * 10.0;
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let rss = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("VmRSS")?;
        let rss_kib = rss.trim().trim_end_matches("kB").trim().parse()?;
        let files = fs::read_dir(format!("/proc/{process}/fd"))?.count() as f64;
        Ok(Self {
            cpu_ms,
            rss_kib,
            files,
        })
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            cpu_ms: self.cpu_ms - before.cpu_ms,
            rss_kib: self.rss_kib - before.rss_kib,
            files: self.files - before.files,
        }
    }
}

/// Processes that `process` started, and those that they started.
fn descendants(process: u32) -> Vec<u32> {
    let mut all = Vec::new();
    let mut open = vec![process];
    while let Some(parent) = open.pop() {
        let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else {
            continue;
        };
        for thread in threads.flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            let children = children
                .split_whitespace()
                .filter_map(|id| id.parse::<u32>().ok());
            let before = all.len();
            all.extend(children);
            open.extend(&all[before..]);
        }
    }
    all
}

/// Datagrams that the kernel threw away because a socket of the process was full.
pub fn dropped(process: u32) -> u64 {
    let mut sockets = HashSet::new();
    for process in descendants(process).into_iter().chain([process]) {
        let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else {
            continue;
        };
        sockets.extend(files.flatten().filter_map(|file| {
            let target = fs::read_link(file.path()).ok()?;
            let inode = target.to_str()?.strip_prefix("socket:[")?;
            inode.strip_suffix(']')?.parse::<u64>().ok()
        }));
    }
    ["/proc/net/udp", "/proc/net/udp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .map(|table| {
            let rows = table.lines().skip(1);
            rows.filter_map(|row| row_of(row, &sockets)).sum::<u64>()
        })
        .sum()
}

/// The last column of a row of `/proc/net/udp` whose tenth names one of our sockets.
fn row_of(row: &str, sockets: &HashSet<u64>) -> Option<u64> {
    let columns: Vec<&str> = row.split_whitespace().collect();
    let inode = columns.get(9)?.parse().ok()?;
    sockets
        .contains(&inode)
        .then(|| columns.last()?.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_usage_can_be_read() {
        let usage = Usage::of(std::process::id()).expect("/proc is there");
        assert!(usage.rss_kib > 100.0 && usage.cpu_ms >= 0.0 && usage.files >= 3.0);
    }

    #[test]
    fn a_full_socket_is_seen() {
        let deaf = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let to = deaf.local_addr().expect("it is bound");
        let before = dropped(std::process::id());
        for _ in 0..20_000 {
            deaf.send_to(&[0; 1000], to).ok();
        }
        assert!(dropped(std::process::id()) > before);
    }
}
