//! Tools that cargo does not bring. One that is missing is installed by its name, or the step says how to get it.

use anyhow::Result;

use crate::shell::Shell;

const CARGO_DENY: &str = "cargo-deny@0.20.2";

pub(crate) fn cargo_deny(shell: &Shell) -> Result<()> {
    if shell.cargo(["deny", "--version"]).works() {
        return Ok(());
    }
    println!("cargo-deny is missing; installing it, which takes some minutes once");
    // It builds in a place of its own, and leaves nothing in our target directory.
    shell.cargo(["install", "--locked", CARGO_DENY]).without_env("CARGO_TARGET_DIR").run()
}

pub(crate) fn valgrind() -> Result<()> {
    typebus_servers::need("valgrind", &["--version"], "valgrind")
}

pub(crate) fn chromium() -> Result<()> {
    typebus_servers::need("chromium", &["--version"], "chromium")
}
