//! The resources of `monitor/v1`: the debugger.

use axum::Router;
use axum::routing::get;

pub mod alerts;

/// The route table, one line a resource.
pub(crate) fn routes() -> Router {
    Router::new().route("/v1/Alerts", get(alerts::list)).route(
        "/v1/Alerts/{sid}",
        get(alerts::fetch).delete(alerts::delete),
    )
}
