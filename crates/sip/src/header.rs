//! Header values with a structure of their own, one file each.

pub mod cseq;
pub mod name_addr;
pub mod params;
pub mod session_expires;
pub mod via;

pub use cseq::CSeq;
pub use name_addr::NameAddr;
pub use params::Params;
pub use session_expires::{Refresher, SessionExpires};
pub use via::Via;
