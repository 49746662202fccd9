//! What a fresh development system has from the start: an account, a key, numbers, a SIP domain
//! with two users, and the trunk to the virtual telephones. Known values, low in entropy on
//! purpose: secret scanners stay quiet, and scripts can name them. Never in production.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use model::account::{Account, AccountStatus, ApiKey, KeyClass};
use model::application::Application;
use model::credential_list::{Credential, CredentialList};
use model::now::Wall;
use model::phone_number::{Capabilities, IncomingPhoneNumber, PhoneNumber};
use model::pii::Pii;
use model::sid::{
    AccountSid, ApplicationSid, CredentialListSid, CredentialSid, KeySid, PhoneNumberSid,
    SipDomainSid, TrunkSid,
};
use model::sip_domain::{MappedList, MappingUse, SipDomain, SipDomainMapping};
use model::trunk::{Transport, Trunk};
use store::{Error, Store};

use crate::softphone;

/// The SIP domain that `localhost` stands for.
pub const DOMAIN: &str = "local.sip.twilio.com";
/// The token of the account and the secret of the key. Letters and digits only: the go library
/// sends nothing else (contract 1.2).
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// SIP users, and the password of both.
pub const SIP_USERS: [&str; 2] = ["alice", "bob"];
/// The password of the SIP users.
pub const SIP_PASSWORD: &str = "switchboard";

/// The numbers by purpose, and the path of each program under `/_switchboard/demo`.
pub const NUMBERS: [(&str, &str, &str); 4] = [
    ("echo", "+15005550100", "echo"),
    ("menu", "+15005550101", "menu"),
    ("demo", "+15005550102", "voice"),
    ("failures", "+15005550105", "failures"),
];
/// The number that asks the developer's own program.
pub const YOURS: &str = "+15005550110";
/// The number of the first virtual telephone; nine follow.
pub const FIRST_PHONE: u64 = 15_005_550_120;

const ONE: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// The account.
pub fn account_sid() -> AccountSid {
    AccountSid::from_bytes(ONE)
}

/// The key.
pub fn key_sid() -> KeySid {
    KeySid::from_bytes(ONE)
}

/// The application of the developer's own program.
pub fn application_sid() -> ApplicationSid {
    numbered_application(1)
}

/// The application for the SDKs' preflight test.
pub fn preflight_application_sid() -> ApplicationSid {
    numbered_application(3)
}

/// One of the seeded applications.
pub fn numbered_application(number: u8) -> ApplicationSid {
    let mut bytes = [0; 16];
    bytes[15] = number;
    ApplicationSid::from_bytes(bytes)
}

/// The virtual telephones.
pub fn phones() -> Vec<PhoneNumber> {
    (FIRST_PHONE..FIRST_PHONE + 10)
        .filter_map(|digits| format!("+{digits}").parse().ok())
        .collect()
}

/// Purpose to number, for the banner.
pub fn numbers() -> BTreeMap<String, String> {
    let yours = [("yours".to_owned(), YOURS.to_owned())];
    NUMBERS
        .iter()
        .map(|(purpose, number, _)| ((*purpose).to_owned(), (*number).to_owned()))
        .chain(yours)
        .collect()
}

/// Makes what is missing; `network` is where the virtual telephones listen in this run, `api`
/// where the demo programs are served.
pub async fn sow(store: &Store, now: Wall, api: &str, network: SocketAddr) -> Result<(), Error> {
    let account = account_sid();
    if store.accounts().find(account).await?.is_none() {
        plant(store, now).await?;
    }
    // Ports may have changed since the last run.
    let trunk_sid = TrunkSid::from_bytes(ONE);
    let port = network.port();
    store
        .trunks()
        .update(account, trunk_sid, move |trunk| trunk.port = port)
        .await?;
    for (at, (_, _, path)) in NUMBERS.iter().enumerate() {
        let url = format!("{api}/_switchboard/demo/{path}");
        store
            .phone_numbers()
            .update(account, number_sid(at), move |number| {
                number.voice_url = Some(url)
            })
            .await?;
    }
    for (sid, name, path) in [
        (
            softphone::application_sid(),
            "Softphone",
            softphone::PROGRAM,
        ),
        (
            preflight_application_sid(),
            "Preflight",
            softphone::PREFLIGHT,
        ),
    ] {
        let mut application = Application::new(sid, account, now);
        application.friendly_name = Some(name.to_owned());
        application.voice_url = Some(format!("{api}{path}"));
        let url = application.voice_url.clone();
        let applications = store.applications();
        let kept = applications.update(account, sid, move |kept| kept.voice_url = url);
        if kept.await?.is_none() {
            applications.insert(application).await?;
        }
    }
    Ok(())
}

fn number_sid(at: usize) -> PhoneNumberSid {
    let mut bytes = [0; 16];
    bytes[15] = at as u8 + 1;
    PhoneNumberSid::from_bytes(bytes)
}

async fn plant(store: &Store, now: Wall) -> Result<(), Error> {
    let account = account_sid();
    store
        .accounts()
        .insert(Account {
            sid: account,
            owner: account,
            friendly_name: "Development".to_owned(),
            status: AccountStatus::Active,
            auth_token: Pii(TOKEN.to_owned()),
            secondary_auth_token: None,
            created: now,
            updated: now,
        })
        .await?;
    store
        .keys()
        .insert(ApiKey {
            sid: key_sid(),
            account,
            friendly_name: "Development".to_owned(),
            class: KeyClass::Main,
            secret: Pii(TOKEN.to_owned()),
            created: now,
            updated: now,
        })
        .await?;
    let mut application = Application::new(application_sid(), account, now);
    application.friendly_name = Some("Your program".to_owned());
    application.voice_url = Some("http://localhost:3000/voice".to_owned());
    store.applications().insert(application).await?;

    let owned = NUMBERS
        .iter()
        .map(|(purpose, number, _)| (*purpose, *number))
        .chain([("yours", YOURS)]);
    for (at, (purpose, number)) in owned.enumerate() {
        let number: PhoneNumber = number.parse().expect("the table holds E.164 numbers");
        let mut owned = IncomingPhoneNumber::new(number_sid(at), account, number, now);
        owned.friendly_name = purpose.to_owned();
        owned.capabilities = Capabilities {
            voice: true,
            ..owned.capabilities
        };
        owned.voice_application = (purpose == "yours").then(application_sid);
        store.phone_numbers().insert(owned).await?;
    }

    let list = CredentialListSid::from_bytes(ONE);
    let friendly_name = "Development".to_owned();
    store
        .credential_lists()
        .insert(CredentialList {
            sid: list,
            account,
            friendly_name,
            created: now,
            updated: now,
        })
        .await?;
    for (at, username) in SIP_USERS.into_iter().enumerate() {
        let mut bytes = ONE;
        bytes[0] = at as u8;
        let (sid, username, password) = (
            CredentialSid::from_bytes(bytes),
            username.to_owned(),
            Pii(SIP_PASSWORD.to_owned()),
        );
        store
            .credentials()
            .insert(Credential {
                sid,
                account,
                list,
                username,
                password,
                created: now,
                updated: now,
            })
            .await?;
    }
    let domain = SipDomainSid::from_bytes(ONE);
    store
        .sip_domains()
        .insert(SipDomain {
            sid: domain,
            account,
            domain_name: DOMAIN.to_owned(),
            friendly_name: "Development".to_owned(),
            voice_url: None,
            voice_method: Default::default(),
            voice_fallback_url: None,
            voice_fallback_method: Default::default(),
            voice_status_callback_url: None,
            voice_status_callback_method: Default::default(),
            sip_registration: true,
            emergency_calling_enabled: false,
            secure: false,
            byoc_trunk_sid: None,
            emergency_caller: None,
            created: now,
            updated: now,
        })
        .await?;
    for purpose in [MappingUse::Calls, MappingUse::Registrations] {
        let mapping = SipDomainMapping {
            domain,
            purpose,
            list: MappedList::Credentials(list),
            created: now,
        };
        store.sip_domains().map(account, mapping).await?;
    }
    store
        .trunks()
        .insert(Trunk {
            sid: TrunkSid::from_bytes(ONE),
            account,
            name: "Virtual telephones".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 0,
            transport: Transport::Udp,
            username: None,
            password: None,
            sources: ["127.0.0.1/32".parse().expect("an address and a prefix")].into(),
            default: true,
            prefixes: Vec::new(),
            media: Default::default(),
            created: now,
            updated: now,
        })
        .await
}
