//! What every backend must pass: one suite, one list of backends, and a table of trial by backend.
//!
//! `cargo test -p typebus-tests --test conformance` runs everything, `.. -- nats` what has `nats` in its name. A trial
//! runs against the contract and the public API, on a broker of its own, in a runtime of its own whose clock is paused.
//! With the features `kafka`, `nats` and `rabbitmq` the same trials run on real servers too (`.. -- "nats server"`), each
//! with topics and groups of its own, side by side, on a clock that is real; `.. -- "nats server where"` runs the
//! careless counterparts there.
//! A promise that a backend declares absent is shown by the error that says so. Each trial has careless counterparts:
//! the same trial on a backend, or with a program, that falls into the trap must fail, and the run shows that it did.

#![allow(clippy::disallowed_methods, reason = "a trial waits for the tasks that it spawns")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a trial that cannot go on panics")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what this program is for")]

mod backends;
mod careless;
mod faulty;
mod prefixed;
mod runner;
mod servers;
mod slip;
mod table;
mod trial;
mod trials;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let all = runner::jobs();
    let chosen: Vec<_> = all
        .iter()
        .filter(|job| (filters.is_empty() && !job.is_by_name_only()) || is_chosen(job, &filters))
        .copied()
        .collect();
    if arguments.iter().any(|argument| argument == "--list") {
        chosen.iter().for_each(|job| println!("{}: test", job.name()));
        return ExitCode::SUCCESS;
    }
    runner::servers(&chosen).iter().for_each(|(name, at)| println!("{name} at {at}"));
    println!("\nrunning {} trials; `TYPEBUS_SEED={}` runs the same again", chosen.len(), trials::seed());
    let outcomes = runner::run(&chosen);
    let report = table::Report::of(&outcomes, all.len() - chosen.len());
    print!("{report}");
    if report.is_success() { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

/// Whether a filter is in its name; some must be named.
fn is_chosen(job: &runner::Job, filters: &[&String]) -> bool {
    filters
        .iter()
        .any(|filter| job.name().contains(*filter) && (!job.is_by_name_only() || job.is_named_by(filter)))
}
