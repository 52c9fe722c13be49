//! Several workers share a subscription, and the broker sees one consumer: one floor for each partition, one answer to
//! each revocation, one close.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;
use typebus::{
    ErrorKind, Limits, Result, Service, StateOf, Tuning,
    backend::{Consumer, Delivery, Floor, Intake, Partitions, Room, Token},
};

use crate::{
    careless::Slip,
    desk::{Act, Both, Filed, GATE, HANG, Hands, Loose, MADE, Rig, Then, Wait, Wide, at_once, note, task},
    script::{Answer, Closing, How, Journal, Script, What},
};

fn three() -> Tuning {
    Tuning { workers: Some(3), ..Tuning::default() }
}

impl<S: Service + StateOf<Hands>> Rig<S> {
    async fn shared() -> Self {
        Self::on(&Script::new(), three()).await
    }
}

fn handed(script: &Script) -> usize {
    script.journal(|journal| journal.count(|what| matches!(what, What::Handed(..))))
}

/// Nine keys, of which each of the three workers has some.
fn keys() -> impl Iterator<Item = (u64, String)> {
    (1..=9).map(|number| (number, format!("key {number}")))
}

#[tokio::test(start_paused = true)]
async fn every_delivery_is_settled_once_with_the_floors_of_all_workers() {
    let rig = Rig::<Wide>::shared().await;
    let script = &rig.script;
    script.always(MADE, Answer::After(Duration::from_millis(3), Box::new(Answer::Confirm)));
    for number in 1..=300_u64 {
        let partition = u32::try_from(number % 3).unwrap();
        let then = if number % 5 == 0 { Then::Make(1) } else { Then::Done };
        let acts = match number % 4 {
            0 => vec![at_once(Then::Retry), Act(Wait::Millis(number % 7), then)],
            1 => vec![Act(Wait::Millis(number % 11), then)],
            2 => vec![at_once(Then::Bury)],
            _ => vec![],
        };
        script.push_after(
            partition,
            1 + number % 3,
            task(number).key(&format!("k{}", number % 21)).acts(acts),
        );
    }
    script.until_settled(1..=300).await;
    let counts = rig.counts();
    assert_eq!((counts.received, counts.settled(), counts.dead_lettered), (300, 300, 75), "added up");
    // The script has compared every floor that it was told, and the order of every key.
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_one_worker_runs_holds_the_floor_of_all() {
    let rig = Rig::<Loose>::shared().await;
    rig.script.push(0, task(1).acts([GATE]));
    for number in 2..=40 {
        rig.script.push(0, task(number));
    }
    rig.script.until_settled(2..=40).await;
    assert_eq!(rig.script.journal(|journal| journal.floors(0)), [0; 0]);
    rig.hands.open(1);
    rig.script.until_settled([1]).await;
    assert_eq!(rig.script.journal(|journal| journal.floors(0)), [41]);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn in_partition_order_each_partition_goes_on_by_itself() {
    let rig = Rig::<Filed>::shared().await;
    for number in 1..=4 {
        for partition in 0..6 {
            rig.script.push(partition, task(u64::from(partition) * 10 + number).acts([GATE]));
        }
    }
    for number in 1..=4 {
        for partition in (0..6).rev() {
            rig.script.until_began(partition * 10 + number, 1).await;
            rig.hands.open(partition * 10 + number);
        }
    }
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn the_limits_are_those_of_the_subscription() {
    for (limits, most) in [
        (Limits { held: 4, ..Limits::default() }, 4),
        (Limits { gap: 5, ..Limits::default() }, 6),
        (Limits { held_bytes: 1, ..Limits::default() }, 1),
    ] {
        let script = Script::new();
        let rig = Rig::<Loose>::on(&script, Tuning { limits, ..three() }).await;
        for number in 1..=20 {
            script.push(0, task(number).acts([GATE]));
        }
        script.until_began(1, 1).await;
        script.quiet(Duration::from_millis(1)).await;
        assert!(handed(&script) <= most, "{} of {most}", handed(&script));
        for number in 1..=20 {
            script.until_began(number, 1).await;
            rig.hands.open(number);
            script.until_settled([number]).await;
        }
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_stuck_stops_the_others_at_the_limit_alone() {
    let script = Script::new();
    let limits = Limits { held: 20, ..Limits::default() };
    let rig = Rig::<Wide>::on(&script, Tuning { limits, ..three() }).await;
    // All of the window but one place is one key's, in one worker.
    for number in 1..=19 {
        script.push(0, task(number).key("stuck").acts([GATE]));
    }
    for number in 20..=100 {
        script.push(0, task(number).key(&format!("k{number}")));
    }
    script.until_settled(20..=100).await;
    script.push(0, task(101).key("stuck"));
    for number in 1..=19 {
        rig.hands.open(number);
    }
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_answered_once_when_the_last_worker_has_nothing_left() {
    let rig = Rig::<Wide>::shared().await;
    let script = &rig.script;
    for (number, key) in keys() {
        script.push(u32::from(number > 6), task(number).key(&key).acts([GATE]));
    }
    for (number, _) in keys() {
        script.until_began(number, 1).await;
    }
    script.revoke([0]);
    script.quiet(Duration::from_secs(3)).await;
    for number in 1..=5 {
        rig.hands.open(number);
        script.until_settled([number]).await;
        assert_eq!(script.journal(Journal::released), [], "6 still runs");
    }
    rig.hands.open(7);
    script.until_settled([7]).await;
    rig.hands.open(6);
    let once = |journal: &Journal| journal.released() == [Partitions::These(vec![0])];
    script.until("it is released", once).await;
    script.push(0, task(10).key("key 1"));
    script.quiet(Duration::from_secs(20)).await;
    assert_eq!(script.journal(|journal| journal.handed(10)), 0);
    script.assign([0]);
    rig.hands.open(8);
    rig.hands.open(9);
    script.until_settled(1..=10).await;
    assert!(script.journal(once), "exactly once");
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_answered_at_the_end_of_the_grace() {
    let rig = Rig::<Wide>::shared().await;
    let script = &rig.script;
    for (number, key) in keys() {
        script.push(0, task(number).key(&key).acts([if number == 4 { HANG } else { GATE }]));
    }
    script.until_began(9, 1).await;
    let began = Instant::now();
    script.revoke([0]);
    script.until("it is released", |journal| journal.released().len() == 1).await;
    assert_eq!(began.elapsed().as_secs(), 10);
    assert!(keys().all(|(number, _)| script.journal(|journal| journal.ends(number)) == [How::Dropped]));
    script.assign([0]);
    keys().for_each(|(number, _)| rig.hands.open(number));
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_meanwhile_is_not_released() {
    for (lost, released) in [
        (vec![0, 1], None),
        (vec![0], Some(Partitions::These(vec![1]))),
        (vec![7], Some(Partitions::These(vec![0, 1]))),
    ] {
        let rig = Rig::<Wide>::shared().await;
        let script = &rig.script;
        for (number, key) in keys() {
            script.push(u32::from(number % 2 == 0), task(number).key(&key).acts([HANG]));
        }
        script.until_began(9, 1).await;
        script.revoke([0, 1]);
        script.quiet(Duration::from_secs(1)).await;
        script.lose(lost.clone());
        script.quiet(Duration::from_secs(20)).await;
        assert_eq!(script.journal(Journal::released), Vec::from_iter(released), "{lost:?} were lost");
        script.assign(Partitions::All);
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_told_to_every_worker() {
    let rig = Rig::<Wide>::shared().await;
    let script = &rig.script;
    for (number, key) in keys() {
        script.push(0, task(number).key(&key).acts([GATE]));
        // It waits behind the other, or in the hand-over.
        script.push(0, task(100 + number).key(&key));
    }
    script.until_began(9, 1).await;
    let began = Instant::now();
    script.lose([0]);
    let dropped = |journal: &Journal| keys().all(|(number, _)| journal.ends(number) == [How::Dropped]);
    script.until("everything is dropped", dropped).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    script.quiet(Duration::from_secs(60)).await;
    assert_eq!(script.journal(Journal::settled), [0; 0]);
    script.assign([0]);
    keys().for_each(|(number, _)| rig.hands.open(number));
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn losses_and_ends_at_the_same_moment_do_not_meet() {
    for turn in 0..40 {
        let rig = Rig::<Loose>::shared().await;
        let script = &rig.script;
        for number in 1..=8 {
            script.push(u32::from(number % 2 == 0), task(number).acts([Act(Wait::Gate, Then::Make(1))]));
        }
        script.until_began(4, 1).await;
        for number in 1..=8 {
            if number == turn % 9 {
                script.reset();
            }
            rig.hands.open(number);
            if turn % 4 == 0 {
                tokio::task::yield_now().await;
            }
        }
        script.until_settled(1..=8).await;
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_fails_ends_all_of_its_workers() {
    for kind in [ErrorKind::Fatal, ErrorKind::Permission] {
        let script = Script::new();
        let rig = Rig::<Both>::on(&script, three()).await;
        let tasks = script.other(1);
        for number in 1..=9 {
            script.push(0, note(number, [HANG]));
        }
        tasks.push(0, task(20).key("a").acts([Act(Wait::Millis(5_000), Then::Done)]));
        script.until_began(9, 1).await;
        script.until_began(20, 1).await;
        let began = Instant::now();
        script.fail(kind);
        let error = rig.running.finished().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal, "{error}");
        assert!(error.to_string().contains("as the script says"), "{error}");
        assert_eq!(began.elapsed().as_secs(), 5, "the other subscription drains, and this one does not");
        script.journal(|journal| {
            assert_eq!(journal.settled(), [20]);
            assert!((1..=9).all(|number| journal.ends(number) == [How::Dropped]));
        });
        script.verdict();
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_brings_too_much_is_not_lived_with() {
    let script = Script::new();
    Slip::Overfills.into(&script);
    let rig =
        Rig::<Wide>::on(&script, Tuning { limits: Limits { held: 3, ..Limits::default() }, ..three() }).await;
    for number in 1..=5 {
        script.push(0, task(number).key("a").acts([GATE]));
    }
    let error = rig.running.finished().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("beyond the room"), "{error}");
    assert_eq!(script.unsettled(), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_panics_ends_the_program() {
    #[derive(Debug)]
    struct Panics(Box<dyn Consumer>, usize);

    impl Consumer for Panics {
        fn poll_batch(
            &mut self,
            cx: &mut Context<'_>,
            room: Room,
            into: &mut Vec<Delivery>,
        ) -> Poll<Result<Intake>> {
            self.1 += 1;
            assert!(self.1 < 20, "as the test says");
            self.0.poll_batch(cx, room, into)
        }

        fn settle(&mut self, settled: &[Token], floors: &[Floor]) {
            self.0.settle(settled, floors);
        }

        fn release(&mut self, partitions: &Partitions) {
            self.0.release(partitions);
        }

        fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
            self.0.poll_close(cx)
        }
    }

    let script = Script::new();
    script.wrap(|consumer| Box::new(Panics(consumer, 0)));
    let rig = Rig::<Loose>::on(&script, three()).await;
    let began = Instant::now();
    for number in 1..=100 {
        script.push(0, task(number).acts([Act(Wait::Millis(1), Then::Done)]));
        tokio::task::yield_now().await;
    }
    let error = rig.running.finished().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits for what is gone: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_last_worker_closes_the_consumer() {
    for hurry in [false, true] {
        let rig = Rig::<Wide>::shared().await;
        let script = rig.script.clone();
        for (number, key) in keys() {
            script.push(0, task(number).key(&key).acts([Act(Wait::Millis(number * 1_000), Then::Done)]));
        }
        script.until_began(9, 1).await;
        let began = Instant::now();
        script.revoke([0]);
        script.quiet(Duration::from_millis(1)).await;
        if hurry {
            rig.running.hurry();
        }
        rig.running.stop().await.unwrap();
        assert_eq!(began.elapsed().as_secs(), if hurry { 0 } else { 9 });
        script.journal(|journal| {
            assert_eq!(journal.settled().len(), if hurry { 0 } else { 9 });
            assert_eq!(journal.released(), [Partitions::These(vec![0])]);
            let last =
                |what: fn(&What) -> bool| journal.entries().iter().rposition(|entry| what(&entry.what));
            let (released, closing) =
                (last(|what| matches!(what, What::Released(_))), last(|what| *what == What::Closing));
            assert!(released < closing, "the answer comes first");
            assert_eq!(journal.count(|what| *what == What::Closed), 1);
        });
        rig.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_never_closes_is_left_after_its_time() {
    let rig = Rig::<Wide>::shared().await;
    rig.script.closing(Closing::Never);
    keys().for_each(|(number, key)| rig.script.push(0, task(number).key(&key)));
    rig.script.until_settled(1..=9).await;
    let began = Instant::now();
    rig.running.stop().await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 10);
    rig.close().await;
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_a_finite_backend_every_worker_finishes() {
    let rig = Rig::<Wide>::shared().await;
    let script = &rig.script;
    for (number, key) in keys() {
        script.push(0, task(number).key(&key).acts([at_once(Then::Retry), Act(Wait::Millis(5), Then::Done)]));
        script.push(1, task(10 + number).key(&key));
    }
    script.end();
    rig.running.finished().await.unwrap();
    assert_eq!(script.unsettled(), [0; 0]);
    script.journal(|journal| {
        assert_eq!(journal.count(|what| *what == What::Told(Intake::End)), 1);
        assert_eq!(journal.count(|what| *what == What::Closed), 1);
    });
    rig.close().await;
}
