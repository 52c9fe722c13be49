//! Topics with a field: where an event goes, and who receives it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{prelude::*, testing::Foreign};
use typebus_tests::{
    Does, Ends, Job, Journal, Paid, Seen, Shipped, broker, caught_up, counts, ends, letters, start,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "tenants.{tenant}.sales", name = "sale.made", key = customer)]
struct Sold {
    tenant: String,
    customer: String,
}

/// The other event of the topics of [`Sold`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "tenants.{tenant}.sales", name = "sale.undone", key = customer)]
struct Undone {
    tenant: String,
    customer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "tenants.{tenant}.visits.{page}", name = "page.visited")]
struct Visited {
    page: u32,
    tenant: String,
}

fn sold(tenant: &str) -> Sold {
    Sold { tenant: tenant.to_owned(), customer: "ann".to_owned() }
}

/// Who received what: one line each.
#[derive(Clone, Default)]
struct Lines(Seen<String>);

#[handler]
async fn every(sale: Sold, metadata: Metadata, lines: State<Lines>) {
    lines.0.push(format!("{} on {}", sale.tenant, metadata.topic()));
}

service! { Every = "every" { handles: [every], publishes: [Sold, Undone], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn a_handler_without_a_topic_gets_every_value_and_receipt_and_metadata_have_it() {
    let lines = Lines::default();
    let bus = Bus::<Every>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    for tenant in ["acme", "b-2", "C_3", "dead", "reply", "0"] {
        let receipt = bus.publish(&sold(tenant)).await.unwrap();
        assert_eq!(receipt.topic(), format!("tenants.{tenant}.sales"));
    }
    bus.publish(&Undone { tenant: "acme".into(), customer: "ann".into() }).await.unwrap();
    let running = start(&bus).await;
    let expected = ["0", "C_3", "acme", "b-2", "dead", "reply"];
    assert_eq!(lines.0.sorted(), expected.map(|tenant| format!("{tenant} on tenants.{tenant}.sales")));
    assert_eq!(ends(&running), Ends { handled: 6, skipped: 1, ..Ends::NONE });
    assert_eq!(counts(&running).topic, "tenants.*.sales");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_appears_while_the_bus_runs_is_received() {
    let lines = Lines::default();
    let bus = Bus::<Every>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for round in 0..50_usize {
        bus.publish(&sold(&format!("t{round:02}"))).await.unwrap();
        assert_eq!(lines.0.reached(round + 1).await.len(), round + 1);
    }
    caught_up(&running).await;
    let expected = |round| format!("t{round:02} on tenants.t{round:02}.sales");
    assert_eq!(lines.0.all(), (0..50).map(expected).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn more_values_than_are_remembered_are_received_by_two_instances_once() {
    let (url, lines) = (broker(), Lines::default());
    let connect = || Bus::<Every>::builder().state(lines.clone()).connect(&url);
    let (one, two) = (connect().await.unwrap(), connect().await.unwrap());
    let running = [one.start().await.unwrap(), two.start().await.unwrap()];
    for tenants in [0..4_200, 4_000..4_200] {
        for tenant in tenants {
            let sold = Sold { customer: tenant.to_string(), ..sold(&format!("t{tenant}")) };
            one.publish(&sold).await.unwrap();
        }
        caught_up(&running[0]).await;
        caught_up(&running[1]).await;
    }
    let mut all = lines.0.sorted();
    assert_eq!(all.len(), 4_400);
    all.dedup();
    assert_eq!(all.len(), 4_200);
    let handled = running.each_ref().map(|running| ends(running).handled);
    assert!(handled.iter().all(|handled| *handled > 0), "both take part: {handled:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_published_is_counted_under_the_pattern() {
    let bus = Bus::<Every>::builder().state(Lines::default()).connect("memory:").await.unwrap();
    for tenant in ["acme", "other", "acme"] {
        bus.publish(&sold(tenant)).await.unwrap();
    }
    bus.publish(&Undone { tenant: "acme".into(), customer: "ann".into() }).await.unwrap();
    let running = start(&bus).await;
    let stats = running.stats();
    assert_eq!(stats.published().collect::<Vec<_>>(), [("dead.every", 0), ("tenants.*.sales", 4)]);
}

#[handler(topic = "tenants.*.sales", group = "starred")]
async fn starred(sale: Sale, lines: State<Lines>) {
    lines.0.push(format!("starred {sale:?}"));
}

#[derive(Debug, EventSet)]
enum Sale {
    Sold(Sold),
    Undone(Undone),
}

#[handler(topic = "tenants.>", group = "tailed")]
async fn tailed(fact: Fact, lines: State<Lines>) {
    lines.0.push(format!("tailed {fact:?}"));
}

#[derive(Debug, EventSet)]
enum Fact {
    Sold(Sold),
    Undone(Undone),
    Visited(Visited),
}

service! {
    Patterns = "patterns" { handles: [starred, tailed], publishes: [Sold, Undone, Visited], state: [Lines] }
}

#[tokio::test(start_paused = true)]
async fn patterns_receive_what_they_match() {
    let lines = Lines::default();
    let bus = Bus::<Patterns>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    bus.publish(&sold("acme")).await.unwrap();
    let receipt = bus.publish(&Visited { page: 7, tenant: "acme".into() }).await.unwrap();
    assert_eq!(receipt.topic(), "tenants.acme.visits.7");
    start(&bus).await;
    let expected = [
        r#"starred Sold(Sold { tenant: "acme", customer: "ann" })"#,
        r#"tailed Sold(Sold { tenant: "acme", customer: "ann" })"#,
        r#"tailed Visited(Visited { page: 7, tenant: "acme" })"#,
    ];
    assert_eq!(lines.0.sorted(), expected);
}

#[derive(Debug, EventSet)]
enum Mixed {
    Sold(Sold),
    Undone(Undone),
    Visited(Visited),
    Paid(Paid),
}

#[handler]
async fn mixed(event: Mixed, metadata: Metadata, lines: State<Lines>) {
    let variant = match event {
        Mixed::Sold(_) => "sold",
        Mixed::Undone(_) => "undone",
        Mixed::Visited(_) => "visited",
        Mixed::Paid(_) => "paid",
    };
    lines.0.push(format!("{variant} {}", metadata.topic()));
}

service! {
    Mixing = "mixing" { handles: [mixed], publishes: [Mixed], state: [Lines] }
}

#[tokio::test(start_paused = true)]
async fn a_set_mixes_topics_with_and_without_a_field() {
    let lines = Lines::default();
    let bus = Bus::<Mixing>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    let undone = Undone { tenant: "acme".into(), customer: "ann".into() };
    for event in [
        Mixed::Sold(sold("acme")),
        Mixed::Undone(undone),
        Mixed::Visited(Visited { page: 7, tenant: "b".into() }),
        Mixed::Paid(Paid { number: 1, customer: None }),
    ] {
        bus.publish(&event).await.unwrap();
    }
    start(&bus).await;
    let expected = [
        "paid shop.payments",
        "sold tenants.acme.sales",
        "undone tenants.acme.sales",
        "visited tenants.b.visits.7",
    ];
    assert_eq!(lines.0.sorted(), expected);
}

#[handler(topic = "tenants.>", group = "audit")]
async fn audit(event: AnyEvent, lines: State<Lines>) -> Result<(), Failure> {
    let topic = event.metadata().topic();
    if event.is::<Sold>() {
        let Sold { tenant, customer } = event.decode()?;
        lines.0.push(format!("{topic}: {customer} of {tenant}"));
    } else {
        lines.0.push(format!("{topic}: {} {:?}", event.name(), event.decode::<Sold>().is_err()));
    }
    Ok(())
}

service! { Audit = "audit" { handles: [audit], publishes: [Sold, Visited], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn any_event_of_a_pattern_knows_and_reads_it() {
    let lines = Lines::default();
    let bus = Bus::<Audit>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    bus.publish(&sold("acme")).await.unwrap();
    bus.publish(&Visited { page: 7, tenant: "acme".into() }).await.unwrap();
    start(&bus).await;
    let expected = ["tenants.acme.sales: ann of acme", "tenants.acme.visits.7: page.visited true"];
    assert_eq!(lines.0.sorted(), expected);
}

service! { Sole = "sole" { handles: [every], publishes: [Sold], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn what_others_publish_on_a_topic_is_received_with_and_without_a_type() {
    let (url, lines) = (broker(), Lines::default());
    let bus = Bus::<Sole>::builder().state(lines.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let payload = |tenant: &str| serde_json::to_string(&sold(tenant)).unwrap();
    for topic in ["tenants.acme.sales", "tenants.größe.sales"] {
        let message = foreign.message(topic).header("ce_type", "sale.made.v1");
        message.payload(payload("typed")).send().await.unwrap();
        foreign.message(topic).payload(payload("plain")).send().await.unwrap();
    }
    for topic in ["tenants.acme", "tenants.a.b.sales", "tenants.acme.sales.more", "dead.acme.sales"] {
        foreign.message(topic).payload(payload("elsewhere")).send().await.unwrap();
    }
    foreign.message("tenants.bad.sales").payload("{").send().await.unwrap();
    let running = start(&bus).await;
    let expected = [
        "plain on tenants.acme.sales",
        "plain on tenants.größe.sales",
        "typed on tenants.acme.sales",
        "typed on tenants.größe.sales",
    ];
    assert_eq!(lines.0.sorted(), expected);
    assert_eq!(ends(&running), Ends { handled: 4, dead_lettered: 1, ..Ends::NONE });
    let letters = letters(&bus, "sole").await;
    assert_eq!(letters[0].origin().topic, "tenants.bad.sales");
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "sites.{site}.jobs", name = "site.job", key = job.key)]
struct SiteJob {
    site: u8,
    job: Job,
}

/// What orders a job in the journal: its topic and its key.
#[handler(concurrency = 32, retry(attempts = 3, backoff = "10ms..40ms"))]
async fn work(
    SiteJob { site, job }: SiteJob,
    attempt: Attempt,
    journal: State<Journal>,
) -> Result<(), Failure> {
    let key = job.key.map(|key| format!("{site}/{key}"));
    journal.run(&Job { number: job.number, key, does: job.does }, attempt.number()).await
}

service! { Sites = "sites" { handles: [work], publishes: [SiteJob], state: [Journal] } }

#[tokio::test(start_paused = true)]
async fn keys_are_kept_in_order_on_each_topic() {
    let journal = Journal::default();
    let bus = Bus::<Sites>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    for number in 0..60_u32 {
        let site = u8::try_from(number % 3).unwrap();
        let does = [Does::FailIn(u64::from(60 - number)), Does::Take(7)];
        let job = Job::of(&format!("k{}", number % 4), number).does(does);
        bus.publish(&SiteJob { site, job }).await.unwrap();
    }
    let running = start(&bus).await;
    let lanes = journal.assert_key_order();
    assert_eq!(lanes.len(), 12);
    assert_eq!(lanes["0/k0"], [0, 12, 24, 36, 48]);
    assert_eq!(ends(&running), Ends { handled: 60, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn an_event_of_one_topic_is_in_no_order_with_the_same_key_on_another() {
    let journal = Journal::default();
    let bus = Bus::<Sites>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for site in 0..2 {
        let job = Job::of("same", u32::from(site)).does([Does::Hang]);
        bus.publish(&SiteJob { site, job }).await.unwrap();
    }
    journal.begun(2).await;
    drop(running);
}

/// What is returned goes where its value says.
#[handler]
async fn sell(Shipped { number }: Shipped) -> Vec<Sold> {
    (0..number).map(|nth| sold(&format!("t{nth}"))).collect()
}

service! { Returning = "returning" { handles: [sell, every], publishes: [Shipped], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn what_a_handler_returns_goes_to_its_topics() {
    let lines = Lines::default();
    let bus = Bus::<Returning>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    bus.publish(&Shipped { number: 3 }).await.unwrap();
    lines.0.reached(3).await;
    caught_up(&running).await;
    assert_eq!(
        lines.0.sorted(),
        ["t0", "t1", "t2"].map(|tenant| format!("{tenant} on tenants.{tenant}.sales"))
    );
    let stats = running.stats();
    assert!(stats.published().any(|count| count == ("tenants.*.sales", 3)), "{stats:?}");
}

/// A topic that is also a value of [`Sold`]'s.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "tenants.house.sales", name = "house.sale", key = customer)]
struct HouseSale {
    customer: String,
}

#[derive(Debug, EventSet)]
enum AnySale {
    House(HouseSale),
    Sold(Sold),
    Undone(Undone),
}

#[handler]
async fn any_sale(sale: AnySale, metadata: Metadata, lines: State<Lines>) {
    lines.0.push(format!("{} on {}", metadata.name(), metadata.topic()));
    drop(sale);
}

service! {
    House = "house" { handles: [any_sale], publishes: [AnySale], state: [Lines] }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_several_events_of_a_set_can_have_is_read_once_and_in_order() {
    let lines = Lines::default();
    let bus = Bus::<House>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    let house = HouseSale { customer: "ann".into() };
    for sale in [AnySale::Sold(sold("house")), AnySale::House(house), AnySale::Sold(sold("house"))] {
        bus.publish(&sale).await.unwrap();
    }
    let running = start(&bus).await;
    assert_eq!(
        lines.0.all(),
        ["sale.made", "house.sale", "sale.made"].map(|name| format!("{name} on tenants.house.sales"))
    );
    assert_eq!(counts(&running).topic, "tenants.*.sales");
    assert_eq!(ends(&running), Ends { handled: 3, ..Ends::NONE });
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "tenants.house.{kind}", name = "house.done")]
struct HouseDone {
    kind: String,
}

#[derive(Debug, EventSet)]
enum Crossing {
    Sold(Sold),
    Done(HouseDone),
}

#[handler]
async fn crossing(event: Crossing, metadata: Metadata, lines: State<Lines>) {
    lines.0.push(format!("{} on {}", metadata.name(), metadata.topic()));
    drop(event);
}

service! {
    Crossed = "crossed" { handles: [crossing], publishes: [Crossing], state: [Lines] }
}

#[tokio::test(start_paused = true)]
async fn topics_that_cross_each_other_bring_nothing_twice() {
    let lines = Lines::default();
    let bus = Bus::<Crossed>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    let done = |kind: &str| Crossing::Done(HouseDone { kind: kind.to_owned() });
    for event in [Crossing::Sold(sold("house")), done("sales"), Crossing::Sold(sold("acme")), done("visits")]
    {
        bus.publish(&event).await.unwrap();
    }
    let running = start(&bus).await;
    let expected = [
        "house.done on tenants.house.sales",
        "house.done on tenants.house.visits",
        "sale.made on tenants.acme.sales",
        "sale.made on tenants.house.sales",
    ];
    assert_eq!(lines.0.sorted(), expected);
    let groups: Vec<_> = running
        .stats()
        .groups()
        .iter()
        .map(|group| (group.topic.clone(), group.handled, group.skipped))
        .collect();
    // Each of the two subscriptions passes over the other's.
    assert_eq!(groups, [("tenants.*.sales".to_owned(), 2, 1), ("tenants.house.*".to_owned(), 2, 1)]);
}
