//! `cargo xtask brokers`: servers for examples and development, which stay when the command is over.

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, builder::PossibleValuesParser, builder::TypedValueParser as _};
use typebus_servers::{Broker, Left};

use crate::supply::without_credentials;

#[derive(Debug, Args)]
pub(crate) struct Brokers {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Start them on 127.0.0.1, on their usual ports where those are free; what is missing is installed by name
    ///
    /// What it prints on stdout is for a shell: `eval "$(cargo xtask brokers up nats)"`. Tests find these servers also
    /// without that.
    Up(Which),
    /// End them, and remove their data
    Down(Which),
    /// Say which of them run, where, and where their logs are
    Status(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// Only these
    #[arg(value_name = "BROKER", value_parser = parser())]
    brokers: Vec<Broker>,
}

impl Which {
    fn brokers(&self) -> &[Broker] {
        if self.brokers.is_empty() { &Broker::ALL } else { &self.brokers }
    }
}

/// Reads the name of a broker on the command line.
pub(crate) fn parser() -> impl clap::builder::TypedValueParser<Value = Broker> {
    let names = PossibleValuesParser::new(Broker::ALL.map(Broker::name));
    names.try_map(|name| name.parse::<Broker>())
}

pub(crate) fn run(brokers: &Brokers) -> Result<()> {
    match &brokers.task {
        Task::Up(which) => which.brokers().iter().try_for_each(|&broker| up(broker)),
        Task::Down(which) => which.brokers().iter().try_for_each(|&broker| down(broker)),
        Task::Status(which) => which.brokers().iter().try_for_each(|&broker| status(broker)),
    }
}

fn up(broker: Broker) -> Result<()> {
    let left = Left::start(broker).with_context(|| format!("{broker} cannot be had"))?;
    println!("# {broker} {}, in {}", left.version, left.folder.display());
    println!("export {}='{}'", broker.variable(), left.url);
    Ok(())
}

fn down(broker: Broker) -> Result<()> {
    let Some(left) = Left::find(broker)? else {
        println!("{broker} is not up");
        return Ok(());
    };
    let said =
        if left.is_running() { "ended, and its data is removed" } else { "had ended; its data is removed" };
    left.end().with_context(|| format!("{broker} cannot be ended"))?;
    println!("{broker} is {said}");
    Ok(())
}

fn status(broker: Broker) -> Result<()> {
    match Left::find(broker)? {
        None => println!("{broker:<8}  is not up"),
        Some(left) => {
            let state = if left.is_running() { "runs" } else { "has crashed" };
            let Left { url, version, folder, .. } = left;
            let log = folder.join("log");
            println!("{broker:<8}  {state}  {version}  {}  {}", without_credentials(&url), log.display());
        }
    }
    Ok(())
}
