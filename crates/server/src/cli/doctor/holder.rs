//! Which process has a port: `/proc` says so on Linux, for the processes of the same user.

use std::fs;
use std::net::SocketAddr;

/// Name and number of the process that has the port, where the system tells.
pub fn of_port(address: SocketAddr) -> Option<String> {
    let inodes: Vec<String> = ["tcp", "tcp6", "udp", "udp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/net/{table}")).ok())
        .flat_map(|table| of_table(&table, address.port()))
        .collect();
    // Beside the processes there are `self` and much else.
    let number = |name: &std::ffi::OsStr| {
        let name = name.to_str().unwrap_or_default();
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
    };
    let all = fs::read_dir("/proc").ok()?.flatten();
    let mut processes = all.filter(|entry| number(&entry.file_name()));
    let process = processes.find(|process| {
        let files = fs::read_dir(process.path().join("fd"));
        files.into_iter().flatten().flatten().any(|file| {
            fs::read_link(file.path()).is_ok_and(|target| {
                let target = target.to_string_lossy();
                let socket = target
                    .strip_prefix("socket:[")
                    .and_then(|rest| rest.strip_suffix(']'));
                socket.is_some_and(|socket| inodes.iter().any(|inode| inode == socket))
            })
        })
    })?;
    let name = fs::read_to_string(process.path().join("comm")).ok()?;
    Some(format!(
        "{} (pid {})",
        name.trim(),
        process.file_name().to_string_lossy()
    ))
}

/// The inodes of the sockets that wait on a port: TCP in state 0A (listen), UDP in 07 (proc(5)).
fn of_table(table: &str, port: u16) -> Vec<String> {
    let port = format!("{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let here = fields.get(1)?.rsplit(':').next()? == port;
            let waits = matches!(*fields.get(3)?, "0A" | "07");
            (here && waits).then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:210C 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1\n   \
            1: 0100007F:210C 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1\n";
        assert_eq!(of_table(table, 0x210C), ["4711"]);
        assert!(of_table(table, 80).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn our_own_port_is_ours() {
        let ours = format!("(pid {})", std::process::id());
        // On a busy computer another may have the same number for datagrams.
        let taken: Vec<_> = (0..20)
            .map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let mut holders = taken
            .iter()
            .filter_map(|taken| of_port(taken.local_addr().unwrap()));
        assert!(holders.any(|holder| holder.contains(&ours)));
    }
}
