//! Partitions are lost: futures are dropped at once, nothing of them is settled, and all of it comes again.

use std::time::Duration;

use tokio::time::Instant;
use typebus::{
    ErrorKind,
    backend::{Intake, Partitions},
};

use crate::{
    desk::{Act, BILLS, Desk, Filed, GATE, HANG, Loose, MADE, Piles, Rig, Then, Wait, at_once, task},
    script::{Answer, How, Journal, NOTHING, Script, What},
};

impl Script {
    async fn until_lost(&self, times: usize) {
        let lost = |what: &What| matches!(what, What::Told(Intake::Lost(_)));
        self.until("the loss is told", |journal| journal.count(lost) == times).await;
    }
}

#[tokio::test(start_paused = true)]
async fn everything_of_a_lost_partition_is_dropped_at_once() {
    let rig = Rig::<Desk>::start().await;
    let script = &rig.script;
    script.next(MADE, [Answer::Wait]);
    script.next(BILLS, [Answer::Refuse(ErrorKind::Connect)]);
    // 1 publishes, 2 will publish again, 3 sleeps, 4 to 7 run, 8 waits for a slot, 9 for its key.
    script.push(0, task(1).key("a").acts([at_once(Then::Make(1))]));
    script.push(0, task(2).key("b").acts([at_once(Then::Both)]));
    script.push(0, task(3).key("c").acts([at_once(Then::Retry)]));
    for number in 4..=7 {
        script.push(0, task(number).key(&format!("k{number}")).acts([GATE]));
    }
    script.push(0, task(8).key("d"));
    script.push(0, task(9).key("k4"));
    script.until_began(7, 1).await;

    script.lose([0]);
    script.until_lost(1).await;
    let began = Instant::now();
    for number in 4..=7 {
        rig.hands.open(number);
    }
    script
        .until("the futures are dropped", |journal| (4..=7).all(|n| journal.ends(n) == [How::Dropped]))
        .await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    script.quiet(Duration::from_secs(120)).await;
    script.journal(|journal| {
        assert_eq!((journal.settled(), journal.beginnings()), (vec![], (1..=7).collect()));
        assert_eq!(journal.count(|what| matches!(what, What::Forsaken { .. })), 1);
        assert_eq!(
            (journal.sent(MADE).len(), journal.sent(BILLS).len()),
            (2, 1),
            "and nothing is sent again"
        );
        assert_eq!(journal.released(), []);
    });

    script.assign([0]);
    script.until_settled(1..=9).await;
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_reset_the_sequence_begins_again_and_skips_nothing() {
    let rig = Rig::<Desk>::start().await;
    let script = &rig.script;
    for number in 1..=9 {
        let act = if number == 4 { GATE } else { at_once(Then::Done) };
        script.push(0, task(number).key("a").acts([act]));
    }
    script.push(0, task(10).key("b"));
    script.until_settled([1, 2, 3, 10]).await;
    script.reset();
    script.until_began(4, 2).await;
    rig.hands.open(4);
    script.until_settled(1..=10).await;
    script.journal(|journal| {
        let of_a: Vec<_> = journal.beginnings().into_iter().filter(|number| *number < 10).collect();
        assert_eq!(of_a, [1, 2, 3, 4, 4, 5, 6, 7, 8, 9]);
        assert_eq!(journal.handed(10), 1, "the broker remembers what is settled above the floor");
        // The floors of the new generation rise by themselves.
        assert_eq!(journal.floors(0).last(), Some(&10));
    });
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_remembers_only_the_floor_repeats_what_is_above_it() {
    let rig = Rig::<Desk>::start().await;
    let script = &rig.script;
    script.repeat_from_the_floor();
    script.push(0, task(1).key("a").acts([GATE]));
    for number in 2..=5 {
        script.push(0, task(number).key("b"));
    }
    script.until_settled(2..=5).await;
    for times in 2..=4 {
        script.reset();
        script.until_began(5, times).await;
        script.until("settled again", |journal| journal.settled().len() == times * 4).await;
    }
    rig.hands.open(1);
    script.until_settled([1]).await;
    script.quiet(Duration::from_secs(1)).await;
    let of_b: Vec<_> = script.journal(Journal::beginnings).into_iter().filter(|number| *number > 1).collect();
    assert_eq!(of_b, [2, 3, 4, 5].repeat(4));
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_partition_is_lost_and_the_others_are_not() {
    let rig = Rig::<Desk>::start().await;
    let script = &rig.script;
    script.push(0, task(1).key("a").acts([GATE]));
    script.push(0, task(2).key("a"));
    script.push(1, task(3).key("b").acts([GATE]));
    script.push(1, task(4).key("b"));
    script.until_began(3, 1).await;
    script.lose([0, 5]);
    script.until_lost(1).await;
    rig.hands.open(1);
    rig.hands.open(3);
    script.until_settled([3, 4]).await;
    assert_eq!(script.journal(|journal| (journal.settled(), journal.began(1))), (vec![3, 4], 1));
    script.assign([0]);
    script.until_settled([1, 2]).await;
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_moved_goes_on_when_its_old_partition_is_lost() {
    // More partitions were added, and the key's later messages are in another one.
    let rig = Rig::<Desk>::start().await;
    let script = &rig.script;
    script.push(0, task(1).key("a").acts([GATE]));
    script.push(1, task(2).key("a"));
    script.push(0, task(3).key("a"));
    script.push(1, task(4).key("a"));
    script.until("all are handed out", |journal| journal.handed(4) == 1).await;
    assert_eq!(script.journal(Journal::beginnings), [1]);
    script.lose([0]);
    script.until_settled([2, 4]).await;
    rig.hands.open(1);
    script.assign([0]);
    script.until_settled([1, 3]).await;
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn when_half_of_a_batch_is_lost_the_other_half_begins_again() {
    for partition in [0, 1] {
        let rig = Rig::<Piles>::start().await;
        let script = &rig.script;
        script.push(0, task(1).key("a").acts([GATE]));
        script.push(1, task(2).key("a").acts([GATE]));
        script.push(0, task(3).key("a"));
        script.push(1, task(4).key("a"));
        script.until_began(4, 1).await;
        script.push(1 - partition, task(5).key("a"));
        script.lose([partition]);
        script.until_lost(1).await;
        script.quiet(Duration::from_secs(1)).await;
        script.journal(|journal| {
            let half = if partition == 0 { [2, 4, 5] } else { [1, 3, 5] };
            assert_eq!(journal.ends(1), [How::Dropped], "it worked on what is lost as well");
            assert_eq!(journal.beginnings(), [&[1, 2, 3, 4], &half[..]].concat());
        });
        rig.hands.open(1);
        rig.hands.open(2);
        script.until_settled([5]).await;
        assert_eq!(script.journal(|journal| journal.settled().len()), 3);
        script.assign([partition]);
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn when_half_of_a_batch_is_lost_while_draining_the_other_half_is_given_back() {
    let rig = Rig::<Piles>::start().await;
    let script = &rig.script;
    script.push(0, task(1).key("a").acts([GATE]));
    script.push(1, task(2).key("b"));
    script.push(1, task(3).key("b"));
    script.until_began(3, 1).await;
    let began = Instant::now();
    let stopped = rig.running.stop();
    let (stopped, ()) = tokio::join!(stopped, async {
        script.quiet(Duration::from_secs(1)).await;
        script.lose([0]);
    });
    stopped.unwrap();
    assert_eq!(began.elapsed().as_secs(), 1);
    assert_eq!(script.journal(|journal| (journal.settled(), journal.beginnings())), (vec![], vec![1, 2, 3]));
    rig.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_loss_and_what_ends_at_the_same_moment_do_not_meet() {
    // Whichever comes first: what is settled is not stale, and what is stale is not settled.
    for (number, first) in (0..40).map(|number| (number, number % 2 == 0)) {
        let rig = Rig::<Loose>::start().await;
        let script = &rig.script;
        for number in 1..=4 {
            script.push(0, task(number).acts([Act(Wait::Gate, Then::Make(1))]));
        }
        script.until_began(4, 1).await;
        if first {
            script.reset();
        }
        for open in 1..=4 {
            rig.hands.open(open);
            if open == number % 5 {
                tokio::task::yield_now().await;
            }
        }
        if !first {
            script.reset();
        }
        script.until_settled(1..=4).await;
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn losses_follow_on_each_other() {
    let rig = Rig::<Desk>::start().await;
    let script = &rig.script;
    for number in 1..=4 {
        script.push(u32::from(number % 2 == 1), task(number).key(&format!("k{number}")).acts([HANG; 3]));
    }
    for times in 1..=5 {
        script.until_began(4, times).await;
        script.reset();
    }
    // Three in one breath, of everything and of what is not there.
    script.until_began(4, 6).await;
    script.reset();
    script.reset();
    script.lose([7]);
    script.until_began(4, 7).await;
    script.until_lost(8).await;
    assert_eq!(script.journal(Journal::settled), NOTHING);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn attempts_begin_anew_after_a_loss() {
    let rig = Rig::<Desk>::start().await;
    let script = &rig.script;
    script.push(0, task(1).key("a").acts([at_once(Then::Retry), at_once(Then::Retry), GATE]));
    script.until_began(1, 3).await;
    script.reset();
    script.until_began(1, 6).await;
    rig.hands.open(1);
    script.until_settled([1]).await;
    let attempts = script.journal(|journal| {
        let attempt = |what: &What| match what {
            What::Began { attempt, .. } => Some(*attempt),
            _ => None,
        };
        journal.each(attempt).collect::<Vec<_>>()
    });
    assert_eq!(attempts, [1, 2, 3, 1, 2, 3]);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_under_way_is_dropped_with_its_delivery() {
    for answer in [Answer::Wait, Answer::Refuse(ErrorKind::Connect)] {
        let rig = Rig::<Desk>::start().await;
        let script = &rig.script;
        script.always("dead.desk", answer);
        script.push(0, task(1).key("a").acts([at_once(Then::Bury)]));
        script.push(0, task(2).key("b").garbled());
        script.until("both are sent", |journal| journal.sent("dead.desk").len() >= 2).await;
        script.lose([0]);
        script.until_lost(1).await;
        let sent = script.journal(|journal| journal.sent("dead.desk").len());
        script.always("dead.desk", Answer::Confirm);
        script.quiet(Duration::from_secs(300)).await;
        assert_eq!(
            script.journal(|journal| (journal.sent("dead.desk").len(), journal.settled())),
            (sent, vec![])
        );
        script.assign([0]);
        script.until_settled([1, 2]).await;
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn in_partition_order_a_partition_begins_again() {
    let rig = Rig::<Filed>::start().await;
    let script = &rig.script;
    for number in 1..=5 {
        script.push(0, task(number).acts([if number == 3 { GATE } else { at_once(Then::Done) }]));
        script.push(1, task(10 + number));
    }
    script.until_settled((1..=2).chain(11..=15)).await;
    script.lose(Partitions::All);
    script.assign(Partitions::All);
    rig.hands.open(3);
    script.until_settled(1..=5).await;
    let first: Vec<_> =
        script.journal(Journal::beginnings).into_iter().filter(|number| *number < 10).collect();
    assert_eq!(first, [1, 2, 3, 3, 4, 5]);
    rig.finish().await;
}
