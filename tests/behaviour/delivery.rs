//! Every confirmed event arrives: at every group, whenever it was published, as it was published.

use std::collections::BTreeSet;

use typebus::{ErrorKind, backend::memory::Memory, prelude::*, testing::Foreign};
use typebus_tests::{
    Cancelled, Ends, Invoiced, Paid, Placed, Seen, Shipped, broker, caught_up, counts, ends, letters,
    patiently, start,
};

fn placed(number: u64) -> Placed {
    Placed { number, customer: format!("customer-{}", number % 7) }
}

#[derive(Clone, Default)]
struct Office {
    orders: Seen<Placed>,
    audit: Seen<Placed>,
}

#[handler]
async fn take(order: Placed, office: State<Office>) {
    office.orders.push(order);
}

#[handler(group = "audit")]
async fn audit(order: Placed, office: State<Office>) {
    office.audit.push(order);
}

service! {
    /// Two groups on one topic.
    Offices = "offices" { handles: [take, audit], publishes: [Placed], state: [Office] }
}

#[tokio::test(start_paused = true)]
async fn every_group_gets_every_event_whether_published_before_or_after_the_start() {
    let office = Office::default();
    let bus = Bus::<Offices>::builder().state(office.clone()).connect("memory:").await.unwrap();
    for number in 0..50 {
        bus.publish(&placed(number)).await.unwrap();
    }
    let running = bus.start().await.unwrap();
    for number in 50..100 {
        bus.publish(&placed(number)).await.unwrap();
    }
    caught_up(&running).await;

    let mut expected: Vec<_> = (0..100).map(placed).collect();
    expected.sort_by_key(|order| order.number);
    for seen in [&office.orders, &office.audit] {
        let mut seen = seen.all();
        seen.sort_by_key(|order| order.number);
        assert_eq!(seen, expected);
    }
    let stats = running.stats();
    assert_eq!(stats.groups().len(), 2);
    for group in stats.groups() {
        assert_eq!((group.service, group.topic.as_str()), ("offices", "shop.orders"));
        assert_eq!((group.received, group.handled, group.settled()), (100, 100, 100), "{group:?}");
        assert_eq!((group.retried, group.skipped, group.dead_lettered, group.discarded), (0, 0, 0, 0));
    }
    let names: BTreeSet<_> = stats.groups().iter().map(|group| group.group.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["audit", "offices"]));
    let published: Vec<_> = stats.published().filter(|(_, count)| *count > 0).collect();
    assert_eq!(published, [("shop.orders", 100)]);
}

#[tokio::test]
async fn fifty_publishers_and_three_instances_lose_and_add_nothing() {
    let (url, office) = (broker(), Office::default());
    let mut instances = Vec::new();
    for _ in 0..3 {
        let bus = Bus::<Offices>::builder().state(office.clone()).connect(&url).await.unwrap();
        instances.push((bus.start().await.unwrap(), bus));
    }
    let publishers: Vec<_> = (0..50)
        .map(|publisher| {
            let bus = instances[publisher % 3].1.clone();
            tokio::spawn(async move {
                for nth in 0..20 {
                    bus.publish(&placed(publisher as u64 * 20 + nth)).await.unwrap();
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    caught_up(&instances[0].0).await;
    for seen in [&office.orders, &office.audit] {
        let numbers: Vec<u64> = seen.all().iter().map(|order| order.number).collect();
        assert_eq!(numbers.len(), 1_000);
        assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>(), (0..1_000).collect());
    }
    for (running, _) in &instances {
        running.stop().await.unwrap();
    }
}

#[derive(Clone, Default)]
struct Desk {
    handled: Seen<String>,
}

#[handler]
async fn charge(order: Placed, desk: State<Desk>) -> Paid {
    desk.handled.push(format!("charge {}", order.number));
    Paid { number: order.number, customer: Some(order.customer) }
}

#[handler]
async fn pack(paid: Paid, desk: State<Desk>) -> Shipped {
    desk.handled.push(format!("pack {}", paid.number));
    Shipped { number: paid.number }
}

#[handler]
async fn bill(sent: Shipped, desk: State<Desk>) -> Invoiced {
    desk.handled.push(format!("bill {}", sent.number));
    Invoiced { invoice: sent.number.to_string() }
}

service! { Billing = "billing" { handles: [charge], publishes: [Placed], state: [Desk] } }
service! { Shipping = "shipping" { handles: [pack, bill], state: [Desk] } }

#[tokio::test(start_paused = true)]
async fn a_pipeline_over_two_services_in_one_process_is_empty_after_as_many_calls_as_it_has_steps() {
    let (url, desk) = (broker(), Desk::default());
    let billing = Bus::<Billing>::builder().state(desk.clone()).connect(&url).await.unwrap();
    let shipping = Bus::<Shipping>::builder().state(desk.clone()).connect(&url).await.unwrap();
    for number in 0..3 {
        billing.publish(&placed(number)).await.unwrap();
    }
    let running = typebus::start([&billing, &shipping]).await.unwrap();
    for _ in 0..3 {
        caught_up(&running).await;
    }
    let mut expected: Vec<String> =
        (0..3).flat_map(|n| [format!("charge {n}"), format!("pack {n}"), format!("bill {n}")]).collect();
    expected.sort();
    assert_eq!(desk.handled.sorted(), expected);
    let stats = running.stats();
    let published: Vec<_> = stats.published().filter(|(_, count)| *count > 0).collect();
    let topics = ["shop.invoices", "shop.orders", "shop.parcels", "shop.payments"];
    assert_eq!(published, topics.map(|topic| (topic, 3)));
    assert_eq!(format!("{running:?}"), r#"Running { services: ["billing", "shipping"], .. }"#);
    running.stop().await.unwrap();
    let kinds = [
        billing.publish(&placed(9)).await.unwrap_err().kind(),
        billing.start().await.unwrap_err().kind(),
        shipping.start().await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::Closed, ErrorKind::Config, ErrorKind::Config]);
}

#[tokio::test(start_paused = true)]
async fn several_services_run_until_a_signal() {
    let (url, desk) = (broker(), Desk::default());
    let billing = Bus::<Billing>::builder().state(desk.clone()).connect(&url).await.unwrap();
    let shipping = Bus::<Shipping>::builder().state(desk.clone()).connect(&url).await.unwrap();
    billing.publish(&placed(1)).await.unwrap();
    let done = async { drop(desk.handled.reached(3).await) };
    typebus::run([&billing, &shipping], done).await.unwrap();
    assert_eq!(desk.handled.all(), ["charge 1", "pack 1", "bill 1"]);
}

#[derive(Debug, Clone, EventSet)]
enum Fact {
    Placed(Placed),
    Cancelled(Cancelled),
    Paid(Paid),
}

#[derive(Clone, Default)]
struct Facts(Seen<String>);

#[handler]
async fn note(fact: Fact, facts: State<Facts>) {
    facts.0.push(match fact {
        Fact::Placed(order) => format!("placed {}", order.number),
        Fact::Cancelled(order) => format!("cancelled {}", order.number),
        Fact::Paid(paid) => format!("paid {}", paid.number),
    });
}

service! { Ledger = "ledger" { handles: [note], publishes: [Fact, Shipped], state: [Facts] } }

#[tokio::test(start_paused = true)]
async fn a_set_over_two_topics_gets_all_its_events_and_nothing_else() {
    let facts = Facts::default();
    let bus = Bus::<Ledger>::builder().state(facts.clone()).connect("memory:").await.unwrap();
    bus.publish(&Fact::Placed(placed(1))).await.unwrap();
    bus.publish(&Fact::Paid(Paid { number: 2, customer: None })).await.unwrap();
    bus.publish(&Fact::Cancelled(Cancelled { number: 3, customer: "c".into() })).await.unwrap();
    bus.publish(&Shipped { number: 4 }).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(facts.0.sorted(), ["cancelled 3", "paid 2", "placed 1"]);
    let stats = running.stats();
    let topics: Vec<_> = stats.groups().iter().map(|group| (group.topic.as_str(), group.handled)).collect();
    assert_eq!(topics, [("shop.orders", 2), ("shop.payments", 1)]);
}

#[tokio::test(start_paused = true)]
async fn two_facts_with_one_id_are_two_facts() {
    let facts = Facts::default();
    let bus = Bus::<Ledger>::builder().state(facts.clone()).connect("memory:").await.unwrap();
    for _ in 0..2 {
        bus.publish(&Fact::Placed(placed(1))).id("same").await.unwrap();
        bus.publish(&Fact::Cancelled(Cancelled { number: 1, customer: "c".into() }))
            .id("same")
            .await
            .unwrap();
    }
    start(&bus).await;
    // Nor is one that is published twice taken for a repeat: nobody asked for that.
    assert_eq!(facts.0.sorted(), ["cancelled 1", "cancelled 1", "placed 1", "placed 1"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_group_does_not_handle_is_skipped_and_counted() {
    let (url, office) = (broker(), Office::default());
    let bus = Bus::<Offices>::builder().state(office.clone()).connect(&url).await.unwrap();
    let ledger = Bus::<Ledger>::builder().state(Facts::default()).connect(&url).await.unwrap();
    ledger.publish(&Fact::Cancelled(Cancelled { number: 1, customer: "c".into() })).await.unwrap();
    bus.publish(&placed(2)).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(office.orders.all(), [placed(2)]);
    for group in running.stats().groups() {
        assert_eq!((group.received, group.skipped, group.handled), (2, 1, 1), "{group:?}");
    }
    assert!(letters(&bus, "offices").await.is_empty());
}

#[derive(Clone, Default)]
struct Trail(Seen<String>);

#[handler(topic = "shop.*.>", group = "deep")]
async fn deep(event: AnyEvent, trail: State<Trail>) {
    trail.0.push(format!("deep {}", event.metadata().topic()));
}

#[handler(topic = "shop.*", group = "flat")]
async fn flat(event: AnyEvent, trail: State<Trail>) {
    trail.0.push(format!("flat {}", event.metadata().topic()));
}

#[handler(topic = ">", group = "all", retry(attempts = 1))]
async fn all(event: AnyEvent, trail: State<Trail>) -> Result<(), Failure> {
    trail.0.push(format!("all {}", event.metadata().topic()));
    Err(Failure::dead_letter("no"))
}

service! { Archive = "archive" { handles: [deep, flat, all], state: [Trail] } }

#[tokio::test(start_paused = true)]
async fn patterns_get_topics_that_come_later_and_never_dead_letters_or_replies() {
    let (url, trail) = (broker(), Trail::default());
    let bus = Bus::<Archive>::builder().state(trail.clone()).connect(&url).await.unwrap();
    let running = bus.start().await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    for topic in ["shop", "shop.a", "shop.a.b", "shop.a.b.c", "mall.a", "dead.shop.a", "reply.shop.a", "dead"]
    {
        foreign.message(topic).header("ce_type", "anything.v1").payload("{}").send().await.unwrap();
    }
    caught_up(&running).await;
    let expected = [
        "all mall.a",
        "all shop",
        "all shop.a",
        "all shop.a.b",
        "all shop.a.b.c",
        "deep shop.a.b",
        "deep shop.a.b.c",
        "flat shop.a",
    ];
    assert_eq!(trail.0.sorted(), expected);
    // Their dead letters were not taken for events either.
    assert_eq!(letters(&bus, "all").await.len(), 5);
    assert_eq!(trail.0.count(), expected.len());
}

#[tokio::test(start_paused = true)]
async fn a_private_broker_is_private_and_a_named_one_is_shared() {
    let (one, two) = (Office::default(), Office::default());
    let private = Bus::<Offices>::builder().state(one.clone()).connect("memory:").await.unwrap();
    let other = Bus::<Offices>::builder().state(two.clone()).connect("memory:").await.unwrap();
    other.publish(&placed(1)).await.unwrap();
    start(&private).await;
    assert_eq!(one.orders.count(), 0);

    let (three, url) = (Office::default(), broker());
    let shared = Bus::<Offices>::builder().state(three.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(url).unwrap();
    foreign.message("shop.orders").payload(r#"{"number":1,"customer":"c"}"#).send().await.unwrap();
    start(&shared).await;
    assert_eq!(three.orders.count(), 1);
}

#[handler(start = latest)]
async fn late(order: Placed, office: State<Office>) {
    office.orders.push(order);
}

#[handler(group = "early", start = earliest)]
async fn early(order: Placed, office: State<Office>) {
    office.audit.push(order);
}

service! { Newcomer = "newcomer" { handles: [late, early], publishes: [Placed], state: [Office] } }

#[tokio::test(start_paused = true)]
async fn a_new_group_begins_where_it_says_and_an_old_one_where_it_was() {
    let (url, office) = (broker(), Office::default());
    let history = Bus::<Offices>::builder().state(Office::default()).connect(&url).await.unwrap();
    history.publish(&placed(1)).await.unwrap();
    let bus = Bus::<Newcomer>::builder().state(office.clone()).connect(&url).await.unwrap();
    bus.publish(&placed(2)).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(office.orders.all(), [placed(2)]);
    assert_eq!(office.audit.sorted_numbers(), [1, 2]);
    running.stop().await.unwrap();

    history.publish(&placed(3)).await.unwrap();
    let again = Bus::<Newcomer>::builder().state(office.clone()).connect(&url).await.unwrap();
    start(&again).await;
    assert_eq!(office.orders.sorted_numbers(), [2, 3]);
    assert_eq!(office.audit.sorted_numbers(), [1, 2, 3]);
}

trait Numbers {
    fn sorted_numbers(&self) -> Vec<u64>;
}

impl Numbers for Seen<Placed> {
    fn sorted_numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<_> = self.all().iter().map(|order| order.number).collect();
        numbers.sort_unstable();
        numbers
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stops_and_starts_between_events_loses_and_repeats_none() {
    let (url, office) = (broker(), Office::default());
    let publisher = Bus::<Offices>::builder().state(Office::default()).connect(&url).await.unwrap();
    for round in 0..5 {
        let bus = Bus::<Offices>::builder().state(office.clone()).connect(&url).await.unwrap();
        let running = bus.start().await.unwrap();
        for nth in 0..10 {
            publisher.publish(&placed(round * 20 + nth)).await.unwrap();
        }
        patiently(running.stop()).await.unwrap();
        for nth in 10..20 {
            publisher.publish(&placed(round * 20 + nth)).await.unwrap();
        }
    }
    let last = Bus::<Offices>::builder().state(office.clone()).connect(&url).await.unwrap();
    start(&last).await;
    assert_eq!(office.orders.sorted_numbers(), (0..100).collect::<Vec<_>>());
    assert_eq!(office.audit.sorted_numbers(), (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn publish_all_gives_each_event_its_own_result_and_keeps_their_order() {
    let bus = Bus::<Offices>::builder().state(Office::default()).connect("memory:").await.unwrap();
    let mut orders: Vec<Placed> =
        (0..300).map(|number| Placed { number, customer: "one".to_owned() }).collect();
    orders[100].customer = String::new();
    orders[200].customer = "x".repeat(2_000);
    let results = bus.publish_all(&orders).await;
    assert_eq!(results.len(), 300);
    let mut last = None;
    for (nth, result) in results.into_iter().enumerate() {
        if nth == 100 || nth == 200 {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidKey);
            continue;
        }
        let receipt = result.unwrap();
        assert_eq!(receipt.topic(), "shop.orders");
        assert!(receipt.position() > last, "{nth} was stored before {last:?}");
        last = receipt.position();
    }
    assert!(bus.publish_all::<Placed>(&[]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_publication_is_encoded_at_once_and_sent_when_awaited() {
    let office = Office::default();
    let bus = Bus::<Offices>::builder().state(office.clone()).connect("memory:").await.unwrap();
    let mut order = placed(1);
    let publication = bus.publish(&order);
    order.number = 2;
    drop(bus.publish(&order));
    let receipt = publication.await.unwrap();
    start(&bus).await;
    assert_eq!(office.orders.all(), [placed(1)]);
    assert_eq!(uuid::Uuid::parse_str(receipt.id()).unwrap().get_version_num(), 7);
    assert_eq!(receipt.partition().map(|partition| partition < 4), Some(true));
    assert_eq!(receipt.position().unwrap().to_string(), "0");
}

service! { Announcer = "announcer" { publishes: [Placed] } }

#[tokio::test(start_paused = true)]
async fn a_service_without_handlers_publishes_runs_and_stops() {
    let (url, office) = (broker(), Office::default());
    let announcer = Bus::<Announcer>::builder().connect(&url).await.unwrap();
    let bus = Bus::<Offices>::builder().state(office.clone()).connect(&url).await.unwrap();
    let right = announcer.publisher::<Placed>();
    let running = announcer.start().await.unwrap();
    right.publish(&placed(1)).await.unwrap();
    running.caught_up().await.unwrap();
    assert!(running.stats().groups().is_empty());
    patiently(running.stop()).await.unwrap();
    assert_eq!(right.publish(&placed(2)).await.unwrap_err().kind(), ErrorKind::Closed);
    start(&bus).await;
    assert_eq!(office.orders.all(), [placed(1)]);
}

#[derive(Clone, Default)]
struct Raw(Seen<(Vec<u8>, Vec<Header>)>);

type Header = (Vec<u8>, Vec<u8>);

#[handler(topic = "raw.bytes")]
async fn keep(event: AnyEvent, raw: State<Raw>) {
    let headers = event.metadata().headers().map(|(name, value)| (name.to_vec(), value.to_vec()));
    raw.0.push((event.payload().to_vec(), headers.collect()));
}

service! { Keeper = "keeper" { handles: [keep], state: [Raw] } }

#[tokio::test(start_paused = true)]
async fn payloads_and_headers_arrive_byte_for_byte() {
    let (raw, url) = (Raw::default(), broker());
    let bus = Bus::<Keeper>::builder().state(raw.clone()).connect(Memory::named(&url[7..])).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let large: Vec<u8> = (0..900 * 1_024_u32).map(|n| n.to_le_bytes()[0]).collect();
    let payloads = [Vec::new(), vec![0], large];
    let headers: [(&[u8], &[u8]); 5] = [
        (b"a", b""),
        (b"a", b"again"),
        ("größe".as_bytes(), "groß".as_bytes()),
        (b"raw", b"\xff\xfe\0"),
        (b"", b"x"),
    ];
    for payload in &payloads {
        let message = foreign.message("raw.bytes").key("one").header("ce_type", "raw.v1").payload(payload);
        headers.iter().fold(message, |m, (name, value)| m.header(name, value)).send().await.unwrap();
    }
    let running = start(&bus).await;
    let expected: Vec<Header> = headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    assert_eq!(raw.0.all(), payloads.map(|payload| (payload, expected.clone())));
    assert_eq!(ends(&running), Ends { handled: 3, ..Ends::NONE });
    assert_eq!(counts(&running).received, 3);
}
