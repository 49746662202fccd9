//! `/healthz`, `/readyz`, `/metrics`: for those who watch, without credentials.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::live::Answering;

/// Whether the node is well, and its numbers.
pub trait Health: Send + Sync {
    /// Whether new work can be taken; otherwise why not. The database is asked besides.
    fn ready(&self) -> Answering<'_, Result<(), String>>;

    /// The numbers, in the Prometheus text format.
    fn metrics(&self) -> String;
}

/// Answers one of the three.
pub(crate) async fn answer(app: &App, path: &str) -> Response {
    match path {
        "/healthz" => text(StatusCode::OK, "ok\n".into()),
        "/readyz" => {
            let ready = match app.health.ready().await {
                Ok(()) => app.store.check().await.map_err(|error| error.to_string()),
                Err(reason) => Err(reason),
            };
            match ready {
                Ok(()) => text(StatusCode::OK, "ready\n".into()),
                Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
            }
        }
        _ => text(StatusCode::OK, app.health.metrics()),
    }
}

fn text(status: StatusCode, body: String) -> Response {
    (
        status,
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        body,
    )
        .into_response()
}
