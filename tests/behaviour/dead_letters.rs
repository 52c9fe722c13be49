//! Dead letters: what they hold, where they go, and how they are read.

use chrono::{DateTime, Utc};
use typebus::{ErrorKind, Reason, prelude::*, testing::Foreign};
use typebus_tests::{
    Does, Ends, Job, Journal, Paid, Placed, Seen, broker, caught_up, counts, ends, letters, patiently, start,
    utc_now,
};

#[handler(retry(attempts = 3, backoff = "1ms..1ms"))]
async fn work(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job], state: [Journal] } }

#[tokio::test(start_paused = true)]
async fn a_dead_letter_has_the_original_and_says_why_where_when_and_by_whom() {
    let bus = Bus::<Workshop>::builder().state(Journal::default()).connect("memory:").await.unwrap();
    let before = utc_now();
    bus.publish(&Job::of("key", 0)).await.unwrap();
    let job = Job::of("key", 1).does([Does::Fail; 3]);
    let receipt = bus
        .publish(&job)
        .header("channel", "größer")
        .header("channel", "twice")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .await
        .unwrap();
    start(&bus).await;
    let letters = letters(&bus, "workshop").await;
    let [letter] = &letters[..] else { panic!("{letters:?}") };

    assert_eq!((letter.reason(), letter.error(), letter.attempts()), (Reason::Failed, "failed", 3));
    assert_eq!((letter.handler(), letter.group()), ("work", "workshop"));
    let origin = letter.origin();
    assert!(origin.is("work.jobs", receipt.partition(), receipt.position().unwrap()), "{origin:?}");
    assert_eq!(origin.position, "1");
    let (first, last) = (letter.first().unwrap(), letter.last().unwrap());
    let millisecond = |time: DateTime<Utc>| time.timestamp_millis();
    assert!(
        millisecond(before) <= millisecond(first) && first <= last && last <= utc_now(),
        "{first} {last}"
    );

    assert_eq!(letter.payload(), serde_json::to_vec(&job).unwrap());
    let metadata = letter.metadata();
    assert_eq!((metadata.id(), metadata.key()), (receipt.id(), Some("key")));
    assert_eq!((metadata.name(), metadata.version(), metadata.source()), ("job", 1, "workshop"));
    assert!(metadata.traceparent().unwrap().starts_with("00-0af7"));
    assert_eq!(metadata.topic(), "dead.workshop");
    let channels: Vec<_> = metadata.headers().filter(|(name, _)| *name == b"channel").collect();
    let expected: [(&[u8], &[u8]); 2] = [(b"channel", "größer".as_bytes()), (b"channel", b"twice")];
    assert_eq!(channels, expected);
    let debug = format!("{letter:?}");
    assert!(debug.contains("Failed") && debug.contains("workshop") && !debug.contains("does"), "{debug}");
}

#[tokio::test(start_paused = true)]
async fn foreign_bytes_are_kept_and_forged_headers_of_ours_are_not() {
    let url = broker();
    let bus = Bus::<Workshop>::builder().state(Journal::default()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let payload = b"\xff\x00\xfe no job";
    let message = foreign.message("work.jobs").key(b"\xfe\xff").header("raw", b"\xff\xfe").payload(payload);
    let message = message.header("typebus-reason", "panicked").header("typebus-attempts", "77");
    message.header("typebus-origin-topic", "elsewhere").send().await.unwrap();
    start(&bus).await;
    let letters = letters(&bus, "workshop").await;
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(letter.payload(), payload);
    let raw = letter.metadata().headers().find(|(name, _)| *name == b"raw");
    assert_eq!(raw, Some((b"raw".as_slice(), b"\xff\xfe".as_slice())));
    assert_eq!((letter.reason(), letter.attempts()), (Reason::Undecodable, 0));
    assert_eq!(letter.origin().topic, "work.jobs");
    let ours = letter.metadata().headers().filter(|(name, _)| name.starts_with(b"typebus-")).count();
    assert_eq!(ours, 10, "each header of ours is there once");
    assert_eq!(letter.metadata().key(), None, "a key that is not UTF-8 is no text");
}

#[tokio::test(start_paused = true)]
async fn listing_is_in_order_consumes_nothing_and_sees_what_is_there_at_its_first_poll() {
    let bus = Bus::<Workshop>::builder().state(Journal::default()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    let publish = async |number: u32| {
        bus.publish(&Job::of(&number.to_string(), number).does([Does::Bury])).await.unwrap();
        caught_up(&running).await;
    };
    for number in 0..20 {
        publish(number).await;
    }
    for _ in 0..2 {
        let letters = letters(&bus, "workshop").await;
        let number = |letter: &typebus::DeadLetter| letter.metadata().key().unwrap().parse::<u32>().unwrap();
        let keys: Vec<_> = letters.iter().map(number).collect();
        assert_eq!(keys, (0..20).collect::<Vec<_>>());
    }
    let mut list = bus.dead_letters("workshop").list();
    publish(20).await;
    let mut count = 0;
    while let Some(letter) = list.next().await {
        letter.unwrap();
        count += 1;
        if count == 1 {
            publish(21).await;
        }
    }
    assert_eq!(count, 21);
    // A stopped bus still tells.
    patiently(running.stop()).await.unwrap();
    assert_eq!(letters(&bus, "workshop").await.len(), 22);
}

#[derive(Clone, Default)]
struct Names(Seen<String>);

#[handler(group = "one", dead_letter = "dead.morgue")]
async fn one(_: Placed) -> Result<(), Failure> {
    Err(Failure::dead_letter("one"))
}

#[handler(group = "two", dead_letter = "dead.morgue", retry(attempts = 1))]
async fn two(_: Placed) -> Result<(), Failure> {
    Err(Failure::retry("two"))
}

#[handler(group = "two")]
async fn two_more(_: Paid) -> Result<(), Failure> {
    Err(Failure::dead_letter("two more"))
}

#[handler(group = "three", dead_letter = discard, retry(attempts = 2, backoff = "1ms..1ms"))]
async fn three(order: Placed, names: State<Names>) -> Result<(), Failure> {
    names.0.push(order.customer);
    Err(Failure::retry("three"))
}

#[handler(topic = ">", group = "spy")]
async fn spy(event: AnyEvent, names: State<Names>) {
    names.0.push(event.metadata().topic().to_owned());
}

service! {
    Mortuary = "mortuary" { handles: [one, two, two_more, three, spy], publishes: [Placed, Paid], state: [Names] }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_go_where_the_handler_says_and_each_group_lists_its_own() {
    let names = Names::default();
    let bus = Bus::<Mortuary>::builder().state(names.clone()).connect("memory:").await.unwrap();
    bus.publish(&Placed { number: 1, customer: "ann".into() }).await.unwrap();
    bus.publish(&Paid { number: 2, customer: None }).await.unwrap();
    let running = start(&bus).await;
    caught_up(&running).await;
    let said = async |group| {
        let mut said: Vec<_> = letters(&bus, group)
            .await
            .iter()
            .map(|letter| (letter.metadata().topic().to_owned(), letter.error().to_owned()))
            .collect();
        said.sort();
        said
    };
    let pair = |topic: &str, text: &str| (topic.to_owned(), text.to_owned());
    assert_eq!(said("one").await, [pair("dead.morgue", "one")]);
    assert_eq!(said("two").await, [pair("dead.morgue", "two"), pair("dead.two", "two more")]);
    assert_eq!(said("three").await, []);
    assert_eq!(said("spy").await, []);
    // Both attempts of `three`, and both events for `spy`.
    assert_eq!(names.0.sorted(), ["ann", "ann", "shop.orders", "shop.payments"]);
    let stats = running.stats();
    let three = stats.groups().iter().find(|group| group.group == "three").unwrap();
    assert_eq!((three.discarded, three.dead_lettered, three.retried), (1, 0, 1));
    let published: Vec<_> = stats.published().filter(|(topic, _)| topic.starts_with("dead.")).collect();
    assert!(published.contains(&("dead.morgue", 2)) && published.contains(&("dead.two", 1)), "{published:?}");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_the_service_does_not_have_is_an_error_that_lists_those_it_has() {
    let bus = Bus::<Mortuary>::builder().state(Names::default()).connect("memory:").await.unwrap();
    for unknown in ["mortuary", "dead.one", ""] {
        let error = bus.dead_letters(unknown).list().collect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("one, spy, three, two"), "{error}");
    }
}

/// An event of any size.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "work.padded", key = key)]
struct Padded {
    key: String,
    pad: String,
}

#[handler]
async fn choke(padded: Padded) -> Result<(), Failure> {
    if padded.key == "fine" { Ok(()) } else { Err(Failure::dead_letter("e".repeat(2_000))) }
}

service! { Choker = "choker" { handles: [choke], publishes: [Padded] } }

#[tokio::test(start_paused = true)]
async fn the_largest_event_fits_together_with_its_dead_letter() {
    let bus = Bus::<Choker>::builder().connect("memory:").await.unwrap();
    let (mut fits, mut refused) = (900_000, 1_100_000);
    while refused - fits > 1 {
        let length = usize::midpoint(fits, refused);
        let padded = Padded { key: "k".repeat(1_024), pad: "x".repeat(length) };
        match bus.publish(&padded).header("pad", "h".repeat(10_000)).await {
            Ok(_) => fits = length,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TooLarge);
                refused = length;
            }
        }
    }
    let limit = 1_024 * 1_024 - 16 * 1_024;
    assert!((limit - 13_000..limit).contains(&fits), "{fits} bytes fit");
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { dead_lettered: counts(&running).received, ..Ends::NONE });
    let letters = letters(&bus, "choker").await;
    let largest = letters.iter().max_by_key(|letter| letter.payload().len()).unwrap();
    assert!(largest.payload().len() > fits && largest.error().len() > 1_000);
    assert_eq!(largest.metadata().header("pad").map(str::len), Some(10_000));
}

#[tokio::test(start_paused = true)]
async fn where_a_dead_letter_would_be_too_large_the_senders_headers_go_first() {
    let url = broker();
    let bus = Bus::<Choker>::builder().connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    // With the header it fits, by less than a dead letter says.
    let payload = vec![b'x'; 1_024 * 1_024 - 11_100];
    let message = foreign.message("work.padded").header("pad", "h".repeat(11_000)).header("ce_id", "one");
    message.payload(&payload).send().await.unwrap();
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { dead_lettered: 1, ..Ends::NONE });
    let letters = letters(&bus, "choker").await;
    assert_eq!((letters[0].payload(), letters[0].metadata().id()), (payload.as_slice(), "one"));
    assert_eq!(letters[0].metadata().header("pad"), None);
    assert_eq!((letters[0].reason(), letters[0].handler()), (Reason::Undecodable, "choke"));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_never_fits_holds_its_key_and_nothing_else() {
    let url = broker();
    let bus = Bus::<Choker>::builder().connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    // Within the limit by less than a dead letter says.
    let payload = vec![b'x'; 1_024 * 1_024 - 50];
    foreign.message("work.padded").key("k").payload(&payload).send().await.unwrap();
    bus.publish(&Padded { key: "k".into(), pad: String::new() }).await.unwrap();
    bus.publish(&Padded { key: "fine".into(), pad: String::new() }).await.unwrap();
    let running = bus.start().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(300)).await;
    assert_eq!(counts(&running).received, 3);
    assert_eq!(ends(&running), Ends { handled: 1, ..Ends::NONE });
    assert!(letters(&bus, "choker").await.is_empty());
    // Neither was settled: both come again.
    patiently(running.stop()).await.unwrap();
    let again = Bus::<Choker>::builder().connect(&url).await.unwrap();
    let running = again.start().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(counts(&running).received, 2);
}
