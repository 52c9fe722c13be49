//! The dead letters cannot be written: nothing is acknowledged, nothing runs again, and it heals.

use std::{collections::BTreeSet, time::Duration};

use typebus::{ErrorKind, Reason, Tuning, backend::Room};

use crate::{
    desk::{Act, Desk, HANG, MADE, Piles, Rig, Then, at_once, task},
    script::{Answer, NOTHING, Script, What},
};

const DEAD: &str = "dead.desk";
const BURY: [Act; 1] = [at_once(Then::Bury)];

#[tokio::test(start_paused = true)]
async fn for_a_minute_nobody_takes_dead_letters() {
    // An error that would be permanent for an event is none for a dead letter.
    for kind in [
        ErrorKind::Connect,
        ErrorKind::Timeout,
        ErrorKind::Permission,
        ErrorKind::Unroutable,
        ErrorKind::TooLarge,
    ] {
        let rig = Rig::<Desk>::start().await;
        rig.script.always(DEAD, Answer::Refuse(kind));
        rig.script.push(0, task(1).key("a").acts(BURY));
        rig.script.push(0, task(2).key("a"));
        rig.script.push(0, task(3).key("b").garbled());
        rig.script.push(0, task(4).key("c").version(9));
        rig.script.push(0, task(5).key("d"));
        rig.script.until_settled([5]).await;
        rig.script.quiet(Duration::from_secs(60)).await;

        rig.script.journal(|journal| {
            assert_eq!((journal.settled(), journal.floors(0)), (vec![5], vec![]), "{journal}");
            assert_eq!((journal.began(1), journal.began(2)), (1, 0), "{journal}");
            let moments = journal.moments(|what| matches!(what, What::Sent { id, .. } if id == "m-1"));
            let delays: Vec<_> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!((4..=8).contains(&delays.len()), "{delays:?}");
            let doubled = [2, 4, 8, 16, 30, 30, 30, 30].map(Duration::from_secs);
            for (delay, full) in delays.iter().zip(doubled) {
                assert!(
                    full / 2 <= *delay && *delay <= full + Duration::from_millis(5),
                    "{delay:?} of {full:?}"
                );
            }
        });
        rig.script.always(DEAD, Answer::Confirm);
        rig.script.until_settled(1..=5).await;
        let letters = rig.letters().await;
        let reasons: BTreeSet<_> =
            letters.iter().map(|(number, reason, ..)| (*number, reason.as_str())).collect();
        let expected = [(1, Reason::Failed), (3, Reason::Undecodable), (4, Reason::UnknownVersion)];
        assert_eq!(reasons, expected.map(|(number, reason)| (number, reason.as_str())).into());
        assert_eq!(letters.len(), 3, "each once");
        assert_eq!(rig.script.journal(|journal| journal.began(1)), 1);
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_limits_stop_the_intake_and_it_heals() {
    let limits = typebus::Limits { held: 4, ..typebus::Limits::default() };
    let script = Script::new();
    let rig = Rig::<Desk>::on(&script, Tuning { limits, ..Tuning::default() }).await;
    script.always(DEAD, Answer::Refuse(ErrorKind::Connect));
    for number in 1..=20 {
        script.push(0, task(number).key(&format!("k{number}")).acts(BURY));
    }
    script.until_began(4, 1).await;
    script.quiet(Duration::from_secs(60)).await;
    script.journal(|journal| {
        assert_eq!((1..=20).map(|number| journal.handed(number)).sum::<usize>(), 4, "{journal}");
        assert!(journal.room().is_some_and(Room::is_empty));
        assert_eq!(journal.settled(), NOTHING);
    });
    script.always(DEAD, Answer::Confirm);
    script.until_settled(1..=20).await;
    assert_eq!(
        script.journal(|journal| journal.beginnings()),
        (1..=20).collect::<Vec<_>>(),
        "none ran again"
    );
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_whose_answer_is_unknown_is_written_again() {
    let rig = Rig::<Desk>::start().await;
    rig.script
        .next(DEAD, [Answer::Unknown, Answer::After(Duration::from_secs(9), Box::new(Answer::Unknown))]);
    rig.script.push(0, task(1).acts(BURY));
    rig.script.until_settled([1]).await;
    assert_eq!(rig.letters().await.len(), 3, "never suppressed as a duplicate");
    assert_eq!(rig.script.journal(|journal| journal.began(1)), 1);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_without_an_answer_holds_its_delivery_for_ever() {
    let rig = Rig::<Desk>::start().await;
    rig.script.always(DEAD, Answer::Wait);
    rig.script.push(0, task(1).key("a").acts([HANG, HANG, HANG]));
    rig.script.push(0, task(2).key("a"));
    rig.script.until_waiting(1).await;
    rig.script.quiet(Duration::from_secs(900)).await;
    rig.script.journal(|journal| {
        assert_eq!((journal.settled(), journal.beginnings()), (vec![], vec![1, 1, 1]));
        assert_eq!(journal.sent(DEAD).len(), 1, "it may be stored: another would be too early");
    });
    rig.script.answer(DEAD, Answer::Confirm);
    rig.script.until_settled([1, 2]).await;
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_publication_whose_dead_letter_cannot_be_written_is_not_run_again() {
    let rig = Rig::<Desk>::start().await;
    rig.script.always(MADE, Answer::Refuse(ErrorKind::Unroutable));
    rig.script.always(DEAD, Answer::Refuse(ErrorKind::Connect));
    rig.script.push(0, task(1).key("a").acts([at_once(Then::Make(1))]));
    rig.script.push(0, task(2).key("a"));
    rig.script.until("three letters are refused", |journal| journal.sent(DEAD).len() == 3).await;
    rig.script.journal(|journal| {
        assert_eq!((journal.beginnings(), journal.sent(MADE).len(), journal.settled()), (vec![1], 1, vec![]));
    });
    rig.script.always(DEAD, Answer::Confirm);
    rig.script.until_settled([1, 2]).await;
    assert_eq!(rig.letters().await[0].1, Reason::PublishFailed);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn members_of_a_batch_that_do_not_decode_wait_for_their_letters_and_hold_their_keys() {
    let rig = Rig::<Piles>::start().await;
    rig.script.always(DEAD, Answer::Refuse(ErrorKind::Connect));
    rig.script.push(0, task(1).key("a").garbled());
    rig.script.push(0, task(2).key("a"));
    rig.script.push(0, task(3).key("b"));
    // The batch goes on without its first member, and what comes after it waits for that.
    rig.script.until_settled([2, 3]).await;
    rig.script.push(0, task(4).key("a"));
    rig.script.quiet(Duration::from_secs(60)).await;
    assert_eq!(rig.script.journal(|journal| (journal.beginnings(), journal.floors(0))), (vec![2, 3], vec![]));
    rig.script.always(DEAD, Answer::Confirm);
    rig.script.until_settled([1, 4]).await;
    assert_eq!(rig.script.journal(|journal| journal.beginnings()), [2, 3, 4]);
    rig.finish().await;
}
