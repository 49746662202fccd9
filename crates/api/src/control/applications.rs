//! `/_switchboard/v1/applications/{sid}`: what an application can be told that the original knows
//! nothing of. JSON in and out; the application itself is made and removed under `/2010-04-01`.

use axum::extract::Path;
use axum::http::StatusCode;
use model::application::Application;
use model::late_answer::LateAnswer;
use model::notices::Notices;
use model::sid::ApplicationSid;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::{Ask, Reply};
use crate::date::iso8601;
use crate::render::Answer;
use crate::router::not_found;

/// What a request says; what it does not mention stays, `null` clears.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default, deserialize_with = "super::mentioned")]
    late_answer: Option<Option<LateAnswer>>,
    #[serde(default, deserialize_with = "super::mentioned")]
    notices: Option<Option<Notices>>,
}

/// `GET /_switchboard/v1/applications/{sid}`.
pub async fn fetch(ask: Ask, Path(sid): Path<ApplicationSid>) -> Reply {
    let found = ask
        .app
        .store
        .applications()
        .find(ask.account_sid(), sid)
        .await?;
    let application = found.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::Json(StatusCode::OK, wire(&application)))
}

/// `POST /_switchboard/v1/applications/{sid}`.
pub async fn update(ask: Ask, Path(sid): Path<ApplicationSid>) -> Reply {
    let wanted: Wanted = ask.json()?;
    let now = ask.now;
    let changed = ask
        .app
        .store
        .applications()
        .update(ask.account_sid(), sid, move |application| {
            if let Some(late_answer) = wanted.late_answer {
                application.late_answer = late_answer;
                application.updated = now;
            }
            if let Some(notices) = wanted.notices {
                application.notices = notices;
                application.updated = now;
            }
        })
        .await?;
    let application = changed.ok_or_else(|| not_found(&ask.path))?;
    let live = &ask.app.live;
    live.to_browsers(sid, application.to_browsers()).await;
    Ok(Answer::Json(StatusCode::OK, wire(&application)))
}

fn wire(application: &Application) -> Value {
    json!({
        "sid": application.sid,
        "account_sid": application.account,
        "late_answer": application.late_answer,
        "notices": application.notices,
        "date_updated": iso8601(application.updated),
    })
}
