//! Capability tokens: signed with an account's auth token, for the first generation of the voice
//! SDK. What they allow is a list of URIs in `scope`.

use crate::sid::{AccountSid, ApplicationSid};
use crate::token::{Lifetime, TokenFault, client_name};
use serde_json::{Map, Value};
use url::form_urlencoded;

/// What a capability token says, after it was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilityToken {
    /// The account.
    pub account: AccountSid,
    /// When it is good.
    pub lifetime: Lifetime,
    /// The client's name; none: it can only call, as `client:Anonymous`.
    pub client_name: Option<String>,
    /// It may be called.
    pub incoming: bool,
    /// The application that its calls ask.
    pub outgoing: Option<ApplicationSid>,
    /// Added to the request to the application.
    pub parameters: Vec<(String, String)>,
}

impl CapabilityToken {
    /// Reads what was signed.
    pub(crate) fn read(
        account: AccountSid,
        lifetime: Lifetime,
        claims: &Map<String, Value>,
    ) -> Result<CapabilityToken, TokenFault> {
        let scope = claims
            .get("scope")
            .and_then(Value::as_str)
            .ok_or(TokenFault::Grants)?;
        let mut token = CapabilityToken {
            account,
            lifetime,
            client_name: None,
            incoming: false,
            outgoing: None,
            parameters: Vec::new(),
        };
        for uri in scope.split_ascii_whitespace() {
            let (scheme, query) = uri.split_once('?').unwrap_or((uri, ""));
            let fields: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect();
            let field = |name: &str| {
                fields
                    .iter()
                    .find(|(field, _)| field == name)
                    .map(|(_, value)| value.as_str())
                    .filter(|value| !value.is_empty())
            };
            match scheme {
                "scope:client:incoming" => {
                    // Nobody can be called who has no name.
                    let name = field("clientName").ok_or(TokenFault::Name)?;
                    token.client_name = Some(client_name(name)?);
                    token.incoming = true;
                }
                "scope:client:outgoing" => {
                    let application = field("appSid").ok_or(TokenFault::Grants)?;
                    token.outgoing = Some(application.parse().map_err(|_| TokenFault::Grants)?);
                    if let (None, Some(name)) = (&token.client_name, field("clientName")) {
                        token.client_name = Some(client_name(name)?);
                    }
                    token.parameters =
                        form_urlencoded::parse(field("appParams").unwrap_or_default().as_bytes())
                            .into_owned()
                            .collect();
                }
                // `scope:stream:subscribe` and what else there may be: not ours.
                _ => {}
            }
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tests::{NOW, SECRET, sign};
    use crate::token::{Signer, Token, Unverified};
    use serde_json::json;

    fn read(scope: Value) -> Result<CapabilityToken, TokenFault> {
        let token = sign(
            json!({"typ": "JWT", "alg": "HS256"}),
            json!({"iss": format!("AC{}", "2".repeat(32)), "exp": 1_700_003_600, "scope": scope}),
            SECRET,
        );
        let unverified = Unverified::parse(&token)?;
        assert_eq!(
            unverified.signer(),
            Signer::Account(AccountSid::from_bytes([0x22; 16]))
        );
        match unverified.verify(SECRET, NOW)? {
            Token::Capability(token) => Ok(token),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_it_allows() {
        let application = format!("AP{}", "3".repeat(32));
        let token = read(json!(format!(
            "scope:client:outgoing?appSid={application}&appParams=a%3D1%26b%3Dx%2520y&clientName=joey \
             scope:client:incoming?clientName=joey scope:stream:subscribe?path=%2F2010-04-01%2FEvents"
        )))
        .unwrap();
        assert_eq!(token.client_name.as_deref(), Some("joey"));
        assert!(token.incoming);
        assert_eq!(token.outgoing, Some(ApplicationSid::from_bytes([0x33; 16])));
        assert_eq!(
            token.parameters,
            [
                ("a".to_owned(), "1".to_owned()),
                ("b".to_owned(), "x y".to_owned())
            ]
        );
    }

    #[test]
    fn without_a_name_it_can_only_call() {
        let token = read(json!(format!(
            "scope:client:outgoing?appSid=AP{}",
            "3".repeat(32)
        )))
        .unwrap();
        assert_eq!((token.client_name, token.incoming), (None, false));
        assert!(token.outgoing.is_some());
    }

    #[test]
    fn scopes_that_cannot_be() {
        for (scope, fault) in [
            (json!(null), TokenFault::Grants),
            (
                json!("scope:client:outgoing?appSid=AP1"),
                TokenFault::Grants,
            ),
            (json!("scope:client:outgoing"), TokenFault::Grants),
            (json!("scope:client:incoming"), TokenFault::Name),
            (
                json!("scope:client:incoming?clientName=a%20b"),
                TokenFault::Name,
            ),
        ] {
            assert_eq!(read(scope.clone()), Err(fault), "{scope}");
        }
        assert!(read(json!("")).is_ok(), "allows nothing");
    }
}
