//! The resources of `/2010-04-01`, one file each.

use axum::Router;
use axum::routing::{delete, get, post};
use model::phone_number::NumberType;

use crate::ask::Ask;

pub mod accounts;
pub mod applications;
pub mod available_numbers;
pub mod balance;
pub mod calls;
pub mod incoming_numbers;
pub mod keys;
pub mod notifications;
pub mod outgoing_caller_ids;
pub mod sip;
pub mod tokens;
pub mod version;

/// The route table, one line a resource.
#[rustfmt::skip]
pub(crate) fn routes() -> Router {
    use {applications as ap, available_numbers as av, incoming_numbers as pn};
    use {notifications as no, outgoing_caller_ids as ci};
    use calls::{user_defined_message_subscriptions as uds, user_defined_messages as udm};
    const BASE: &str = "/2010-04-01/Accounts/{account}";
    let at = |path: &str| format!("{BASE}{path}");
    let mut router = Router::new()
        .route("/2010-04-01", get(version::fetch))
        .route("/2010-04-01/Accounts", get(accounts::list).post(accounts::create))
        .route(BASE, get(accounts::fetch).post(accounts::update))
        .route(&at("/Balance"), get(balance::fetch))
        .route(&at("/Calls"), get(calls::list).post(calls::create))
        .route(&at("/Calls/{sid}"), get(calls::fetch).post(calls::update).delete(calls::delete))
        .route(&at("/Calls/{sid}/Events"), get(calls::events::list))
        .route(&at("/Calls/{sid}/Notifications"), get(no::list_of_call))
        .route(&at("/Calls/{call}/Notifications/{sid}"), get(no::fetch_of_call))
        .route(&at("/Calls/{sid}/UserDefinedMessages"), post(udm::create))
        .route(&at("/Calls/{sid}/UserDefinedMessageSubscriptions"), post(uds::create))
        .route(&at("/Calls/{call}/UserDefinedMessageSubscriptions/{sid}"), delete(uds::delete))
        .route(&at("/Tokens"), post(tokens::create))
        .route(&at("/Notifications"), get(no::list))
        .route(&at("/Notifications/{sid}"), get(no::fetch))
        .route(&at("/Applications"), get(ap::list).post(ap::create))
        .route(&at("/Applications/{sid}"), get(ap::fetch).post(ap::update).delete(ap::delete))
        .route(&at("/IncomingPhoneNumbers"), get(pn::list).post(pn::create))
        .route(&at("/IncomingPhoneNumbers/{sid}"), get(pn::fetch).post(pn::update).delete(pn::delete))
        .route(&at("/AvailablePhoneNumbers"), get(av::countries))
        .route(&at("/AvailablePhoneNumbers/{country}"), get(av::country))
        .route(&at("/AvailablePhoneNumbers/{country}/{type}"), get(av::list))
        .route(&at("/OutgoingCallerIds"), get(ci::list).post(ci::create))
        .route(&at("/OutgoingCallerIds/{sid}"), get(ci::fetch).post(ci::update).delete(ci::delete));
    for (name, kind) in [
        ("Local", NumberType::Local),
        ("Mobile", NumberType::Mobile),
        ("TollFree", NumberType::TollFree),
    ] {
        router = router.route(
            &at(&format!("/IncomingPhoneNumbers/{name}")),
            get(move |ask: Ask| pn::list_of(ask, kind)).post(move |ask: Ask| pn::create_of(ask, kind)),
        );
    }
    router = keys::routes(router, BASE, keys::KEYS);
    router = keys::routes(router, BASE, keys::SIGNING_KEYS);
    sip::routes(router, BASE)
}
