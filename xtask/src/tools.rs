//! Tools that cargo does not bring. One that is missing is installed by its name, or the step says how to get it.

use anyhow::{Result, bail};

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

pub(crate) fn valgrind(shell: &Shell) -> Result<()> {
    if shell.program("valgrind").args(["--version"]).works() {
        return Ok(());
    }
    let is_root = || {
        let id = shell.program("id").args(["-u"]).output();
        id.is_ok_and(|id| id.trim_ascii() == b"0")
    };
    if !shell.program("apt-get").args(["--version"]).works() || !is_root() {
        bail!("valgrind is missing; install it with your system's packages: `sudo apt-get install valgrind`");
    }
    println!("valgrind is missing; installing it");
    let apt =
        |args: [&str; 3]| shell.program("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive").run();
    apt(["update", "--quiet", "--quiet"])?;
    apt(["install", "--yes", "valgrind"])
}
