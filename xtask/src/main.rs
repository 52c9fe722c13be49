//! `cargo xtask test`: everything that has to pass, one step after the other. `cargo xtask page`: what is generated.

#![expect(clippy::print_stdout, reason = "a command talks to people")]

mod arrows;
mod brokers;
mod compiler_page;
mod contracts;
mod cost;
#[cfg(test)]
mod documents;
mod examples;
mod fuzz;
mod hello;
mod package;
mod report;
mod shell;
mod steps;
mod supply;
mod tools;
mod webhooks;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum as _};
use typebus_servers::Broker;

use crate::{
    report::Report,
    shell::Shell,
    steps::{Options, Step},
    supply::Supply,
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
    /// Start, end or show servers for examples and development
    Brokers(brokers::Brokers),
    /// Write the page that shows what the compiler says to every program in `tests/ui`
    ///
    /// It has to be called whenever a program or a message there has changed: a test compares.
    Page,
    /// Measure what the macros cost the compiler: programs of N events and N handlers, beside the same structs alone
    Cost(cost::Cost),
}

#[derive(Debug, Args)]
struct Test {
    /// Only what needs no server
    #[arg(long, conflicts_with = "brokers")]
    memory: bool,

    /// Only these brokers, instead of all
    ///
    /// A server is the one of `TYPEBUS_TEST_KAFKA_URL`, `TYPEBUS_TEST_RABBITMQ_URL`, `TYPEBUS_TEST_NATS_URL`, or else one
    /// of compose.yaml if Docker's daemon answers, or else one that is started here, and installed if it is missing.
    #[arg(long, value_name = "BROKER,..", value_delimiter = ',', value_parser = brokers::parser())]
    brokers: Vec<Broker>,

    /// Start servers here even if Docker's daemon answers
    #[arg(long)]
    without_docker: bool,

    /// Only these steps, in this order
    #[arg(long, value_name = "STEP,..", value_delimiter = ',')]
    only: Vec<Step>,

    /// Let cargo-deny ask for security advisories too; needs the network
    #[arg(long)]
    advisories: bool,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    let root = root(std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from))?;
    match task {
        Task::Test(test) => run_steps(&test, root),
        Task::Brokers(brokers) => brokers::run(&brokers).map(|()| ExitCode::SUCCESS),
        Task::Cost(cost) => cost::measure(&Shell::new(root), &cost).map(|()| ExitCode::SUCCESS),
        Task::Page => compiler_page::write(&root).map(|()| ExitCode::SUCCESS),
    }
}

fn run_steps(test: &Test, root: PathBuf) -> Result<ExitCode> {
    let steps = steps(test)?;
    let shell = Shell::new(root);
    let options = Options { advisories: test.advisories };
    let mut report = Report::default();
    let mut supply = Supply::new(&test.brokers, test.without_docker);
    let last = steps.iter().rposition(|step| step.needs_servers());
    for (nth, &step) in steps.iter().enumerate() {
        report.run(step.name(), nth + 1, steps.len(), || step.run(&shell, options, &mut supply));
        // What follows has the machine for itself.
        if last == Some(nth) {
            report.note(supply.end());
        }
    }
    println!("\n{report}");
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Those that were asked for.
fn steps(test: &Test) -> Result<Vec<Step>> {
    if test.only.is_empty() {
        let all = Step::value_variants().iter().copied();
        return Ok(all.filter(|step| !(test.memory && step.needs_servers())).collect());
    }
    if let Some(step) = test.only.iter().find(|step| test.memory && step.needs_servers()) {
        bail!("the step {} needs servers, and `--memory` is without", step.name());
    }
    Ok(test.only.clone())
}

/// The workspace, wherever the command was called. `cargo` is the package that cargo runs this for: to cargo, two
/// checkouts that share a target directory are the same, and it may run one's program in the other.
fn root(cargo: Option<PathBuf>) -> Result<PathBuf> {
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    if let Some(cargo) = cargo.filter(|cargo| *cargo != built) {
        bail!(
            "this program was built in {} and runs in {}: both build into one target directory, and cargo takes what \
             one of them built for what the other would build; `cargo clean --workspace` here, or give each checkout a \
             CARGO_TARGET_DIR of its own",
            built.display(),
            cargo.display()
        );
    }
    Ok(built.parent().context("xtask is a folder of the workspace")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(arguments: &[&str]) -> Result<Test> {
        let all = ["xtask", "test"].iter().chain(arguments);
        match Arguments::try_parse_from(all)?.task {
            Task::Test(test) => Ok(test),
            task => bail!("{task:?}"),
        }
    }

    #[test]
    fn without_servers_their_steps_are_not_there() {
        let all = steps(&test(&[]).unwrap()).unwrap();
        let memory = steps(&test(&["--memory"]).unwrap()).unwrap();
        let without: Vec<_> = all.iter().copied().filter(|step| !step.needs_servers()).collect();
        assert_eq!((memory.len() + 4, memory), (all.len(), without));
        let error = steps(&test(&["--memory", "--only", "brokers"]).unwrap()).unwrap_err().to_string();
        assert_eq!(error, "the step brokers needs servers, and `--memory` is without");
    }

    #[test]
    fn brokers_are_chosen_by_name() {
        assert_eq!(test(&["--brokers", "nats,kafka"]).unwrap().brokers, [Broker::Nats, Broker::Kafka]);
        let error = test(&["--brokers", "pulsar"]).unwrap_err().to_string();
        assert!(error.contains("pulsar"), "{error}");
        test(&["--brokers", "nats", "--memory"]).unwrap_err();
    }

    #[test]
    fn what_another_checkout_built_is_refused() {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(root(Some(here.clone())).unwrap(), here.parent().unwrap());
        let error = root(Some(here.join("other"))).unwrap_err().to_string();
        assert!(error.contains("cargo clean --workspace"), "{error}");
    }
}
