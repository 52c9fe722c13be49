//! The command `typebus`: schemas, documents, diagrams and checks of the contracts that services keep in
//! `typebus/<service>.json`.

mod asyncapi;
mod catalog;
mod check;
mod diff;
mod docs;
mod error;
mod graph;
mod init;
mod manifests;
mod output;
mod provision;
mod schema;
mod shell;
mod topics;
mod validate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Exit};

/// What the contracts of services say: schemas, documents, diagrams and checks
///
/// A contract is the file `typebus/<service>.json` beside a service's Cargo.toml, which the test that `service!`
/// generates writes. Neither the program nor a broker is needed. A MANIFEST is such a file, or a folder: every *.json in
/// folders named `typebus` under it, or, where there are none, those directly in it.
#[derive(Debug, Parser)]
#[command(name = "typebus", version, max_term_width = 100, after_help = EXITS)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXITS: &str = "\
Exit codes:
  0  fine
  1  findings: something is not as it should be, and what is printed says what
  2  wrong use: unknown arguments, or such as make no sense together
  3  a file or a broker cannot be read or written, or is not what it should be

With --format json all that is printed is for programs: findings on stdout, notes and errors on stderr, one
object in a line each.

Colour is for terminals only, and never where NO_COLOR is set.";

#[derive(Debug, Subcommand)]
enum Command {
    Schema(schema::Args),
    Asyncapi(asyncapi::Args),
    Graph(graph::Args),
    Docs(docs::Args),
    Validate(validate::Args),
    Check(check::Args),
    Diff(diff::Args),
    Provision(provision::Args),
    Init(init::Args),
    Completions(shell::Completions),
    Man(shell::Man),
}

fn main() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        // Help and the version are no errors.
        Err(wrong) if wrong.use_stderr() && output::is_for_programs() => {
            return Error::Use(error::of_arguments(&wrong)).report();
        }
        Err(wrong) => wrong.exit(),
    };
    let mut out = anstream::stdout().lock();
    let ended = run(&command, &mut out).and_then(|exit| Ok(std::io::Write::flush(&mut out).map(|()| exit)?));
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => error.report(),
    }
}

fn run(command: &Command, out: output::Out<'_>) -> Result<Exit, Error> {
    match command {
        Command::Schema(args) => schema::run(args, out),
        Command::Asyncapi(args) => asyncapi::run(args, out),
        Command::Graph(args) => graph::run(args, out),
        Command::Docs(args) => docs::run(args, out),
        Command::Validate(args) => validate::run(args, out),
        Command::Check(args) => check::run(args, out),
        Command::Diff(args) => diff::run(args, out),
        Command::Provision(args) => provision::run(args, out),
        Command::Init(args) => init::run(args, out),
        Command::Completions(args) => shell::completions(args, out),
        Command::Man(args) => shell::man(args, out),
    }
}
