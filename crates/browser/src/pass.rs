//! From a verified token to what it allows here.

use crate::connection::{Credential, Outgoing, Pass};
use crate::error::Fault;
use model::now::Wall;
use model::token::{Token, TokenFault};
use std::time::Duration;

impl Pass {
    /// What a token allows a page. An access token without a voice grant is refused (31201).
    pub fn of(token: &Token, now: Wall) -> Result<Pass, Fault> {
        let outgoing = |application: Option<_>, parameters: &Vec<(String, String)>| {
            application.map(|application| Outgoing {
                application,
                parameters: parameters.clone(),
            })
        };
        match token {
            Token::Access(token) => {
                let Some(voice) = &token.voice else {
                    return Err(Fault::from(TokenFault::Grants));
                };
                Ok(Pass {
                    account: token.account,
                    identity: token.identity.clone(),
                    incoming: voice.incoming,
                    outgoing: outgoing(voice.outgoing, &voice.parameters),
                    ttl: Duration::from_secs(token.lifetime.ttl(now)),
                    credential: Credential::Key(token.key),
                })
            }
            Token::Capability(token) => Ok(Pass {
                account: token.account,
                identity: token.client_name.clone(),
                incoming: token.incoming,
                outgoing: outgoing(token.outgoing, &token.parameters),
                ttl: Duration::from_secs(token.lifetime.ttl(now)),
                credential: Credential::AuthToken(token.account),
            }),
        }
    }
}

impl From<TokenFault> for Fault {
    fn from(fault: TokenFault) -> Fault {
        // Text as the original writes it where it is known; ours elsewhere.
        let message = match fault {
            TokenFault::Signature => "JWT signature validation failed".to_owned(),
            TokenFault::Expired => "JWT Token Expired".to_owned(),
            fault => fault.to_string(),
        };
        Fault::new(fault.voice_code().code, message)
    }
}
