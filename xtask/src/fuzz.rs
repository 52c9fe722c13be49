//! What typebus reads that others wrote: each target of `fuzz/` on its corpus, and on edits of it.

use anyhow::Result;

use crate::shell::{Shell, Tests};

/// A package of its own, since its lock file is no business of the workspace's.
const PACKAGE: [&str; 2] = ["--manifest-path", "fuzz/Cargo.toml"];

/// The driver's own tests show that it finds what is wrong; then it looks for it.
pub(crate) fn check(shell: &Shell) -> Result<Tests> {
    let cargo = |subcommand: &'static str| shell.cargo([subcommand]).args(PACKAGE);
    cargo("fmt").args(["--", "--check"]).run()?;
    cargo("clippy").args(["--all-targets", "--", "-D", "warnings"]).run()?;
    let tests = cargo("test").run_tests()?;
    cargo("run").args(["--quiet"]).run()?;
    Ok(tests)
}
