//! Other programs: shown before they run, their output passed on as it comes.

use std::{
    ffi::OsStr,
    fmt,
    io::{self, BufRead, BufReader, Write},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Where programs run.
#[derive(Debug)]
pub(crate) struct Shell {
    root: PathBuf,
}

/// A program that is about to run, in the workspace's root and without a stdin.
#[derive(Debug)]
pub(crate) struct Call {
    command: Command,
    /// Variables whose values are not shown.
    hidden: Vec<String>,
    /// One of many of a kind, which is not shown.
    is_quiet: bool,
}

/// What test runners counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tests {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Shell {
    pub(crate) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The cargo that runs this command.
    pub(crate) fn cargo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Call {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        self.program(cargo).args(args)
    }

    pub(crate) fn program(&self, name: impl AsRef<OsStr>) -> Call {
        let mut command = Command::new(name);
        command.current_dir(&self.root).stdin(Stdio::null());
        Call { command, hidden: Vec::new(), is_quiet: false }
    }
}

impl Call {
    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets a variable whose value may be a secret.
    pub(crate) fn secret_env(mut self, name: &str, value: &str) -> Self {
        self.hidden.push(name.to_owned());
        self.env(name, value)
    }

    /// Runs without being shown before.
    pub(crate) fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs it and shows what it prints.
    pub(crate) fn run(mut self) -> Result<()> {
        self.announce();
        let status = self.command.status().with_context(|| format!("cannot run `{self}`"))?;
        if !status.success() {
            bail!("`{self}` failed: {status}");
        }
        Ok(())
    }

    /// Runs it, shows what it prints on stderr, and gives what it prints on stdout.
    pub(crate) fn output(mut self) -> Result<Vec<u8>> {
        self.announce();
        let output = self.command.stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("cannot run `{self}`"))?;
        if !output.status.success() {
            show(&output.stdout)?;
            bail!("`{self}` failed: {}", output.status);
        }
        Ok(output.stdout)
    }

    /// Runs it, shows what it prints, and counts the tests on its way. Tests that failed are counted, not an error.
    pub(crate) fn run_tests(mut self) -> Result<Tests> {
        self.announce();
        let child = self.command.stdout(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("cannot run `{self}`"))?;
        let mut tests = Tests::default();
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            let mut line = Vec::new();
            while stdout.read_until(b'\n', &mut line)? > 0 {
                show(&line)?;
                tests.add(&String::from_utf8_lossy(&line));
                line.clear();
            }
        }
        let status = child.wait()?;
        match (status.success(), tests.failed) {
            (false, 0) => bail!("`{self}` failed: {status}"),
            (true, 0) if tests.passed == 0 => bail!("`{self}` ran no test"),
            _ => Ok(tests),
        }
    }

    /// Whether it can be run at all and says that all is well.
    pub(crate) fn works(mut self) -> bool {
        let status = self.command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// Starts it, unseen, in a process group of its own; its stdin ends when we do.
    pub(crate) fn until_we_end(mut self) -> Result<Child> {
        self.command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.command.spawn().with_context(|| format!("cannot run `{self}`"))
    }

    fn announce(&self) {
        if self.is_quiet {
            return;
        }
        println!("$ {self}");
        // What the program prints comes after this line.
        let _ = io::stdout().flush();
    }
}

impl Tests {
    /// Reads the runner's own `test result: ok. 12 passed; 0 failed; 1 ignored; ..`.
    fn add(&mut self, line: &str) {
        let Some(result) = line.trim_start().strip_prefix("test result: ") else { return };
        let counts = result.split(['.', ';']).map(str::trim);
        for count in counts {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse::<u64>().unwrap_or_default(),
                Some((number, "failed")) => self.failed += number.parse::<u64>().unwrap_or_default(),
                _ => {}
            }
        }
    }
}

/// As one would type it.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &OsStr| {
            let text = text.to_string_lossy();
            if text.contains(' ') { format!("'{text}'") } else { text.into_owned() }
        };
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                let name = name.to_string_lossy();
                let is_hidden = self.hidden.iter().any(|hidden| *hidden == name);
                write!(f, "{name}={} ", if is_hidden { "..".to_owned() } else { quoted(value) })?;
            }
        }
        let program = Path::new(self.command.get_program());
        write!(f, "{}", quoted(program.file_name().unwrap_or(program.as_os_str())))?;
        self.command.get_args().try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

fn show(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_own_lines_are_added_up() {
        let mut tests = Tests::default();
        for line in [
            "running 3 tests\n",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s\n",
            "all 9 passed\n",
        ] {
            tests.add(line);
        }
        assert_eq!(tests, Tests { passed: 15, failed: 2 });
    }

    #[test]
    fn a_call_is_shown_as_one_would_type_it() {
        let call = Shell::new(PathBuf::new()).program("somewhere/cargo").args(["doc", "--no-deps"]);
        let call = call.env("RUSTDOCFLAGS", "-D warnings").without_env("CARGO_TARGET_DIR");
        assert_eq!(call.to_string(), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
        let call =
            Shell::new(PathBuf::new()).program("cargo").secret_env("TYPEBUS_URL", "amqp://me:hunter2@host");
        assert_eq!(call.to_string(), "TYPEBUS_URL=.. cargo");
    }
}
