//! Plays a history on the real bus, a paused clock and one thread, and lets everything come to rest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::task::{JoinHandle, yield_now};
use typebus::{
    DeadLetters, Running, Service, StateOf, Tuning,
    backend::{
        Attribute, Backend, Message, MessageBuilder, Outgoing, Sender,
        memory::{Held, Memory, MemoryBackend, Profile},
    },
    prelude::*,
};

use crate::{
    history::{DeskKind, History, Move, Odd, Onto, Planned, Which},
    oracle::{Kind, World},
    program::{Desk, Fates, Filed, Hands, JOBS, Job, Loose, MADE, Outside, Piles, Store},
    recorder::Recorder,
    sabotage::Slip,
};

/// The longest that it may take until everything is settled, after the last trouble: replies that were cut off, holds
/// of 30 s, leases of 30 min.
const ROUNDS: usize = 120;
const ROUND: Duration = Duration::from_secs(20);

/// Plays it, with a mistake or without, and gives what is known of it then.
pub(crate) fn play(history: &History, slip: Option<Slip>) -> World {
    fastrand::seed(history.seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let in_batches = history.desk == DeskKind::InBatches;
        let crash_guard = history.profile != Some(Profile::Pulsar);
        let world = World::new(in_batches, crash_guard, history.workers);
        let mut stage = Stage::set(history, world.clone(), slip).await;
        for step in &history.moves {
            world.idle_after(step);
            stage.act(step).await;
            if world.has_problems() {
                break;
            }
        }
        if !world.has_problems() {
            stage.rest().await;
        }
        world
    })
}

struct Stage<'a> {
    history: &'a History,
    world: World,
    slip: Option<Slip>,
    memory: Memory,
    outside: MemoryBackend,
    recorded: Recorder,
    bus: Bus<Outside>,
    instances: Vec<Instance>,
    leaving: Vec<JoinHandle<()>>,
    held: Vec<Held>,
    published: u64,
}

struct Instance {
    number: usize,
    which: Which,
    connection: MemoryBackend,
    running: Arc<Running>,
    letters: DeadLetters,
}

impl<'a> Stage<'a> {
    async fn set(history: &'a History, world: World, slip: Option<Slip>) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let memory = Memory::named(format!("sim-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let memory = history.profile.into_iter().fold(memory, Memory::profile).partitions(3);
        let outside = MemoryBackend::connect(&memory).unwrap();
        let number = world.instance("outside");
        let recorded = Recorder { inner: Arc::new(outside.clone()), world: world.clone(), instance: number };
        let bus = Bus::<Outside>::builder().connect(recorded.clone()).await.unwrap();
        let mut stage = Self {
            history,
            world,
            slip,
            memory,
            outside,
            recorded,
            bus,
            instances: Vec::new(),
            leaving: Vec::new(),
            held: Vec::new(),
            published: 0,
        };
        stage.join(Which::Store).await;
        stage.join(Which::Desk).await;
        stage
    }

    async fn join(&mut self, which: Which) {
        match (which, self.history.desk) {
            (Which::Store, _) => self.start::<Store>(which).await,
            (Which::Desk, DeskKind::ByKey) => self.start::<Desk>(which).await,
            (Which::Desk, DeskKind::InNoOrder) => self.start::<Loose>(which).await,
            (Which::Desk, DeskKind::ByPartition) => self.start::<Filed>(which).await,
            (Which::Desk, DeskKind::InBatches) => self.start::<Piles>(which).await,
        }
    }

    async fn start<S: Service + StateOf<Hands>>(&mut self, which: Which) {
        let name = if which == Which::Desk { "desk" } else { "store" };
        let number = self.world.instance(name);
        let connection = MemoryBackend::connect(&self.memory).unwrap();
        let world = self.world.clone();
        let hands = Hands { world: world.clone(), instance: number, connection: connection.clone() };
        let mut inner: Arc<dyn Backend> = Arc::new(connection.clone());
        if let Some(slip) = self.slip {
            inner = slip.below(inner);
        }
        let mut backend: Arc<dyn Backend> = Arc::new(Recorder { inner, world, instance: number });
        if let Some(slip) = self.slip {
            backend = slip.above(backend);
        }
        let tuning =
            Tuning { limits: self.history.limits, workers: Some(self.history.workers), ..Tuning::default() };
        let bus = Bus::<S>::builder().state(hands).tuning(tuning).connect(backend).await.unwrap();
        let running = Arc::new(bus.start().await.unwrap());
        let letters = bus.dead_letters(name);
        self.instances.push(Instance { number, which, connection, running, letters });
    }

    fn choose(&self, who: usize) -> Option<&Instance> {
        let count = self.instances.len();
        (count > 0).then(|| &self.instances[who % count])
    }

    /// Buries whoever died meanwhile.
    async fn bury(&mut self) {
        let mut at = 0;
        while at < self.instances.len() {
            if !self.world.is_dead(self.instances[at].number) {
                at += 1;
                continue;
            }
            let dead = self.instances.swap_remove(at);
            let ended = tokio::time::timeout(Duration::from_secs(60), dead.running.finished()).await;
            if !matches!(ended, Ok(Err(_))) {
                self.world.problem(2, format!("{} died, and ends with {ended:?}", dead.number));
            }
        }
    }

    async fn act(&mut self, step: &Move) {
        self.bury().await;
        match step {
            Move::Publish { jobs, at_once } => self.publish(jobs, *at_once).await,
            Move::Odd(odd, key) => self.publish_odd(*odd, *key).await,
            Move::Quiet(millis) => {
                tokio::time::sleep(Duration::from_millis(*millis)).await;
                self.world.idle();
            }
            Move::Jump(millis) => {
                // Whoever was told to do something has begun with it.
                for _ in 0..20 {
                    yield_now().await;
                }
                self.world.jump();
                tokio::time::advance(Duration::from_millis(*millis)).await;
            }
            Move::Yield(times) => {
                for _ in 0..*times {
                    yield_now().await;
                }
            }
            Move::Join(which) => {
                if self.instances.len() < 6 {
                    self.join(*which).await;
                }
            }
            Move::Leave { who, hurry } => self.leave(*who, *hurry),
            Move::Crash(who) => {
                if let Some(instance) = self.choose(*who) {
                    self.world.killed(instance.number);
                    instance.connection.kill();
                }
            }
            Move::Revoke(who) => {
                if let Some(Instance { number, connection, .. }) = self.choose(*who) {
                    // Where partitions are not what is shared, it is a loss.
                    match self.history.profile {
                        None | Some(Profile::Kafka) => self.world.note(format!("{number} is to give up")),
                        _ => self.world.zombie(*number, "is to give up"),
                    }
                    connection.faults().revoke();
                }
            }
            Move::Lose(who) => {
                if let Some(Instance { number, connection, .. }) = self.choose(*who) {
                    self.world.zombie(*number, "loses everything");
                    connection.faults().lose();
                }
            }
            Move::Stall(who) => {
                if let Some(Instance { number, connection, .. }) = self.choose(*who) {
                    self.world.zombie(*number, "is told nothing");
                    connection.faults().stall();
                }
            }
            Move::Unstall => self.instances.iter().for_each(|instance| instance.connection.faults().resume()),
            Move::Pause(who) => {
                if let Some(instance) = self.choose(*who) {
                    self.world.paused(instance.number, true);
                    self.handlers(instance.which)
                        .iter()
                        .for_each(|name| instance.running.pause(name).unwrap());
                }
            }
            Move::Resume => self.resume(),
            Move::Fail(who, onto, count, kind) => {
                self.faulty(*who, *onto).faults().fail(self.topic(*onto), *count, *kind);
            }
            Move::Unknown(who, onto, count, stored) => {
                self.faulty(*who, *onto).faults().leave_unknown(self.topic(*onto), *count, *stored);
            }
            Move::Hold(who, onto) => {
                if !matches!(onto, Onto::Jobs) {
                    let held = self.faulty(*who, *onto).faults().hold_confirmations(self.topic(*onto));
                    self.held.push(held);
                }
            }
            Move::Release => self.held.clear(),
            Move::Replay(which) => self.replay(*which).await,
        }
    }

    fn handlers(&self, which: Which) -> &'static [&'static str] {
        match (which, self.history.desk) {
            (Which::Store, _) => &["note", "put"],
            (Which::Desk, DeskKind::ByKey) => &["work"],
            (Which::Desk, DeskKind::InNoOrder) => &["scatter"],
            (Which::Desk, DeskKind::ByPartition) => &["file"],
            (Which::Desk, DeskKind::InBatches) => &["pile"],
        }
    }

    fn topic(&self, onto: Onto) -> &'static str {
        match onto {
            Onto::Made => MADE,
            Onto::DeskLetters => "dead.desk",
            Onto::StoreLetters => "dead.store",
            Onto::Jobs => JOBS,
        }
    }

    fn faulty(&self, who: usize, onto: Onto) -> MemoryBackend {
        let chosen = self.choose(who).filter(|_| !matches!(onto, Onto::Jobs));
        chosen.map_or(&self.outside, |instance| &instance.connection).clone()
    }

    fn leave(&mut self, who: usize, hurry: bool) {
        if self.instances.is_empty() {
            return;
        }
        let leaving = self.instances.swap_remove(who % self.instances.len());
        self.world.stopping(leaving.number, hurry);
        let world = self.world.clone();
        #[allow(clippy::disallowed_methods, reason = "it is waited for at the end")]
        self.leaving.push(tokio::spawn(async move {
            if hurry {
                leaving.running.hurry();
            }
            let stopped = leaving.running.stop().await;
            world.note(format!("{} has left: {stopped:?}", leaving.number));
            if let Err(error) = stopped
                && !world.is_dead(leaving.number)
            {
                world.problem(2, format!("{} does not stop cleanly: {error}", leaving.number));
            }
            if !world.is_dead(leaving.number) {
                world.counted(leaving.number, &leaving.running.stats());
            }
        }));
    }

    fn resume(&self) {
        for instance in &self.instances {
            self.handlers(instance.which).iter().for_each(|name| instance.running.resume(name).unwrap());
            self.world.paused(instance.number, false);
        }
    }

    async fn replay(&self, which: Which) {
        if self.history.desk == DeskKind::InBatches && which == Which::Desk {
            return;
        }
        let Some(instance) = self.instances.iter().find(|instance| instance.which == which) else { return };
        self.world.note(format!("{} replays what is dead", instance.number));
        let replayed = tokio::time::timeout(Duration::from_secs(5), instance.letters.replay_all()).await;
        self.world.note(format!("  replayed: {replayed:?}"));
    }

    async fn publish(&mut self, jobs: &[Planned], at_once: bool) {
        let mut made = Vec::new();
        for planned in jobs {
            self.published += 1;
            let job = Job {
                ident: format!("n{}", self.published),
                key: planned.key.map(|key| format!("k{key}")),
                desk: planned.desk.clone(),
                store: planned.store.clone(),
                padding: "x".repeat(planned.padding),
            };
            let kind = Kind::Plain { desk: Fates::of(&job.desk), store: Fates::of(&job.store) };
            self.world.expect(&job.ident, kind, planned.delay.is_some());
            made.push((job, planned.delay));
        }
        if at_once && made.iter().all(|(_, delay)| delay.is_none()) {
            let jobs: Vec<Job> = made.into_iter().map(|(job, _)| job).collect();
            drop(self.bus.publish_all(&jobs).await);
            return;
        }
        for (job, delay) in made {
            let publish = self.bus.publish(&job).header("channel", "web");
            let publish = match delay {
                Some(millis) => publish.delay(Duration::from_millis(millis)),
                None => publish,
            };
            // One that fails is the program's business; the oracle has seen it.
            drop(publish.await);
        }
    }

    async fn publish_odd(&mut self, odd: Odd, key: Option<u8>) {
        self.published += 1;
        let ident = format!("n{}", self.published);
        let (kind, name, payload) = match odd {
            Odd::Garbled => (Kind::Garbled, "job.v1", "{ no job"),
            Odd::Newer => (Kind::Newer, "job.v2", "{}"),
            Odd::Foreign => (Kind::Foreign, "rumour.v1", "{}"),
        };
        self.world.expect(&ident, kind, false);
        let message = message(&ident, key, name, payload);
        let outgoing = Outgoing { topic: JOBS.into(), message, sender: Sender::Program, options: None };
        drop(self.recorded.publish(outgoing).await);
    }

    /// No more trouble: whoever is missing comes back, and everything is to be settled in the end.
    async fn rest(&mut self) {
        self.world.note("rest");
        self.held.clear();
        self.resume();
        // What is still to fail does.
        self.instances.iter().for_each(|instance| instance.connection.faults().resume());
        for _ in 0..ROUNDS {
            self.bury().await;
            for which in [Which::Desk, Which::Store] {
                if !self.instances.iter().any(|instance| instance.which == which) {
                    self.join(which).await;
                }
            }
            tokio::time::sleep(ROUND).await;
            self.world.idle();
            if self.world.has_problems() {
                return;
            }
            if self.world.open().is_empty() && !self.world.is_holding() {
                break;
            }
        }
        for (group, ident, came) in self.world.open() {
            match came {
                true => self.world.problem(2, format!("{group} never settles {ident}")),
                false => self.world.problem(1, format!("{ident} never comes to {group}")),
            }
        }
        while !self.instances.is_empty() {
            self.leave(0, false);
        }
        for leaving in self.leaving.drain(..) {
            if tokio::time::timeout(Duration::from_secs(3_600), leaving).await.is_err() {
                self.world.problem(2, "an instance does not stop");
            }
        }
    }
}

impl World {
    fn idle_after(&self, step: &Move) {
        self.note(format!("> {step:?}"));
    }
}

fn message(ident: &str, key: Option<u8>, name: &str, payload: &str) -> Message {
    let mut builder = MessageBuilder::new();
    let write = |buffer: &mut Vec<u8>| {
        buffer.extend_from_slice(payload.as_bytes());
        Ok::<(), std::convert::Infallible>(())
    };
    builder.payload(write).unwrap();
    if let Some(key) = key {
        builder.key(format!("k{key}").as_bytes());
    }
    builder
        .attribute(Attribute::Type, name.as_bytes())
        .attribute(Attribute::Source, b"elsewhere")
        .attribute(Attribute::Id, ident.as_bytes())
        .header(b"channel", b"fax");
    builder.build()
}
