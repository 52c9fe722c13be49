//! At a limit the intake stops and the polling goes on.

use std::time::Duration;

use typebus::{
    Limits, Tuning,
    backend::{Intake, Partitions, Room},
};

use crate::{
    desk::{Act, Desk, GATE, Rig, Task, Then, Wait, at_once, task},
    script::{Parcel, Script, What},
};

async fn limited(limits: Limits) -> Rig<Desk> {
    Rig::on(&Script::new(), Tuning { limits, ..Tuning::default() }).await
}

impl Rig<Desk> {
    fn handed(&self) -> usize {
        self.script.journal(|journal| journal.count(|what| matches!(what, What::Handed(..))))
    }

    fn room(&self) -> Room {
        self.script.journal(|journal| journal.room()).unwrap()
    }

    /// The worker notices what is not a delivery, although it takes none.
    async fn still_polls(&self) {
        self.script.revoke([9]);
        let released = Partitions::These(vec![9]);
        let answered = |journal: &crate::script::Journal| journal.released().contains(&released);
        self.script.until("the revocation of nothing is answered", answered).await;
    }
}

#[tokio::test(start_paused = true)]
async fn at_most_so_many_are_held() {
    let rig = limited(Limits { held: 3, ..Limits::default() }).await;
    for number in 1..=10 {
        rig.script.push(0, task(number).key("a").acts([GATE]));
    }
    rig.script.until_began(1, 1).await;
    rig.script.quiet(Duration::from_millis(1)).await;
    assert_eq!((rig.handed(), rig.room().is_empty()), (3, true));
    rig.still_polls().await;
    for number in 1..=10 {
        rig.script.until_began(number, 1).await;
        rig.script.quiet(Duration::from_millis(1)).await;
        assert_eq!(rig.handed() as u64, (number + 2).min(10), "one leaves, one comes");
        rig.hands.open(number);
        rig.script.until_settled([number]).await;
    }
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn at_most_so_many_bytes_are_held() {
    let large = |number| task(number).acts([GATE]).padding(1_000);
    let size = Parcel::from(large(1)).message.size();
    let rig = limited(Limits { held_bytes: 2 * size + size / 2, ..Limits::default() }).await;
    for number in 1..=3 {
        rig.script.push(0, large(number));
    }
    rig.script.until_began(2, 1).await;
    rig.script.quiet(Duration::from_millis(1)).await;
    assert_eq!((rig.handed(), rig.room().bytes), (3, 0), "a third one begins within the limit, and fills it");
    rig.still_polls().await;
    for number in 1..=3 {
        rig.hands.open(number);
    }
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_larger_than_the_limit_gets_through_alone() {
    let rig = limited(Limits { held_bytes: 500, ..Limits::default() }).await;
    let huge = |number| task(number).acts([GATE]).padding(5_000);
    rig.script.push(0, huge(1));
    rig.script.push(0, huge(2));
    rig.script.push(0, task(3));
    for number in [1, 2] {
        rig.script.until_began(number, 1).await;
        rig.script.quiet(Duration::from_millis(1)).await;
        assert_eq!((rig.handed() as u64, rig.room()), (number, Room { bytes: 0, ..rig.room() }));
        rig.hands.open(number);
    }
    rig.script.until_settled([3]).await;
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn the_gap_of_a_partition_is_bounded() {
    let rig = limited(Limits { gap: 10, ..Limits::default() }).await;
    rig.script.push(0, task(1).acts([GATE]));
    for number in 2..=40 {
        rig.script.push(0, task(number));
    }
    rig.script.until_settled(2..=11).await;
    rig.script.quiet(Duration::from_secs(1)).await;
    assert_eq!((rig.handed(), rig.room().is_empty()), (11, true), "10 positions above the first");
    rig.still_polls().await;
    rig.hands.open(1);
    rig.script.until_settled(1..=40).await;
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_hole_wider_than_the_gap_stops_nothing_for_ever() {
    let rig = limited(Limits { gap: 10, ..Limits::default() }).await;
    rig.script.push(0, task(1).acts([GATE]));
    rig.script.push_after(0, 1_000, task(2));
    rig.script.push(0, task(3));
    rig.script.until_began(1, 1).await;
    rig.script.quiet(Duration::from_secs(1)).await;
    assert!(rig.room().is_empty() || rig.script.unsettled() == [1]);
    rig.hands.open(1);
    rig.script.until_settled([1, 2, 3]).await;
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_sleeps_is_held_and_stops_no_other_key_before_the_limit() {
    let rig = limited(Limits { held: 6, ..Limits::default() }).await;
    let failing = |number: u64| -> Task {
        task(number).key(&format!("k{number}")).acts([at_once(Then::RetryAfter(60_000))])
    };
    // As many as the handler may run at once.
    for number in 1..=4 {
        rig.script.push(0, failing(number));
    }
    for number in 5..=20 {
        rig.script.push(0, task(number).key("quick"));
    }
    rig.script.until_settled(5..=20).await;
    assert_eq!(rig.script.journal(|journal| journal.entries().last().unwrap().at), Duration::ZERO);
    for number in 21..=23 {
        rig.script.push(0, failing(number));
    }
    rig.script.until_began(22, 1).await;
    rig.script.quiet(Duration::from_secs(1)).await;
    assert_eq!((rig.script.journal(|journal| journal.began(23)), rig.room().is_empty()), (0, true));
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_or_released_leaves_its_room() {
    let rig = limited(Limits { held: 4, ..Limits::default() }).await;
    for number in 1..=4 {
        rig.script.push(0, task(number).acts([Act(Wait::Hang, Then::Done)]));
    }
    rig.script.until_began(4, 1).await;
    for number in 5..=8 {
        rig.script.push(1, task(number).acts([GATE]));
    }
    rig.script.quiet(Duration::from_millis(1)).await;
    assert_eq!((rig.handed(), rig.room().is_empty()), (4, true));
    rig.script.lose([0]);
    rig.script.until_began(8, 1).await;
    rig.script.revoke([1]);
    for number in 9..=12 {
        rig.script.push(2, task(number));
    }
    // The grace of 10 s.
    rig.script.until_settled(9..=12).await;
    for number in 1..=8 {
        rig.hands.open(number);
    }
    rig.script.assign(Partitions::All);
    // Those that hang are dead-lettered by their third timeout.
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_filled_at_once_is_filled_exactly() {
    for held in [1, 2, 127, 128, 129, 1_000] {
        let rig = limited(Limits { held, ..Limits::default() }).await;
        let count = held as u64 + 50;
        for number in 1..=count {
            rig.script.push((number % 3) as u32, task(number).key("a").acts([GATE]));
            rig.hands.open(number);
        }
        rig.script.until_settled(1..=count).await;
        rig.script.journal(|journal| {
            let told = |what: &What| matches!(what, What::Told(Intake::Deliveries));
            assert_eq!(journal.count(told), 0, "deliveries are no news");
        });
        rig.finish().await;
    }
}
