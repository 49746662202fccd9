//! The data folder: whether it can be written, how fast, and how much room is left.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Finding, State, t};
use crate::banner::Language;

/// Below this many megabytes the next recordings or a busy day may fill the disk.
const LITTLE: u64 = 1024;
/// Below this many, little can be written at all.
const NOTHING: u64 = 50;
/// A call is acknowledged when it is on the disk: a disk slower than this is heard.
const SLOW: Duration = Duration::from_millis(100);

/// Whether a process holds the lock beside the database.
pub fn locked(data: &Path) -> bool {
    let file = fs::File::open(data.join("switchboard.db.lock"));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

/// The folder, or the nearest above it that is there.
fn nearest(folder: &Path) -> (PathBuf, bool) {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = absolute
        .ancestors()
        .find(|above| above.exists())
        .unwrap_or(Path::new("/"));
    (there.to_owned(), there == absolute)
}

/// It must take a file, and keep it.
pub fn writable(folder: &Path, running: bool, language: Language) -> Finding {
    let check = "data";
    let shown = folder.display();
    if running {
        return Finding::ill(
            check,
            State::Warning,
            t(
                language,
                format!("{shown} is in use by a running Switchboard"),
                format!("{shown} は動作中の Switchboard が使っています"),
            ),
            t(
                language,
                "end the other Switchboard, or give this one a folder of its own with --data",
                "もう一方の Switchboard を終了するか、--data で別のフォルダーを指定してください",
            ),
        );
    }
    let (there, made) = nearest(folder);
    let trial = there.join(format!(".switchboard-doctor-{}", std::process::id()));
    let begun = Instant::now();
    let written = fs::File::create(&trial).and_then(|mut file| {
        file.write_all(&[0; 4096])?;
        file.sync_all()
    });
    let took = begun.elapsed();
    let _ = fs::remove_file(&trial);
    let ms = took.as_millis();
    match written {
        Ok(()) if took > SLOW => Finding::ill(
            check,
            State::Warning,
            t(
                language,
                format!("{shown} can be written, but a write takes {ms} ms to reach the disk"),
                format!("{shown} には書き込めますが、ディスクへの反映に {ms} ms かかります"),
            ),
            t(
                language,
                "put the folder on a local disk with --data; network folders and busy disks delay every call",
                "--data でローカルディスクのフォルダーを指定してください。遅いディスクはすべての通話を遅らせます",
            ),
        ),
        Ok(()) if made => Finding::ok(
            check,
            t(
                language,
                format!("{shown} can be written and is free ({ms} ms to the disk)"),
                format!("{shown} に書き込めます（ディスクまで {ms} ms）"),
            ),
        ),
        Ok(()) => Finding::ok(
            check,
            t(
                language,
                format!("{shown} can be made"),
                format!("{shown} を作成できます"),
            ),
        ),
        Err(error) => Finding::ill(
            check,
            State::Wrong,
            format!("{}: {error}", there.display()),
            t(
                language,
                "set --data to a folder that this user can write",
                "--data にはこのユーザーが書き込めるフォルダーを設定してください",
            ),
        ),
    }
}

/// How much is free where the folder is. Asked of `df` (POSIX), as the standard library does not
/// tell; nothing is said where there is none.
pub fn room(folder: &Path, language: Language) -> Option<Finding> {
    let (there, _) = nearest(folder);
    let output = Command::new("df")
        .arg("-Pk")
        .arg(there)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let megabytes = free(&String::from_utf8_lossy(&output.stdout))? / 1024;
    let finding = t(
        language,
        format!("{megabytes} MB are free"),
        format!("空き容量は {megabytes} MB です"),
    );
    let cure = t(
        language,
        "make room, or set --data to a folder on another disk",
        "空き容量を増やすか、--data で別のディスクのフォルダーを指定してください",
    );
    // Pseudo file systems have no blocks, and are judged by `data`.
    Some(match megabytes {
        _ if megabytes < NOTHING => Finding::ill("disk", State::Wrong, finding, cure),
        _ if megabytes < LITTLE => Finding::ill("disk", State::Warning, finding, cure),
        _ => Finding::ok("disk", finding),
    })
}

/// The fourth column of the second line, in kilobytes; none of a file system without blocks.
fn free(table: &str) -> Option<u64> {
    let fields: Vec<&str> = table.lines().nth(1)?.split_whitespace().collect();
    let all: u64 = fields.get(1)?.parse().ok()?;
    let free = fields.get(3)?.parse().ok()?;
    (all > 0).then_some(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_is_wrong_and_a_locked_one_is_seen() {
        let state = |path: &Path, running| writable(path, running, Language::En).state;
        assert_eq!(state(Path::new("/proc/switchboard"), false), State::Wrong);
        assert_ne!(state(&std::env::temp_dir(), false), State::Wrong);
        let folder =
            std::env::temp_dir().join(format!("switchboard-doctor-lock-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let lock = fs::File::create(folder.join("switchboard.db.lock")).unwrap();
        assert!(!locked(&folder));
        lock.try_lock().unwrap();
        assert!(locked(&folder));
        assert_eq!(state(&folder, true), State::Warning);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_free_kilobytes_are_found() {
        let table = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a 1000 100 900 10% /\n";
        assert_eq!(free(table), Some(900));
        assert_eq!(free("Filesystem\nproc 0 0 0 - /proc\n"), None);
        assert_eq!(free(""), None);
        assert!(room(&std::env::temp_dir(), Language::En).is_some());
    }
}
