//! Request and reply: at least once there, at most once back, and an answer or an error in time.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use typebus::{ErrorKind, prelude::*};
use typebus_tests::{Does, Gate, Job, Journal, Placed, Seen, caught_up, counts, letters, patiently};

use crate::{
    backends::Unrouted,
    trial::{Verdict, trials},
    world::World,
};

trials! { "Request and reply":
    "two hundred requests at once each get their own reply" => many, caught: [DropsReplies @ "memory", LosesTenth @ "nats", DropsHeaders @ "rabbitmq"];
    "a request times out, and is not run when it has" => times_out, caught: [ForgetsPast @ "kafka", DropsReplies @ "pulsar"];
    "a replier that dies leaves the request to the next one" => dies, caught: [SettlesEarly @ "memory", SettlesEarly @ "rabbitmq"];
    "what is given up is told at once" => given_up, caught: [DropsReplies @ "memory"];
    "where nobody replies the caller is told" => nobody, caught: [SwallowsErrors @ "rabbitmq"];
    "forged `reply_to`, attempt and origin headers move nobody" [23] => forged, caught: [AnswersAnybody @ "memory"];
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "prices.quotes", name = "get.quote", key = key, reply = u32)]
struct GetQuote {
    number: u32,
    key: String,
    does: Vec<Does>,
}

impl GetQuote {
    fn of(number: u32, does: impl Into<Vec<Does>>) -> Self {
        Self { number, key: format!("key-{number}"), does: does.into() }
    }
}

#[derive(Clone, Default)]
struct Desk {
    journal: Journal,
    gate: Gate,
}

#[handler(retry(attempts = 3, backoff = "1s..1s", jitter = false), timeout = "2m")]
async fn quote(asked: GetQuote, attempt: Attempt, desk: State<Desk>) -> Result<u32, Failure> {
    let GetQuote { number, key, does } = asked;
    if does == [Does::Hang] {
        desk.gate.pass().await;
    } else {
        desk.journal.run(&Job { number, key: Some(key), does }, attempt.number()).await?;
    }
    Ok(number * 100)
}

service! { Office = "office" { handles: [quote], publishes: [Placed], state: [Desk] } }
service! { Shop = "shop" { publishes: [GetQuote] } }

const SECOND: Duration = Duration::from_secs(1);

async fn many(world: &World) -> Verdict {
    let desk = Desk::default();
    let office = world.process::<Office, _>(desk.clone()).await;
    let running = office.start().await;
    let shops = [world.stateless::<Shop>().await, world.stateless::<Shop>().await];
    let asked: Vec<_> = (0..200_u32)
        .map(|number| {
            let bus = shops[number as usize % 2].bus.clone();
            // Later ones are answered before earlier ones.
            let request = GetQuote::of(number, [Does::Take(u64::from(200 - number) % 37)]);
            tokio::spawn(async move { bus.request(&request).await })
        })
        .collect();
    for (number, asked) in (0..).zip(asked) {
        assert_eq!(patiently(asked).await.unwrap().unwrap(), number * 100);
    }
    caught_up(&running).await;
    assert_eq!(counts(&running).handled, 200);
    for shop in shops {
        assert_eq!(shop.start().await.stats().late_replies(), 0);
    }
    Verdict::Kept
}

async fn times_out(world: &World) -> Verdict {
    let desk = Desk::default();
    let office = world.process::<Office, _>(desk.clone()).await;
    let shop = world.stateless::<Shop>().await;
    let began = Instant::now();
    let timeout = world.either(5 * SECOND, 2 * SECOND);
    let error = shop.bus.request(&GetQuote::of(1, [])).timeout(timeout).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    world.assert_took(began, timeout);
    assert!(error.outcome_unknown());
    tokio::time::sleep(world.either(60 * SECOND, 2 * SECOND)).await;
    let running = office.start().await;
    assert_eq!(shop.bus.request(&GetQuote::of(2, [])).await.unwrap(), 200);
    caught_up(&running).await;
    assert_eq!(desk.journal.beginnings(), [(2, 1)]);
    Verdict::Kept
}

async fn dies(world: &World) -> Verdict {
    let desk = Desk::default();
    let office = world.process::<Office, _>(desk.clone()).await;
    let dying = office.start().await;
    let shop = world.stateless::<Shop>().await;
    let asking = tokio::spawn({
        let bus = shop.bus.clone();
        async move { bus.request(&GetQuote::of(3, [Does::Hang])).await }
    });
    desk.gate.crowd(1).await;
    office.dies(&dying, "prices.quotes").await;
    desk.gate.crowd(0).await;
    let next = world.process::<Office, _>(desk.clone()).await;
    let _running = next.start().await;
    desk.gate.crowd(1).await;
    desk.gate.open();
    assert_eq!(patiently(asking).await.unwrap().unwrap(), 300);
    Verdict::Kept
}

async fn given_up(world: &World) -> Verdict {
    let desk = Desk::default();
    let office = world.process::<Office, _>(desk.clone()).await;
    let running = office.start().await;
    let shop = world.stateless::<Shop>().await;
    for (number, does, after, says) in [
        (1, vec![Does::Bury], 0, "hopeless"),
        (2, vec![Does::Drop], 0, "not needed"),
        (3, vec![Does::Fail; 3], 2, "failed"),
    ] {
        let began = Instant::now();
        let error = shop.bus.request(&GetQuote::of(number, does)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestFailed, "{error}");
        world.assert_took(began, after * SECOND);
        assert!(error.to_string().contains(says), "{error}");
    }
    caught_up(&running).await;
    assert_eq!(letters(&office.bus, "office").await.len(), 2);
    Verdict::Kept
}

async fn nobody(world: &World) -> Verdict {
    let shop = world.stateless::<Shop>().await;
    let began = Instant::now();
    let timeout = world.either(7 * SECOND, 3 * SECOND);
    let error = shop.bus.request(&GetQuote::of(1, [])).timeout(timeout).await.unwrap_err();
    match world.nature().unrouted {
        Unrouted::Refused => {
            assert_eq!(error.kind(), ErrorKind::NoReplier, "{error}");
            world.assert_took(began, Duration::ZERO);
        }
        // A stream keeps the request, and does not know that nobody reads it.
        Unrouted::Kept | Unrouted::NeedsStream => {
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            world.assert_took(began, timeout);
        }
    }
    Verdict::Kept
}

#[handler(topic = "shop.orders", group = "watch")]
async fn watch(event: AnyEvent, seen: State<Seen<String>>) {
    seen.push(event.name().to_owned());
}

service! { Watch = "watch" { handles: [watch], state: [Seen<String>] } }

async fn forged(world: &World) -> Verdict {
    let (desk, seen) = (Desk::default(), Seen::default());
    let office = world.process::<Office, _>(desk.clone()).await;
    let watching = world.process::<Watch, _>(seen.clone()).await.start().await;
    let running = office.start().await;
    let foreign = world.foreign();
    let payload = |does: &[Does]| serde_json::to_vec(&GetQuote::of(1, does)).unwrap();
    for reply_to in
        ["shop.orders", "dead.office", "reply.shop.*", "reply.shop.1.2", "shop.>", "reply.sh_op.1"]
    {
        let message = foreign.message("prices.quotes").header("ce_type", "get.quote.v1");
        let message = message.header("typebus-reply-to", reply_to).header("typebus-call", "1");
        message.payload(payload(&[])).send().await.unwrap();
    }
    // It fails three times, whatever it says of itself.
    let message = foreign.message("prices.quotes").header("ce_type", "get.quote.v1");
    let message = message.header("typebus-attempts", "99").header("typebus-origin-topic", "elsewhere");
    let message = message.header("typebus-redriven", "7").header("typebus-reason", "panicked");
    // Nor does a clock that is an hour off.
    let message = message.header("ce_time", "2001-01-01T00:00:00Z").header("ce_source", "office");
    message.payload(payload(&[Does::Fail; 3])).send().await.unwrap();
    caught_up(&running).await;
    caught_up(&watching).await;
    assert_eq!(counts(&running).handled, 6);
    assert!(seen.all().is_empty(), "{:?} is no reply", seen.all());
    let [letter] = &letters(&office.bus, "office").await[..] else { panic!("not one dead letter") };
    assert_eq!((letter.attempts(), letter.origin().topic.as_str()), (3, "prices.quotes"));
    assert_eq!((letter.redriven(), letter.reason()), (0, typebus::Reason::Failed));
    Verdict::Kept
}
