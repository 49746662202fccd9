//! What the API is given: the database, the ports, the settings, time and chance.

use std::sync::Arc;
use std::time::Duration;

use model::now::{Now, Wall};
use store::Store;

use crate::browsers::Browsers;
use crate::control::health::Health;
use crate::control::phones::Phones;
use crate::live::LiveCalls;

/// Reads both clocks.
pub type Clock = Arc<dyn Fn() -> Now + Send + Sync>;

/// Fills bytes with chance: for identifiers, tokens and secrets, so it must be unpredictable.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Everything a handler can reach. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub store: Store,
    /// The calls that run now.
    pub live: Arc<dyn LiveCalls>,
    /// Browser phones.
    pub browsers: Arc<dyn Browsers>,
    /// The virtual telephones of the development mode.
    pub phones: Arc<dyn Phones>,
    /// Whether the node is well, and its numbers.
    pub health: Arc<dyn Health>,
    /// What the operator decided.
    pub settings: Arc<Settings>,
    /// What time it is.
    pub clock: Clock,
    /// Where identifiers and secrets come from.
    pub random: Random,
}

/// What the operator decided.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Origin to put in front of absolute URLs, like `https://voice.example.org`. Without it they
    /// are built from the `Host` and `X-Forwarded-*` headers of the request.
    pub public_origin: Option<String>,
    /// Value of the `X-Home-Region` response header.
    pub region: String,
    /// The domain under which SIP domains live: `<label>.sip.<base_domain>`.
    pub base_domain: String,
    /// Longest a call may last from its answer, and the default of `TimeLimit` (14400 s upstream).
    pub max_call_duration: Duration,
    /// Whether a requested caller id counts as verified at once, without a call that asks for the
    /// code. An alert says so each time.
    pub validate_caller_ids_at_once: bool,
    /// Where the demo document is served: `VoiceUrl` of a number that is bought without any.
    pub demo_url: Option<String>,
    /// What `Tokens` lists: `stun:` and `turn:` addresses (RFC 7064, RFC 7065).
    pub ice_servers: Vec<String>,
    /// What the TURN servers among them make their credentials of.
    pub turn_secret: Option<String>,
    /// Requests under way at once; further ones are refused with 20429.
    pub requests_at_once: usize,
    /// Whether what would harm customers, like a bad network on purpose, is allowed.
    pub development: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            public_origin: None,
            region: "us1".into(),
            base_domain: "twilio.com".into(),
            max_call_duration: Duration::from_secs(14_400),
            validate_caller_ids_at_once: true,
            demo_url: None,
            ice_servers: Vec::new(),
            turn_secret: None,
            requests_at_once: 1024,
            development: false,
        }
    }
}

impl App {
    /// Calendar time.
    pub fn now(&self) -> Wall {
        (self.clock)().wall
    }

    /// Sixteen bytes for a new identifier.
    pub fn draw(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        (self.random)(&mut bytes);
        bytes
    }

    /// A new secret: 32 lowercase hexadecimal digits. The go library refuses to send anything but
    /// letters and digits (contract 1.2).
    pub fn secret(&self) -> String {
        self.draw()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}
