//! Partitions are asked back: what runs may finish, the rest is dropped, and then they are released, once.

use std::time::Duration;

use tokio::time::Instant;
use typebus::{
    Tuning,
    backend::{Intake, Partitions},
};

use crate::{
    desk::{Act, BILLS, Desk, Filed, GATE, HANG, Hands, MADE, Piles, Rig, Then, Wait, at_once, task},
    script::{Answer, How, Journal, NOTHING, Script, What},
};

const GRACE: Duration = Duration::from_secs(10);

fn these<const N: usize>(partitions: [u32; N]) -> Partitions {
    Partitions::These(partitions.to_vec())
}

fn told(partitions: Partitions) -> impl Fn(&Journal) -> bool {
    move |journal| journal.has(&What::Told(Intake::Revoking(partitions.clone())))
}

impl Script {
    async fn until_revoking<const N: usize>(&self, partitions: [u32; N]) {
        self.revoke(partitions);
        self.until("the revocation is told", told(these(partitions))).await;
    }

    async fn until_released<const N: usize>(&self, partitions: [u32; N]) {
        let partitions = these(partitions);
        let released = |journal: &Journal| journal.released().contains(&partitions);
        self.until(&format!("{partitions:?} are released"), released).await;
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_of_which_nothing_is_held_are_released_at_once() {
    let rig = Rig::<Desk>::start().await;
    rig.script.push(0, task(1));
    rig.script.until_settled([1]).await;
    let began = Instant::now();
    rig.script.revoke([0]);
    rig.script.until_released([0]).await;
    rig.script.revoke(Partitions::All);
    rig.script.until("all is released", |journal| journal.released().len() == 2).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    rig.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_runs_and_what_is_published_finishes_and_the_rest_is_dropped() {
    let rig = Rig::<Desk>::start().await;
    let script = &rig.script;
    script.always(MADE, Answer::Wait);
    // 1 publishes, 2 sleeps, 3 to 6 run, 7 waits for a slot, 8 for its key.
    script.push(0, task(1).key("a").acts([at_once(Then::Make(1))]));
    script.push(0, task(2).key("b").acts([at_once(Then::RetryAfter(5_000))]));
    for number in 3..=6 {
        script.push(0, task(number).key(&format!("k{number}")).acts([GATE]));
    }
    script.push(0, task(7).key("c"));
    script.push(0, task(8).key("k3"));
    script.until_began(6, 1).await;
    script.until_waiting(1).await;
    assert_eq!(script.journal(Journal::beginnings), [1, 2, 3, 4, 5, 6]);

    script.until_revoking([0]).await;
    script.quiet(Duration::from_secs(8)).await;
    script.journal(|journal| {
        assert_eq!((journal.released(), journal.settled()), (vec![], vec![]));
        assert_eq!(journal.beginnings(), [1, 2, 3, 4, 5, 6], "nothing new starts, the sleeper neither");
    });
    for number in 3..=6 {
        rig.hands.open(number);
    }
    script.answer(MADE, Answer::Confirm);
    script.until_released([0]).await;
    script.journal(|journal| {
        let mut settled = journal.settled();
        settled.sort_unstable();
        assert_eq!(settled, [1, 3, 4, 5, 6]);
        assert!(journal.ends(3) == [How::Well(0)]);
        let last = journal.place(|what| matches!(what, What::Released(_)));
        let settling = journal.entries().iter().rposition(|entry| matches!(entry.what, What::Settled { .. }));
        assert!(settling < last, "everything is told before the release");
    });

    script.assign([0]);
    script.until_settled(1..=8).await;
    assert_eq!(
        script.journal(|journal| journal.beginnings()[6..].to_vec()),
        [2, 7, 8, 2],
        "in their first order"
    );
    assert_eq!(script.journal(Journal::released), [these([0])], "exactly once");
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_the_grace_what_runs_is_dropped() {
    for grace in [GRACE, Duration::from_secs(2), Duration::ZERO] {
        let script = Script::new();
        let rig = Rig::<Desk>::on(&script, Tuning { revoke_grace: grace, ..Tuning::default() }).await;
        script.always(BILLS, Answer::Wait);
        script.push(0, task(1).key("a").acts([HANG]));
        script.push(0, task(2).key("b").acts([at_once(Then::Both)]));
        script.push(0, task(3).key("c").acts([Act(Wait::Millis(1_000), Then::Done)]));
        script.until_began(3, 1).await;
        script.until_waiting(1).await;
        let began = Instant::now();
        script.revoke([0]);
        script.until_released([0]).await;
        let took = began.elapsed();
        assert!(grace <= took && took <= grace + Duration::from_millis(2), "{took:?} of {grace:?}");
        script.journal(|journal| {
            assert_eq!(journal.ends(1), [How::Dropped]);
            assert_eq!(journal.count(|what| matches!(what, What::Forsaken { .. })), 1);
            assert_eq!(journal.settled(), if grace.is_zero() { vec![] } else { vec![3] });
        });
        script.always(BILLS, Answer::Confirm);
        script.assign([0]);
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_the_grace_does_not_run_again() {
    let rig = Rig::<Desk>::start().await;
    let script = &rig.script;
    let fails = |then| [Act(Wait::Gate, then), at_once(Then::Done)];
    script.push(0, task(1).key("a").acts(fails(Then::Retry)));
    script.push(0, task(2).key("b").acts(fails(Then::RetryAfter(0))));
    script.push(0, task(3).key("c").acts(fails(Then::Panic)));
    script.push(0, task(4).key("d").acts(fails(Then::Bury)));
    script.until_began(4, 1).await;
    script.until_revoking([0]).await;
    let began = Instant::now();
    for number in 1..=4 {
        rig.hands.open(number);
    }
    script.until_released([0]).await;
    assert!(began.elapsed() < GRACE, "nothing was left to wait for after {:?}", began.elapsed());
    script.journal(|journal| {
        assert_eq!([1, 2, 3, 4].map(|number| journal.began(number)), [1; 4], "{journal}");
        assert_eq!(journal.settled(), [4], "a dead letter is an end");
    });
    script.assign([0]);
    script.until_settled([1, 2, 3]).await;
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_times_out_in_the_grace_does_not_run_again() {
    let script = Script::new();
    let tuning = Tuning { revoke_grace: Duration::from_secs(100), ..Tuning::default() };
    let rig = Rig::<Desk>::on(&script, tuning).await;
    script.push(0, task(1).key("a").acts([HANG]));
    script.until_began(1, 1).await;
    let began = Instant::now();
    script.revoke([0]);
    script.until_released([0]).await;
    // The handler's timeout.
    assert!(began.elapsed() < Duration::from_secs(31), "{:?}", began.elapsed());
    assert_eq!(script.journal(|journal| (journal.began(1), journal.settled())), (1, vec![]));
    script.assign([0]);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_in_the_grace_does_not_run_again() {
    for then in [Then::Retry, Then::RetryAfter(0), Then::Bury, Then::Panic] {
        let rig = Rig::<Piles>::start().await;
        let script = &rig.script;
        script.push(0, task(1).key("a").acts([Act(Wait::Gate, then)]));
        script.push(0, task(2).key("a"));
        script.push(0, task(3).key("b"));
        script.until_began(3, 1).await;
        script.until_revoking([0]).await;
        let began = Instant::now();
        rig.hands.open(1);
        script.until_released([0]).await;
        assert!(began.elapsed() < GRACE, "{then:?}: {:?}", began.elapsed());
        assert_eq!(
            script.journal(|journal| (journal.beginnings(), journal.settled())),
            (vec![1, 2, 3], vec![])
        );
        script.assign([0]);
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn other_partitions_go_on_meanwhile() {
    let rig = Rig::<Desk>::start().await;
    let script = &rig.script;
    script.push(0, task(1).key("a").acts([GATE]));
    script.push(0, task(2).key("a"));
    script.push(1, task(3).key("b").acts([GATE]));
    script.push(1, task(4).key("b"));
    script.push(1, task(5).key("c").acts([at_once(Then::Retry)]));
    script.until_began(5, 1).await;
    script.until_revoking([0]).await;
    script.push(1, task(6).key("d"));
    script.push(2, task(7).key("e"));
    script.until_settled([6, 7]).await;
    script.until_settled([5]).await;
    rig.hands.open(3);
    script.until_settled([3, 4]).await;
    assert_eq!(script.journal(Journal::released), []);
    rig.hands.open(1);
    script.until_released([0]).await;
    assert_eq!(script.journal(|journal| (journal.began(2), journal.floors(1))), (0, vec![2, 5]));
    script.push(0, task(8).key("a"));
    script.push(1, task(9).key("b"));
    script.until_settled([9]).await;
    script.assign([0]);
    script.until_settled([1, 2, 8]).await;
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn two_revocations_are_answered_each_in_its_own_time() {
    let rig = Rig::<Desk>::start().await;
    let script = &rig.script;
    for (partition, number) in [(0, 1), (1, 2), (2, 3), (3, 4)] {
        script.push(partition, task(number).key(&format!("k{number}")).acts([GATE]));
    }
    script.until_began(4, 1).await;
    script.until_revoking([0, 1]).await;
    script.quiet(Duration::from_secs(4)).await;
    script.until_revoking([2]).await;
    rig.hands.open(3);
    script.until_released([2]).await;
    rig.hands.open(1);
    script.until_settled([1]).await;
    script.quiet(Duration::from_secs(1)).await;
    assert_eq!(script.journal(Journal::released), [these([2])], "one of the two still runs");
    script.until_released([0, 1]).await;
    assert_eq!(script.journal(|journal| journal.ends(2)), [How::Dropped]);
    rig.hands.open(4);
    script.until_settled([4]).await;
    assert_eq!(script.journal(Journal::released), [these([2]), these([0, 1])]);
    rig.hands.open(2);
    script.assign(Partitions::All);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn the_second_of_two_revocations_has_its_own_grace() {
    let rig = Rig::<Desk>::start().await;
    let script = &rig.script;
    script.push(0, task(1).key("a").acts([HANG]));
    script.push(1, task(2).key("b").acts([HANG]));
    script.until_began(2, 1).await;
    script.until_revoking([0]).await;
    script.quiet(Duration::from_secs(6)).await;
    script.until_revoking([1]).await;
    let began = Instant::now();
    script.until_released([0]).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    script.until_released([1]).await;
    assert!(began.elapsed() >= GRACE);
    script.assign(Partitions::All);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_with_members_of_a_released_partition_begins_again_with_the_others() {
    let rig = Rig::<Piles>::start().await;
    let script = &rig.script;
    script.push(0, task(1).key("a").acts([GATE]));
    script.push(1, task(2).key("b"));
    script.push(0, task(3).key("c"));
    script.push(1, task(4).key("d").acts([GATE]));
    script.until_began(4, 1).await;
    script.until_revoking([0]).await;
    script.until_released([0]).await;
    script.until_began(4, 2).await;
    script.journal(|journal| {
        assert_eq!(journal.settled(), NOTHING);
        // It would have gone on with what another instance may run already.
        assert_eq!(journal.ends(1), [How::Dropped]);
        assert_eq!(journal.beginnings(), [1, 2, 3, 4, 2, 4]);
        let attempts = journal.each(|what| match what {
            What::Began { attempt, .. } => Some(*attempt),
            _ => None,
        });
        assert_eq!(attempts.collect::<Vec<_>>(), [1, 1], "no attempt was spent");
    });
    rig.hands.open(4);
    script.until_settled([2, 4]).await;
    rig.hands.open(1);
    script.assign([0]);
    script.until_settled([1, 3]).await;
    assert_eq!(script.journal(Journal::settled), [2, 4, 1, 3]);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_with_members_of_two_revoked_partitions_does_not_begin_again() {
    let rig = Rig::<Piles>::start().await;
    let script = &rig.script;
    script.push(0, task(1).key("a").acts([HANG]));
    script.push(1, task(2).key("b"));
    script.push(2, task(3).key("c"));
    script.until_began(3, 1).await;
    script.until_revoking([0]).await;
    script.quiet(Duration::from_secs(5)).await;
    script.until_revoking([1]).await;
    script.until_released([0]).await;
    script.until_released([1]).await;
    script.until_settled([3]).await;
    assert_eq!(script.journal(|journal| (journal.began(2), journal.began(3))), (1, 2));
    script.assign(Partitions::All);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_finishes_in_the_grace_settles_all_members() {
    let rig = Rig::<Piles>::start().await;
    let script = &rig.script;
    script.push(0, task(1).key("a").acts([GATE]));
    script.push(1, task(2).key("b").acts([at_once(Then::Make(1))]));
    // The next batch is being collected.
    script.until_began(2, 1).await;
    script.push(0, task(3).key("c"));
    script.push(1, task(4).key("d"));
    script.until("it was handed out", |journal| journal.handed(4) == 1).await;
    script.until_revoking([0]).await;
    rig.hands.open(1);
    script.until_released([0]).await;
    script.until_settled([4]).await;
    assert_eq!(script.journal(|journal| (journal.settled(), journal.began(3))), (vec![1, 2, 4], 0));
    script.assign([0]);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn in_partition_order_a_revoked_partition_stops_where_it_is() {
    let rig = Rig::<Filed>::start().await;
    let script = &rig.script;
    for number in 1..=3 {
        script.push(0, task(number).acts([GATE]));
        script.push(1, task(10 + number).acts([GATE]));
    }
    script.until_began(11, 1).await;
    script.until_revoking([0]).await;
    for number in 1..=3 {
        rig.hands.open(number);
        rig.hands.open(10 + number);
    }
    script.until_released([0]).await;
    script.until_settled([1, 11, 12, 13]).await;
    assert_eq!(script.journal(|journal| (journal.began(2), journal.began(3))), (0, 0));
    script.assign([0]);
    script.until_settled([2, 3]).await;
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn partitions_that_were_lost_meanwhile_are_not_released() {
    for (revoked, lost, released) in [
        (these([0]), these([0]), None),
        (these([0]), Partitions::All, None),
        (these([0, 1]), these([1, 0]), None),
        (these([0]), these([1, 0]), None),
        (these([0, 1]), these([0]), Some(these([1]))),
        (Partitions::All, Partitions::All, None),
        (Partitions::All, these([0]), Some(Partitions::All)),
    ] {
        let rig = Rig::<Desk>::start().await;
        let script = &rig.script;
        script.push(0, task(1).key("a").acts([HANG]));
        script.push(1, task(2).key("b").acts([HANG]));
        script.until_began(2, 1).await;
        script.revoke(revoked.clone());
        script.until("the revocation is told", told(revoked.clone())).await;
        script.lose(lost.clone());
        script
            .until("the loss is told", |journal| journal.has(&What::Told(Intake::Lost(lost.clone()))))
            .await;
        script.quiet(2 * GRACE).await;
        let expected: Vec<_> = released.into_iter().collect();
        assert_eq!(script.journal(Journal::released), expected, "{revoked:?} were revoked, {lost:?} lost");
        script.assign(Partitions::All);
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_that_come_back_can_be_revoked_again() {
    let rig = Rig::<Desk>::start().await;
    let Rig { script, hands, .. } = &rig;
    for number in 1..=6 {
        script.push(0, task(number).key("a").acts([GATE]));
        hand_on(script, hands, number).await;
    }
    assert_eq!(script.journal(Journal::released).len(), 6);
    assert_eq!(script.journal(Journal::settled), [1, 2, 3, 4, 5, 6]);
    rig.finish().await;
}

/// Revokes a partition while one of it runs, lets that finish, and gives the partition back.
async fn hand_on(script: &Script, hands: &Hands, number: u64) {
    script.until_began(number, 1).await;
    script.revoke([0]);
    let asked = |what: &What| matches!(what, What::Told(Intake::Revoking(_)));
    script.until("it is told again", |journal| journal.count(asked) as u64 == number).await;
    hands.open(number);
    script.until("it is released again", |journal| journal.released().len() as u64 == number).await;
    script.assign([0]);
}
