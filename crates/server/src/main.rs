//! The Switchboard binary: the only crate that opens sockets, spawns tasks or reads settings.

mod adopted;
mod alerts;
mod announced;
mod authority;
mod banner;
mod browsers;
mod cli;
mod clock;
mod config;
mod configured;
mod counters;
mod demo;
mod directory;
mod drivers;
mod effects;
mod exchange;
mod facts;
mod forget;
mod health;
mod inbound;
mod interrupted;
mod legs;
mod live;
mod media_port;
mod memory;
mod open_files;
mod outbound;
mod phones;
mod registrations;
mod resolver;
mod rim;
mod run;
mod seed;
mod softphone;
mod sounds;
mod speech;
mod telemetry;
mod telephones;
mod tls;
mod validation;

use std::process::ExitCode;

/// Calls make many small allocations on several threads, which is what this allocator is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Two libraries bring TLS; both use this implementation. It fails only if one was chosen before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    cli::main()
}
