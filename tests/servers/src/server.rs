//! What all servers have in common: their life, and what can be done to it.

use std::{
    fmt,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::{
    directory::Directory,
    log::Log,
    process::{Launch, Process},
};

/// How long a start may take: a JVM beside a compiler on two cores.
const READY: Duration = Duration::from_secs(120);
/// How long an orderly end may take.
const STOPPED: Duration = Duration::from_secs(60);
/// How often a server that starts is asked whether it is ready.
const GLANCE: Duration = Duration::from_millis(50);

/// One process of a broker. It is ended when it is dropped, and its data is removed.
pub struct Server {
    name: String,
    launch: Launch,
    /// Fails as long as the server does not answer.
    ready: Box<dyn Fn() -> Result<()> + Send + Sync>,
    log: Log,
    process: Mutex<Option<Process>>,
    // Dropped last.
    directory: Directory,
}

impl Server {
    pub(crate) fn new(
        name: impl Into<String>,
        directory: Directory,
        launch: Launch,
        ready: impl Fn() -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let log = Log::new(directory.path().join("log"));
        let process = Mutex::default();
        Self { name: name.into(), launch, ready: Box::new(ready), log, process, directory }
    }

    /// Ends it in an orderly way: SIGTERM. It returns when the process is gone.
    ///
    /// # Errors
    /// It does not run, or it did not end within a minute and was killed.
    pub fn stop(&self) -> Result<()> {
        let mut slot = self.process();
        let mut process = slot.take().with_context(|| self.is_down())?;
        process.signal(Signal::TERM)?;
        // One that stands still hears nothing.
        process.signal(Signal::CONT)?;
        if !process.wait(STOPPED)? {
            process.kill()?;
            bail!("{} did not stop within {STOPPED:?} and was killed; {}", self.name, self.log.tail());
        }
        Ok(())
    }

    /// Ends it as a crash would: SIGKILL to the broker's own process. It returns when the process is gone.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&self) -> Result<()> {
        self.process().take().with_context(|| self.is_down())?.kill()
    }

    /// Starts it on the same data and the same port, and waits until it is ready. One that runs is stopped before.
    ///
    /// # Errors
    /// It is not ready within two minutes; its log is shown.
    pub fn restart(&self) -> Result<()> {
        if self.is_running() {
            self.stop()?;
        }
        self.launch()?;
        self.wait_ready()
    }

    /// Lets it stand still, as a machine without time would: SIGSTOP. Its connections stay open.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self) -> Result<()> {
        self.process().as_ref().with_context(|| self.is_down())?.signal(Signal::STOP)
    }

    /// Lets it go on: SIGCONT.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self) -> Result<()> {
        self.process().as_ref().with_context(|| self.is_down())?.signal(Signal::CONT)
    }

    /// Sends it a signal by its name, for what else a broker knows: `nats-server` takes `SIGUSR2` as lame duck mode.
    ///
    /// # Errors
    /// It does not run, or it is none of the signals `HUP`, `USR1`, `USR2`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let signal = match name {
            "HUP" => Signal::HUP,
            "USR1" => Signal::USR1,
            "USR2" => Signal::USR2,
            _ => bail!("{name} is none of HUP, USR1, USR2"),
        };
        self.process().as_ref().with_context(|| self.is_down())?.signal(signal)
    }

    /// Whether its process runs; one that is paused does.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let mut process = self.process();
        process.as_mut().is_some_and(|process| matches!(process.ended(), Ok(None)))
    }

    /// Its process, if it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// Where its data and its files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it wrote about itself, through all of its starts.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Starts the process, and does not wait for it.
    pub(crate) fn launch(&self) -> Result<()> {
        let process = self.launch.spawn(&self.log, self.directory.temporary_path())?;
        *self.process() = Some(process);
        Ok(())
    }

    pub(crate) fn wait_ready(&self) -> Result<()> {
        let deadline = Instant::now() + READY;
        while let Err(error) = (self.ready)() {
            let ended = self.process().as_mut().with_context(|| self.is_down())?.ended()?;
            if let Some(status) = ended {
                self.process().take();
                bail!("{} ended when it should start: {status}; {}", self.name, self.log.tail());
            }
            if Instant::now() >= deadline {
                return Err(error.context(format!(
                    "{} is not ready after {READY:?}; {}",
                    self.name,
                    self.log.tail()
                )));
            }
            thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// Leaves it running when it is dropped.
    pub(crate) fn leave(&self) {
        if let Some(process) = self.process().take() {
            process.leave();
        }
    }

    fn is_down(&self) -> String {
        format!("{} does not run", self.name)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, process, directory, .. } = self;
        f.debug_struct("Server")
            .field("name", name)
            .field("process", process)
            .field("directory", directory)
            .finish_non_exhaustive()
    }
}
