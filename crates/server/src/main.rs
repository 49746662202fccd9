//! The Switchboard binary: the only crate that opens sockets, spawns tasks or reads settings.

mod clock;
mod config;
mod demo;
mod directory;
mod drivers;
mod effects;
mod health;
mod inbound;
mod legs;
mod live;
mod media_port;
mod outbound;
mod phones;
mod rim;
mod run;
mod seed;
mod sounds;
mod speech;
mod tls;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let config = config::Config::development(".switchboard".into(), config::Ports::AUTO);
    let running = run::start(config).await?;
    let mut facts = serde_json::to_value(&running.facts)?;
    facts["ready"] = true.into();
    println!("{facts}");
    tokio::signal::ctrl_c().await?;
    running.stop().await;
    Ok(())
}
