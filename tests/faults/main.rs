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
mod site;
mod trials;

use std::{collections::BTreeMap, panic::catch_unwind, process::ExitCode, sync::mpsc, thread};

use typebus_servers::Broker;

use crate::{play::Figures, trials::Trial};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "child") {
        child::run(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    ledger::check_the_check();
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let all = trials::all();
    let chosen: Vec<_> = all
        .iter()
        .filter(|trial| filters.is_empty() || filters.iter().any(|filter| name(trial).contains(*filter)))
        .collect();
    if arguments.iter().any(|argument| argument == "--list") {
        chosen.iter().for_each(|trial| println!("{}: test", name(trial)));
        return ExitCode::SUCCESS;
    }
    let failures = thread::scope(|scope| {
        // Side by side, or the suite would take as long as all brokers together.
        let mut results = BTreeMap::new();
        for broker in Broker::ALL {
            let (sender, receiver) = mpsc::channel();
            results.insert(broker, receiver);
            let its: Vec<_> = chosen.iter().filter(|trial| trial.broker == broker).copied().collect();
            let run = |trial: &Trial| {
                catch_unwind(|| trial.run()).unwrap_or_else(|_| Err("it panicked; see above".to_owned()))
            };
            scope.spawn(move || its.into_iter().try_for_each(|trial| sender.send(run(trial))));
        }
        table(&chosen, |broker| results[&broker].recv().unwrap())
    });
    failures.iter().for_each(|failure| println!("{failure}"));
    let (passed, failed) = (chosen.len() - failures.len(), failures.len());
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out\n",
        all.len() - chosen.len()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

fn name(trial: &Trial) -> String {
    format!("{} on {}", trial.name, trial.broker)
}

/// A row for each, in their order; what failed comes back.
fn table(chosen: &[&Trial], next: impl Fn(Broker) -> Result<(String, Figures), String>) -> Vec<String> {
    println!("\nrunning {} trials", chosen.len());
    println!(
        "{:<58} {:>8} {:>7} {:>8} {:>9} {:>8} {:>8} {:>8}",
        "", "server", "failed", "repeats", "overlaps", "outage", "memory", "took"
    );
    let mut failures = Vec::new();
    for trial in chosen {
        match next(trial.broker) {
            Ok((version, Figures { account, outage, peak, took })) => println!(
                "{:<58} {:>8} {:>7} {:>8} {:>9} {:>6.1} s {:>4} MiB {:>6.1} s",
                name(trial),
                // Kafka says more than its version.
                version.split(' ').next().unwrap_or_default(),
                account.failed,
                account.repeats,
                account.overlaps,
                outage.as_secs_f64(),
                peak / 1024 / 1024,
                took.as_secs_f64()
            ),
            Err(why) => {
                println!("{:<58} {:>8} FAILED: {why}", name(trial), "");
                failures.push(format!("---- {} ----\n{why}\n", name(trial)));
            }
        }
    }
    println!(
        "failed: publishes that were tried again; overlaps: runs that began while another of their key had not ended;\n\
         outage: the longest time without a handler's return, from the first fault on\n"
    );
    failures
}
