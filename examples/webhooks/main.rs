//! GitHub's webhooks through typebus: a gateway that publishes, and three services that handle.
//!
//! `cargo run --example webhooks -- --help`

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use tracing_subscriber::EnvFilter;
use webhooks_example::{
    lines::{EXAMPLES, Source},
    progress::Progress,
    run::{Options, run},
    summary::Summary,
};

/// Publishes GitHub's webhooks from a file, has three services handle them, and says what came of it.
///
/// It ends by itself. Ctrl-C stops reading and finishes what is published; a second one does not wait for that.
/// RUST_LOG=typebus=debug shows what the bus does.
#[derive(Debug, Parser)]
#[command(name = "webhooks")]
struct Arguments {
    /// An NDJSON file; each line is {"event": "push", "payload": {..}} [default: examples/data/github-webhooks.ndjson]
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,

    /// Publish the file so many times, for load
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,

    /// The share of attempts that fail in triage, from 0 to 1
    #[arg(long, value_name = "RATE", default_value_t = 0.2, value_parser = rate)]
    fail_rate: f64,

    /// The broker: memory:, kafka://.., amqp://.. or nats://.. [default: $TYPEBUS_URL, or memory:]
    ///
    /// A server needs the feature of its name: kafka, rabbitmq or nats. On it every run has names of its own.
    #[arg(long, value_name = "URL")]
    broker: Option<String>,

    /// Print JSON that is the same for every run with the same options
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let log = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(log).with_writer(io::stderr).init();
    let summary = match summarize(&arguments).await {
        Ok(summary) => summary,
        Err(error) => {
            let _ = writeln!(io::stderr(), "webhooks: {error}");
            return ExitCode::FAILURE;
        }
    };
    if summary.nothing_read() {
        let file = summary.file.display();
        let _ = writeln!(
            io::stderr(),
            "webhooks: no line of {file} is a webhook; the dead letters say what is wrong with each"
        );
    }
    match print(&summary, arguments.json) {
        // Somebody who reads no further, such as `head`, is no failure of ours.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "webhooks: cannot write the summary: {error}");
            ExitCode::FAILURE
        }
        _ if summary.balanced || summary.interrupted => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

async fn summarize(arguments: &Arguments) -> Result<Summary, Box<dyn std::error::Error>> {
    let source = Source::open(arguments.file.as_deref().unwrap_or(EXAMPLES.as_ref()))?;
    let Arguments { repeat, fail_rate, broker, .. } = arguments;
    let broker = broker.clone().or_else(|| std::env::var("TYPEBUS_URL").ok());
    let broker = broker.unwrap_or_else(|| "memory:".to_owned());
    let options = Options { source, repeat: *repeat, fail_rate: *fail_rate, broker };
    #[expect(clippy::async_yields_async, reason = "the wait for a second signal begins with the first")]
    let interrupt = async { typebus::shutdown_signal().await.wait() };
    Ok(run(&options, Progress::visible(), interrupt).await?)
}

fn print(summary: &Summary, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, summary)?;
        writeln!(out)?;
    } else {
        let bold = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        write!(out, "{}", summary.text(bold))?;
    }
    out.flush()
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("a number from 0 to 1, such as 0.2".to_owned()),
    }
}
