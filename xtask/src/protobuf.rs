//! The example `protobuf`: what was written with its codec is read by a handler, and what that returns by another.

use anyhow::{Result, bail};

use crate::shell::Shell;

/// What it prints when all of it worked.
const LINES: &str = "a reading has 15 bytes\nZugspitze has -12500 millidegrees\nZugspitze is freezing\n";

pub(crate) fn check(shell: &Shell) -> Result<()> {
    let output = shell.cargo(["run", "--quiet", "--example", "protobuf"]).output()?;
    let output = String::from_utf8_lossy(&output);
    print!("{output}");
    if output != LINES {
        bail!("protobuf should print:\n{LINES}");
    }
    Ok(())
}
