//! URLs, options, and names.

use std::time::Duration;

use super::*;

fn problems(url: &str) -> String {
    let error = Memory::from_url(url).unwrap_err();
    assert_eq!((error.kind(), error.backend()), (ErrorKind::Config, Some("memory")));
    error.to_string()
}

#[test]
fn urls_name_a_broker_and_its_options() {
    assert_eq!(Memory::from_url("memory:").unwrap(), Memory::default());
    assert_eq!(Memory::from_url("memory:shop").unwrap(), Memory::named("shop"));
    assert_eq!(
        Memory::from_url(
            "memory:shop?partitions=8&capacity=10&capacity_bytes=1000&full_after=250ms&max_message=99"
        )
        .unwrap(),
        Memory::named("shop")
            .partitions(8)
            .capacity(10)
            .capacity_bytes(1_000)
            .full_after(Duration::from_millis(250))
            .max_message(99)
    );
    for (text, seconds) in [("0s", 0), ("5s", 5), ("2m", 120), ("1h", 3_600), ("1d", 86_400)] {
        let url = format!("memory:?full_after={text}");
        assert_eq!(Memory::from_url(&url).unwrap().full_after, Duration::from_secs(seconds));
    }
}

#[test]
fn defaults_are_those_of_the_design() {
    let Memory { name, profile, partitions, capacity, capacity_bytes, full_after, max_message } =
        Memory::default();
    assert_eq!((name, profile, partitions, capacity), (None, None, 4, 65_536));
    assert_eq!((capacity_bytes, full_after, max_message), (67_108_864, Duration::from_secs(30), 1_048_576));
    assert_eq!(single().capabilities().max_message, 1_048_576);
}

#[test]
fn everything_wrong_is_told_at_once() {
    let text =
        problems("memory:a b?size=3&capacity=lots&partitions=0&full_after=30&profile=rabbit&capacity=5");
    for part in [
        "7 problems",
        "name `a b`",
        "option `size`: it is unknown; the options are profile, partitions, capacity, capacity_bytes, full_after, max_message",
        "option `capacity`: `lots` is not a number",
        "option `capacity`: it is given twice",
        "option `partitions`: it must be 1 to 1024",
        "option `full_after`: `30` is not a duration",
        "option `profile`: `rabbit` is none of kafka, rabbitmq, nats, pulsar",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(problems("kafka://localhost").contains("does not begin with `memory:`"));
    assert!(problems("memory:?full_after=99999999999999999d").contains("not a duration"));
    assert!(MemoryBackend::connect(&Memory::new().capacity(0)).is_err());
}

#[test]
fn a_name_is_shared_and_lives_as_long_as_somebody_holds_it() {
    let memory = Memory::named("options-shared");
    let (one, two) = (connect(&memory), connect(&memory));
    publish(&one, "shop", "a");
    drop(one);
    let orders = subscription("g", "shop");
    let mut consumer = consume(&two, &orders);
    drop(two);
    let three = connect(&memory);
    assert_eq!(payloads(&take(consumer.as_mut())), ["a"]);
    drop((consumer, three));
    let mut consumer = consume(&connect(&memory), &orders);
    assert_eq!(take(consumer.as_mut()).len(), 0);
}

#[test]
fn without_a_name_every_connection_has_a_broker_of_its_own() {
    let (one, two) = (connect(&Memory::new()), connect(&Memory::new()));
    publish(&one, "shop", "a");
    assert_eq!(take(consume(&two, &subscription("g", "shop")).as_mut()).len(), 0);
}

#[test]
fn one_name_has_one_set_of_options() {
    let first = connect(&Memory::named("options-differ").capacity(10));
    let error = MemoryBackend::connect(&Memory::named("options-differ").partitions(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains("`memory:options-differ` exists with 4 and is asked for with 2"), "{text}");
    assert!(text.contains("exists with 10 and is asked for with 65536"), "{text}");
    assert_eq!(error.problems().len(), 2);
    drop(first);
    assert!(MemoryBackend::connect(&Memory::named("options-differ").partitions(2)).is_ok());
}
