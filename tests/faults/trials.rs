//! What is done to brokers, services and links.

use std::{thread, time::Duration};

use typebus_servers::Broker;

use crate::{
    play::{Figures, Play},
    site::Site,
};

/// One kind of fault on one broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trial {
    pub(crate) name: &'static str,
    pub(crate) broker: Broker,
    /// The query of its URL.
    options: &'static str,
    run: Run,
    /// How many runs beyond the first the promises allow: what was taken and not settled, and what was settled since
    /// the last commit, for each fault. On NATS a crash repeats at most `gap`.
    repeats: usize,
    /// Whether a process goes on with what meanwhile belongs to another. What it had begun overlaps then: that is the
    /// documented hole. Everywhere else no two runs of a key do.
    zombie: bool,
}

type Run = fn(&Site) -> Result<Figures, String>;

impl Trial {
    /// Runs it on a server of its own; the server's version comes with the figures.
    ///
    /// # Errors
    /// What went wrong.
    pub(crate) fn run(&self) -> Result<(String, Figures), String> {
        let site = Site::open(self.broker, self.options);
        let figures = (self.run)(&site)?;
        if figures.account.repeats > self.repeats {
            return Err(format!("{} repeats; at most {} are allowed", figures.account.repeats, self.repeats));
        }
        if figures.account.overlaps > 0 && !self.zombie {
            return Err(format!("{} runs began while their key was busy", figures.account.overlaps));
        }
        if figures.peak > MEMORY {
            return Err(format!("a process had {} MiB resident", figures.peak / 1024 / 1024));
        }
        Ok((site.version(), figures))
    }
}

/// A process that holds at most 1,000 deliveries of some hundred bytes needs far less.
const MEMORY: u64 = 256 * 1024 * 1024;

/// What is held and not settled, and completed and not committed, may come again.
const OF_ONE_FAULT: usize = 2_000;

/// So that what a dead process had is soon another's. On RabbitMQ that goes with the connection.
const fn short_leases(broker: Broker) -> &'static str {
    match broker {
        Broker::Kafka => "session_timeout=6s&commit_after=100",
        Broker::Nats => "ack_wait=2s&pin_timeout=2s&idle_timeout=1s",
        Broker::RabbitMq => "",
    }
}

/// So that a service notices within some seconds that nobody answers.
const fn watchful(broker: Broker) -> &'static str {
    match broker {
        Broker::Kafka => "session_timeout=6s&client.socket.timeout.ms=3000",
        Broker::Nats => "ack_wait=2s&pin_timeout=2s&idle_timeout=1s&ping_interval=1s&connect_timeout=1s",
        Broker::RabbitMq => "heartbeat=1s&connect_timeout=1s",
    }
}

/// All of them, broker by broker.
pub(crate) fn all() -> Vec<Trial> {
    let mut all = Vec::new();
    for broker in Broker::ALL {
        let of_one = if broker == Broker::Nats { 20_000 } else { OF_ONE_FAULT };
        let mut add = |name, options, run: Run, faults| {
            all.push(Trial { name, broker, options, run, repeats: of_one * faults, zombie: false });
        };
        add("no fault", "", undisturbed, 0);
        add("the broker is killed at 1/3 and at 1/2", "", broker_killed, 2);
        add("the broker stands still for 3 s", "", broker_stalled, 1);
        add("the service is killed at 1/3 and at 1/2", short_leases(broker), service_killed, 2);
        add("one of two instances is killed", short_leases(broker), one_of_two_killed, 1);
        add("one of two instances stands still for 9 s", short_leases(broker), one_of_two_stalled, 1);
        if broker == Broker::Kafka {
            add("an instance joins, and leaves (range)", "protocol=range", joins_and_leaves, 2);
            add("an instance joins, and leaves (sticky)", "", joins_and_leaves, 2);
            add("an instance joins, and leaves (consumer)", "protocol=consumer", joins_and_leaves, 2);
        } else {
            add("an instance joins, and leaves", "", joins_and_leaves, 2);
        }
        add("the link is cut for 2 s", "", link_cut, 1);
        add("the link takes 200 ms each way for 3 s", "", link_slow, 1);
        add("the link swallows everything for 5 s", watchful(broker), link_swallows, 1);
        match broker {
            Broker::Kafka => {}
            Broker::Nats => add("the broker asks its clients to leave", "", lame_duck, 1),
            Broker::RabbitMq => {
                add("the broker has no memory for 3 s", "", memory_alarm, 1);
                add("the broker closes the channel after 1 s", "", ack_timeout, 1);
            }
        }
    }
    for trial in &mut all {
        trial.zombie = trial.name.starts_with("one of two instances stands still");
    }
    all
}

fn undisturbed(site: &Site) -> Result<Figures, String> {
    Play::begin(&site.url(), 1)?.end()
}

fn broker_killed(site: &Site) -> Result<Figures, String> {
    let mut play = Play::begin_slowly(&site.url(), 1)?;
    for of in [3, 2] {
        play.reach(1, of)?;
        play.fault(|_| {
            site.server().kill().unwrap();
            site.server().restart().unwrap();
        });
    }
    play.end()
}

fn broker_stalled(site: &Site) -> Result<Figures, String> {
    disturbed(&site.url(), || {
        site.server().pause().unwrap();
        lasts(3);
        site.server().resume().unwrap();
    })
}

fn service_killed(site: &Site) -> Result<Figures, String> {
    let mut play = Play::begin_slowly(&site.url(), 1)?;
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

/// Longer than its lease: what it had is another's when it goes on, and what it settles then comes too late.
fn one_of_two_stalled(site: &Site) -> Result<Figures, String> {
    let mut play = Play::begin(&site.url(), 2)?;
    play.reach(1, 3)?;
    play.fault(|play| play.stall(0, || lasts(9)));
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

fn link_cut(site: &Site) -> Result<Figures, String> {
    disturbed(&site.url_by_link(), || {
        site.link().cut();
        lasts(2);
        site.link().heal();
    })
}

fn link_slow(site: &Site) -> Result<Figures, String> {
    disturbed(&site.url_by_link(), || {
        site.link().delay(Duration::from_millis(200));
        lasts(3);
        site.link().heal();
    })
}

fn link_swallows(site: &Site) -> Result<Figures, String> {
    disturbed(&site.url_by_link(), || {
        site.link().black_hole();
        lasts(5);
        site.link().heal();
    })
}

fn lame_duck(site: &Site) -> Result<Figures, String> {
    disturbed(&site.url(), || {
        site.server().signal("USR2").unwrap();
        while site.server().is_running() {
            thread::sleep(Duration::from_millis(20));
        }
        site.server().restart().unwrap();
    })
}

fn memory_alarm(site: &Site) -> Result<Figures, String> {
    disturbed(&site.url(), || {
        site.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]);
        lasts(3);
        site.rabbitmqctl(&["set_vm_memory_high_watermark", "0.4"]);
    })
}

/// What is unacknowledged for 1 s costs the channel.
fn ack_timeout(site: &Site) -> Result<Figures, String> {
    let set = |name: &str, value: u32| format!("application:set_env(rabbit, {name}, {value})");
    let short = format!("{}, {}.", set("consumer_timeout", 1000), set("channel_tick_interval", 500));
    site.rabbitmqctl(&["eval", &short]);
    let mut play = Play::begin(&site.url(), 1)?;
    play.reach(1, 3)?;
    play.fault(|play| play.stall(0, || lasts(3)));
    play.end()
}

/// One fault in the middle of the load, which has passed when this returns.
fn disturbed(url: &str, harm: impl FnOnce()) -> Result<Figures, String> {
    let mut play = Play::begin(url, 1)?;
    play.reach(1, 3)?;
    play.fault(|_| harm());
    play.end()
}

/// How long a fault lasts, not how long something is waited for.
fn lasts(seconds: u64) {
    thread::sleep(Duration::from_secs(seconds));
}
