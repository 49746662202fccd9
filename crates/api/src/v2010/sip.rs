//! `…/SIP`: domains, credentials, access control lists (contract 3.9).

use axum::Router;
use axum::routing::get;

pub mod credential_lists;
pub mod domains;
pub mod ip_access_control_lists;
pub mod mappings;

/// The route table, one line a resource.
pub(crate) fn routes(router: Router, base: &str) -> Router {
    use {credential_lists as cl, domains as sd, ip_access_control_lists as al};
    let at = |path: &str| format!("{base}/SIP{path}");
    let router = router
        .route(&at("/Domains"), get(sd::list).post(sd::create))
        .route(
            &at("/Domains/{sid}"),
            get(sd::fetch).post(sd::update).delete(sd::delete),
        )
        .route(&at("/CredentialLists"), get(cl::list).post(cl::create))
        .route(
            &at("/CredentialLists/{sid}"),
            get(cl::fetch).post(cl::update).delete(cl::delete),
        )
        .route(
            &at("/CredentialLists/{list}/Credentials"),
            get(cl::list_members).post(cl::create_member),
        )
        .route(
            &at("/CredentialLists/{list}/Credentials/{sid}"),
            get(cl::fetch_member)
                .post(cl::update_member)
                .delete(cl::delete_member),
        )
        .route(&at("/IpAccessControlLists"), get(al::list).post(al::create))
        .route(
            &at("/IpAccessControlLists/{sid}"),
            get(al::fetch).post(al::update).delete(al::delete),
        )
        .route(
            &at("/IpAccessControlLists/{list}/IpAddresses"),
            get(al::list_members).post(al::create_member),
        )
        .route(
            &at("/IpAccessControlLists/{list}/IpAddresses/{sid}"),
            get(al::fetch_member)
                .post(al::update_member)
                .delete(al::delete_member),
        );
    mappings::TABLE.iter().fold(router, |router, mapping| {
        mappings::routes(router, &at("/Domains/{domain}"), *mapping)
    })
}
