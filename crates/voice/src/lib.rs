//! The call engine: a pure machine from inputs to effects.
