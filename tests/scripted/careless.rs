//! What the checks are worth: consumers that break the contract in one way each, and are caught.
//!
//! They stand between the dispatch and the script, so that to the script it looks as if the dispatch were careless.

use std::task::{Context, Poll};

use typebus::{
    ErrorKind, Limits, Result, Tuning,
    backend::{Consumer, Delivery, Floor, Intake, Partitions, Room, Token},
};

use crate::{
    desk::{Desk, GATE, Rig, Then, at_once, task},
    script::Script,
};

/// In which way a consumer is careless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slip {
    /// Settles what was handed out at once.
    SettlesEarly,
    /// Keeps every third settlement to itself.
    ForgetsToSettle,
    SettlesTwice,
    /// Settles what is lost once more.
    SettlesWhatIsLost,
    FloorAhead,
    FloorBehind,
    /// Exchanges two messages that come together.
    SwapsMessages,
    /// Brings the first of several messages in the place of the last.
    RepeatsMessage,
    /// Releases as soon as it is asked.
    ReleasesEarly,
    /// Does not say that something is lost.
    HidesLoss,
    /// Takes more room than it was given.
    Overfills,
}

impl Slip {
    pub(crate) const ALL: [Self; 11] = [
        Self::SettlesEarly,
        Self::ForgetsToSettle,
        Self::SettlesTwice,
        Self::SettlesWhatIsLost,
        Self::FloorAhead,
        Self::FloorBehind,
        Self::SwapsMessages,
        Self::RepeatsMessage,
        Self::ReleasesEarly,
        Self::HidesLoss,
        Self::Overfills,
    ];

    /// Has every consumer of a script make this mistake.
    pub(crate) fn into(self, script: &Script) {
        script.wrap(move |inner| Box::new(Careless { inner, slip: self, handed: Vec::new(), settled: 0 }));
    }
}

#[derive(Debug)]
struct Careless {
    inner: Box<dyn Consumer>,
    slip: Slip,
    handed: Vec<Token>,
    settled: usize,
}

impl Consumer for Careless {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        let room = if self.slip == Slip::Overfills && !room.is_empty() {
            Room { count: room.count + 1, bytes: usize::MAX }
        } else {
            room
        };
        let polled = self.inner.poll_batch(cx, room, into);
        self.handed.extend(into.iter().map(|delivery| delivery.token));
        match (self.slip, &polled) {
            (Slip::SettlesEarly, _) if !into.is_empty() => {
                let tokens: Vec<_> = into.iter().map(|delivery| delivery.token).collect();
                self.inner.settle(&tokens, &[]);
            }
            (Slip::SwapsMessages, _) => swap(into),
            (Slip::RepeatsMessage, _) => {
                if let [first, .., last] = &mut into[..] {
                    last.message = first.message.clone();
                }
            }
            (Slip::SettlesWhatIsLost, Poll::Ready(Ok(Intake::Lost(lost)))) => {
                self.handed.retain(|token| lost.contains(token.partition));
                if !self.handed.is_empty() {
                    self.inner.settle(&self.handed, &[]);
                }
            }
            (Slip::ReleasesEarly, Poll::Ready(Ok(Intake::Revoking(partitions)))) => {
                self.inner.release(partitions);
            }
            (Slip::HidesLoss, Poll::Ready(Ok(Intake::Lost(_)))) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            _ => {}
        }
        polled
    }

    fn settle(&mut self, settled: &[Token], floors: &[Floor]) {
        match self.slip {
            Slip::SettlesEarly => {}
            Slip::ForgetsToSettle => {
                let mut kept = settled.to_vec();
                kept.retain(|_| {
                    self.settled += 1;
                    !self.settled.is_multiple_of(3)
                });
                if !kept.is_empty() {
                    self.inner.settle(&kept, floors);
                }
            }
            Slip::SettlesTwice => {
                self.inner.settle(settled, floors);
                self.inner.settle(settled, &[]);
            }
            Slip::FloorAhead | Slip::FloorBehind => {
                let moved = |floor: &Floor| match self.slip {
                    Slip::FloorAhead => Floor { position: floor.position + 1, ..*floor },
                    _ => Floor { position: floor.position.saturating_sub(1), ..*floor },
                };
                self.inner.settle(settled, &floors.iter().map(moved).collect::<Vec<_>>());
            }
            _ => self.inner.settle(settled, floors),
        }
    }

    fn release(&mut self, partitions: &Partitions) {
        self.inner.release(partitions);
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_close(cx)
    }
}

/// Exchanges the messages of two deliveries with one key.
fn swap(deliveries: &mut [Delivery]) {
    for first in 0..deliveries.len() {
        let second = (first + 1..deliveries.len())
            .find(|second| deliveries[*second].message.key() == deliveries[first].message.key());
        if let Some(second) = second {
            let message = deliveries[first].message.clone();
            deliveries[first].message = std::mem::replace(&mut deliveries[second].message, message);
            return;
        }
    }
}

/// A day with one of everything, at the end of which a careful consumer has no problem.
async fn day(slip: Option<Slip>) -> Vec<String> {
    let script = Script::new();
    if let Some(slip) = slip {
        slip.into(&script);
    }
    let limits = Limits { held: 8, ..Limits::default() };
    let rig = Rig::<Desk>::on(&script, Tuning { limits, ..Tuning::default() }).await;
    for number in 1..=5 {
        script.push(0, task(number).key("a").acts([at_once(Then::Make(1))]));
    }
    for number in 11..=14 {
        script.push(1, task(number).key(&format!("k{number}")).acts([GATE]));
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    script.revoke([1]);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for number in 11..=12 {
        rig.hands.open(number);
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    script.lose([1]);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for number in 13..=14 {
        rig.hands.open(number);
    }
    script.assign([1]);
    tokio::time::sleep(std::time::Duration::from_secs(100)).await;
    // Some mistakes the dispatch itself does not live with.
    let stopped = rig.running.stop().await;
    let mut problems = script.problems();
    problems.extend(stopped.err().map(|error| error.to_string()));
    let unsettled = script.unsettled();
    if !unsettled.is_empty() {
        problems.push(format!("{unsettled:?} are lost"));
    }
    problems
}

#[tokio::test(start_paused = true)]
async fn a_careful_consumer_has_no_problem() {
    assert_eq!(day(None).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn every_slip_is_caught_by_the_check_that_is_meant_for_it() {
    for (slip, expected) in [
        (Slip::SettlesEarly, "1 was settled before it was done with"),
        (Slip::ForgetsToSettle, "passes 3, which is not settled"),
        (Slip::SettlesTwice, "was settled twice"),
        (Slip::SettlesWhatIsLost, "was settled, and its generation is over: Lost { told: true }"),
        (Slip::FloorAhead, "passes"),
        (Slip::FloorBehind, "is not 6"),
        (Slip::SwapsMessages, "2 began before 1 of its lane was done with"),
        (Slip::RepeatsMessage, "1 began again, and it was handled"),
        (Slip::ReleasesEarly, "[11] still runs, and is gone"),
        (Slip::HidesLoss, "[13] still runs, and is gone"),
        (Slip::Overfills, "are held"),
    ] {
        let problems = day(Some(slip)).await;
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{slip:?}: {problems:#?}");
    }
    assert!(day(Some(Slip::ForgetsToSettle)).await.iter().any(|problem| problem.ends_with("are lost")));
}

#[tokio::test(start_paused = true)]
async fn the_dispatch_does_not_live_with_a_consumer_that_brings_too_much() {
    let script = Script::new();
    Slip::Overfills.into(&script);
    let limits = Limits { held: 3, ..Limits::default() };
    let rig = Rig::<Desk>::on(&script, Tuning { limits, ..Tuning::default() }).await;
    for number in 1..=5 {
        script.push(0, task(number).key("a").acts([GATE]));
    }
    let error = rig.running.finished().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("beyond the room"), "{error}");
    assert_eq!(script.unsettled(), [1, 2, 3, 4, 5]);
}
