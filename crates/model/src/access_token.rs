//! Access tokens: signed with an API key, granting one identity the use of products.

use crate::sid::{AccountSid, ApplicationSid, KeySid};
use crate::token::{Lifetime, TokenFault, client_name};
use serde_json::{Map, Value};

/// What an access token says, after it was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessToken {
    /// The key it was signed with: what falls with the key falls with it.
    pub key: KeySid,
    /// The account.
    pub account: AccountSid,
    /// When it is good.
    pub lifetime: Lifetime,
    /// `twr`, for example `us1`.
    pub region: Option<String>,
    /// Who: needed by voice and chat.
    pub identity: Option<String>,
    /// Telephony in the page.
    pub voice: Option<VoiceGrant>,
    /// Chat; the older name `ip_messaging` means the same.
    pub chat: Option<ChatGrant>,
    /// Everything under `grants`, for products that we do not read.
    pub grants: Map<String, Value>,
}

/// What a page may do with calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VoiceGrant {
    /// It may be called.
    pub incoming: bool,
    /// The application that its calls ask.
    pub outgoing: Option<ApplicationSid>,
    /// Added to the request to the application; they win over the page's.
    pub parameters: Vec<(String, String)>,
    /// For push notifications.
    pub push_credential_sid: Option<String>,
    /// A name of the endpoint, from older libraries.
    pub endpoint_id: Option<String>,
}

/// What a page may do with chat.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChatGrant {
    /// The service.
    pub service_sid: Option<String>,
    /// The device, from older libraries.
    pub endpoint_id: Option<String>,
    /// The role in the service, from older libraries.
    pub deployment_role_sid: Option<String>,
    /// For push notifications.
    pub push_credential_sid: Option<String>,
}

impl AccessToken {
    /// Reads what was signed.
    pub(crate) fn read(
        key: KeySid,
        account: AccountSid,
        lifetime: Lifetime,
        region: Option<String>,
        mut claims: Map<String, Value>,
    ) -> Result<AccessToken, TokenFault> {
        let Some(Value::Object(grants)) = claims.remove("grants") else {
            return Err(TokenFault::Grants);
        };
        let identity = text(&grants, "identity");
        let voice = grants
            .get("voice")
            .map(|grant| voice(grant.as_object().ok_or(TokenFault::Grants)?))
            .transpose()?;
        let chat = grants
            .get("chat")
            .or_else(|| grants.get("ip_messaging"))
            .map(|grant| grant.as_object().ok_or(TokenFault::Grants).map(chat))
            .transpose()?;
        if (voice.is_some() || chat.is_some()) && identity.is_none() {
            return Err(TokenFault::Grants);
        }
        // Chat has no such rule.
        if voice.is_some()
            && let Some(identity) = &identity
        {
            client_name(identity)?;
        }
        Ok(AccessToken {
            key,
            account,
            lifetime,
            region,
            identity,
            voice,
            chat,
            grants,
        })
    }
}

fn voice(grant: &Map<String, Value>) -> Result<VoiceGrant, TokenFault> {
    let outgoing = match grant.get("outgoing") {
        None | Some(Value::Null) => None,
        Some(outgoing) => Some(outgoing.as_object().ok_or(TokenFault::Grants)?),
    };
    let application = outgoing
        .map(|outgoing| text(outgoing, "application_sid").unwrap_or_default())
        .map(|sid| sid.parse().map_err(|_| TokenFault::Grants))
        .transpose()?;
    let parameters = outgoing
        .and_then(|outgoing| outgoing.get("params")?.as_object())
        .map(|params| {
            params
                .iter()
                .map(|(name, value)| {
                    let value = value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned);
                    (name.clone(), value)
                })
                .collect()
        })
        .unwrap_or_default();
    Ok(VoiceGrant {
        incoming: grant
            .get("incoming")
            .is_some_and(|incoming| incoming["allow"].as_bool().unwrap_or(false)),
        outgoing: application,
        parameters,
        push_credential_sid: text(grant, "push_credential_sid"),
        endpoint_id: text(grant, "endpoint_id"),
    })
}

fn chat(grant: &Map<String, Value>) -> ChatGrant {
    ChatGrant {
        service_sid: text(grant, "service_sid"),
        endpoint_id: text(grant, "endpoint_id"),
        deployment_role_sid: text(grant, "deployment_role_sid"),
        push_credential_sid: text(grant, "push_credential_sid"),
    }
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tests::{NOW, SECRET, claims, header, sign};
    use crate::token::{Token, Unverified};
    use serde_json::json;

    fn read(claims: Value) -> Result<AccessToken, TokenFault> {
        match Unverified::parse(&sign(header(), claims, SECRET))?.verify(SECRET, NOW)? {
            Token::Access(token) => Ok(*token),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_it_grants() {
        let token = read(claims()).unwrap();
        assert_eq!(token.identity.as_deref(), Some("alice"));
        assert_eq!(token.lifetime.ttl(NOW), 3600);
        let voice = token.voice.unwrap();
        assert!(voice.incoming);
        assert_eq!(voice.outgoing, Some(ApplicationSid::from_bytes([0x33; 16])));
        let parameters: Vec<(&str, &str)> = voice
            .parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(parameters, [("team", "a b"), ("level", "2")]);
    }

    #[test]
    fn grants_that_are_missing_or_of_another_kind() {
        let mut only_out = claims();
        only_out["grants"]["voice"] = json!({"outgoing": null, "incoming": {"allow": false}});
        let voice = read(only_out).unwrap().voice.unwrap();
        assert_eq!(voice, VoiceGrant::default());
        for bad in [
            json!(true),
            json!({"outgoing": "AP"}),
            json!({"outgoing": {}}),
            json!({"outgoing": {"application_sid": "AP1"}}),
        ] {
            let mut claims = claims();
            claims["grants"]["voice"] = bad.clone();
            assert_eq!(read(claims), Err(TokenFault::Grants), "{bad}");
        }
    }

    #[test]
    fn chat_by_both_names_and_with_any_identity() {
        for name in ["chat", "ip_messaging"] {
            let mut claims = claims();
            claims["grants"] =
                json!({"identity": "jane.doe@example.com", name: {"service_sid": "IS1"}});
            let token = read(claims).unwrap();
            assert_eq!(token.chat.unwrap().service_sid.as_deref(), Some("IS1"));
            assert_eq!(token.voice, None);
        }
    }
}
