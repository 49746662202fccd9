//! Session descriptions (RFC 8866) and offer/answer (RFC 3264).

pub mod description;
pub mod offer_answer;
mod parse;
mod print;

pub use description::{Crypto, Description, Direction, Format, Media};
pub use offer_answer::{Agreed, Answer, Disagreement, Local, SrtpKeys, accept, answer, offer};
