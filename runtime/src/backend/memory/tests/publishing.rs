//! Where messages go, and what is refused.

use super::*;
use crate::backend::Position;

#[test]
fn a_key_has_one_partition_and_positions_count_from_zero() {
    let backend = connect(&Memory::new());
    let mut next = [0; 4];
    let mut used = std::collections::BTreeSet::new();
    for round in 0..3 {
        for key in 0..40 {
            let key = format!("customer-{key}");
            let Confirmation { partition, position } = now(send(&backend, "shop", Some(&key), "x")).unwrap();
            let partition = partition.unwrap();
            assert_eq!(position, Some(Position::new(next[partition as usize])));
            next[partition as usize] += 1;
            assert_eq!(used.insert((key, partition)), round == 0);
        }
    }
    assert!(next.iter().all(|count| *count >= 12), "keys are spread badly: {next:?}");
}

#[test]
fn an_empty_key_is_a_key() {
    let backend = connect(&Memory::new());
    let partition = |_| now(send(&backend, "shop", Some(""), "x")).unwrap().partition;
    let partitions: Vec<_> = (0..4).map(partition).collect();
    assert!(partitions.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn messages_without_a_key_go_to_each_partition_in_turn() {
    let backend = connect(&Memory::new().partitions(3));
    let places: Vec<_> = (0..7).map(|_| publish(&backend, "shop", "x").partition.unwrap()).collect();
    assert_eq!(places, [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn what_is_too_large_is_refused_with_both_sizes() {
    let backend = connect(&Memory::new().max_message(100));
    publish(&backend, "shop", &"x".repeat(100));
    for sender in [Sender::Program, Sender::Handler, Sender::DeadLetter] {
        let error =
            now(backend.publish(sending("shop", message(Some("k"), &"x".repeat(100)), sender))).unwrap_err();
        assert_eq!((error.kind(), error.backend()), (ErrorKind::TooLarge, Some("memory")));
        let text = error.to_string();
        assert!(
            text.contains("101 bytes") && text.contains("limit is 100") && text.contains("max_message"),
            "{text}"
        );
    }
}

#[test]
fn a_pattern_is_no_topic() {
    for topic in ["shop.>", "shop.*"] {
        assert_eq!(try_publish(&single(), topic, "x").unwrap_err().kind(), ErrorKind::InvalidTopic);
    }
}

#[test]
fn many_topics_do_not_mix() {
    let backend = single();
    let names: Vec<_> = (0..50).map(|n| format!("shop.n{n}")).collect();
    for round in 0..3 {
        for name in &names {
            assert_eq!(publish(&backend, name, name).position, Some(Position::new(round)));
        }
    }
    for name in &names {
        let taken = take(consume(&backend, &subscription("g", name)).as_mut());
        assert_eq!(payloads(&taken), [name, name, name]);
    }
}

#[test]
fn a_closed_connection_is_closed_and_the_broker_is_not() {
    let memory = Memory::named("publishing-closed");
    let (one, two) = (connect(&memory), connect(&memory));
    let orders = subscription("g", "shop");
    let mut consumer = consume(&one, &orders);
    now(one.close()).unwrap();
    now(one.close()).unwrap();
    let error = try_publish(&one, "shop", "a").unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Closed, "publish"));
    assert_eq!(now(one.subscribe(&orders)).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(now(one.caught_up(&orders)).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(now(one.provision(&plan(&[&orders]))).unwrap_err().kind(), ErrorKind::Closed);
    publish(&two, "shop", "b");
    assert_eq!(payloads(&take(consumer.as_mut())), ["b"]);
}
