//! Whether a page's token is good: whose secret signed it is looked up here, what it says is read
//! by `model::token`.

use browser::{Fault, Pass};
use model::account::AccountStatus;
use model::token::{Signer, Token, TokenFault, Unverified};

use crate::clock;
use crate::rim::Rim;

/// What a token allows, or what the page is told.
pub async fn check(rim: &Rim, token: &str) -> Result<Pass, Fault> {
    let token = verify(rim, token).await?;
    Pass::of(&token, clock::now().wall)
}

/// A verified token; also for telemetry, which carries the same one.
pub async fn verify(rim: &Rim, token: &str) -> Result<Token, Fault> {
    let unverified = Unverified::parse(token)?;
    let looked_up = async {
        let account = rim.store.accounts().find(unverified.account_sid()).await?;
        let Some(account) = account.filter(|account| account.status == AccountStatus::Active)
        else {
            return Ok(Err(TokenFault::Account));
        };
        Ok::<_, store::Error>(match unverified.signer() {
            Signer::Account(_) => Ok(account.auth_token.into_inner()),
            Signer::Key { key, account } => rim
                .store
                .keys()
                .find_anywhere(key)
                .await?
                .filter(|key| key.account == account)
                .map(|key| key.secret.into_inner())
                .ok_or(TokenFault::Issuer),
        })
    };
    let secret = match looked_up.await {
        Ok(secret) => secret?,
        Err(error) => {
            tracing::error!(%error, "no page can be let in while the database cannot be read");
            return Err(Fault::new(53000, "The server cannot look at tokens now"));
        }
    };
    Ok(unverified.verify(&secret, clock::now().wall)?)
}
