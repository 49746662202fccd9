//! Signals to a process that we started.
#![allow(unsafe_code, reason = "kill has no safe wrapper")]

/// Sends a signal to a process or, if it leads one, to its group. One that is gone does not mind.
pub fn send(pid: u32, signal: i32, group: bool) {
    let Ok(pid) = libc::pid_t::try_from(pid) else {
        return;
    };
    let pid = if group { -pid } else { pid };
    // SAFETY: takes two numbers and touches no memory of ours. The process is our child and not yet
    // waited for, so that its number is still its own.
    unsafe {
        libc::kill(pid, signal);
    }
}
