//! What happens in a history: all of it follows from a seed.

use std::fmt;

use fastrand::Rng;
use typebus::{ErrorKind, Limits, backend::memory::Profile};

use crate::program::{ATTEMPTS, Act, Then, Wait};

/// A broker, a program, and what happens to them.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) seed: u64,
    pub(crate) profile: Option<Profile>,
    pub(crate) desk: DeskKind,
    pub(crate) limits: Limits,
    pub(crate) workers: usize,
    pub(crate) moves: Vec<Move>,
}

/// How the group `desk` works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeskKind {
    ByKey,
    InNoOrder,
    ByPartition,
    InBatches,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Desk,
    Store,
}

/// Instances are chosen among the living ones by a number, modulo how many there are.
#[derive(Debug, Clone)]
pub(crate) enum Move {
    Publish {
        jobs: Vec<Planned>,
        at_once: bool,
    },
    /// An event that is not as it should be.
    Odd(Odd, Option<u8>),
    /// Time passes, as long as nobody has anything to do.
    Quiet(u64),
    /// The clock jumps.
    Jump(u64),
    /// So often everybody else may do something.
    Yield(u8),
    Join(Which),
    Leave {
        who: usize,
        hurry: bool,
    },
    Crash(usize),
    Revoke(usize),
    Lose(usize),
    Stall(usize),
    Unstall,
    Pause(usize),
    Resume,
    /// The next publishes of an instance on a topic fail.
    Fail(usize, Onto, usize, ErrorKind),
    /// They are confirmed to nobody; `true` if they are stored.
    Unknown(usize, Onto, usize, bool),
    /// Confirmations of an instance are held back.
    Hold(usize, Onto),
    Release,
    /// The dead letters of a group are replayed.
    Replay(Which),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Odd {
    Garbled,
    Newer,
    Foreign,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Onto {
    Made,
    DeskLetters,
    StoreLetters,
    /// What the program publishes from outside.
    Jobs,
}

#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) key: Option<u8>,
    pub(crate) desk: Vec<Act>,
    pub(crate) store: Vec<Act>,
    pub(crate) delay: Option<u64>,
    pub(crate) padding: usize,
}

const KEYS: u8 = 5;

impl History {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let profiles =
            [None, Some(Profile::Kafka), Some(Profile::RabbitMq), Some(Profile::Nats), Some(Profile::Pulsar)];
        let profile = profiles[rng.usize(..5)];
        let desk = match rng.u8(..10) {
            0..5 => DeskKind::ByKey,
            5..7 => DeskKind::InBatches,
            7..8 => DeskKind::InNoOrder,
            _ => DeskKind::ByPartition,
        };
        let limits = Limits {
            held: [2, 4, 10, 1_000][rng.usize(..4)],
            held_bytes: [2_000, 32 << 20, 32 << 20][rng.usize(..3)],
            gap: [5, 20_000, 20_000][rng.usize(..3)],
        };
        // The clumsier a history, the rarer.
        let trouble = rng.u8(..3);
        let may_poison = profile != Some(Profile::Pulsar) && rng.u8(..4) == 0;
        let can_delay = profile.is_none() || profile == Some(Profile::Pulsar);
        let context = Context { trouble, may_poison, can_delay };
        let workers = [1, 1, 1, 2, 3][rng.usize(..5)];
        let count = rng.usize(10..45);
        let moves = (0..count).map(|_| context.a_move(&mut rng)).collect();
        Self { seed, profile, desk, limits, workers, moves }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { profile, desk, limits, workers, moves, .. } = self;
        let profile = profile.map_or("bare", Profile::name);
        writeln!(f, "  {profile}, {desk:?}, {workers} workers, {limits:?}")?;
        moves.iter().try_for_each(|step| writeln!(f, "  {step:?}"))
    }
}

#[derive(Clone, Copy)]
struct Context {
    trouble: u8,
    may_poison: bool,
    can_delay: bool,
}

impl Context {
    fn a_move(self, rng: &mut Rng) -> Move {
        let who = rng.usize(..6);
        match rng.u8(..if self.trouble == 0 { 62 } else { 100 }) {
            0..28 => {
                let count = if rng.u8(..4) == 0 { rng.usize(2..8) } else { 1 };
                Move::Publish { jobs: (0..count).map(|_| self.planned(rng)).collect(), at_once: rng.bool() }
            }
            28..32 => {
                let odd = [Odd::Garbled, Odd::Newer, Odd::Foreign][rng.usize(..3)];
                Move::Odd(odd, a_key(rng))
            }
            32..46 => Move::Quiet(up_to(rng, &[50, 1_000, 6_000])),
            46..48 => Move::Jump(rng.u64(1..8_000)),
            48..56 => Move::Yield(rng.u8(1..6)),
            56..58 => Move::Pause(who),
            58..60 => Move::Resume,
            60..62 => Move::Replay(which(rng)),
            62..68 => Move::Join(which(rng)),
            68..71 => Move::Leave { who, hurry: rng.u8(..3) == 0 },
            71..74 => Move::Crash(who),
            74..78 => Move::Revoke(who),
            78..81 => Move::Lose(who),
            81..83 => Move::Stall(who),
            83..85 => Move::Unstall,
            85..90 => Move::Fail(who, onto(rng), rng.usize(1..5), ErrorKind::Connect),
            90..91 => Move::Fail(who, Onto::Made, 1, ErrorKind::Unroutable),
            91..94 => Move::Unknown(who, onto(rng), rng.usize(1..3), rng.bool()),
            94..97 => Move::Hold(who, onto(rng)),
            _ => Move::Release,
        }
    }

    fn planned(self, rng: &mut Rng) -> Planned {
        let desk = if self.may_poison && rng.u8(..20) == 0 {
            vec![Act(Wait::No, Then::Kill); ATTEMPTS]
        } else {
            acts(rng, true)
        };
        Planned {
            key: a_key(rng),
            desk,
            store: acts(rng, false),
            delay: (self.can_delay && rng.u8(..12) == 0).then(|| rng.u64(1..5_000)),
            padding: if rng.u8(..8) == 0 { 1_500 } else { 0 },
        }
    }
}

fn a_key(rng: &mut Rng) -> Option<u8> {
    (rng.u8(..6) > 0).then(|| rng.u8(..KEYS))
}

/// A number below one of these.
fn up_to(rng: &mut Rng, bounds: &[u64]) -> u64 {
    let bound = bounds[rng.usize(..bounds.len())];
    rng.u64(1..bound)
}

fn which(rng: &mut Rng) -> Which {
    if rng.u8(..3) == 0 { Which::Store } else { Which::Desk }
}

fn onto(rng: &mut Rng) -> Onto {
    [Onto::Made, Onto::Made, Onto::DeskLetters, Onto::StoreLetters, Onto::Jobs][rng.usize(..5)]
}

fn acts(rng: &mut Rng, makes: bool) -> Vec<Act> {
    let count = [0, 1, 1, 2, 3][rng.usize(..5)];
    (0..count).map(|_| act(rng, makes)).collect()
}

fn act(rng: &mut Rng, makes: bool) -> Act {
    let wait = match rng.u8(..12) {
        0..6 => Wait::No,
        6..11 => Wait::Millis(up_to(rng, &[20, 3_000])),
        _ => Wait::Hang,
    };
    let then = match rng.u8(..24) {
        0..6 => Then::Done,
        6..13 if makes => Then::Make(rng.usize(1..4)),
        6..13 => Then::Done,
        13..18 => Then::Retry,
        18..20 => Then::RetryAfter(rng.u64(..4_000)),
        20..21 => Then::Bury,
        21..22 => Then::Discard,
        22..23 => Then::Panic,
        _ => Then::Done,
    };
    Act(wait, then)
}
