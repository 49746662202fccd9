//! The limits, the loopback interface and the clock of this computer.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Finding, State, t};
use crate::banner::Language;
use crate::config::{Config, Mode};
use crate::open_files;

/// The year in which this was written: no clock is right that says less. In seconds since 1970.
const WRITTEN: u64 = 1_767_225_600;
/// No certificate of today is valid then.
const FAR: u64 = 4_102_444_800;

/// The program raises its own limit as far as it may: the second number of what
/// `/proc/self/limits` says.
pub fn files(config: &Config, limits: Option<&str>, language: Language) -> Finding {
    let check = "open-files";
    let most = limits.and_then(|limits| {
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace()
            .nth(1)
            .map(|most| most.parse::<usize>().unwrap_or(usize::MAX))
    });
    let Some(most) = most else {
        return Finding::ill(
            check,
            State::Warning,
            t(
                language,
                "the limit cannot be read on this system",
                "このシステムでは上限を確認できません",
            ),
            t(
                language,
                "look at `ulimit -Hn` yourself; 65536 is ample",
                "`ulimit -Hn` を確認してください。65536 あれば十分です",
            ),
        );
    };
    let finding = t(
        language,
        format!("a process may open {most} files"),
        format!("1 プロセスで {most} 個のファイルを開けます"),
    );
    let wanted = match config.mode {
        Mode::Development => 1024,
        Mode::Production => config.max_calls * open_files::PER_CALL + open_files::BESIDES,
    };
    let cure = t(
        language,
        format!(
            "`ulimit -Hn {wanted}`, or LimitNOFILE={wanted} in the service's unit, or a lower max-calls"
        ),
        format!(
            "`ulimit -Hn {wanted}` を実行するか、サービスの設定を LimitNOFILE={wanted} にするか、max-calls を下げてください"
        ),
    );
    let calls = most.saturating_sub(open_files::BESIDES) / open_files::PER_CALL;
    match most {
        _ if most >= wanted => Finding::ok(check, finding),
        _ if most < 256 => Finding::ill(check, State::Wrong, finding, cure),
        _ => Finding::ill(
            check,
            State::Warning,
            t(
                language,
                format!("{finding}, enough for about {calls} calls"),
                format!("{finding}（約 {calls} 通話分）"),
            ),
            cure,
        ),
    }
}

/// A datagram to ourselves.
pub fn loopback(language: Language) -> Finding {
    let check = "loopback";
    let begun = Instant::now();
    let exchange = || {
        let (one, other) = (
            UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
            UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
        );
        other.set_read_timeout(Some(Duration::from_secs(1)))?;
        one.send_to(b"hello", other.local_addr()?)?;
        let mut buffer = [0; 16];
        let (length, from) = other.recv_from(&mut buffer)?;
        Ok::<_, std::io::Error>(
            &buffer[..length] == b"hello" && from.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST),
        )
    };
    let cure = t(
        language,
        "let UDP pass on the loopback interface; firewalls and sandboxes sometimes stop it",
        "ループバックの UDP を許可してください。ファイアウォールやサンドボックスが止めることがあります",
    );
    let ill = |finding: String| Finding::ill(check, State::Wrong, finding, cure.clone());
    match exchange() {
        Ok(true) => {
            let took = begun.elapsed().as_secs_f64() * 1000.0;
            Finding::ok(
                check,
                t(
                    language,
                    format!("UDP on 127.0.0.1 works ({took:.1} ms)"),
                    format!("127.0.0.1 の UDP が使えます（{took:.1} ms）"),
                ),
            )
        }
        Ok(false) => ill(t(
            language,
            "a datagram came back changed",
            "データグラムが書き換えられて届きました",
        )),
        Err(error) => ill(format!("UDP on 127.0.0.1: {error}")),
    }
}

/// Certificates, signatures and call records need the date; sound needs a clock that does not jump.
pub fn clock(language: Language) -> Finding {
    let check = "clock";
    let cure = t(
        language,
        "set the clock, and let a time service keep it",
        "時計を合わせ、時刻同期サービスを有効にしてください",
    );
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    };
    let (wall, steady) = (now(), Instant::now());
    if !(WRITTEN..FAR).contains(&wall.as_secs()) {
        let seconds = wall.as_secs();
        let finding = t(
            language,
            format!("it says {seconds} s since 1970"),
            format!("1970 年から {seconds} 秒を指しています"),
        );
        return Finding::ill(check, State::Wrong, finding, cure);
    }
    std::thread::sleep(Duration::from_millis(50));
    let apart = now().abs_diff(wall).abs_diff(steady.elapsed());
    if apart > Duration::from_millis(20) {
        let apart = apart.as_millis();
        let finding = t(
            language,
            format!("it jumped by {apart} ms while it was watched"),
            format!("確認中に {apart} ms ずれました"),
        );
        return Finding::ill(check, State::Warning, finding, cure);
    }
    Finding::ok(
        check,
        t(
            language,
            "the date is plausible, and the clock is steady",
            "日付は妥当で、時計は安定しています",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn few_files_are_few_calls() {
        let limits = |most: &str| {
            format!(
                "Limit   Soft Limit  Hard Limit  Units\nMax open files            90                 {most}              files\n"
            )
        };
        let state =
            |most: &str| files(&Config::production(), Some(&limits(most)), Language::En).state;
        assert_eq!(
            (
                state("100"),
                state("1024"),
                state("65536"),
                state("unlimited")
            ),
            (State::Wrong, State::Warning, State::Ok, State::Ok)
        );
        assert_eq!(files(&config(), None, Language::En).state, State::Warning);
    }
}
