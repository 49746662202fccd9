//! For tests only: scenarios, seeded worlds, scripted counterparts.

pub mod laws;
pub mod scenario;
pub mod world;
