//! Rolling deploys: what is in a version that this program does not read waits for a newer instance.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, advance};
use typebus::{Reason, prelude::*};
use typebus_tests::{Ends, Seen, broker, caught_up, counts, ends, letters, patiently};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.notes", name = "note.written", version = 2, key = customer)]
struct NoteV2 {
    number: u32,
    customer: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.notes", name = "note.written", version = 3, key = customer, upcasts(NoteV2))]
struct NoteV3 {
    number: u32,
    customer: String,
}

impl From<NoteV2> for NoteV3 {
    fn from(NoteV2 { number, customer }: NoteV2) -> Self {
        Self { number, customer }
    }
}

/// What nobody reads any more.
#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.notes", name = "note.written", version = 1, key = customer)]
struct NoteV1 {
    number: u32,
    customer: String,
}

type Notes = Seen<(String, u32, u16)>;

#[handler(group = "notes")]
async fn old(note: NoteV2, metadata: Metadata, notes: State<Notes>) {
    notes.push((note.customer, note.number, metadata.version()));
}

#[handler(group = "notes")]
async fn new(note: NoteV3, metadata: Metadata, notes: State<Notes>) {
    notes.push((note.customer, note.number, metadata.version()));
}

service! { Old = "old" { handles: [old], state: [Notes] } }
service! { New = "new" { handles: [new], state: [Notes] } }
service! { Writing = "writing" { publishes: [NoteV1, NoteV2] } }
service! { WritingNew = "writing-new" { publishes: [NoteV3] } }

struct Shop {
    notes: Notes,
    url: String,
    writer: Bus<Writing>,
    new_writer: Bus<WritingNew>,
}

impl Shop {
    async fn open() -> Self {
        let url = broker();
        let writer = Bus::<Writing>::builder().connect(&url).await.unwrap();
        let new_writer = Bus::<WritingNew>::builder().connect(&url).await.unwrap();
        Self { notes: Notes::default(), url, writer, new_writer }
    }

    async fn old(&self) -> Bus<Old> {
        Bus::<Old>::builder().state(self.notes.clone()).connect(&self.url).await.unwrap()
    }

    async fn v1(&self, number: u32, customer: &str) {
        self.writer.publish(&NoteV1 { number, customer: customer.into() }).await.unwrap();
    }

    async fn v2(&self, number: u32, customer: &str) {
        self.writer.publish(&NoteV2 { number, customer: customer.into() }).await.unwrap();
    }

    async fn v3(&self, number: u32, customer: &str) {
        self.new_writer.publish(&NoteV3 { number, customer: customer.into() }).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_holds_its_key_and_no_other_until_its_time_is_over() {
    let shop = Shop::open().await;
    let bus = shop.old().await;
    let running = bus.start().await.unwrap();
    let begun = Instant::now();
    shop.v2(1, "ann").await;
    shop.v3(2, "ann").await;
    shop.v2(3, "ann").await;
    shop.v2(4, "ben").await;
    let seen = shop.notes.reached(2).await;
    let mut first = seen.clone();
    first.sort();
    assert_eq!(first, [("ann".to_owned(), 1, 2), ("ben".to_owned(), 4, 2)]);
    assert_eq!(running.ready().reasons(), ["notes on shop.notes: needs note.written v3"]);
    assert!(!running.ready().is_ready() && running.health().is_healthy());
    assert_eq!(running.ready().to_string(), "notes on shop.notes: needs note.written v3");
    assert_eq!(counts(&running).retried, 0, "no attempt is spent");

    // The clock of a version starts once: what comes ten minutes later waits for the remaining five.
    advance(10 * MINUTE).await;
    shop.v3(5, "cat").await;
    shop.notes.reached(3).await;
    assert_eq!(Instant::now() - begun, 15 * MINUTE, "ann's lane went on after the default of 15 minutes");
    caught_up(&running).await;
    let dead = letters(&bus, "notes").await;
    assert_eq!(dead.len(), 2);
    for letter in dead {
        assert_eq!((letter.reason(), letter.attempts()), (Reason::UnknownVersion, 0));
        assert!(letter.error().contains("in version 2, and this is version 3"), "{}", letter.error());
    }
    assert!(running.ready().is_ready(), "{}", running.ready());
    assert_eq!(ends(&running), Ends { handled: 3, dead_lettered: 2, ..Ends::NONE });

    // Long known, and still not read.
    shop.v3(6, "ann").await;
    caught_up(&running).await;
    assert_eq!(ends(&running).dead_lettered, 3);
    assert_eq!(Instant::now() - begun, 15 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_everything_that_is_read_is_a_dead_letter_at_once() {
    let shop = Shop::open().await;
    let bus = shop.old().await;
    let running = bus.start().await.unwrap();
    let begun = Instant::now();
    shop.v1(1, "ann").await;
    caught_up(&running).await;
    assert_eq!(ends(&running), Ends { dead_lettered: 1, ..Ends::NONE });
    assert!(running.ready().is_ready());
    assert_eq!(Instant::now(), begun);
}

/// Producers first: the newer events come while only old instances run, then a new instance takes over, one by one.
#[tokio::test(start_paused = true)]
async fn a_newer_instance_takes_over_in_order_and_nothing_is_dead_lettered() {
    let shop = Shop::open().await;
    let (first, second) = (shop.old().await, shop.old().await);
    let (first, second) = (first.start().await.unwrap(), second.start().await.unwrap());
    for number in 0..30 {
        let customer = ["ann", "ben", "cat", "dan", "eve"][number as usize % 5];
        if number % 4 == 3 { shop.v3(number, customer).await } else { shop.v2(number, customer).await }
    }
    while first.ready().is_ready() && second.ready().is_ready() {
        tokio::task::yield_now().await;
    }
    let new = Bus::<New>::builder().state(shop.notes.clone()).connect(&shop.url).await.unwrap();
    let new = new.start().await.unwrap();
    patiently(first.stop()).await.unwrap();
    patiently(second.stop()).await.unwrap();
    caught_up(&new).await;
    let mut seen = shop.notes.all();
    assert_eq!(seen.len(), 30, "each was handled once: {seen:?}");
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    for pair in seen.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        assert!(pair[0].1 < pair[1].1, "out of order: {pair:?}");
    }
    assert_eq!(counts(&new).dead_lettered, 0);
    assert!(new.ready().is_ready(), "{}", new.ready());
}

#[handler(group = "hasty", unknown_version = hold("30s"))]
async fn hasty(_: NoteV2) {}

service! { Hasty = "hasty" { handles: [hasty] } }

#[tokio::test(start_paused = true)]
async fn a_handler_says_for_how_long() {
    let shop = Shop::open().await;
    let bus = Bus::<Hasty>::builder().connect(&shop.url).await.unwrap();
    let running = bus.start().await.unwrap();
    let begun = Instant::now();
    shop.v3(1, "ann").await;
    caught_up(&running).await;
    assert_eq!(Instant::now() - begun, Duration::from_secs(30));
    assert_eq!(ends(&running), Ends { dead_lettered: 1, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_what_is_held() {
    let shop = Shop::open().await;
    let bus = shop.old().await;
    let running = bus.start().await.unwrap();
    shop.v3(1, "ann").await;
    while running.ready().is_ready() {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    patiently(running.stop()).await.unwrap();
    assert_eq!(Instant::now(), begun);
    assert_eq!(ends(&running), Ends::NONE, "it comes again to whoever is next");
    assert!(!running.ready().is_ready() && !running.health().is_healthy());
}
