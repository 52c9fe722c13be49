//! Several members of one group: who has what, and how it changes hands.

use super::*;

const GROUP: &str = "g";

/// Two messages in each of four partitions.
fn filled() -> (MemoryBackend, Subscription) {
    let backend = connect(&Memory::new());
    let orders = subscription(GROUP, "shop");
    provision(&backend, &[&orders]);
    for n in 0..8 {
        publish(&backend, "shop", &n.to_string());
    }
    (backend, orders)
}

#[test]
fn the_first_has_everything_and_the_second_gets_half_after_release() {
    let (backend, orders) = filled();
    let mut first = join(&backend, &orders);
    let taken = take(first.as_mut());
    assert_eq!(partitions(&taken), [0, 1, 2, 3]);

    let (bell, waker) = Bell::new();
    assert_eq!(poll(first.as_mut(), Room::NONE, &waker).0, None);
    let mut second = join(&backend, &orders);
    assert_eq!(bell.rings(), 1, "a revocation wakes also who has no room");
    let going = revoked(first.as_mut());
    assert_eq!(going.len(), 2);
    let (waiting, second_waker) = Bell::new();
    assert_eq!(poll(second.as_mut(), ROOM, &second_waker).0, None, "nothing before the release");

    // While it is asked to give them up it may still settle, but gets nothing new of them.
    for n in 8..12 {
        publish(&backend, "shop", &n.to_string());
    }
    let new = take(first.as_mut());
    assert!(partitions(&new).iter().all(|partition| !going.contains(partition)));
    let (of_going, kept): (Vec<_>, Vec<_>) =
        taken.iter().cloned().partition(|delivery| going.contains(&delivery.token.partition));
    settle(first.as_mut(), &of_going[..1]);
    assert_eq!(waiting.rings(), 0);
    release(first.as_mut(), going.clone());
    assert_eq!(waiting.rings(), 1);

    let theirs = take(second.as_mut());
    assert_eq!(partitions(&theirs), going);
    assert!(theirs.iter().all(|delivery| delivery.token != of_going[0].token));
    let settled = (of_going[0].token.partition, of_going[0].token.position);
    assert!(theirs.iter().all(|delivery| (delivery.token.partition, delivery.token.position) != settled));
    assert_eq!(theirs.len(), 4 - 1 + 2);
    let generation = of_going[0].token.generation;
    assert!(theirs.iter().all(|delivery| delivery.token.generation > generation));

    // Late settling by the first is stale; what it kept is not.
    settle(first.as_mut(), &of_going);
    settle(first.as_mut(), &kept);
    drop((first, second));
    let again = take(join(&backend, &orders).as_mut());
    assert_eq!(again.len(), theirs.len() + new.len());
}

#[test]
fn releasing_wakes_a_parked_heir_only_for_what_is_there() {
    let backend = connect(&Memory::new());
    let orders = subscription(GROUP, "shop");
    let mut first = consume(&backend, &orders);
    let mut second = join(&backend, &orders);
    let going = revoked(first.as_mut());
    release(first.as_mut(), going.clone());
    assert_eq!(take(second.as_mut()).len(), 0);
    let ((one, one_waker), (two, two_waker)) = (Bell::new(), Bell::new());
    assert_eq!(poll(first.as_mut(), ROOM, &one_waker).0, None);
    assert_eq!(poll(second.as_mut(), ROOM, &two_waker).0, None);
    let place = publish(&backend, "shop", "a").partition.unwrap();
    let expected = if going.contains(&place) { (0, 1) } else { (1, 0) };
    assert_eq!((one.rings(), two.rings()), expected, "only the owner is woken");
}

#[test]
fn whoever_stays_inherits_from_whoever_leaves_or_crashes() {
    for crash in [false, true] {
        let (backend, orders) = filled();
        let mut first = join(&backend, &orders);
        let mut second = join(&backend, &orders);
        let going = revoked(first.as_mut());
        release(first.as_mut(), going);
        let (mine, theirs) = (take(first.as_mut()), take(second.as_mut()));
        assert_eq!((mine.len(), theirs.len()), (4, 4));
        settle(second.as_mut(), &theirs[..1]);
        let (bell, waker) = Bell::new();
        assert_eq!(poll(first.as_mut(), ROOM, &waker).0, None);
        if crash {
            drop(second);
        } else {
            close(second.as_mut());
        }
        assert_eq!(bell.rings(), 1);
        let inherited = take(first.as_mut());
        let places = |deliveries: &[Delivery]| {
            deliveries
                .iter()
                .map(|delivery| (delivery.token.partition, delivery.token.position))
                .collect::<Vec<_>>()
        };
        let (mut got, mut expected) = (places(&inherited), places(&theirs[1..]));
        got.sort_unstable();
        expected.sort_unstable();
        assert_eq!(got, expected);
    }
}

#[test]
fn a_member_that_goes_while_it_is_asked_has_released() {
    for told in [false, true] {
        let (backend, orders) = filled();
        let mut first = join(&backend, &orders);
        assert_eq!(take(first.as_mut()).len(), 8);
        let mut second = join(&backend, &orders);
        if told {
            assert_eq!(revoked(first.as_mut()).len(), 2);
        }
        drop(first);
        assert_eq!(take(second.as_mut()).len(), 8);
    }
}

#[test]
fn an_heir_that_goes_before_the_release_leaves_it_to_the_old_owner() {
    let (backend, orders) = filled();
    let mut first = join(&backend, &orders);
    let taken = take(first.as_mut());
    drop(join(&backend, &orders));
    let going = revoked(first.as_mut());
    let of_going = |deliveries: &[Delivery]| {
        let of = deliveries.iter().filter(|delivery| going.contains(&delivery.token.partition));
        of.map(|delivery| delivery.token).collect::<Vec<_>>()
    };
    release(first.as_mut(), going.clone());
    let again = take(first.as_mut());
    assert_eq!(partitions(&again), going);
    let (old, new) = (of_going(&taken), of_going(&again));
    assert_eq!(old.len(), new.len());
    assert!(
        old.iter()
            .zip(&new)
            .all(|(old, new)| old.position == new.position && old.generation < new.generation)
    );
}

#[test]
fn shares_are_balanced_for_any_number_of_members() {
    let backend = connect(&Memory::new());
    let orders = subscription(GROUP, "shop.*");
    provision(&backend, &[&orders]);
    for topic in ["shop.a", "shop.b", "shop.c"] {
        for n in 0..4 {
            publish(&backend, topic, &n.to_string());
        }
    }
    let mut members: Vec<Box<dyn Consumer>> = Vec::new();
    for count in 1..=14 {
        members.push(join(&backend, &orders));
        let moved = rebalance(&mut members);
        assert!(moved <= 12_usize.div_ceil(count), "{moved} moved for one new member of {count}");
        let mut sizes: Vec<_> = members.iter_mut().map(|member| size(member.as_mut())).collect();
        sizes.sort_unstable();
        assert_eq!(sizes.iter().sum::<usize>(), 12);
        assert!(sizes[count - 1] - sizes[0] <= 1, "{sizes:?}");
    }
    while members.len() > 1 {
        members.remove(members.len() / 2);
        rebalance(&mut members);
        let sizes: Vec<_> = members.iter_mut().map(|member| size(member.as_mut())).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 12);
        assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
    }
}

/// Answers revocations until there are none, and counts the partitions that moved.
fn rebalance(members: &mut [Box<dyn Consumer>]) -> usize {
    let mut moved = 0;
    loop {
        let before = moved;
        for member in members.iter_mut() {
            if let (Some(Intake::Revoking(going)), _) = poll(member.as_mut(), Room::NONE, Waker::noop()) {
                let Partitions::These(partitions) = &going else { panic!("{going:?}") };
                moved += partitions.len();
                member.release(&going);
            }
        }
        if moved == before {
            return moved;
        }
    }
}

/// How many partitions a member has; each holds one message, which is given back by giving up all.
fn size(member: &mut dyn Consumer) -> usize {
    let debug = format!("{member:?}");
    let (_, rest) = debug.split_once("partitions: ").unwrap();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn one_topic_is_divided_rather_than_handed_over() {
    let backend = connect(&Memory::new());
    let orders = subscription(GROUP, "shop.*");
    provision(&backend, &[&orders]);
    publish(&backend, "shop.a", "x");
    publish(&backend, "shop.b", "x");
    let mut first = join(&backend, &orders);
    let _second = join(&backend, &orders);
    let going = revoked(first.as_mut());
    assert_eq!(going.iter().filter(|partition| **partition < 4).count(), 2);
    assert_eq!(going.len(), 4);
}

#[test]
fn members_without_a_share_wait_for_one() {
    let backend = single();
    let orders = subscription(GROUP, "shop");
    let first = consume(&backend, &orders);
    let mut second = join(&backend, &orders);
    publish(&backend, "shop", "a");
    let (bell, waker) = Bell::new();
    assert_eq!(poll(second.as_mut(), ROOM, &waker).0, None);
    drop(first);
    assert_eq!(bell.rings(), 1);
    assert_eq!(payloads(&take(second.as_mut())), ["a"]);
}

#[test]
fn a_new_topic_is_shared_at_once() {
    let backend = connect(&Memory::new());
    let orders = subscription(GROUP, "shop.*");
    let mut first = consume(&backend, &orders);
    let mut second = join(&backend, &orders);
    let ((one, one_waker), (two, two_waker)) = (Bell::new(), Bell::new());
    assert_eq!(poll(first.as_mut(), ROOM, &one_waker).0, None);
    assert_eq!(poll(second.as_mut(), ROOM, &two_waker).0, None);
    for n in 0..4 {
        publish(&backend, "shop.new", &n.to_string());
    }
    assert!(one.rings() == 1 && two.rings() == 1);
    assert_eq!((take(first.as_mut()).len(), take(second.as_mut()).len()), (2, 2));
}

#[test]
fn giving_up_everything_counts_the_generation_up() {
    let (backend, orders) = filled();
    let mut only = join(&backend, &orders);
    let before = take(only.as_mut());
    only.release(&Partitions::All);
    let after = take(only.as_mut());
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.token.generation + 1, after.token.generation);
    }
}

#[test]
fn ten_thousand_topics_of_one_pattern_are_shared_evenly() {
    let backend = connect(&Memory::new().partitions(2));
    let all = subscription("g", "shop.*");
    let mut first = consume(&backend, &all);
    let mut second = join(&backend, &all);
    for n in 0..10_000 {
        publish(&backend, &format!("shop.t{n}"), "x");
    }
    let shares = |consumer: &dyn Consumer| format!("{consumer:?}").contains("partitions: 10000");
    assert!(shares(first.as_ref()) && shares(second.as_ref()));
    // Nothing was asked for back meanwhile.
    let room = Room { count: 20_000, bytes: 1 << 30 };
    assert_eq!(take_within(first.as_mut(), room).len() + take_within(second.as_mut(), room).len(), 10_000);
}
