//! TwiML applications.

use model::application::{Application, ToBrowsers};
use model::now::Wall;
use model::page::{Page, PageRequest};
use model::sid::{AccountSid, ApplicationSid};

use crate::connection::Value;
use crate::error::Error;
use crate::rows::{self, Filters, Order, Record};

impl Record for Application {
    const TABLE: &'static str = "applications";
    const SEARCHED: &'static [&'static str] = &["friendly_name"];

    fn sid(&self) -> String {
        self.sid.to_string()
    }
    fn account(&self) -> String {
        self.account.to_string()
    }
    fn created(&self) -> Wall {
        self.created
    }
    fn searched(&self) -> Vec<Value> {
        vec![Value::Text(self.friendly_name.clone())]
    }
}

/// Which applications a list shows.
#[derive(Debug, Clone, Default)]
pub struct ApplicationFilter {
    /// Those of this name.
    pub friendly_name: Option<String>,
}

crate::aggregate::aggregate!(
    /// TwiML applications.
    Applications, applications: Application, by ApplicationSid
);

impl Applications<'_> {
    /// What the browsers of each application are told otherwise, where it says so.
    pub async fn to_browsers(&self) -> Result<Vec<(ApplicationSid, ToBrowsers)>, Error> {
        let sql = "SELECT record FROM applications WHERE record LIKE '%\"late_answer\":\"%' OR record LIKE '%\"notices\":\"%'";
        let all: Vec<Application> = (self
            .0
            .read(move |connection| connection.all(sql, &[], rows::read)))
        .await?;
        Ok(all.iter().map(|one| (one.sid, one.to_browsers())).collect())
    }

    /// The applications of an account, newest first.
    pub async fn list(
        &self,
        account: AccountSid,
        filter: &ApplicationFilter,
        request: &PageRequest,
    ) -> Result<Page<Application>, Error> {
        let filters = Filters::default()
            .eq("account", account)
            .eq_if("friendly_name", filter.friendly_name.as_ref());
        self.0.page(filters, Order::NewestFirst, request).await
    }
}
