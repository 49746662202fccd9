//! The HTTP API: authentication, forms, paging, resources, rendering.
//!
//! [`router::router`] is the whole of it. A request passes the gate (product by host name, format by
//! the end of the path, credentials, form), then one line of a route table, then one handler, and
//! leaves as a value that the gate writes as JSON or XML. Handlers know neither headers nor formats.
#![forbid(unsafe_code)]

pub mod app;
pub mod ask;
pub mod auth;
pub mod browsers;
pub mod control;
pub mod date;
pub mod error;
pub mod form;
pub mod live;
pub mod monitor_v1;
pub mod page;
pub mod product;
pub mod render;
pub mod router;
pub mod v2010;

pub use app::{App, Settings};
pub use router::router;
