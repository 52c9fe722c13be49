//! What is done to brokers, services and links.

use std::{thread, time::Duration};

use typebus_servers::Broker;

use crate::play::{Figures, Play, Site};

/// One kind of fault on one broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trial {
    pub(crate) name: &'static str,
    pub(crate) broker: Broker,
    run: fn(&Site) -> Result<Figures, String>,
    /// How many runs beyond the first the promises allow: what was taken and not settled, and what was settled since
    /// the last commit, for each fault. On NATS a crash repeats at most `gap`.
    pub(crate) repeats: usize,
}

impl Trial {
    /// Runs it on a server of its own.
    ///
    /// # Errors
    /// What went wrong.
    pub(crate) fn run(&self, site: &Site) -> Result<Figures, String> {
        let figures = (self.run)(site)?;
        if figures.account.repeats > self.repeats {
            return Err(format!("{} repeats; at most {} are allowed", figures.account.repeats, self.repeats));
        }
        if figures.peak > MEMORY {
            return Err(format!("a process had {} MiB resident", figures.peak / 1024 / 1024));
        }
        Ok(figures)
    }
}

/// A process that holds at most 1,000 deliveries of some hundred bytes needs far less.
const MEMORY: u64 = 256 * 1024 * 1024;

/// What is held and not settled, and completed and not committed, may come again.
const OF_ONE_FAULT: usize = 2_000;

/// All of them, broker by broker.
pub(crate) fn all() -> Vec<Trial> {
    let mut all = Vec::new();
    for broker in Broker::ALL {
        let mut add = |name, run: fn(&Site) -> Result<Figures, String>, faults| {
            let of_one = if broker == Broker::Nats { 20_000 } else { OF_ONE_FAULT };
            all.push(Trial { name, broker, run, repeats: of_one * faults });
        };
        add("no fault", undisturbed, 0);
        add("the broker is killed at 1/3 and at 1/2", broker_killed, 2);
        add("the service is killed at 1/3 and at 1/2", service_killed, 2);
        add("one of two instances is killed", one_of_two_killed, 1);
        add("an instance joins, and leaves", joins_and_leaves, 2);
        add("the broker stands still for 3 s", broker_stalled, 1);
    }
    all
}

fn undisturbed(site: &Site) -> Result<Figures, String> {
    Play::begin(&site.url(), 1)?.end()
}

fn broker_killed(site: &Site) -> Result<Figures, String> {
    let mut play = Play::begin(&site.url(), 1)?;
    for of in [3, 2] {
        play.reach(1, of)?;
        play.fault(|_| {
            site.server().kill().unwrap();
            site.server().restart().unwrap();
        })?;
    }
    play.end()
}

fn service_killed(site: &Site) -> Result<Figures, String> {
    let mut play = Play::begin(&site.url(), 1)?;
    for of in [3, 2] {
        play.reach(1, of)?;
        play.fault(|play| play.replace(0))?;
    }
    play.end()
}

fn one_of_two_killed(site: &Site) -> Result<Figures, String> {
    let mut play = Play::begin(&site.url(), 2)?;
    play.reach(1, 3)?;
    play.fault(|play| play.replace(0))?;
    play.end()
}

fn joins_and_leaves(site: &Site) -> Result<Figures, String> {
    let mut play = Play::begin(&site.url(), 1)?;
    play.reach(1, 4)?;
    play.join()?;
    play.reach(1, 2)?;
    play.leave()?;
    play.end()
}

fn broker_stalled(site: &Site) -> Result<Figures, String> {
    let mut play = Play::begin(&site.url(), 1)?;
    play.reach(1, 3)?;
    play.fault(|_| {
        site.server().pause().unwrap();
        // How long the fault lasts, not how long something is waited for.
        thread::sleep(Duration::from_secs(3));
        site.server().resume().unwrap();
    })?;
    play.end()
}
