//! For tests only: scenarios, seeded worlds, scripted counterparts.

mod chance;
pub mod group;
pub mod laws;
pub mod outbox;
pub mod programs;
pub mod registrar;
pub mod scenario;
pub mod simulation;
pub mod wire;
pub mod world;
