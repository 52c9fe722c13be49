//! The examples that always print the same, and what that is.

use anyhow::{Result, bail};

use crate::shell::Shell;

/// By name, what each prints.
const EXAMPLES: &[(&str, &str)] = &[
    ("protobuf", "a reading has 15 bytes\nZugspitze has -12500 millidegrees\nZugspitze is freezing\n"),
    (
        "dead_letters",
        "o-1 is dead after 3 attempts: the bank does not answer\n\
         o-2 is dead after 1 attempts: there is nothing to charge\n\
         charged 995 for o-1, replay 1\n\
         replayed 1, and 0 are left\n",
    ),
];

pub(crate) fn check(shell: &Shell) -> Result<()> {
    for (name, lines) in EXAMPLES {
        let output = shell.cargo(["run", "--quiet", "--example", name]).output()?;
        let output = String::from_utf8_lossy(&output);
        print!("{output}");
        if output != *lines {
            bail!("{name} should print:\n{lines}");
        }
    }
    Ok(())
}
