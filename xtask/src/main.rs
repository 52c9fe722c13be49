//! `cargo xtask test`: everything that has to pass, one step after the other.

#![expect(clippy::print_stdout, reason = "a command talks to people")]

mod arrows;
#[cfg(test)]
mod documents;
mod hello;
mod package;
mod report;
mod shell;
mod steps;
mod tools;
mod webhooks;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum as _};

use crate::{
    report::Report,
    shell::Shell,
    steps::{Options, Step},
};

/// The tasks of typebus' own repository.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run every check, and say at the end which of them passed and how long each took
    ///
    /// A step that fails does not stop those after it, and no step is ever left out silently: a tool that is missing
    /// is installed by name, or the step fails and says how to get it.
    Test(Test),
}

#[derive(Debug, Args)]
struct Test {
    /// Only what needs no server. There is no other backend than `memory:` yet, so today that is everything
    #[arg(long)]
    memory: bool,

    /// Only these steps, in this order
    #[arg(long, value_name = "STEP,..", value_delimiter = ',')]
    only: Vec<Step>,

    /// Let cargo-deny ask for security advisories too; needs the network
    #[arg(long)]
    advisories: bool,
}

fn main() -> ExitCode {
    let Task::Test(test) = Arguments::parse().task;
    // Servers would be what `--memory` leaves out.
    let _ = test.memory;
    let steps = if test.only.is_empty() { Step::value_variants() } else { &test.only };
    let shell = Shell::new(root());
    let options = Options { advisories: test.advisories };
    let mut report = Report::default();
    for (nth, &step) in steps.iter().enumerate() {
        report.run(step.name(), nth + 1, steps.len(), || step.run(&shell, options));
    }
    println!("\n{report}");
    if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The workspace, wherever the command was called.
fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
