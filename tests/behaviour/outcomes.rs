//! What becomes of a delivery: by its error, by a panic, by a time-out, by what it returned.

use std::time::Duration;

use typebus::{
    BoxError, FromDelivery, Incoming, Outcome, Reason, backend::Publishing, prelude::*, testing::Foreign,
};
use typebus_tests::{
    Does, Ends, Gate, Job, Journal, Paid, Placed, Seen, Shipped, broker, caught_up, counts, ends, letters,
    start,
};

use crate::wrapped::Wrapped;

#[derive(Debug, thiserror::Error, HandlerError)]
enum ChargeError {
    #[error("declined")]
    #[outcome(dead_letter)]
    Declined,
    #[error("twice")]
    #[outcome(discard)]
    Twice,
    #[error("busy")]
    #[outcome(retry(after = "3s"))]
    Busy,
    #[error("gateway: {0}")]
    #[outcome(retry)]
    Gateway(#[from] std::io::Error),
    #[error(transparent)]
    #[outcome(inherit)]
    Other(#[from] Closed),
}

#[derive(Debug, thiserror::Error, HandlerError)]
#[error("the shop is closed")]
#[outcome(discard)]
struct Closed;

/// What each customer meets with.
#[handler(retry(attempts = 2, backoff = "1s..1s", jitter = false))]
async fn charge(order: Placed, attempt: Attempt, tries: State<Tries>) -> Result<(), ChargeError> {
    tries.0.push((order.customer.clone(), attempt.number(), tokio::time::Instant::now()));
    match order.customer.as_str() {
        "declined" => Err(ChargeError::Declined),
        "twice" => Err(ChargeError::Twice),
        "busy" => Err(ChargeError::Busy),
        "gateway" => Err(std::io::Error::other("down"))?,
        "closed" => Err(Closed)?,
        _ => Ok(()),
    }
}

#[derive(Clone, Default)]
struct Tries(Seen<(String, u32, tokio::time::Instant)>);

impl Tries {
    fn of(&self, customer: &str) -> Vec<(u32, tokio::time::Instant)> {
        let tries = self.0.all().into_iter().filter(|(whose, ..)| whose == customer);
        tries.map(|(_, attempt, at)| (attempt, at)).collect()
    }
}

service! { Till = "till" { handles: [charge], publishes: [Placed], state: [Tries] } }

#[tokio::test(start_paused = true)]
async fn each_variant_of_an_error_decides_as_it_says() {
    let tries = Tries::default();
    let bus = Bus::<Till>::builder().state(tries.clone()).connect("memory:").await.unwrap();
    for (number, customer) in (0..).zip(["declined", "twice", "busy", "gateway", "closed", "fine"]) {
        bus.publish(&Placed { number, customer: customer.into() }).await.unwrap();
    }
    let running = start(&bus).await;
    for (customer, attempts) in
        [("declined", 1), ("twice", 1), ("busy", 2), ("gateway", 2), ("closed", 1), ("fine", 1)]
    {
        assert_eq!(tries.of(customer).len(), attempts, "{customer}");
    }
    for (customer, seconds) in [("busy", 3), ("gateway", 1)] {
        let tries = tries.of(customer);
        assert_eq!((tries[1].1 - tries[0].1).as_millis() / 10, seconds * 100, "{customer}");
    }
    assert_eq!(ends(&running), Ends { handled: 1, discarded: 2, dead_lettered: 3, ..Ends::NONE });
    let mut said: Vec<_> =
        letters(&bus, "till").await.iter().map(|l| (l.error().to_owned(), l.attempts())).collect();
    said.sort();
    assert_eq!(said, [("busy".to_owned(), 2), ("declined".to_owned(), 1), ("gateway: down".to_owned(), 2)]);
}

#[test]
fn outcomes_of_ready_made_errors() {
    let failed = || "x".parse::<u32>();
    let retry = Outcome::Retry { after: None };
    assert_eq!(failed().map_err(Failure::from).unwrap_err().outcome(), retry);
    assert_eq!(failed().or_dead_letter().unwrap_err().outcome(), Outcome::DeadLetter);
    assert_eq!(failed().or_discard().unwrap_err().outcome(), Outcome::Discard);
    assert_eq!(Failure::retry("x").outcome(), retry);
    let after = Some(Duration::from_secs(7));
    assert_eq!(Failure::retry_after(Duration::from_secs(7), "x").outcome(), Outcome::Retry { after });
    assert_eq!(BoxError::from("x").outcome(), retry);
    assert_eq!(ChargeError::Busy.outcome(), Outcome::Retry { after: Some(Duration::from_secs(3)) });
    assert_eq!(ChargeError::Other(Closed).outcome(), Outcome::Discard);
    assert_eq!(failed().or_dead_letter().unwrap_err().to_string(), "invalid digit found in string");
}

#[handler(retry(attempts = 2, backoff = "1ms..1ms"))]
async fn boxed(order: Placed) -> Result<(), BoxError> {
    let number: i8 = order.number.try_into()?;
    Err(format!("{number} is small enough"))
        .or_else(|text| if number > 100 { Err(text.into()) } else { Ok(()) })
}

service! { Boxing = "boxing" { handles: [boxed], publishes: [Placed] } }

#[tokio::test(start_paused = true)]
async fn a_boxed_error_means_retry() {
    let bus = Bus::<Boxing>::builder().connect("memory:").await.unwrap();
    for number in [1, 101, 1_000] {
        bus.publish(&Placed { number, customer: number.to_string() }).await.unwrap();
    }
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { handled: 1, dead_lettered: 2, ..Ends::NONE });
    assert_eq!(counts(&running).retried, 2);
}

#[handler(retry(attempts = 3, backoff = "1ms..1ms"), timeout = "5s")]
async fn work(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job], state: [Journal] } }

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_retry_and_takes_nothing_with_it() {
    let journal = Journal::default();
    let bus = Bus::<Workshop>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    bus.publish(&Job::of("recovers", 1).does([Does::Panic, Does::Panic])).await.unwrap();
    bus.publish(&Job::of("never", 2).does([Does::Panic; 3])).await.unwrap();
    bus.publish(&Job::of("other", 3)).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { handled: 2, dead_lettered: 1, ..Ends::NONE });
    let letters = letters(&bus, "workshop").await;
    assert_eq!((letters[0].reason(), letters[0].error()), (Reason::Panicked, "panicked: as it was told"));
    assert_eq!(letters[0].attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_dropped_and_repeated() {
    let journal = Journal::default();
    let bus = Bus::<Workshop>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Hang, Does::Take(4_999)])).await.unwrap();
    bus.publish(&Job::of("b", 2).does([Does::Hang, Does::Take(6_000), Does::Hang])).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { handled: 1, dead_lettered: 1, ..Ends::NONE });
    // Each attempt ended, by being dropped, before the next began.
    journal.assert_key_order();
    let marks = journal.marks();
    let hung: Vec<_> = marks.iter().filter(|mark| mark.number == 2).collect();
    assert_eq!((hung[1].at - hung[0].at).as_secs(), 5);
    let letters = letters(&bus, "workshop").await;
    assert_eq!(letters[0].reason(), Reason::TimedOut);
    assert!(letters[0].error().contains("5s"), "{}", letters[0].error());
}

struct DropsBadly(Gate);

impl Drop for DropsBadly {
    fn drop(&mut self) {
        self.0.open();
        panic!("in drop");
    }
}

#[handler(retry(attempts = 1), timeout = "1s")]
async fn drops(order: Placed, gate: State<Gate>) {
    let _guard = (order.number == 0).then(|| DropsBadly((*gate).clone()));
    std::future::pending::<()>().await;
}

service! { Dropper = "dropper" { handles: [drops], publishes: [Placed], state: [Gate] } }

#[tokio::test(start_paused = true)]
async fn a_future_that_panics_while_it_is_dropped_takes_nothing_with_it() {
    let gate = Gate::default();
    let bus = Bus::<Dropper>::builder().state(gate.clone()).connect("memory:").await.unwrap();
    for number in 0..2 {
        bus.publish(&Placed { number, customer: "c".into() }).await.unwrap();
    }
    let running = start(&bus).await;
    gate.pass().await;
    assert_eq!(ends(&running), Ends { dead_lettered: 2, ..Ends::NONE });
}

/// An extractor that does what the customer's name says.
struct Picky;

impl FromDelivery for Picky {
    type Needs = ();
    type Error = Failure;

    fn from_delivery(incoming: &Incoming<'_>, (): &()) -> Result<Self, Failure> {
        match incoming.metadata().key() {
            Some("bury") => Err(Failure::dead_letter("not for me")),
            Some("drop") => Err(Failure::discard("not for anyone")),
            Some("third") if incoming.attempt() < 3 => Err(Failure::retry("not yet")),
            Some("never") => Err(Failure::retry("not ever")),
            Some("panic") => panic!("while it was taken"),
            _ => Ok(Self),
        }
    }
}

#[handler(retry(attempts = 3, backoff = "1ms..1ms"))]
async fn choose(order: Placed, _: Picky, seen: State<Seen<String>>) {
    seen.push(order.customer);
}

type Strings = Seen<String>;

service! { Chooser = "chooser" { handles: [choose], publishes: [Placed], state: [Strings] } }

#[tokio::test(start_paused = true)]
async fn a_failed_extractor_decides_like_a_handler() {
    let seen = Strings::default();
    let bus = Bus::<Chooser>::builder().state(seen.clone()).connect("memory:").await.unwrap();
    for (number, customer) in (0..).zip(["bury", "drop", "third", "never", "panic", "fine"]) {
        bus.publish(&Placed { number, customer: customer.into() }).await.unwrap();
    }
    let running = start(&bus).await;
    assert_eq!(seen.sorted(), ["fine", "third"]);
    assert_eq!(ends(&running), Ends { handled: 2, discarded: 1, dead_lettered: 3, ..Ends::NONE });
    let mut said: Vec<_> = letters(&bus, "chooser")
        .await
        .iter()
        .map(|l| format!("{} {} {}", l.reason(), l.attempts(), l.error()))
        .collect();
    said.sort();
    let expected = ["failed 1 not for me", "failed 3 not ever", "panicked 3 panicked: while it was taken"];
    assert_eq!(said, expected);
}

/// Returns what cannot be published, as second of two.
#[handler(retry(attempts = 3))]
async fn pay(order: Placed, seen: State<Strings>) -> (Shipped, Paid) {
    seen.push(order.customer.clone());
    let customer = match order.customer.as_str() {
        "empty" => Some(String::new()),
        "long" => Some("x".repeat(2_000)),
        "large" => Some("x".repeat(1_200_000)),
        _ => None,
    };
    (Shipped { number: order.number }, Paid { number: order.number, customer })
}

#[handler]
async fn deliver(sent: Shipped, seen: State<Strings>) {
    seen.push(format!("parcel {}", sent.number));
}

service! { Payer = "payer" { handles: [pay, deliver], publishes: [Placed], state: [Strings] } }

#[tokio::test(start_paused = true)]
async fn what_cannot_be_published_is_a_dead_letter_at_once_and_nothing_of_it_is_published() {
    let seen = Strings::default();
    let bus = Bus::<Payer>::builder().state(seen.clone()).connect("memory:").await.unwrap();
    for (number, customer) in (0..).zip(["empty", "long", "large", "fine"]) {
        bus.publish(&Placed { number, customer: customer.into() }).await.unwrap();
    }
    let running = start(&bus).await;
    caught_up(&running).await;
    assert_eq!(seen.sorted(), ["empty", "fine", "large", "long", "parcel 3"]);
    let letters = letters(&bus, "payer").await;
    assert_eq!(letters.len(), 3);
    for letter in letters {
        assert_eq!((letter.reason(), letter.attempts()), (Reason::PublishFailed, 1));
        assert!(letter.error().contains("Paid"), "{}", letter.error());
    }
}

#[handler]
async fn pile(order: Placed) -> (Vec<Shipped>, Paid) {
    ((0..100).map(|number| Shipped { number }).collect(), Paid { number: order.number, customer: None })
}

service! { Piler = "piler" { handles: [pile], publishes: [Placed] } }

#[tokio::test(start_paused = true)]
async fn what_was_published_before_a_refusal_is_listed_as_far_as_it_fits() {
    let refusing = Wrapped {
        publish: |outgoing| {
            let error = || typebus::Error::new(typebus::ErrorKind::Permission, "publish", "not there");
            (&*outgoing.topic == "shop.payments").then(|| Publishing::ready(Err(error())))
        },
        ..Wrapped::new("memory:")
    };
    let bus = Bus::<Piler>::builder().connect(refusing).await.unwrap();
    bus.publish(&Placed { number: 1, customer: "c".into() }).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { dead_lettered: 1, ..Ends::NONE });
    let letters = letters(&bus, "piler").await;
    assert_eq!(letters[0].reason(), Reason::PublishFailed);
    let error = letters[0].error();
    assert!(error.contains("not there") && error.contains("on shop.parcels"), "{error}");
    assert!(error.len() <= 1_024, "{} bytes", error.len());
}

/// Everything that can be returned, nested.
#[handler]
#[allow(clippy::type_complexity, reason = "it is what is tested")]
async fn nest(order: Placed) -> Result<(Option<Shipped>, Vec<(Paid, Option<Shipped>)>, ()), Failure> {
    let paid = |number| Paid { number, customer: None };
    let sent = |number| Shipped { number };
    Ok((
        (order.number > 0).then(|| sent(1)),
        vec![(paid(2), Some(sent(3))), (paid(4), None), (paid(5), Some(sent(6)))],
        (),
    ))
}

#[handler(topic = "shop.parcels", group = "readers")]
async fn read_parcels(event: AnyEvent, seen: State<Strings>) {
    seen.push(String::from_utf8(event.payload().to_vec()).unwrap());
}

service! { Nest = "nest" { handles: [nest, read_parcels], publishes: [Placed], state: [Strings] } }

#[tokio::test(start_paused = true)]
async fn returned_events_may_be_nested_as_one_likes() {
    let seen = Strings::default();
    let bus = Bus::<Nest>::builder().state(seen.clone()).connect("memory:").await.unwrap();
    for number in 0..2 {
        bus.publish(&Placed { number, customer: "c".into() }).await.unwrap();
    }
    let running = start(&bus).await;
    caught_up(&running).await;
    let sent = |number: u64| format!(r#"{{"number":{number}}}"#);
    assert_eq!(seen.sorted(), [sent(1), sent(3), sent(3), sent(6), sent(6)]);
    let published: Vec<_> = running.stats().published().map(|(t, n)| (t.to_owned(), n)).collect();
    assert!(published.contains(&("shop.payments".to_owned(), 6)), "{published:?}");
}

/// An error whose `Display` panics, and one that says far too much.
#[derive(Debug, HandlerError)]
enum Talker {
    #[outcome(dead_letter)]
    Mute,
    #[outcome(dead_letter)]
    Loud,
}

impl std::fmt::Display for Talker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mute => panic!("no words"),
            Self::Loud => f.write_str(&"größer".repeat(1_000)),
        }
    }
}

#[handler]
async fn talk(order: Placed) -> Result<(), Talker> {
    Err(if order.number == 0 { Talker::Mute } else { Talker::Loud })
}

service! { Talk = "talk" { handles: [talk], publishes: [Placed] } }

#[tokio::test(start_paused = true)]
async fn an_errors_text_is_cut_to_a_kibibyte_and_may_panic() {
    let bus = Bus::<Talk>::builder().connect("memory:").await.unwrap();
    for number in 0..2 {
        bus.publish(&Placed { number, customer: "c".into() }).await.unwrap();
    }
    start(&bus).await;
    let letters = letters(&bus, "talk").await;
    assert_eq!(letters[0].error(), "the error's Display panicked");
    let loud = letters[1].error();
    assert!((1_018..=1_024).contains(&loud.len()) && loud.ends_with('…'), "{} bytes", loud.len());
    assert!(loud.starts_with("größergrößer"));
}

#[handler(unhandled = dead_letter)]
async fn strict(order: Placed, seen: State<Strings>) {
    seen.push(order.customer);
}

#[handler(group = "stopper", unhandled = stop)]
async fn stopper(order: Placed, seen: State<Strings>) {
    seen.push(order.customer);
}

service! { Strict = "strict" { handles: [strict], publishes: [Placed], state: [Strings] } }
service! { Stopper = "stopping" { handles: [stopper], publishes: [Placed], state: [Strings] } }

const ORDER: &str = r#"{"number":1,"customer":"ann"}"#;

#[tokio::test(start_paused = true)]
async fn an_unhandled_event_may_be_a_dead_letter() {
    let (url, seen) = (broker(), Strings::default());
    let bus = Bus::<Strict>::builder().state(seen.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    foreign.message("shop.orders").header("ce_type", "order.lost.v1").payload("?").send().await.unwrap();
    foreign.message("shop.orders").header("ce_type", "order.placed.v1").payload(ORDER).send().await.unwrap();
    let running = start(&bus).await;
    assert_eq!(seen.all(), ["ann"]);
    assert_eq!(ends(&running), Ends { handled: 1, dead_lettered: 1, ..Ends::NONE });
    let letters = letters(&bus, "strict").await;
    assert_eq!((letters[0].reason(), letters[0].attempts()), (Reason::Unhandled, 0));
    assert_eq!(letters[0].payload(), b"?");
}

#[tokio::test(start_paused = true)]
async fn an_unhandled_event_may_stop_the_bus_and_stays_unsettled() {
    let (url, seen) = (broker(), Strings::default());
    let foreign = Foreign::connect(&url).unwrap();
    for _ in 0..2 {
        let bus = Bus::<Stopper>::builder().state(seen.clone()).connect(&url).await.unwrap();
        foreign.message("shop.orders").header("ce_type", "order.lost.v1").send().await.unwrap();
        let error = typebus_tests::patiently(bus.run_until(std::future::pending::<()>())).await.unwrap_err();
        assert_eq!(error.kind(), typebus::ErrorKind::Fatal);
        let text = error.to_string();
        for word in ["order.lost.v1", "shop.orders", "stopper", "unhandled = stop"] {
            assert!(text.contains(word), "{text}");
        }
        let closed = bus.publish(&Placed { number: 1, customer: "c".into() }).await.unwrap_err();
        assert_eq!(closed.kind(), typebus::ErrorKind::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handled_event_in_an_unknown_version_is_never_skipped() {
    let (url, seen) = (broker(), Strings::default());
    let bus = Bus::<Strict>::builder().state(seen.clone()).connect(&url).await.unwrap();
    let skipping = Bus::<Chooser>::builder().state(seen.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    for kind in ["order.placed.v2", "order.placed.v65536", "order.placed.v99999999999999999999999999"] {
        foreign.message("shop.orders").header("ce_type", kind).payload(ORDER).send().await.unwrap();
    }
    for (running, group) in [(start(&bus).await, "strict"), (start(&skipping).await, "chooser")] {
        assert_eq!(ends(&running), Ends { dead_lettered: 3, ..Ends::NONE }, "{group}");
    }
    for group in [letters(&bus, "strict").await, letters(&skipping, "chooser").await] {
        for letter in group {
            assert_eq!((letter.reason(), letter.attempts()), (Reason::UnknownVersion, 0));
            assert!(letter.error().contains("order.placed"), "{}", letter.error());
        }
    }
    assert_eq!(seen.count(), 0);
}

#[handler(topic = "shop.orders", retry(attempts = 3))]
async fn decode(event: AnyEvent, seen: State<Strings>) -> Result<(), Failure> {
    let order: Placed = event.decode()?;
    seen.push(order.customer);
    Ok(())
}

service! { Decoder = "decoder" { handles: [decode], publishes: [Placed], state: [Strings] } }

#[tokio::test(start_paused = true)]
async fn any_event_that_does_not_decode_is_a_dead_letter_at_once() {
    let (url, seen) = (broker(), Strings::default());
    let bus = Bus::<Decoder>::builder().state(seen.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    for (kind, payload) in [
        ("order.placed.v1", "{"),
        ("order.lost.v1", ORDER),
        ("order.placed.v2", ORDER),
        ("order.placed.v1", ORDER),
    ] {
        foreign.message("shop.orders").header("ce_type", kind).payload(payload).send().await.unwrap();
    }
    let running = start(&bus).await;
    assert_eq!(seen.all(), ["ann"]);
    assert_eq!(ends(&running), Ends { handled: 1, dead_lettered: 3, ..Ends::NONE });
    assert_eq!(counts(&running).retried, 0);
}
