//! Our own control plane, `/_switchboard/v1`: JSON in and out, never mixed into compatible paths.

use axum::Router;
use axum::routing::{get, post};
use serde::{Deserialize, Deserializer};

pub mod applications;
pub mod clients;
pub mod health;
pub mod impairment;
pub mod phones;
pub mod telemetry;
pub mod trunks;

/// The route table, one line a resource.
pub(crate) fn routes() -> Router {
    Router::new()
        .route(
            "/_switchboard/v1/applications/{sid}",
            get(applications::fetch).post(applications::update),
        )
        .route("/_switchboard/v1/clients", get(clients::list))
        .route("/_switchboard/v1/phones", get(phones::list))
        .route(
            "/_switchboard/v1/phones/{number}",
            get(phones::fetch).post(phones::set),
        )
        .route("/_switchboard/v1/phones/{number}/calls", post(phones::dial))
        .route(
            "/_switchboard/v1/phones/{number}/heard.wav",
            get(phones::heard),
        )
        .route(
            "/_switchboard/v1/calls/{sid}/impairment",
            post(impairment::set),
        )
        .route(
            "/_switchboard/v1/calls/{sid}/telemetry",
            get(telemetry::fetch),
        )
        .route(
            "/_switchboard/v1/trunks",
            get(trunks::list).post(trunks::create),
        )
        .route(
            "/_switchboard/v1/trunks/{sid}",
            get(trunks::fetch)
                .post(trunks::update)
                .delete(trunks::delete),
        )
}

/// Tells `null`, which clears, from absence.
fn mentioned<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
