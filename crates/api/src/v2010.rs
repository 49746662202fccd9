//! The resources of `/2010-04-01`, one file each.

use axum::Router;
use axum::routing::{MethodRouter, get};

pub mod accounts;
pub mod calls;

/// The route table, one line a resource.
pub(crate) fn routes() -> Router {
    let of = |path: &str| format!("/2010-04-01/Accounts/{{account}}{path}");
    let table: Vec<(String, MethodRouter)> = vec![
        (
            "/2010-04-01/Accounts".into(),
            get(accounts::list).post(accounts::create),
        ),
        (of(""), get(accounts::fetch).post(accounts::update)),
        (of("/Calls"), get(calls::list).post(calls::create)),
        (of("/Calls/{sid}/Events"), get(calls::events::list)),
        (
            of("/Calls/{sid}"),
            get(calls::fetch).post(calls::update).delete(calls::delete),
        ),
    ];
    table
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.route(&path, methods)
        })
}
