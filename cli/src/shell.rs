//! `typebus completions` and `typebus man`: what belongs to a command in a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{
    Arguments,
    error::{Error, Exit},
    output::{self, Format, Out},
};

/// Print what completes the command in a shell
///
/// For example: typebus completions bash > ~/.local/share/bash-completion/completions/typebus
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,

    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Print the manual page
///
/// For example: typebus man | man -l -
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// That of a subcommand: `typebus man asyncapi`
    command: Option<String>,

    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// # Errors
/// It cannot be printed.
pub(crate) fn completions(args: &Completions, out: Out<'_>) -> Result<Exit, Error> {
    // Into memory first: its writer takes for granted that nothing ends before it does.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "typebus", &mut text);
    output::print(&String::from_utf8_lossy(&text), args.format, out)?;
    Ok(Exit::Fine)
}

/// # Errors
/// There is no such subcommand, or it cannot be printed.
pub(crate) fn man(args: &Man, out: Out<'_>) -> Result<Exit, Error> {
    let mut command = Arguments::command();
    // Gives subcommands their whole name.
    command.build();
    let page = match &args.command {
        None => command,
        Some(name) => {
            let found = command.find_subcommand(name).cloned();
            found.ok_or_else(|| {
                Error::Use(format!("there is no subcommand `{name}`; `typebus --help` lists them"))
            })?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text)?;
    output::print(&String::from_utf8_lossy(&text), args.format, out)?;
    Ok(Exit::Fine)
}
