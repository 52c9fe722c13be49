//! Random lives: whatever arrives, fails, is revoked, lost and given back, the promises hold.
//!
//! The oracle is the script itself, which checks the contract and the promises while things happen, and what is added
//! here for the end: nothing is lost, everything was settled, and what handlers returned came out in order.

use std::{collections::HashMap, time::Duration};

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, FileFailurePersistence, TestRunner},
};
use typebus::{ErrorKind, HandlerDescriptor, Limits, Order, Service, StateOf, Tuning, backend::Partitions};

use crate::{
    careless::Slip,
    desk::{Act, BILLS, Desk, Filed, Hands, Loose, MADE, Made, Piles, Rig, Then, Wait, task},
    script::{Answer, Parcel, Script},
};

const PARTITIONS: u32 = 3;
const KEYS: u8 = 5;
const TOPICS: [&str; 3] = [MADE, BILLS, "dead.desk"];

#[derive(Debug, Clone)]
struct Life {
    moves: Vec<Move>,
    held: usize,
    gap: u64,
    /// What is settled above the floor comes again as well.
    repeats: bool,
}

#[derive(Debug, Clone)]
enum Move {
    Push {
        /// Its partition follows from it.
        key: Option<u8>,
        /// Where it has no key.
        partition: u32,
        after: u64,
        kind: Kind,
    },
    /// Time passes.
    Quiet(u64),
    /// So often everybody else may do something.
    Yield(usize),
    Revoke(Vec<u32>),
    RevokeAll,
    Lose(Vec<u32>),
    /// Everything is lost and comes again.
    Reset,
    Assign,
    /// The next publications on one of the topics.
    Answers(usize, Vec<Answer>),
    /// The program is stopped, and started again.
    Restart {
        hurry: bool,
    },
}

#[derive(Debug, Clone)]
enum Kind {
    Task(Vec<Act>),
    Refused(Then),
    Garbled,
    Newer,
    Foreign,
}

fn life() -> impl Strategy<Value = Life> {
    let held = prop_oneof![Just(3_usize), Just(10), Just(1_000)];
    let gap = prop_oneof![Just(5_u64), Just(20_000)];
    let moves = prop::collection::vec(a_move(), 1..80);
    (moves, held, gap, any::<bool>()).prop_map(|(moves, held, gap, repeats)| Life {
        moves,
        held,
        gap,
        repeats,
    })
}

fn a_move() -> impl Strategy<Value = Move> {
    let push = (prop::option::weighted(0.85, 0..KEYS), 0..PARTITIONS, after(), kind());
    let some = || prop::sample::subsequence((0..PARTITIONS).collect::<Vec<_>>(), 1..=2);
    prop_oneof![
        40 => push.prop_map(|(key, partition, after, kind)| Move::Push { key, partition, after, kind }),
        12 => (0..4_000_u64).prop_map(Move::Quiet),
        8 => (1..6_usize).prop_map(Move::Yield),
        3 => some().prop_map(Move::Revoke),
        1 => Just(Move::RevokeAll),
        4 => some().prop_map(Move::Lose),
        2 => Just(Move::Reset),
        8 => Just(Move::Assign),
        6 => (0..TOPICS.len(), prop::collection::vec(answer(), 1..4)).prop_map(|(on, next)| Move::Answers(on, next)),
        1 => any::<bool>().prop_map(|hurry| Move::Restart { hurry }),
    ]
}

fn after() -> impl Strategy<Value = u64> {
    prop_oneof![6 => Just(1_u64), 1 => 2..30_u64]
}

fn kind() -> impl Strategy<Value = Kind> {
    let refused = prop_oneof![Just(Then::Retry), Just(Then::Bury), Just(Then::Discard)];
    prop_oneof![
        30 => prop::collection::vec(act(), 0..4).prop_map(Kind::Task),
        1 => refused.prop_map(Kind::Refused),
        1 => Just(Kind::Garbled),
        1 => Just(Kind::Newer),
        2 => Just(Kind::Foreign),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let wait = prop_oneof![
        8 => Just(Wait::No),
        6 => (0..3_000_u64).prop_map(Wait::Millis),
        1 => Just(Wait::Hang),
    ];
    let then = prop_oneof![
        8 => Just(Then::Done),
        6 => (1..4_u64).prop_map(Then::Make),
        2 => Just(Then::Both),
        4 => Just(Then::Retry),
        2 => (0..5_000_u64).prop_map(Then::RetryAfter),
        2 => Just(Then::Bury),
        1 => Just(Then::Discard),
        1 => Just(Then::Ack),
        1 => Just(Then::Panic),
    ];
    (wait, then).prop_map(|(wait, then)| Act(wait, then))
}

fn answer() -> impl Strategy<Value = Answer> {
    let now = prop_oneof![
        3 => Just(Answer::Confirm),
        4 => Just(Answer::Refuse(ErrorKind::Connect)),
        1 => Just(Answer::Refuse(ErrorKind::Unroutable)),
        1 => Just(Answer::Unknown),
    ];
    (now, prop::option::of(0..20_000_u64)).prop_map(|(answer, after)| match after {
        Some(millis) => Answer::After(Duration::from_millis(millis), Box::new(answer)),
        None => answer,
    })
}

impl Life {
    /// Lives it on a clock of its own, with so many workers, and says what went wrong.
    fn live<S: Service + StateOf<Hands>>(&self, workers: usize, slip: Option<Slip>) -> Result<(), String> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let script = Script::new();
            if let Some(slip) = slip {
                slip.into(&script);
            }
            let ended = self.play::<S>(&script, workers).await;
            let problems = script.problems();
            let (true, Ok(())) = (problems.is_empty(), &ended) else {
                return Err(format!("{problems:#?}\n{ended:?}\n{}", script.journal(ToString::to_string)));
            };
            Ok(())
        })
    }

    async fn play<S: Service + StateOf<Hands>>(&self, script: &Script, workers: usize) -> Result<(), String> {
        let limits = Limits { held: self.held, gap: self.gap, ..Limits::default() };
        let tuning = Tuning { limits, workers: Some(workers), ..Tuning::default() };
        if self.repeats {
            script.repeat_from_the_floor();
        }
        let mut rig = Rig::<S>::on(script, tuning).await;
        for (number, step) in (1..).zip(&self.moves) {
            match step {
                Move::Push { key, partition, after, kind } => {
                    let partition = key.map_or(*partition, |key| u32::from(key) % PARTITIONS);
                    script.push_after(partition, *after, kind.parcel(number, *key));
                }
                Move::Quiet(millis) => script.quiet(Duration::from_millis(*millis)).await,
                Move::Yield(times) => {
                    for _ in 0..*times {
                        tokio::task::yield_now().await;
                    }
                }
                Move::Revoke(partitions) => script.revoke(partitions.clone()),
                Move::RevokeAll => script.revoke(Partitions::All),
                Move::Lose(partitions) => script.lose(partitions.clone()),
                Move::Reset => script.reset(),
                Move::Assign => script.assign(Partitions::All),
                Move::Answers(on, next) => script.next(TOPICS[*on], next.iter().cloned()),
                Move::Restart { hurry } => {
                    if *hurry {
                        rig.running.hurry();
                    }
                    rig.running.stop().await.map_err(|error| error.to_string())?;
                    rig = Rig::on(script, tuning).await;
                }
            }
        }
        script.heal();
        // The longest that anything takes: three timeouts, a revocation's grace, an answer under way.
        for _ in 0..200 {
            script.assign(Partitions::All);
            script.quiet(Duration::from_secs(20)).await;
            if script.is_settled() || !script.problems().is_empty() {
                break;
            }
        }
        rig.running.stop().await.map_err(|error| error.to_string())?;
        let unsettled = script.unsettled();
        if !unsettled.is_empty() {
            return Err(format!("{unsettled:?} are lost"));
        }
        // A batch is one start. Where its outputs were cut off in between it begins again, and a member that returns
        // something only then has it published after what came of the others.
        let one_by_one =
            |handler: &HandlerDescriptor| handler.policy().order != Order::None && handler.name() != "pile";
        if S::DESCRIPTOR.handlers().iter().all(one_by_one) { self.check_order(script) } else { Ok(()) }
    }

    /// Of each key the events came out in the order of their causes. (Where one cause could never be published and is
    /// handled again because its settlement got lost, they may not.)
    fn check_order(&self, script: &Script) -> Result<(), String> {
        let permanent = |answer: &Answer| match answer {
            Answer::Refuse(kind) => *kind == ErrorKind::Unroutable,
            Answer::After(_, answer) => **answer == Answer::Refuse(ErrorKind::Unroutable),
            _ => false,
        };
        let has_permanent =
            |step: &Move| matches!(step, Move::Answers(_, next) if next.iter().any(permanent));
        if self.moves.iter().any(has_permanent) {
            return Ok(());
        }
        let mut latest: HashMap<String, u64> = HashMap::new();
        let mut seen = std::collections::HashSet::new();
        for stored in script.stored(MADE) {
            let Made { number, key, .. } = serde_json::from_slice(stored.message.payload()).unwrap();
            let Some(key) = key.filter(|_| seen.insert(number)) else { continue };
            let before = latest.entry(key).or_default();
            if *before > number {
                return Err(format!("what came of {number} was published after what came of {before}"));
            }
            *before = number;
        }
        Ok(())
    }
}

impl Kind {
    fn parcel(&self, number: u64, key: Option<u8>) -> Parcel {
        let mut task = task(number);
        if let Some(key) = key {
            task = task.key(&format!("k{key}"));
        }
        match self {
            Self::Task(acts) => task.acts(acts.as_slice()).into(),
            Self::Refused(then) => task.refused(*then).into(),
            Self::Garbled => task.garbled(),
            Self::Newer => task.version(2),
            Self::Foreign => task.foreign(),
        }
    }
}

fn config() -> Config {
    // More of them by `PROPTEST_CASES`.
    let config = Config::default();
    Config {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { config.cases } else { 100 },
        // A seed that failed is kept beside this file.
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        ..config
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn one_at_a_time_by_key(life in life()) {
        prop_assert_eq!(life.live::<Desk>(1, None), Ok(()));
    }

    #[test]
    fn in_batches_by_key(life in life()) {
        prop_assert_eq!(life.live::<Piles>(1, None), Ok(()));
    }

    #[test]
    fn by_partition(life in life()) {
        prop_assert_eq!(life.live::<Filed>(1, None), Ok(()));
    }

    #[test]
    fn in_no_order(life in life()) {
        prop_assert_eq!(life.live::<Loose>(1, None), Ok(()));
    }

    #[test]
    fn shared_by_key(life in life(), workers in 2..5_usize) {
        prop_assert_eq!(life.live::<Desk>(workers, None), Ok(()));
    }

    #[test]
    fn shared_by_partition(life in life(), workers in 2..5_usize) {
        prop_assert_eq!(life.live::<Filed>(workers, None), Ok(()));
    }

    #[test]
    fn shared_in_no_order(life in life(), workers in 2..5_usize) {
        prop_assert_eq!(life.live::<Loose>(workers, None), Ok(()));
    }
}

/// Random lives are lively enough: each careless consumer is caught in at least one of a few.
#[test]
fn a_careless_consumer_does_not_live_long() {
    let mut runner = TestRunner::deterministic();
    let lives: Vec<Life> = (0..20).map(|_| life().new_tree(&mut runner).unwrap().current()).collect();
    for slip in Slip::ALL {
        let caught = lives.iter().filter(|life| life.live::<Desk>(1, Some(slip)).is_err()).count();
        assert!(caught > 0, "{slip:?} was not caught in {} lives", lives.len());
    }
}
