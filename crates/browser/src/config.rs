//! Settings and bounds.

use crate::late_answer::{LateAnswer, Notices};

/// What an installation decides.
#[derive(Debug, Clone)]
pub struct Config {
    /// `connected.region`, for example `US_EAST_VIRGINIA`.
    pub region: String,
    /// `connected.edge`, for example `ashburn`.
    pub edge: String,
    /// `connected.edge` for those that come back during a call to `voice-js.<edge>.twilio.com`
    /// although they came from elsewhere: for example `voice.example.com/signal?`. None: where each
    /// came from.
    pub pinned_edge: Option<String>,
    /// `connected.home`; telemetry goes to `eventgw.<home>.twilio.com`. None: where each page came
    /// from.
    pub home: Option<String>,
    /// `connected.gateway`, copied into telemetry.
    pub gateway: String,
    /// What is done with who answers too late, where the call does not say it.
    pub late_answer: LateAnswer,
    /// How losers and winners learn more than the SDK tells, where the call does not say it.
    pub notices: Notices,
    /// Bounds.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            region: "US_EAST_VIRGINIA".to_owned(),
            edge: "ashburn".to_owned(),
            pinned_edge: None,
            home: None,
            gateway: String::new(),
            late_answer: LateAnswer::default(),
            notices: Notices::default(),
            limits: Limits::default(),
        }
    }
}

/// How much is kept; beside each, what happens beyond.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Sockets. `handle_opened` says no.
    pub connections: usize,
    /// Registered devices of one identity. The oldest is put offline.
    pub devices: usize,
    /// Calls that live. A new one is ended with 31480.
    pub calls: usize,
    /// Calls on one socket that live. A new one is ended with 31480, or not offered there.
    pub calls_per_socket: usize,
    /// Calls that are over and still known. The oldest is forgotten.
    pub tombstones: usize,
    /// Frames that wait for the verdict about a token. The socket is closed with 1008.
    pub queue: usize,
    /// Frames in a second. The socket is closed with 1008.
    pub frames_per_second: u32,
    /// Frames in a socket's life that could not be read. The socket is closed with 1008.
    pub malformed: u32,
    /// Bytes of a session description. It counts as unusable.
    pub description: usize,
    /// Bytes of an outgoing call's parameters. The call is ended with 31103.
    pub parameters: usize,
    /// Bytes of a call message's content. It is refused with 31212.
    pub message: usize,
    /// Call messages of one call in a second. More are refused with 31206.
    pub messages_per_second: u32,
    /// ICE restarts of one call in a minute. The call is ended with 53405.
    pub reinvites_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 20_000,
            devices: 10,
            calls: 10_000,
            calls_per_socket: 20,
            tombstones: 20_000,
            queue: 64,
            frames_per_second: 200,
            malformed: 20,
            description: 32 * 1024,
            parameters: 8 * 1024,
            message: 10 * 1024,
            messages_per_second: 20,
            reinvites_per_minute: 120,
        }
    }
}
