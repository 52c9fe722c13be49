//! What handlers return: published in order, confirmed before anything is settled, sent again without another run.

use std::{collections::BTreeSet, time::Duration};

use typebus::{ErrorKind, Reason};

use crate::{
    desk::{Act, BILLS, Desk, GATE, HANG, MADE, Piles, Rig, Then, Wait, at_once, task},
    script::{Answer, How, NOTHING, What, id_of},
};

const RETURNS_BOTH: [Act; 1] = [at_once(Then::Both)];

#[tokio::test(start_paused = true)]
async fn nothing_is_settled_before_every_returned_event_is_confirmed() {
    let rig = Rig::<Desk>::start().await;
    rig.script.always(MADE, Answer::Wait);
    rig.script.always(BILLS, Answer::Wait);
    rig.script.push(0, task(1).key("a").acts(RETURNS_BOTH));
    rig.script.push(0, task(2).key("a"));

    rig.script.until_waiting(1).await;
    // Longer than a handler may take: what it returned is no longer its own time.
    rig.script.quiet(Duration::from_secs(300)).await;
    rig.script.journal(|journal| {
        assert_eq!((journal.sent(MADE).len(), journal.sent(BILLS).len()), (1, 0), "one after the other");
        assert_eq!((journal.settled(), journal.beginnings()), (vec![], vec![1]));
    });
    rig.script.answer(MADE, Answer::Confirm);
    rig.script.until("the second is sent", |journal| journal.sent(BILLS).len() == 1).await;
    rig.script.quiet(Duration::from_secs(300)).await;
    assert_eq!(rig.script.journal(|journal| (journal.settled(), journal.beginnings())), (vec![], vec![1]));
    rig.script.answer(BILLS, Answer::Confirm);
    rig.script.until_settled([1, 2]).await;
    assert_eq!(rig.script.journal(|journal| journal.beginnings()), [1, 2]);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_confirmation_takes_no_place_from_what_runs() {
    let rig = Rig::<Desk>::start().await;
    rig.script.always(MADE, Answer::Wait);
    // The handler has a concurrency of 4.
    for number in 1..=6 {
        rig.script.push(0, task(number).key(&format!("k{number}")).acts([at_once(Then::Make(1))]));
    }
    rig.script.until_waiting(6).await;
    rig.script.push(0, task(7).key("k7"));
    rig.script.until_settled([7]).await;
    assert_eq!(rig.script.journal(|journal| journal.floors(0)), NOTHING);
    for _ in 0..6 {
        rig.script.answer(MADE, Answer::Confirm);
    }
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn when_the_second_of_a_pair_fails_only_that_is_sent_again() {
    for refused in [
        Answer::Refuse(ErrorKind::Connect),
        Answer::Refuse(ErrorKind::Full),
        Answer::After(Duration::from_millis(3), Box::new(Answer::Refuse(ErrorKind::Timeout))),
        Answer::Unknown,
        Answer::After(Duration::from_millis(3), Box::new(Answer::Unknown)),
    ] {
        for wait in [Wait::No, Wait::Millis(3)] {
            let rig = Rig::<Desk>::start().await;
            rig.script.next(BILLS, [refused.clone(), refused.clone(), refused.clone()]);
            rig.script.push(0, task(1).key("a").acts([Act(wait, Then::Both)]));
            rig.script.push(0, task(2).key("a").acts([at_once(Then::Make(1))]));
            rig.script.until_settled([1, 2]).await;
            rig.script.journal(|journal| {
                assert_eq!(journal.beginnings(), [1, 2], "{refused:?}\n{journal}");
                assert_eq!(journal.confirmed(MADE).len(), 2, "{refused:?}\n{journal}");
                assert_eq!(journal.sent(MADE).len(), 2, "{refused:?}\n{journal}");
                let sent = journal.sent(BILLS);
                assert_eq!(sent.len(), 4, "{refused:?}\n{journal}");
                assert_eq!(sent.iter().collect::<BTreeSet<_>>().len(), 1, "the same event: {sent:?}");
                let moments =
                    journal.moments(|what| matches!(what, What::Sent { topic, .. } if topic == BILLS));
                let delays = moments.windows(2).map(|pair| pair[1] - pair[0]);
                for (delay, full) in delays.zip([2, 4, 8].map(Duration::from_secs)) {
                    let slack = Duration::from_millis(5);
                    assert!(full / 2 <= delay && delay <= full + slack, "{delay:?} is not about {full:?}");
                }
            });
            // A copy of which the broker did not tell is the same event as well.
            let ids: BTreeSet<_> = rig.script.stored(BILLS).iter().map(id_of).collect();
            assert_eq!(ids.len(), 1);
            let group = rig.counts();
            assert_eq!((group.handled, group.retried), (2, 0), "no attempt was spent");
            rig.finish().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_waits_for_what_is_sent_again_and_other_keys_do_not() {
    let rig = Rig::<Desk>::start().await;
    rig.script.next(MADE, vec![Answer::Refuse(ErrorKind::Connect); 20]);
    rig.script.push(0, task(1).key("a").acts([at_once(Then::Make(3))]));
    rig.script.push(0, task(2).key("a").acts([at_once(Then::Make(1))]));
    for number in 3..10 {
        rig.script.push(0, task(number).key("b"));
    }
    rig.script.until_settled(3..10).await;
    assert_eq!(rig.script.journal(|journal| journal.began(2)), 0);
    rig.script.until_settled([1, 2]).await;
    let order: Vec<_> = rig.script.stored(MADE).iter().map(made_of).collect();
    assert_eq!(order, [(1, 0), (1, 1), (1, 2), (2, 0)]);
    rig.finish().await;
}

/// The number and the place of what a handler returned.
fn made_of(outgoing: &typebus::backend::Outgoing) -> (u64, u64) {
    let made: crate::desk::Made = serde_json::from_slice(outgoing.message.payload()).unwrap();
    assert_eq!(outgoing.message.key(), made.key.as_deref().map(str::as_bytes));
    (made.number, made.index)
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_published_becomes_a_dead_letter_that_lists_what_was() {
    let refusals = |kind| {
        [Answer::Refuse(kind), Answer::After(Duration::from_millis(3), Box::new(Answer::Refuse(kind)))]
    };
    for kind in [ErrorKind::Unroutable, ErrorKind::TooLarge, ErrorKind::Permission] {
        for refused in refusals(kind) {
            let rig = Rig::<Desk>::start().await;
            rig.script.always(BILLS, refused);
            rig.script.push(0, task(1).key("a").acts(RETURNS_BOTH));
            rig.script.push(0, task(2).key("a"));
            rig.script.until_settled([1, 2]).await;
            rig.script.quiet(Duration::from_secs(120)).await;

            let [(number, reason, error, attempts)] = &rig.letters().await[..] else {
                panic!("not one letter")
            };
            assert_eq!((*number, *reason, *attempts), (1, Reason::PublishFailed, 1));
            let published = rig.script.stored(MADE);
            let listed = format!("published before it: {} on {MADE}", id_of(&published[0]));
            assert!(error.contains(&listed) && error.contains(BILLS), "{error}");
            rig.script.journal(|journal| {
                assert_eq!(
                    (journal.began(1), journal.sent(BILLS).len(), journal.sent(MADE).len()),
                    (1, 1, 1)
                );
            });
            let group = rig.counts();
            assert_eq!((group.handled, group.dead_lettered, group.retried), (1, 1, 0));
            rig.finish().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_first_can_never_be_published_nothing_after_it_is() {
    let rig = Rig::<Desk>::start().await;
    rig.script.always(MADE, Answer::Refuse(ErrorKind::Unroutable));
    rig.script.push(0, task(1).key("a").acts([at_once(Then::Retry), at_once(Then::Both)]));
    rig.script.until_settled([1]).await;
    let [(number, reason, error, attempts)] = &rig.letters().await[..] else { panic!("not one letter") };
    assert_eq!((*number, *reason, *attempts), (1, Reason::PublishFailed, 2));
    assert!(!error.contains("published before"), "{error}");
    assert_eq!(rig.script.journal(|journal| journal.sent(BILLS)), Vec::<String>::new());
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_repeat_returns_the_same_events() {
    let rig = Rig::<Desk>::start().await;
    rig.script.always(BILLS, Answer::Wait);
    rig.script.push(0, task(1).key("a").acts(RETURNS_BOTH));
    rig.script.until_waiting(1).await;
    rig.script.reset();
    rig.script.always(BILLS, Answer::Confirm);
    rig.script.until_settled([1]).await;
    rig.script.journal(|journal| {
        assert_eq!(journal.began(1), 2, "the broker could not know");
        for topic in [MADE, BILLS] {
            let sent = journal.sent(topic);
            assert_eq!((sent.len(), sent.iter().collect::<BTreeSet<_>>().len()), (2, 1), "{topic}: {sent:?}");
        }
        assert_ne!(journal.sent(MADE)[0], journal.sent(BILLS)[0]);
    });
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_comes_again_returns_the_same_events_and_a_larger_one_returns_others() {
    // With the same ids, a broker that knows them would take what a larger batch returned for a duplicate, and what
    // came of its new members would be lost.
    let rig = Rig::<Piles>::start().await;
    rig.script.always(BILLS, Answer::Wait);
    rig.script.push(0, task(1).key("a").acts(RETURNS_BOTH));
    rig.script.push(0, task(2).key("a"));
    rig.script.until_waiting(1).await;
    rig.script.reset();
    rig.script.until("it came again", |journal| journal.sent(BILLS).len() == 2).await;
    rig.script.push(0, task(3).key("a"));
    rig.script.until("it was handed out", |journal| journal.handed(3) == 1).await;
    rig.script.reset();
    rig.script.always(BILLS, Answer::Confirm);
    rig.script.until_settled([1, 2, 3]).await;
    rig.script.journal(|journal| {
        assert_eq!(journal.beginnings(), [1, 2, 1, 2, 1, 2, 3]);
        for topic in [MADE, BILLS] {
            let sent = journal.sent(topic);
            assert!(sent[0] == sent[1] && sent[1] != sent[2], "{topic}: {sent:?}");
        }
    });
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_publishes_nothing() {
    let rig = Rig::<Piles>::start().await;
    // The batch has made something when its second member fails.
    rig.script.push(0, task(1).key("a").acts([at_once(Then::Make(2)), at_once(Then::Make(2))]));
    rig.script.push(0, task(2).key("b").acts([at_once(Then::Retry), at_once(Then::Make(1))]));
    rig.script.until_settled([1, 2]).await;
    assert_eq!(rig.script.journal(|journal| journal.sent(MADE).len()), 3);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_batch_returned_is_sent_again_without_a_run() {
    let rig = Rig::<Piles>::start().await;
    rig.script.next(MADE, [Answer::Confirm, Answer::Refuse(ErrorKind::Connect)]);
    for number in 1..=3 {
        rig.script.push(0, task(number).key("a").acts([at_once(Then::Make(1))]));
    }
    rig.script.until_settled([1, 2, 3]).await;
    rig.script.journal(|journal| {
        assert_eq!(journal.beginnings(), [1, 2, 3]);
        assert_eq!((journal.sent(MADE).len(), journal.confirmed(MADE).len()), (4, 3));
    });
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn when_what_a_batch_returned_can_never_be_published_its_members_run_alone() {
    let rig = Rig::<Piles>::start().await;
    rig.script.next(BILLS, [Answer::Refuse(ErrorKind::Unroutable)]);
    rig.script.push(0, task(1).key("a").acts([at_once(Then::Make(1)), at_once(Then::Make(1))]));
    rig.script.push(0, task(2).key("a").acts([at_once(Then::Both), at_once(Then::Both)]));
    rig.script.until_settled([1, 2]).await;
    rig.script.journal(|journal| {
        assert_eq!(
            (journal.ends(1), journal.ends(2)),
            (vec![How::Well(3), How::Well(1)], vec![How::Well(3), How::Well(2)])
        );
    });
    assert_eq!(rig.letters().await.len(), 0);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_publication_that_never_ends_holds_its_delivery_and_nothing_else() {
    let rig = Rig::<Desk>::start().await;
    rig.script.next(MADE, [Answer::Wait]);
    rig.script.push(0, task(1).key("a").acts([at_once(Then::Make(1))]));
    rig.script.push(0, task(2).key("b").acts([HANG]));
    rig.script.push(0, task(3).key("c").acts([GATE]));
    rig.script.until_waiting(1).await;
    rig.hands.open(3);
    rig.script.until_settled([2, 3]).await;
    assert_eq!(rig.script.unsettled(), [1]);
    rig.script.answer(MADE, Answer::Confirm);
    rig.finish().await;
}
