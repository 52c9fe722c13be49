//! How a command ends.

use std::{fmt, io, io::Write as _, process::ExitCode};

use serde_json::json;

use crate::output::{self, BAD};

/// What a command that did its work says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Fine,
    /// What was printed says what is not.
    Findings,
}

/// Why a command did not do its work. The texts say what is wrong, where, and what to do.
#[derive(Debug)]
pub(crate) enum Error {
    /// The arguments make no sense.
    Use(String),
    /// Files that cannot be read or written, or are not what they should be.
    File(String),
    /// What was printed did not arrive.
    Output(io::Error),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::Findings => Self::from(1),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Use(text) | Self::File(text) => f.write_str(text),
            Self::Output(error) => write!(f, "the output cannot be written: {error}"),
        }
    }
}

impl Error {
    /// Says it on stderr.
    pub(crate) fn report(&self) -> ExitCode {
        let code = match self {
            Self::Use(_) => 2,
            // Who reads only the head of it has all that they wanted.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::File(_) | Self::Output(_) => 3,
        };
        let mut stderr = anstream::stderr().lock();
        // Where stderr is gone too, the exit code is all that is left.
        let _ = if output::is_for_programs() {
            writeln!(stderr, "{}", json!({"error": self.to_string(), "code": code}))
        } else {
            writeln!(stderr, "{BAD}error:{BAD:#} {self}")
        };
        ExitCode::from(code)
    }
}

/// What is wrong with the arguments, without the colours and the word that stand before it for people.
pub(crate) fn of_arguments(wrong: &clap::Error) -> String {
    let text = wrong.render().to_string();
    text.strip_prefix("error: ").unwrap_or(&text).trim_end().to_owned()
}
