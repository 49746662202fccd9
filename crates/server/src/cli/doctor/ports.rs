//! The ports to listen on, and those for sound.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use super::{Finding, State, holder, t};
use crate::banner::Language;
use crate::config::Config;

/// Whether each address can be bound now.
pub fn listening(config: &Config, running: bool, language: Language) -> Vec<Finding> {
    let tcp = |address: SocketAddr| TcpListener::bind(address).map(drop);
    let udp = |address: SocketAddr| UdpSocket::bind(address).map(drop);
    let both = move |address: SocketAddr| tcp(address).and_then(|()| udp(address));
    let mut findings = vec![
        port("http", config.http, tcp(config.http), running, language),
        port("sip", config.sip, both(config.sip), running, language),
    ];
    for (check, address) in [("https", config.https), ("sips", config.sips)] {
        let found = |address| port(check, address, tcp(address), running, language);
        findings.extend(address.map(found));
    }
    findings
}

fn port(
    check: &'static str,
    address: SocketAddr,
    bound: std::io::Result<()>,
    running: bool,
    language: Language,
) -> Finding {
    let Err(error) = bound else {
        return Finding::ok(
            check,
            if address.port() == 0 {
                t(language, "any free port", "空いているポートを使います")
            } else {
                t(
                    language,
                    format!("{address} is free"),
                    format!("{address} は空いています"),
                )
            },
        );
    };
    let in_use = error.kind() == ErrorKind::AddrInUse;
    let holder = in_use.then(|| holder::of_port(address)).flatten();
    let finding = match &holder {
        Some(holder) => t(
            language,
            format!("{address} is taken by {holder}"),
            format!("{address} は {holder} が使っています"),
        ),
        None => format!("{address}: {error}"),
    };
    let cure = match error.kind() {
        ErrorKind::AddrInUse if running => {
            return Finding::ok(
                check,
                t(
                    language,
                    format!("{address} is in use, and a Switchboard runs with this data folder"),
                    format!(
                        "{address} は使用中ですが、このデータフォルダーの Switchboard が動いています"
                    ),
                ),
            );
        }
        ErrorKind::AddrInUse => t(
            language,
            format!(
                "end the program that has the port, set --{check}, or use `switchboard dev --ports auto`"
            ),
            format!(
                "ポートを使っているプログラムを終了するか、--{check} を設定するか、`switchboard dev --ports auto` を使ってください"
            ),
        ),
        ErrorKind::PermissionDenied => t(
            language,
            "use a port from 1024 on, or give the program the right to bind low ports",
            "1024 以上のポートを使うか、小さい番号のポートを開く権限を与えてください",
        ),
        ErrorKind::AddrNotAvailable => t(
            language,
            format!("set --{check} to an address that this computer has"),
            format!("--{check} にはこのコンピューターのアドレスを設定してください"),
        ),
        _ => t(
            language,
            format!("set --{check} to an address that can be bound"),
            format!("--{check} には使用できるアドレスを設定してください"),
        ),
    };
    Finding::ill(check, State::Wrong, finding, cure)
}

/// Tries a hundred ports of the range; all of them would take long.
pub fn sound(config: &Config, running: bool, language: Language) -> Finding {
    let (first, last) = config.media_ports;
    let step = usize::from((last - first) / 100).max(1);
    let tried: Vec<u16> = (first..=last).step_by(step).collect();
    let taken = tried
        .iter()
        .filter(|port| UdpSocket::bind((config.sip.ip(), **port)).is_err())
        .count();
    let all = tried.len();
    let finding = t(
        language,
        format!("{taken} of {all} ports tried between {first} and {last} are taken"),
        format!("{first} から {last} のうち試した {all} 個中 {taken} 個が使用中です"),
    );
    if taken * 10 > all && !running {
        return Finding::ill(
            "media-ports",
            State::Warning,
            finding,
            t(
                language,
                "set --media-ports to a range that other programs leave alone",
                "--media-ports には他のプログラムが使わない範囲を設定してください",
            ),
        );
    }
    Finding::ok("media-ports", finding)
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn a_taken_port_is_wrong_unless_it_is_our_own() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = config();
        config.http = taken.local_addr().unwrap();
        let found = |running| {
            listening(&config, running, Language::En)
                .into_iter()
                .find(|finding| finding.check == "http")
                .unwrap()
        };
        assert_eq!(found(false).state, State::Wrong);
        assert!(found(false).cure.unwrap().contains("--ports auto"));
        assert_eq!(found(true).state, State::Ok);
    }

    #[test]
    fn an_address_of_another_computer_is_named() {
        let mut config = config();
        config.sip = "192.0.2.1:5060".parse().unwrap();
        let finding = listening(&config, false, Language::En)
            .into_iter()
            .find(|finding| finding.check == "sip")
            .unwrap();
        assert_eq!(finding.state, State::Wrong);
        assert!(finding.cure.unwrap().contains("--sip"));
    }
}
