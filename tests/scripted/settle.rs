//! What is settled, when, and what the floors say: once for every way in which a delivery can end.

use std::time::Duration;

use typebus::{
    Reason,
    backend::{MAX_HEADERS, MessageBuilder},
};

use crate::{
    desk::{Act, Desk, GATE, HANG, MADE, Piles, Rig, TASKS, Then, Wait, at_once, task},
    script::{How, NOTHING, Parcel, What},
};

#[tokio::test(start_paused = true)]
async fn floors_follow_the_order_of_delivery_over_holes() {
    let rig = Rig::<Desk>::start().await;
    // At the positions 5, 6, 20 and 1,000: compaction and control records took the rest.
    for (number, after) in [(1, 5), (2, 1), (3, 14), (4, 980)] {
        rig.script.push_after(0, after, task(number).acts([GATE]));
    }
    for (number, floors) in [(3, vec![]), (1, vec![6]), (4, vec![6]), (2, vec![6, 1_001])] {
        rig.script.until_began(number, 1).await;
        rig.hands.open(number);
        rig.script.until_settled([number]).await;
        assert_eq!(rig.script.journal(|journal| journal.floors(0)), floors, "after {number}");
    }
    // Everything is settled; the next one is far away, and alone.
    rig.script.push_after(0, 5_000, task(5));
    rig.script.until_settled([5]).await;
    assert_eq!(rig.script.journal(|journal| journal.floors(0)), [6, 1_001, 6_001]);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn each_partition_has_its_own_floor() {
    let rig = Rig::<Desk>::start().await;
    rig.script.push(0, task(1).acts([GATE]));
    for number in 2..6 {
        rig.script.push(0, task(number));
        rig.script.push(7, task(10 + number));
    }
    rig.script.until_settled((2..6).chain(12..16)).await;
    let floors = |partition| rig.script.journal(|journal| journal.floors(partition));
    assert_eq!((floors(0), floors(7).last()), (vec![], Some(&5)));
    rig.hands.open(1);
    rig.script.until_settled([1]).await;
    assert_eq!(floors(0), [6]);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_skipped_moves_no_floor_past_what_runs() {
    let rig = Rig::<Desk>::start().await;
    rig.script.push(0, task(1).acts([GATE]));
    for number in 2..5 {
        rig.script.push(0, task(number).key("a").foreign());
    }
    rig.script.until_settled(2..5).await;
    assert_eq!(rig.script.journal(|journal| journal.floors(0)), NOTHING);
    rig.hands.open(1);
    rig.script.until_settled([1]).await;
    assert_eq!(rig.script.journal(|journal| journal.floors(0)), [5]);
    rig.finish().await;
}

/// How a delivery is expected to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Handled,
    Discarded,
    Skipped,
    /// With the attempts that the dead letter tells.
    Buried(Reason, u32),
}

/// One way to the end: the message, its end, and how often the handler runs on the way.
struct Exit(&'static str, Parcel, Ends, usize);

fn exits() -> Vec<Exit> {
    let acts = |acts: &[Act]| Parcel::from(task(1).key("a").acts(acts));
    let every = |act| acts(&[act, act, act]);
    let refused = |then| Parcel::from(task(1).key("a").refused(then));
    let retry = at_once(Then::Retry);
    let panic = at_once(Then::Panic);
    vec![
        Exit("done at the first poll", acts(&[]), Ends::Handled, 1),
        Exit("done later", acts(&[Act(Wait::Millis(5), Then::Done)]), Ends::Handled, 1),
        Exit("returns three events", acts(&[at_once(Then::Make(3))]), Ends::Handled, 1),
        Exit("returns two events later", acts(&[Act(Wait::Millis(5), Then::Both)]), Ends::Handled, 1),
        Exit("an error that says it is done", acts(&[at_once(Then::Ack)]), Ends::Handled, 1),
        Exit("fails once", acts(&[retry]), Ends::Handled, 2),
        Exit(
            "fails twice and returns an event",
            acts(&[retry, retry, at_once(Then::Make(1))]),
            Ends::Handled,
            3,
        ),
        Exit("fails, and says when to retry", acts(&[at_once(Then::RetryAfter(7))]), Ends::Handled, 2),
        Exit("fails, and says to retry now", acts(&[at_once(Then::RetryAfter(0))]), Ends::Handled, 2),
        Exit("fails for ever", every(retry), Ends::Buried(Reason::Failed, 3), 3),
        Exit(
            "fails later, for ever",
            every(Act(Wait::Millis(5), Then::Retry)),
            Ends::Buried(Reason::Failed, 3),
            3,
        ),
        Exit(
            "an error that means the dead letter",
            acts(&[at_once(Then::Bury)]),
            Ends::Buried(Reason::Failed, 1),
            1,
        ),
        Exit(
            "the same, the second time",
            acts(&[retry, at_once(Then::Bury)]),
            Ends::Buried(Reason::Failed, 2),
            2,
        ),
        Exit("an error that means discard", acts(&[at_once(Then::Discard)]), Ends::Discarded, 1),
        Exit("the same, later", acts(&[retry, Act(Wait::Millis(5), Then::Discard)]), Ends::Discarded, 2),
        Exit("panics once", acts(&[panic]), Ends::Handled, 2),
        Exit("panics for ever", every(panic), Ends::Buried(Reason::Panicked, 3), 3),
        Exit("is too slow once", acts(&[HANG]), Ends::Handled, 2),
        Exit("is too slow for ever", every(HANG), Ends::Buried(Reason::TimedOut, 3), 3),
        Exit("does not decode", task(1).key("a").garbled(), Ends::Buried(Reason::Undecodable, 0), 0),
        Exit(
            "is of a newer version",
            task(1).key("a").version(2),
            Ends::Buried(Reason::UnknownVersion, 0),
            0,
        ),
        Exit("has too many headers", with_headers(MAX_HEADERS), Ends::Buried(Reason::Headers, 0), 0),
        Exit("an extractor buries it", refused(Then::Bury), Ends::Buried(Reason::Failed, 1), 0),
        Exit("an extractor fails for ever", refused(Then::Retry), Ends::Buried(Reason::Failed, 3), 0),
        Exit("an extractor discards it", refused(Then::Discard), Ends::Discarded, 0),
        Exit("is not ours", task(1).key("a").foreign(), Ends::Skipped, 0),
    ]
}

/// So many headers beside three attributes.
fn with_headers(count: usize) -> Parcel {
    let mut builder = MessageBuilder::new();
    builder
        .wire_header(b"ce_type", b"task.v1")
        .wire_header(b"ce_id", b"m-1")
        .wire_header(b"ce_source", b"test");
    for _ in 0..count {
        builder.header(b"mine", b"value");
    }
    Parcel { number: 1, topic: TASKS, message: builder.build(), silent: false, garbled: false }
}

#[tokio::test(start_paused = true)]
async fn every_exit_settles_once_and_lets_the_key_go_on() {
    for Exit(name, parcel, ends, runs) in exits() {
        let rig = Rig::<Desk>::start().await;
        rig.script.push(0, parcel);
        rig.script.push(0, task(2).key("a"));
        rig.script.push(0, task(3).key("b"));
        rig.script.until_settled([1, 2, 3]).await;
        // Nothing comes after it.
        rig.script.quiet(Duration::from_secs(300)).await;

        rig.script.journal(|journal| {
            let mut settled = journal.settled();
            settled.sort_unstable();
            assert_eq!((settled, journal.began(1)), (vec![1, 2, 3], runs), "{name}\n{journal}");
            assert_eq!(journal.floors(0).last(), Some(&4), "{name}\n{journal}");
        });
        let group = rig.counts();
        let counted = (group.handled, group.discarded, group.skipped, group.dead_lettered);
        let expected = match ends {
            Ends::Handled => (3, 0, 0, 0),
            Ends::Discarded => (2, 1, 0, 0),
            Ends::Skipped => (2, 0, 1, 0),
            Ends::Buried(..) => (2, 0, 0, 1),
        };
        assert_eq!((group.received, counted), (3, expected), "{name}");
        let letters: Vec<_> = rig
            .letters()
            .await
            .into_iter()
            .map(|(number, reason, _, attempts)| (number, reason, attempts))
            .collect();
        let expected = match ends {
            Ends::Buried(reason, attempts) => vec![(1, reason, attempts)],
            _ => vec![],
        };
        assert_eq!(letters, expected, "{name}");
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_one_key_settles_each_member_once_and_the_key_goes_on() {
    let rig = Rig::<Piles>::start().await;
    for number in 1..=9 {
        rig.script.push(0, task(number).key("a"));
    }
    rig.script.until_all_settled().await;
    rig.script.push(0, task(10).key("a"));
    rig.script.push(0, task(11).key("b"));
    rig.script.until_all_settled().await;
    assert_eq!(rig.script.journal(|journal| journal.beginnings()), (1..=11).collect::<Vec<_>>());
    assert_eq!(rig.script.journal(|journal| journal.settled()), (1..=11).collect::<Vec<_>>());
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_one_key_that_returns_events_settles_when_they_are_confirmed() {
    let rig = Rig::<Piles>::start().await;
    rig.script.always(MADE, crate::script::Answer::Wait);
    for number in 1..=4 {
        rig.script.push(0, task(number).key("a").acts([at_once(Then::Make(1))]));
    }
    rig.script.push(0, task(5).key("a"));
    for confirmed in 0..4 {
        rig.script.until_waiting(1).await;
        assert_eq!(
            rig.script.journal(|journal| journal.settled()),
            NOTHING,
            "{confirmed} of 4 are confirmed"
        );
        rig.script.answer(MADE, crate::script::Answer::Confirm);
        rig.script.until("it is confirmed", |journal| journal.confirmed(MADE).len() > confirmed).await;
    }
    rig.script.until_settled(1..=5).await;
    assert_eq!(rig.script.journal(|journal| journal.beginnings()), [1, 2, 3, 4, 5]);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_decode_does_not_start_its_key_again() {
    let rig = Rig::<Piles>::start().await;
    rig.script.push(0, task(1).key("a").garbled());
    rig.script.push(0, task(2).key("a").acts([GATE]));
    rig.script.push(0, task(3).key("a"));
    rig.script.until_settled([1]).await;
    rig.script.quiet(Duration::from_secs(1)).await;
    assert_eq!(rig.script.journal(|journal| journal.beginnings()), [2, 3], "in one batch");
    rig.hands.open(2);
    rig.script.until_settled([2, 3]).await;
    assert_eq!(rig.letters().await.len(), 1);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_is_settled_one_by_one() {
    let rig = Rig::<Piles>::start().await;
    let [retry, bury, discard] = [Then::Retry, Then::Bury, Then::Discard].map(at_once);
    rig.script.push(0, task(1).key("a").acts([retry, at_once(Then::Make(1))]));
    rig.script.push(0, task(2).key("a").acts([bury, bury]));
    rig.script.push(0, task(3).key("b").acts([discard, discard]));
    rig.script.push(0, task(4).key("b"));
    rig.script.until_all_settled().await;
    rig.script.quiet(Duration::from_secs(60)).await;
    rig.script.journal(|journal| {
        let mut settled = journal.settled();
        settled.sort_unstable();
        assert_eq!(settled, [1, 2, 3, 4]);
        assert_eq!([1, 2, 3, 4].map(|number| journal.began(number)), [2; 4], "in the batch, and alone");
        let alone =
            |what: &What| matches!(what, What::Began { numbers, attempt: 2, .. } if numbers.len() == 1);
        assert_eq!(journal.count(alone), 4);
    });
    let group = rig.counts();
    assert_eq!((group.handled, group.dead_lettered, group.discarded), (2, 1, 1));
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_slow_is_run_one_by_one() {
    let rig = Rig::<Piles>::start().await;
    rig.script.push(0, task(1).key("a").acts([HANG]));
    rig.script.push(0, task(2).key("a"));
    rig.script.push(1, task(3).key("b"));
    rig.script.until_settled([1, 2, 3]).await;
    assert_eq!(rig.script.journal(|journal| journal.ends(2)), [How::Dropped, How::Well(0)]);
    rig.finish().await;
}
