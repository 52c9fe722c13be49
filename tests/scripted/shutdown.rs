//! The end: what runs may finish, everything settled is told, and the connections close, the backend last.

use std::{future::pending, time::Duration};

use tokio::time::Instant;
use typebus::{
    ErrorKind, Tuning,
    backend::{Intake, Partitions, Room},
};

use crate::{
    desk::{Act, Both, Desk, GATE, HANG, MADE, Piles, Rig, Then, Wait, at_once, note, task},
    script::{Answer, Closing, How, Journal, Script, What},
};

const DRAIN: Duration = Duration::from_secs(20);
const CLOSE: Duration = Duration::from_secs(10);

/// Where things happened, one after the other.
fn in_order(journal: &Journal, steps: &[&dyn Fn(&What) -> bool]) {
    let places: Vec<_> = steps.iter().map(|step| journal.place(step)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{journal}");
}

/// A stop that was asked for, and that somebody waits for.
fn stop<S>(rig: Rig<S>) -> (Script, crate::desk::Hands, tokio::task::JoinHandle<typebus::Result<()>>)
where
    S: typebus::Service,
{
    let (script, hands) = (rig.script.clone(), rig.hands.clone());
    (script, hands, tokio::spawn(async move { rig.running.stop().await }))
}

/// The worker was told to stop, and takes nothing any more.
async fn draining(script: &Script) {
    let polls = script.journal(|journal| journal.entries().len());
    script
        .until("it polls without room", |journal| {
            journal.entries()[polls..].iter().any(|entry| entry.what == What::Polled(Room::NONE))
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_runs_finishes_is_settled_and_only_then_everything_closes() {
    let rig = Rig::<Desk>::start().await;
    // 1 runs and then returns an event, 2 sleeps, 3 waits for its key, 4 publishes.
    rig.script.next(MADE, [Answer::Wait]);
    rig.script.push(0, task(4).key("d").acts([at_once(Then::Make(1))]));
    rig.script.push(0, task(1).key("a").acts([Act(Wait::Gate, Then::Make(1))]));
    rig.script.push(0, task(2).key("b").acts([at_once(Then::Retry)]));
    rig.script.push(0, task(3).key("a"));
    rig.script.until_began(2, 1).await;
    rig.script.until_waiting(1).await;
    let (script, hands, stopped) = stop(rig);
    draining(&script).await;
    script.push(0, task(5));
    script.quiet(Duration::from_secs(15)).await;
    script.journal(|journal| {
        assert_eq!((journal.settled(), journal.handed(5)), (vec![], 0));
        assert!(!journal.has(&What::Closing) && !journal.has(&What::BackendClosed));
    });
    hands.open(1);
    script.answer(MADE, Answer::Confirm);
    let began = Instant::now();
    stopped.await.unwrap().unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO, "nothing else was waited for");
    script.journal(|journal| {
        let mut settled = journal.settled();
        settled.sort_unstable();
        assert_eq!((settled, journal.beginnings()), (vec![1, 4], vec![4, 1, 2]));
        in_order(
            journal,
            &[
                &|what| matches!(what, What::Settled { .. }),
                &|what| matches!(what, What::Closing),
                &|what| matches!(what, What::Closed),
                &|what| matches!(what, What::Left),
                &|what| matches!(what, What::BackendClosed),
            ],
        );
        assert_eq!(journal.entries().last().map(|entry| &entry.what), Some(&What::BackendClosed));
    });
    script.verdict();

    // What was dropped is there for whoever is next.
    let next = Rig::<Desk>::on(&script, Tuning::default()).await;
    next.script.until_settled([2, 3, 5]).await;
    next.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_hangs_is_dropped_at_the_end_of_the_drain() {
    let rig = Rig::<Desk>::start().await;
    rig.script.always("dead.desk", Answer::Refuse(ErrorKind::Connect));
    rig.script.push(0, task(1).key("a").acts([HANG]));
    rig.script.push(0, task(2).key("b").acts([Act(Wait::Millis(19_000), Then::Done)]));
    rig.script.push(0, task(3).key("c").acts([at_once(Then::Bury)]));
    rig.script.until_began(3, 1).await;
    let began = Instant::now();
    let (script, _, stopped) = stop(rig);
    stopped.await.unwrap().unwrap();
    assert!(began.elapsed().abs_diff(DRAIN) < Duration::from_millis(5), "{:?}", began.elapsed());
    script.journal(|journal| {
        assert_eq!((journal.settled(), journal.ends(1)), (vec![2], vec![How::Dropped]));
        in_order(
            journal,
            &[&|what| matches!(what, What::Ended { how: How::Dropped, .. }), &|what| *what == What::Closing],
        );
    });
    script.verdict();
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_the_drain_is_given_back_at_once() {
    for acts in [
        vec![Act(Wait::Gate, Then::Retry)],
        vec![Act(Wait::Gate, Then::RetryAfter(0))],
        vec![Act(Wait::Gate, Then::Panic)],
    ] {
        let rig = Rig::<Desk>::start().await;
        rig.script.push(0, task(1).key("a").acts(acts.clone()));
        rig.script.until_began(1, 1).await;
        let (script, hands, stopped) = stop(rig);
        draining(&script).await;
        let began = Instant::now();
        hands.open(1);
        stopped.await.unwrap().unwrap();
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "it was waited for, for {:?}: {acts:?}",
            began.elapsed()
        );
        assert_eq!(script.journal(|journal| (journal.began(1), journal.settled())), (1, vec![]));
        script.verdict();
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_in_the_drain_is_given_back_at_once() {
    for then in [Then::Retry, Then::Bury] {
        let rig = Rig::<Piles>::start().await;
        rig.script.push(0, task(1).key("a").acts([Act(Wait::Gate, then)]));
        rig.script.push(0, task(2).key("a"));
        rig.script.push(0, task(3).key("b"));
        rig.script.until_began(3, 1).await;
        let (script, hands, stopped) = stop(rig);
        draining(&script).await;
        let began = Instant::now();
        hands.open(1);
        stopped.await.unwrap().unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "it was waited for, for {:?}", began.elapsed());
        assert_eq!(
            script.journal(|journal| (journal.beginnings(), journal.settled())),
            (vec![1, 2, 3], vec![])
        );
        script.verdict();
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_that_fails_in_the_drain_is_dead_lettered() {
    let rig = Rig::<Desk>::start().await;
    rig.script.next("dead.desk", [Answer::Refuse(ErrorKind::Connect)]);
    rig.script.push(0, task(1).key("a").acts([Act(Wait::Gate, Then::Bury)]));
    rig.script.until_began(1, 1).await;
    let (script, hands, stopped) = stop(rig);
    draining(&script).await;
    hands.open(1);
    stopped.await.unwrap().unwrap();
    assert_eq!(script.journal(Journal::settled), [1]);
    script.verdict();
}

#[tokio::test(start_paused = true)]
async fn a_hurry_ends_the_drain() {
    let rig = Rig::<Desk>::start().await;
    rig.script.push(0, task(1).key("a").acts([HANG]));
    rig.script.push(0, task(2).key("b").acts([GATE]));
    rig.script.push(0, task(3).key("c"));
    rig.script.until_settled([3]).await;
    let Rig { script, hands, running, .. } = rig;
    let (second, hurry) = tokio::sync::oneshot::channel::<()>();
    let began = Instant::now();
    let watch = script.clone();
    tokio::join!(async { running.stop().await.unwrap() }, async {
        draining(&watch).await;
        watch.quiet(Duration::from_secs(5)).await;
        hands.open(2);
        watch.until_settled([2]).await;
        running.hurry();
        second.send(()).unwrap();
    });
    hurry.await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(
        script.journal(|journal| (journal.settled(), journal.ends(1))),
        (vec![3, 2], vec![How::Dropped])
    );
    script.verdict();
}

#[tokio::test(start_paused = true)]
async fn a_hurry_alone_stops_as_well() {
    let rig = Rig::<Desk>::start().await;
    rig.script.push(0, task(1).key("a").acts([HANG]));
    rig.script.until_began(1, 1).await;
    let began = Instant::now();
    rig.running.hurry();
    rig.running.finished().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    rig.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_broker_is_heard_while_draining() {
    let rig = Rig::<Desk>::start().await;
    rig.script.push(0, task(1).key("a").acts([HANG]));
    rig.script.push(1, task(2).key("b").acts([HANG]));
    rig.script.push(2, task(3).key("c").acts([GATE]));
    rig.script.push(3, task(4).key("d").acts([GATE]));
    rig.script.until_began(4, 1).await;
    let (script, hands, stopped) = stop(rig);
    draining(&script).await;
    let began = Instant::now();
    script.lose([0]);
    script.until("it is dropped at once", |journal| journal.ends(1) == [How::Dropped]).await;
    script.revoke([2]);
    script.revoke([1]);
    script
        .until("the second is told", |journal| {
            journal.count(|what| matches!(what, What::Told(Intake::Revoking(_)))) == 2
        })
        .await;
    hands.open(3);
    let released = |partition| What::Released(Partitions::These(vec![partition]));
    script.until("it is released", |journal| journal.has(&released(2))).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    script.until("the other is released", |journal| journal.has(&released(1))).await;
    assert_eq!(began.elapsed().as_secs(), 10);
    hands.open(4);
    stopped.await.unwrap().unwrap();
    assert_eq!(script.journal(Journal::settled), [3, 4]);
    script.verdict();
}

#[tokio::test(start_paused = true)]
async fn when_all_is_lost_while_draining_nothing_is_left_to_wait_for() {
    let rig = Rig::<Desk>::start().await;
    rig.script.next(MADE, [Answer::Wait]);
    rig.script.push(0, task(1).key("a").acts([HANG]));
    rig.script.push(0, task(2).key("b").acts([at_once(Then::Make(1))]));
    rig.script.until_began(2, 1).await;
    let (script, _, stopped) = stop(rig);
    draining(&script).await;
    let began = Instant::now();
    script.lose(Partitions::All);
    stopped.await.unwrap().unwrap();
    assert_eq!((began.elapsed(), script.journal(Journal::settled)), (Duration::ZERO, vec![]));
    script.verdict();
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_answered_before_the_consumer_closes() {
    for hurry in [false, true] {
        let script = Script::new();
        let tuning = Tuning { revoke_grace: Duration::from_secs(60), ..Tuning::default() };
        let rig = Rig::<Desk>::on(&script, tuning).await;
        script.push(0, task(1).key("a").acts([HANG]));
        script.until_began(1, 1).await;
        script.revoke([0]);
        let told = |what: &What| matches!(what, What::Told(Intake::Revoking(_)));
        script.until("it is told", |journal| journal.count(told) == 1).await;
        if hurry {
            rig.running.hurry();
        }
        rig.running.stop().await.unwrap();
        script.journal(|journal| {
            assert_eq!(journal.released(), [Partitions::These(vec![0])]);
            in_order(journal, &[&|what| matches!(what, What::Released(_)), &|what| *what == What::Closing]);
        });
        rig.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_never_closes_is_left_after_its_time() {
    for close in [CLOSE, Duration::from_secs(3)] {
        let script = Script::new();
        let rig = Rig::<Desk>::on(&script, Tuning { close, ..Tuning::default() }).await;
        script.closing(Closing::Never);
        script.push(0, task(1).acts([HANG]));
        script.until_began(1, 1).await;
        let began = Instant::now();
        rig.running.stop().await.unwrap();
        assert!(began.elapsed().abs_diff(DRAIN + close) < Duration::from_millis(5), "{:?}", began.elapsed());
        script.journal(|journal| {
            assert!(!journal.has(&What::Closed));
            in_order(journal, &[&|what| *what == What::Left, &|what| *what == What::BackendClosed]);
        });
        rig.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_never_closes_does_not_stop_the_program_from_ending() {
    let rig = Rig::<Desk>::start().await;
    rig.script.never_close();
    rig.script.push(0, task(1));
    rig.script.until_settled([1]).await;
    let stopped = tokio::time::timeout(DRAIN + CLOSE + Duration::from_secs(1), rig.running.stop()).await;
    assert!(stopped.is_ok(), "the hard cap is the drain and 10 s");
    rig.script.verdict();
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_closes_badly_is_no_error_of_the_program() {
    let rig = Rig::<Desk>::start().await;
    rig.script.closing(Closing::Badly);
    rig.script.push(0, task(1));
    rig.script.until_settled([1]).await;
    rig.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_program_may_publish_until_its_handlers_are_done() {
    let rig = Rig::<Desk>::start().await;
    rig.script.next(
        MADE,
        [
            Answer::Refuse(ErrorKind::Connect),
            Answer::After(Duration::from_secs(5), Box::new(Answer::Confirm)),
        ],
    );
    rig.script.push(0, task(1).acts([Act(Wait::Gate, Then::Both)]));
    rig.script.until_began(1, 1).await;
    let (script, hands, stopped) = stop(rig);
    draining(&script).await;
    hands.open(1);
    stopped.await.unwrap().unwrap();
    script.journal(|journal| {
        assert_eq!((journal.settled(), journal.sent(MADE).len()), (vec![1], 2));
        in_order(
            journal,
            &[&|what| matches!(what, What::Settled { .. }), &|what| *what == What::BackendClosed],
        );
    });
    script.verdict();
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_stops_in_the_background() {
    let rig = Rig::<Desk>::start().await;
    rig.script.push(0, task(1).acts([GATE]));
    rig.script.until_began(1, 1).await;
    let Rig { script, hands, running, .. } = rig;
    drop(running);
    draining(&script).await;
    hands.open(1);
    script.until("it is closed", |journal| journal.has(&What::BackendClosed)).await;
    assert_eq!(script.journal(Journal::settled), [1]);
    script.verdict();
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_a_finite_backend_everything_is_finished_and_closed() {
    let rig = Rig::<Desk>::start().await;
    let script = &rig.script;
    script.next(MADE, [Answer::Refuse(ErrorKind::Connect)]);
    script.push(0, task(1).key("a").acts([at_once(Then::Retry), at_once(Then::Retry)]));
    script.push(0, task(2).key("a").acts([at_once(Then::Make(1))]));
    script.push(0, task(3).key("b").acts([HANG]));
    script.push(1, task(4).key("c").acts([at_once(Then::Bury)]));
    script.end();
    rig.running.finished().await.unwrap();
    assert_eq!(script.unsettled(), Vec::<u64>::new());
    script.journal(|journal| {
        assert_eq!(
            journal.count(|what| *what == What::Told(Intake::End)),
            1,
            "there is nothing after the end"
        );
        assert_eq!(journal.entries().last().map(|entry| &entry.what), Some(&What::BackendClosed));
    });
    rig.close().await;
}

#[tokio::test(start_paused = true)]
async fn at_the_end_a_batch_waits_for_no_more() {
    let rig = Rig::<Piles>::start().await;
    for number in 1..=3 {
        rig.script.push(0, task(number).key("a"));
    }
    let began = Instant::now();
    rig.script.end();
    rig.running.finished().await.unwrap();
    assert_eq!((began.elapsed(), rig.script.journal(Journal::settled)), (Duration::ZERO, vec![1, 2, 3]));
    rig.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_after_the_end_drains_as_any_other() {
    let rig = Rig::<Desk>::start().await;
    rig.script.push(0, task(1).key("a").acts([HANG]));
    rig.script.push(0, task(2).key("b").acts([Act(Wait::Millis(500), Then::Done)]));
    rig.script.end();
    rig.script.until_began(2, 1).await;
    rig.script.quiet(Duration::from_millis(100)).await;
    let began = Instant::now();
    rig.running.stop().await.unwrap();
    assert!(began.elapsed().abs_diff(DRAIN) < Duration::from_millis(5), "{:?}", began.elapsed());
    assert_eq!(rig.script.journal(Journal::settled), [2]);
    rig.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_while_draining_changes_nothing() {
    let rig = Rig::<Desk>::start().await;
    rig.script.push(0, task(1).key("a").acts([GATE]));
    rig.script.until_began(1, 1).await;
    let (script, hands, stopped) = stop(rig);
    draining(&script).await;
    script.end();
    script.quiet(Duration::from_secs(5)).await;
    hands.open(1);
    stopped.await.unwrap().unwrap();
    assert_eq!(script.journal(Journal::settled), [1]);
    script.verdict();
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_fails_ends_the_program() {
    for kind in [ErrorKind::Fatal, ErrorKind::Permission, ErrorKind::Topology] {
        let script = Script::new();
        let hands = crate::desk::Hands::new(&script);
        let bus = typebus::Bus::<Both>::builder().state(hands.clone()).connect(script.clone()).await.unwrap();
        let notes = script.clone();
        let tasks = script.other(1);
        let running = tokio::spawn(async move { bus.run_until(pending::<()>()).await });
        notes.push(0, note(1, [HANG]));
        notes.push(0, note(2, []));
        tasks.push(0, task(3).key("a").acts([Act(Wait::Millis(5_000), Then::Done)]));
        tasks.push(0, task(4).key("a"));
        script.until_began(3, 1).await;
        script.until_settled([2]).await;
        notes.fail(kind);
        let began = Instant::now();
        let error = running.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal, "whatever the consumer says: {error}");
        assert!(error.to_string().contains("as the script says"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
        script.journal(|journal| {
            assert_eq!(journal.settled(), [2, 3], "the other subscription drains");
            assert_eq!((journal.ends(1), journal.began(4)), (vec![How::Dropped], 0));
            assert_eq!(journal.count(|what| *what == What::Left), 2);
            assert_eq!(journal.entries().last().map(|entry| &entry.what), Some(&What::BackendClosed));
        });
        script.verdict();
    }
}

#[tokio::test(start_paused = true)]
async fn every_consumer_is_closed_before_the_backend() {
    let rig = Rig::<Both>::start().await;
    let (notes, tasks) = (rig.script.clone(), rig.script.other(1));
    notes.push(0, note(1, [GATE]));
    tasks.push(0, task(2));
    notes.until_began(1, 1).await;
    notes.until_settled([2]).await;
    let (script, hands, stopped) = stop(rig);
    script.until("one is closed", |journal| journal.has(&What::Closed)).await;
    script.quiet(Duration::from_secs(5)).await;
    assert!(!script.journal(|journal| journal.has(&What::BackendClosed)));
    hands.open(1);
    stopped.await.unwrap().unwrap();
    script.journal(|journal| {
        assert_eq!((journal.count(|what| *what == What::Closed), journal.settled()), (2, vec![2, 1]));
        assert_eq!(journal.entries().last().map(|entry| &entry.what), Some(&What::BackendClosed));
    });
    script.verdict();
}
