//! For tests only: scenarios, seeded worlds, scripted counterparts.
