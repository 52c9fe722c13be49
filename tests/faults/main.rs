//! What happens when things go wrong for real: brokers, services and links are harmed in the middle of a load of
//! 20,000 orders, each trial on a server of its own, with services that are processes of their own.
//!
//! `cargo test -p typebus-tests --features servers --test faults`, `.. -- nats` for what has `nats` in its name. A trial
//! counts only if a publish was unconfirmed and a delivery unsettled when the fault hit. After it, nothing confirmed is
//! lost, repeats are within what the promises allow, the order of keys is kept, nothing is left unacknowledged, and
//! memory is bounded; the figures are printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a trial that cannot go on panics"
)]
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod child;
mod ledger;
mod play;
mod process;
mod trials;

use std::{process::ExitCode, time::Instant};

use crate::{
    play::{Figures, Site},
    trials::Trial,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "child") {
        child::run(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    ledger::check_the_check();
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let name = |trial: &Trial| format!("{} on {}", trial.name, trial.broker);
    let all = trials::all();
    let chosen: Vec<_> = all
        .iter()
        .filter(|trial| filters.is_empty() || filters.iter().any(|filter| name(trial).contains(*filter)))
        .collect();
    if arguments.iter().any(|argument| argument == "--list") {
        chosen.iter().for_each(|trial| println!("{}: test", name(trial)));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} trials", chosen.len());
    println!(
        "{:<62} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "server", "failed", "repeats", "outage", "memory", "took"
    );
    let mut failures = Vec::new();
    for trial in &chosen {
        let begun = Instant::now();
        let site = Site::open(trial.broker);
        match trial.run(&site) {
            Ok(Figures { account, outage, peak, took }) => println!(
                "{:<62} {:>10} {:>8} {:>8} {:>6.1} s {:>4} MiB {:>6.1} s",
                name(trial),
                site.version(),
                account.failed,
                account.repeats,
                outage.as_secs_f64(),
                peak / 1024 / 1024,
                took.as_secs_f64()
            ),
            Err(why) => {
                println!(
                    "{:<62} {:>10} FAILED after {:.1} s",
                    name(trial),
                    "",
                    begun.elapsed().as_secs_f64()
                );
                failures.push(format!("---- {} ----\n{why}\n", name(trial)));
            }
        }
    }
    println!(
        "failed: publishes that were tried again; outage: the longest time without a handler's return\n"
    );
    failures.iter().for_each(|failure| println!("{failure}"));
    let (passed, failed) = (chosen.len() - failures.len(), failures.len());
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out\n",
        all.len() - chosen.len()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}
