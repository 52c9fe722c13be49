//! Older versions: what old programs published arrives as the newest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{Reason, prelude::*, testing::Foreign};
use typebus_tests::{Does, Ends, Job, Journal, Paid, Seen, broker, caught_up, ends, letters, start};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.bills", name = "bill.sent", key = customer)]
struct BillV1 {
    number: u32,
    customer: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.bills", name = "bill.sent", version = 2, key = customer, upcasts(BillV1))]
struct BillV2 {
    number: u32,
    customer: String,
    currency: String,
}

impl From<BillV1> for BillV2 {
    fn from(BillV1 { number, customer }: BillV1) -> Self {
        Self { number, customer, currency: "from v1".to_owned() }
    }
}

/// Made from version 1 through version 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.bills", name = "bill.sent", version = 3, key = customer, upcasts(BillV2))]
struct Bill {
    number: String,
    customer: String,
    currency: String,
}

impl From<BillV2> for Bill {
    fn from(BillV2 { number, customer, currency }: BillV2) -> Self {
        Self { number: format!("no. {number}"), customer, currency }
    }
}

fn v1(number: u32, customer: &str) -> BillV1 {
    BillV1 { number, customer: customer.to_owned() }
}

fn v2(number: u32, customer: &str) -> BillV2 {
    BillV2 { number, customer: customer.to_owned(), currency: "EUR".to_owned() }
}

fn v3(number: u32, customer: &str) -> Bill {
    Bill { number: format!("#{number}"), customer: customer.to_owned(), currency: "USD".to_owned() }
}

type Lines = Seen<String>;

#[handler]
async fn take(bill: Bill, metadata: Metadata, lines: State<Lines>) {
    let version = metadata.version();
    lines.push(format!("{} v{version}: {} {}", metadata.name(), bill.number, bill.currency));
}

service! { Oldest = "oldest" { publishes: [BillV1] } }
service! { Older = "older" { publishes: [BillV2] } }
service! { Newest = "newest" { handles: [take], publishes: [Bill], state: [Lines] } }

/// Publishes one bill of each version, all with one key, from three services.
async fn publish_each(url: &str) {
    Bus::<Oldest>::builder().connect(url).await.unwrap().publish(&v1(1, "ann")).await.unwrap();
    Bus::<Older>::builder().connect(url).await.unwrap().publish(&v2(2, "ann")).await.unwrap();
    let newest = Bus::<Newest>::builder().state(Lines::default()).connect(url).await.unwrap();
    newest.publish(&v3(3, "ann")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_version_is_handled_as_the_newest_and_the_metadata_say_what_was_sent() {
    let (url, lines) = (broker(), Lines::default());
    let bus = Bus::<Newest>::builder().state(lines.clone()).connect(&url).await.unwrap();
    publish_each(&url).await;
    let running = start(&bus).await;
    let expected = ["bill.sent v1: no. 1 from v1", "bill.sent v2: no. 2 EUR", "bill.sent v3: #3 USD"];
    assert_eq!(lines.all(), expected);
    assert_eq!(ends(&running), Ends { handled: 3, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn what_others_write_is_an_older_version_if_its_type_says_so() {
    let (url, lines) = (broker(), Lines::default());
    let bus = Bus::<Newest>::builder().state(lines.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let old = serde_json::to_string(&v1(1, "ann")).unwrap();
    let new = serde_json::to_string(&v3(3, "ann")).unwrap();
    // Without a version it is version 1, and so it is without a type, as the only event of its topic.
    for (kind, payload) in
        [(Some("bill.sent.v1"), &old), (Some("bill.sent"), &old), (None, &new), (None, &old)]
    {
        let message = foreign.message("shop.bills").key("ann");
        let message = kind.into_iter().fold(message, |message, kind| message.header("ce_type", kind));
        message.payload(payload).send().await.unwrap();
    }
    let running = start(&bus).await;
    let expected = ["bill.sent v1: no. 1 from v1"; 3];
    assert_eq!(lines.all(), expected);
    assert_eq!(ends(&running), Ends { handled: 3, dead_lettered: 1, ..Ends::NONE });
}

service! { Both = "both" { handles: [take], publishes: [BillV1, Bill], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn a_service_may_publish_an_older_version_beside_the_one_it_handles() {
    let (url, lines) = (broker(), Lines::default());
    let bus = Bus::<Both>::builder().state(lines.clone()).connect(&url).await.unwrap();
    bus.publish(&v1(1, "ann")).await.unwrap();
    bus.publish(&v3(3, "ann")).await.unwrap();
    // Versions of one event are one event: what has no type can be nothing else.
    let foreign = Foreign::connect(&url).unwrap();
    let payload = serde_json::to_string(&v1(4, "ann")).unwrap();
    foreign.message("shop.bills").key("ann").payload(payload).send().await.unwrap();
    let running = start(&bus).await;
    let expected = ["bill.sent v1: no. 1 from v1", "bill.sent v3: #3 USD", "bill.sent v1: no. 4 from v1"];
    assert_eq!(lines.all(), expected);
    assert_eq!(ends(&running), Ends { handled: 3, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_is_a_dead_letter_that_lists_those_handled() {
    let url = broker();
    let bus = Bus::<Newest>::builder().state(Lines::default()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let message = foreign.message("shop.bills").header("ce_type", "bill.sent.v4");
    message.payload("{}").send().await.unwrap();
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { dead_lettered: 1, ..Ends::NONE });
    let letters = letters(&bus, "newest").await;
    assert_eq!((letters[0].reason(), letters[0].attempts()), (Reason::UnknownVersion, 0));
    let error = letters[0].error();
    assert!(error.contains("`bill.sent`") && error.contains("version 1, 2 and 3"), "{error}");
    assert!(error.contains("this is version 4"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_old_payload_that_cannot_be_read_is_a_dead_letter_that_names_its_own_version() {
    let url = broker();
    let bus = Bus::<Newest>::builder().state(Lines::default()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    for (kind, content_type) in [("bill.sent.v1", "application/json"), ("bill.sent.v2", "text/plain")] {
        let message = foreign.message("shop.bills").key("k").header("ce_type", kind);
        message.header("content-type", content_type).payload(r#"{"number": "?"}"#).send().await.unwrap();
    }
    start(&bus).await;
    let letters = letters(&bus, "newest").await;
    assert_eq!(letters.len(), 2);
    for (letter, words) in letters.iter().zip([["BillV1", "bill.sent.v1"], ["BillV2", "text/plain"]]) {
        assert_eq!((letter.reason(), letter.attempts()), (Reason::Undecodable, 0));
        assert!(words.iter().all(|word| letter.error().contains(word)), "{}", letter.error());
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.notes", name = "note")]
struct NoteV1(u32);

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.notes", name = "note", version = 5, upcasts(NoteV1))]
struct NoteV5(String);

/// Made from each of them directly, although one is made from the other.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.notes", name = "note", version = 7, upcasts(NoteV1, NoteV5))]
struct Note(Vec<String>);

impl From<NoteV1> for NoteV5 {
    fn from(NoteV1(old): NoteV1) -> Self {
        Self(format!("through v5: {old}"))
    }
}

impl From<NoteV1> for Note {
    fn from(NoteV1(old): NoteV1) -> Self {
        Self(vec![format!("directly: {old}")])
    }
}

impl From<NoteV5> for Note {
    fn from(NoteV5(old): NoteV5) -> Self {
        Self(vec![old])
    }
}

#[handler]
async fn note(note: Envelope<Note>, lines: State<Lines>) {
    lines.push(format!("v{}: {}", note.metadata.version(), note.event.0.concat()));
}

service! { Notes = "notes" { handles: [note], publishes: [Note], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn several_older_versions_are_made_into_the_newest_by_the_first_way_that_is_named() {
    let (url, lines) = (broker(), Lines::default());
    let bus = Bus::<Notes>::builder().state(lines.clone()).connect(&url).await.unwrap();
    bus.publish(&Note(vec!["new".to_owned()])).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    for (kind, payload) in [("note.v1", "1"), ("note.v5", r#""five""#), ("note.v6", "6")] {
        foreign.message("shop.notes").header("ce_type", kind).payload(payload).send().await.unwrap();
    }
    start(&bus).await;
    assert_eq!(lines.sorted(), ["v1: directly: 1", "v5: five", "v7: new"]);
    let letters = letters(&bus, "notes").await;
    assert!(letters[0].error().contains("handled in version 1, 5 and 7,"), "{}", letters[0].error());
}

#[derive(Debug, EventSet)]
enum Fact {
    Bill(Bill),
    Note(Note),
    Paid(Paid),
}

#[handler]
async fn record(fact: Fact, lines: State<Lines>) {
    lines.push(match fact {
        Fact::Bill(bill) => format!("bill {}", bill.number),
        Fact::Note(note) => format!("note {}", note.0.concat()),
        Fact::Paid(_) => "paid".to_owned(),
    });
}

service! { Recorder = "recorder" { handles: [record], publishes: [Paid], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn a_set_takes_the_older_versions_of_its_events() {
    let (url, lines) = (broker(), Lines::default());
    let bus = Bus::<Recorder>::builder().state(lines.clone()).connect(&url).await.unwrap();
    publish_each(&url).await;
    bus.publish(&Paid { number: 1, customer: None }).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    foreign.message("shop.notes").header("ce_type", "note.v1").payload("1").send().await.unwrap();
    start(&bus).await;
    assert_eq!(lines.sorted(), ["bill #3", "bill no. 1", "bill no. 2", "note directly: 1", "paid"]);
}

#[handler(batch(max = 10, wait = "10ms"))]
async fn index(bills: Batch<Envelope<Bill>>, lines: State<Lines>) {
    let bills = bills.iter().map(|bill| format!("v{} {}", bill.metadata.version(), bill.event.number));
    lines.push(bills.collect::<Vec<_>>().join(", "));
}

service! { Index = "index" { handles: [index], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn a_batch_mixes_versions() {
    let (url, lines) = (broker(), Lines::default());
    let bus = Bus::<Index>::builder().state(lines.clone()).connect(&url).await.unwrap();
    publish_each(&url).await;
    let foreign = Foreign::connect(&url).unwrap();
    let bad = foreign.message("shop.bills").key("ann").header("ce_type", "bill.sent.v1");
    bad.payload("{").send().await.unwrap();
    publish_each(&url).await;
    let running = start(&bus).await;
    assert_eq!(lines.all(), ["v1 no. 1, v2 no. 2, v3 #3, v1 no. 1, v2 no. 2, v3 #3"]);
    assert_eq!(ends(&running), Ends { handled: 6, dead_lettered: 1, ..Ends::NONE });
}

#[handler(topic = "shop.bills", group = "audit")]
async fn audit(event: AnyEvent, lines: State<Lines>) -> Result<(), Failure> {
    let (newest, middle, oldest) = (event.is::<Bill>(), event.is::<BillV2>(), event.is::<BillV1>());
    let Bill { number, .. } = event.decode()?;
    let others = (event.decode::<BillV2>().is_ok(), event.decode::<BillV1>().is_ok());
    assert_eq!(others, (middle, oldest), "what it is can be read");
    lines.push(format!("v{} {number}: {newest} {middle} {oldest}", event.version()));
    assert!(matches!(event.decode::<Fact>(), Ok(Fact::Bill(_))));
    assert!(event.decode::<Note>().is_err());
    Ok(())
}

service! { Audit = "audit" { handles: [audit], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn any_event_is_each_version_that_is_made_from_it() {
    let (url, lines) = (broker(), Lines::default());
    let bus = Bus::<Audit>::builder().state(lines.clone()).connect(&url).await.unwrap();
    publish_each(&url).await;
    start(&bus).await;
    assert_eq!(
        lines.all(),
        ["v1 no. 1: true true true", "v2 no. 2: true true false", "v3 #3: true false false"]
    );
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "old.jobs", name = "old.job", key = 0.key)]
struct TaskV1(Job);

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "old.jobs", name = "old.job", version = 2, key = job.key, upcasts(TaskV1))]
struct Task {
    job: Job,
}

impl From<TaskV1> for Task {
    fn from(TaskV1(job): TaskV1) -> Self {
        Self { job }
    }
}

#[handler(concurrency = 32, retry(attempts = 3, backoff = "10ms..40ms"))]
async fn work(task: Task, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&task.job, attempt.number()).await
}

service! { Before = "before" { publishes: [TaskV1] } }
service! { Workshop = "workshop" { handles: [work], publishes: [Task], state: [Journal] } }

#[tokio::test(start_paused = true)]
async fn keys_are_kept_in_order_over_versions() {
    let (url, journal) = (broker(), Journal::default());
    let before = Bus::<Before>::builder().connect(&url).await.unwrap();
    let bus = Bus::<Workshop>::builder().state(journal.clone()).connect(&url).await.unwrap();
    let running = bus.start().await.unwrap();
    for number in 0..40_u32 {
        let does = [Does::FailIn(u64::from(40 - number)), Does::Take(5)];
        let job = Job::of(&format!("k{}", number % 4), number).does(does);
        match number % 3 {
            0 => before.publish(&TaskV1(job)).await.unwrap(),
            _ => bus.publish(&Task { job }).await.unwrap(),
        };
    }
    caught_up(&running).await;
    let lanes = journal.assert_key_order();
    assert_eq!(lanes["k0"], [0, 4, 8, 12, 16, 20, 24, 28, 32, 36]);
    assert_eq!(ends(&running), Ends { handled: 40, ..Ends::NONE });
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "zones.{zone}.rates", name = "rate", key = zone)]
struct RateV1 {
    zone: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "zones.{area}.rates", name = "rate", version = 2, upcasts(RateV1))]
struct Rate {
    area: String,
}

impl From<RateV1> for Rate {
    fn from(RateV1 { zone }: RateV1) -> Self {
        Self { area: format!("was {zone}") }
    }
}

#[handler]
async fn rate(rate: Rate, metadata: Metadata, lines: State<Lines>) {
    lines.push(format!("{} on {}", rate.area, metadata.topic()));
}

service! { Rates = "rates" { handles: [rate], publishes: [Rate], state: [Lines] } }
service! { OldRates = "old-rates" { publishes: [RateV1] } }

#[tokio::test(start_paused = true)]
async fn versions_may_call_the_field_of_their_topic_differently() {
    let (url, lines) = (broker(), Lines::default());
    let old = Bus::<OldRates>::builder().connect(&url).await.unwrap();
    old.publish(&RateV1 { zone: "a".into() }).await.unwrap();
    let bus = Bus::<Rates>::builder().state(lines.clone()).connect(&url).await.unwrap();
    bus.publish(&Rate { area: "b".into() }).await.unwrap();
    start(&bus).await;
    assert_eq!(lines.sorted(), ["b on zones.b.rates", "was a on zones.a.rates"]);
}
