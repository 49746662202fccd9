//! The look-ups that routing makes, in its own words.

use std::net::SocketAddr;

use model::account::{Account, AccountStatus};
use model::call::Direction;
use model::ip_access_control_list::IpNetwork;
use model::phone_number::{IncomingPhoneNumber, PhoneNumber};
use model::sid::{AccountSid, CredentialListSid};
use model::sip_domain::{MappedList, MappingUse, SipDomain};
use model::trunk::Trunk;
use store::Error;
use voice::effect::Invite;
use voice::input::Instructions;

use crate::inbound::{ON_COMPLETED, of_application};
use crate::rim::Rim;

/// What a developer's phone calls this computer.
const LOCAL_NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// The lists that guard a domain for one purpose.
#[derive(Debug, Default)]
pub struct Lists {
    /// Lists of user names and passwords.
    pub credential_lists: Vec<(AccountSid, CredentialListSid)>,
    /// Allowed networks.
    pub addresses: Vec<IpNetwork>,
}

impl Rim {
    /// The host that our From headers name.
    pub fn host(&self) -> String {
        self.config
            .public_host
            .clone()
            .unwrap_or_else(|| self.told_ip.to_string())
    }

    /// The SIP domain behind a host name. On a developer's computer `localhost` and the loopback
    /// addresses mean the domain that was seeded.
    pub async fn domain(&self, host: &str) -> Result<Option<SipDomain>, Error> {
        let local = self.local.ip().is_loopback() && LOCAL_NAMES.contains(&host);
        let name = if local { crate::seed::DOMAIN } else { host };
        self.store
            .sip_domains()
            .find_by_name(&name.to_ascii_lowercase())
            .await
    }

    /// The host names under which a domain's phones may have registered.
    pub fn names(&self, domain: &SipDomain) -> Vec<String> {
        let mut names = vec![domain.domain_name.clone()];
        if self.local.ip().is_loopback() && domain.domain_name == crate::seed::DOMAIN {
            names.extend(LOCAL_NAMES.map(str::to_owned));
        }
        names
    }

    /// Whether an account and its owner may do anything.
    pub async fn is_active(&self, account: AccountSid) -> Result<bool, Error> {
        let accounts = self.store.accounts();
        let active = |account: &Account| account.status == AccountStatus::Active;
        let Some(account) = accounts.find(account).await?.filter(active) else {
            return Ok(false);
        };
        Ok(!account.is_subaccount()
            || accounts
                .find(account.owner)
                .await?
                .is_some_and(|o| active(&o)))
    }

    /// What guards a domain.
    pub async fn lists(&self, domain: &SipDomain, purpose: MappingUse) -> Result<Lists, Error> {
        let mut lists = Lists::default();
        for mapping in self.store.sip_domains().mappings(domain.sid).await? {
            match mapping.list {
                _ if mapping.purpose != purpose => {}
                MappedList::Credentials(list) => {
                    lists.credential_lists.push((domain.account, list))
                }
                MappedList::IpAccessControl(list) => {
                    lists.addresses.extend(
                        self.store
                            .ip_addresses()
                            .all(list)
                            .await?
                            .into_iter()
                            .map(|address| address.network),
                    );
                }
            }
        }
        Ok(lists)
    }

    /// A user's password in any of the lists.
    pub async fn password(
        &self,
        lists: &[(AccountSid, CredentialListSid)],
        username: &str,
    ) -> Result<Option<String>, Error> {
        for (_, list) in lists {
            let credentials = self.store.credentials().all(*list).await?;
            if let Some(found) = credentials
                .into_iter()
                .find(|credential| credential.username == username)
            {
                return Ok(Some(found.password.into_inner()));
            }
        }
        Ok(None)
    }

    /// The trunks that send calls from an address. The simulated network sends from a port of its
    /// own, so that other programs on a developer's computer are not taken for it.
    pub async fn trunks_from(&self, source: SocketAddr) -> Result<Vec<Trunk>, Error> {
        let mut trunks = self.store.trunks().all().await?;
        trunks.retain(|trunk| {
            trunk.sends_from(source.ip())
                && (!source.ip().is_loopback() || trunk.port == source.port())
        });
        Ok(trunks)
    }

    /// From where trunks send us calls.
    pub async fn sources(&self) -> Result<Vec<IpNetwork>, Error> {
        let trunks = self.store.trunks().all().await?;
        Ok(trunks.into_iter().flat_map(|trunk| trunk.sources).collect())
    }

    /// The trunks that an account may use: its own, and those of its owner.
    pub async fn trunks(&self, account: AccountSid) -> Result<Vec<Trunk>, Error> {
        let owner = self
            .store
            .accounts()
            .find(account)
            .await?
            .map(|account| account.owner);
        let mut trunks = self.store.trunks().all().await?;
        trunks.retain(|trunk| trunk.account == account || Some(trunk.account) == owner);
        Ok(trunks)
    }

    /// What the telephone network may be shown as the caller: a number that the account owns or has
    /// verified, or what the telephone network itself showed of the call that is passed on (compat
    /// dial-15); `None` is nothing of that.
    pub async fn shown(&self, invite: &Invite) -> Result<Option<String>, Error> {
        let account = invite.account;
        if let Ok(number) = PhoneNumber::lenient(&invite.from) {
            let owned = self.store.phone_numbers().find_by_number(&number).await?;
            let verified = self.store.caller_ids();
            let verified = verified.find_by_number(account, &number).await?;
            if owned.is_some_and(|owned| owned.account == account) || verified.is_some() {
                return Ok(Some(number.to_string()));
            }
        }
        // Written down before anybody is called.
        let calls = self.store.calls();
        let call = calls.find(account, invite.call).await?;
        let Some(parent) = call.and_then(|call| call.parent) else {
            return Ok(None);
        };
        let parent = calls.find(account, parent).await?.filter(|parent| {
            parent.direction == Direction::Inbound
                && parent.trunk.is_some()
                && parent.from == invite.from
        });
        Ok(parent.map(|parent| parent.from))
    }

    /// The owned number that was called.
    pub async fn number(&self, called: &str) -> Result<Option<IncomingPhoneNumber>, Error> {
        match PhoneNumber::lenient(called) {
            Ok(number) => self.store.phone_numbers().find_by_number(&number).await,
            Err(_) => Ok(None),
        }
    }

    /// What a number does: its application's URLs if it has one, else its own.
    pub async fn instructions(&self, number: &IncomingPhoneNumber) -> Result<Instructions, Error> {
        if let Some(sid) = number.voice_application
            && let Some(application) = self.store.applications().find(number.account, sid).await?
        {
            return Ok(of_application(application));
        }
        Ok(Instructions {
            twiml: None,
            url: number.voice_url.clone(),
            method: number.voice_method,
            fallback_url: number.voice_fallback_url.clone(),
            fallback_method: number.voice_fallback_method,
            status_callback: number.status_callback.clone(),
            status_callback_method: number.status_callback_method,
            status_callback_events: ON_COMPLETED,
        })
    }
}
