//! A program in the background, known by its own process id and never by a shell's.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::log::Log;

/// How often a process is asked whether it has ended: std cannot wait with a deadline.
const GLANCE: Duration = Duration::from_millis(10);

/// What has to be called.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Where it runs.
    pub(crate) folder: PathBuf,
}

/// It runs, or it has just ended.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    leash: Option<Child>,
}

impl Launch {
    pub(crate) fn new(program: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), args: Vec::new(), env: Vec::new(), folder: folder.into() }
    }

    pub(crate) fn args<T: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// Runs it to its end, and gives what it wrote on stdout.
    pub(crate) fn output(&self) -> Result<String> {
        let shown = self.program.display();
        let output = self.command().output().with_context(|| format!("cannot run {shown}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if !output.status.success() {
            bail!("{shown} failed: {}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr));
        }
        Ok(text(&output.stdout))
    }

    /// Starts it, in a process group of its own, so that what a terminal sends to us does not reach it.
    ///
    /// Unless it is left, it is killed when we end, in whatever way, and `temporary` is removed then.
    pub(crate) fn spawn(&self, log: &Log, temporary: Option<&Path>) -> Result<Process> {
        let file = log.open()?;
        let mut command = self.command();
        command.process_group(0).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot run {}", self.program.display()))?;
        let mut process = Process { child, leash: None };
        match leash(process.id(), temporary) {
            Ok(leash) => process.leash = Some(leash),
            Err(error) => {
                process.kill()?;
                return Err(error);
            }
        }
        Ok(process)
    }
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        // Until it was waited for, its id is nobody else's.
        kill_process(Pid::from_child(&self.child), signal).with_context(|| format!("process {}", self.id()))
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Whether it has ended before the deadline.
    pub(crate) fn wait(&mut self, at_most: Duration) -> Result<bool> {
        let deadline = Instant::now() + at_most;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            thread::sleep(GLANCE);
        }
        Ok(true)
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Leaves it running.
    pub(crate) fn leave(mut self) {
        self.unleash();
        // Its `Drop` ends only what still has a leash.
    }

    fn unleash(&mut self) {
        if let Some(mut leash) = self.leash.take() {
            let _ = leash.kill();
            let _ = leash.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.leash.is_some() {
            let _ = self.kill();
            self.unleash();
        }
    }
}

/// Kills the process when we are gone: then nobody holds the other end of its stdin any more. That works for Ctrl-C, a
/// test runner's time limit and SIGKILL, where no `Drop` runs.
fn leash(id: u32, temporary: Option<&Path>) -> Result<Child> {
    let script = r#"cat >/dev/null; kill -KILL "$1"; [ -z "$2" ] || rm -rf -- "$2""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", &id.to_string()]).arg(temporary.unwrap_or_else(|| Path::new("")));
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("cannot run sh")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(log: &Log, folder: &Path, temporary: Option<&Path>) -> Process {
        Launch::new("sleep", folder).args(["1000"]).spawn(log, temporary).unwrap()
    }

    #[test]
    fn what_we_started_ends_with_us_and_its_data_too() {
        let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut process = sleeper(&Log::new(folder.path().join("log")), folder.path(), Some(data.path()));
        assert!(!process.wait(Duration::ZERO).unwrap());
        // When we end, in whatever way, this is what the system does.
        let mut leash = process.leash.take().unwrap();
        drop(leash.stdin.take());
        assert!(process.wait(Duration::from_secs(20)).unwrap());
        leash.wait().unwrap();
        assert!(!data.path().exists());
    }

    #[test]
    fn what_is_left_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let process = sleeper(&Log::new(folder.path().join("log")), folder.path(), None);
        let id = Pid::from_child(&process.child);
        process.leave();
        kill_process(id, Signal::KILL).unwrap();
    }
}
