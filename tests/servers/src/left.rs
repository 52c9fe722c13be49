//! Servers that `cargo xtask brokers up` leaves running, and what is remembered of them.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::{Broker, Kafka, Nats, RabbitMq, broker::Running, install, known::Known, ports};

/// How long an orderly end may take.
const STOPPED: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(20);

/// A server that outlives who started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Which one.
    pub broker: Broker,
    /// For a backend.
    pub url: String,
    /// As the server said it when it was started.
    pub version: String,
    /// Where its data, its configuration and its log are.
    pub folder: PathBuf,
    processes: Vec<Known>,
}

impl Left {
    /// Starts one on its usual port, if that is free, and leaves it running. One that runs stays as it is; what is left
    /// of one that has crashed is removed.
    ///
    /// # Errors
    /// It cannot be installed, or it is not ready within two minutes; its log is shown.
    pub fn start(broker: Broker) -> Result<Self> {
        install::locked("up", || Self::start_in(broker, &place()?))
    }

    /// The one that was left, whether it still runs or not.
    ///
    /// # Errors
    /// What is remembered of it cannot be read.
    pub fn find(broker: Broker) -> Result<Option<Self>> {
        Self::find_in(broker, &place()?)
    }

    /// Whether its own process still runs, and not just one that has its number.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.processes.first().is_some_and(Known::is_running)
    }

    /// Ends it, and removes its data. No process is touched that is not the one that was started.
    ///
    /// # Errors
    /// A process does not end, or data cannot be removed.
    pub fn end(self) -> Result<()> {
        install::locked("up", || self.end_in(&place()?))
    }

    fn start_in(broker: Broker, place: &Path) -> Result<Self> {
        if let Some(left) = Self::find_in(broker, place)? {
            if left.is_running() {
                return Ok(left);
            }
            left.end_in(place)?;
        }
        let folder = place.join(broker.name());
        remove(&folder)?;
        let usual = Some(broker.port()).filter(|&port| ports::is_free(port));
        let port = usual.map_or_else(ports::free, Ok)?;
        let running = match broker {
            Broker::Kafka => Running::Kafka(Kafka::setup().kept_in(&folder).at(port).start()?),
            Broker::RabbitMq => Running::RabbitMq(RabbitMq::setup().kept_in(&folder).at(port).start()?),
            Broker::Nats => Running::Nats(Nats::setup().kept_in(&folder).at(port).start()?),
        };
        let ids = running.servers().into_iter().filter_map(|server| server.id());
        let processes = ids.map(Known::now).collect::<Result<Vec<_>>>()?;
        let left = Self { broker, url: running.url(), version: running.version()?, folder, processes };
        fs::write(file(broker, place), left.written())?;
        running.servers().into_iter().for_each(|server| server.leave());
        Ok(left)
    }

    fn find_in(broker: Broker, place: &Path) -> Result<Option<Self>> {
        let path = file(broker, place);
        match fs::read_to_string(&path) {
            Ok(text) => Self::read(broker, &text).with_context(|| format!("in {}", path.display())).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn end_in(self, place: &Path) -> Result<()> {
        self.processes.iter().try_for_each(end)?;
        remove(&self.folder)?;
        Ok(fs::remove_file(file(self.broker, place))?)
    }

    /// As it stands in its file: `name=value`, a line each.
    fn written(&self) -> String {
        let Self { url, version, folder, .. } = self;
        let mut text = format!("url={url}\nversion={version}\nfolder={}\n", folder.display());
        for known in &self.processes {
            let _ = writeln!(text, "process={known}");
        }
        text
    }

    fn read(broker: Broker, text: &str) -> Result<Self> {
        let (mut url, mut version, mut folder) = (None, None, None);
        let mut processes = Vec::new();
        for line in text.lines() {
            match line.split_once('=') {
                Some(("url", value)) => url = Some(value.to_owned()),
                Some(("version", value)) => version = Some(value.to_owned()),
                Some(("folder", value)) => folder = Some(PathBuf::from(value)),
                Some(("process", value)) => processes.push(value.parse()?),
                _ => bail!("{line:?} is nothing that `cargo xtask brokers up` writes"),
            }
        }
        let missing = || "something is missing that `cargo xtask brokers up` writes";
        let (url, version) = (url.with_context(missing)?, version.with_context(missing)?);
        Ok(Self { broker, url, version, folder: folder.with_context(missing)?, processes })
    }
}

/// SIGTERM, and SIGKILL when that does not help.
fn end(known: &Known) -> Result<()> {
    let pid = i32::try_from(known.id).ok().and_then(Pid::from_raw).context("a process without a number")?;
    for signal in [Signal::TERM, Signal::KILL] {
        let deadline = Instant::now() + STOPPED;
        if known.is_running() {
            kill_process(pid, signal).with_context(|| format!("cannot end process {}", known.id))?;
        }
        while known.is_running() && Instant::now() < deadline {
            thread::sleep(GLANCE);
        }
    }
    if known.is_running() { bail!("process {} does not end", known.id) } else { Ok(()) }
}

fn place() -> Result<PathBuf> {
    let place = install::cache()?.join("up");
    fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
    Ok(place)
}

fn file(broker: Broker, place: &Path) -> PathBuf {
    place.join(format!("{broker}.state"))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nats_that_is_left_is_found_and_ended() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(Left::find_in(Broker::Nats, place.path()).unwrap(), None);
        let left = Left::start_in(Broker::Nats, place.path()).unwrap();
        assert!(left.is_running());
        assert_eq!(Broker::Nats.version_at(&left.url).unwrap(), left.version);
        assert_eq!(Left::start_in(Broker::Nats, place.path()).unwrap(), left);
        let found = Left::find_in(Broker::Nats, place.path()).unwrap().unwrap();
        assert_eq!(found, left);
        found.end_in(place.path()).unwrap();
        assert!(!left.is_running() && !left.folder.exists());
        assert_eq!(Left::find_in(Broker::Nats, place.path()).unwrap(), None);
    }

    #[test]
    fn a_process_that_is_another_is_left_alone() {
        let us = Known::now(std::process::id()).unwrap();
        let other: Known = format!("{} long-ago", us.id).parse().unwrap();
        assert!(us.is_running() && !other.is_running());
        end(&other).unwrap();
    }

    #[test]
    fn what_is_no_state_is_refused() {
        for text in ["", "url=nats://x\n", "nonsense"] {
            Left::read(Broker::Nats, text).unwrap_err();
        }
    }
}
