//! TwiML as data: parse, check, print. No behaviour.
//!
//! [`Document::parse`] turns a customer's answer into verbs, each with its place in the
//! text, and a list of what was wrong with it. A fault in one element never spoils the
//! rest: the element or attribute is ignored and named in [`Document::problems`]. Only text
//! that is not a TwiML document at all is refused.
//!
//! URLs are kept as written. Resolving them needs the address of the document, which the
//! call knows and this crate does not.
#![forbid(unsafe_code)]

#[macro_use]
mod attribute;
pub mod document;
pub mod nouns;
mod print;
pub mod problem;
mod read;
pub mod ssml;
pub mod verb;
pub mod verbs;
pub mod words;

pub use attribute::Repeat;
pub use document::{Context, Document, Limits};
pub use model::method::Method;
pub use problem::{Placed, Position, Problem, Severity};
pub use ssml::Ssml;
pub use verb::{Sound, Verb};
