//! What the benches share: two events, and a finite source of deliveries that costs next to nothing itself.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{
    Event, Result,
    backend::{
        Attribute, Backend, BoxFuture, BoxStream, Capabilities, Confirmation, Consumer, Delivery, Floor,
        Intake, MessageBuilder, Outgoing, Partitions, Plan, Position, Publishing, Room, Subscription, Token,
        Topic,
    },
};

/// Three integers: as little work as an event can be, for counts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "bench.ticks", name = "tick", key = id)]
pub struct Tick {
    /// The key.
    pub id: u64,
    /// In cents.
    pub price: u64,
    /// In lots.
    pub size: u64,
}

impl Tick {
    /// The nth tick, of one of 1,000 instruments.
    #[must_use]
    pub const fn nth(n: u64) -> Self {
        Self { id: n * 7_919 % 1_000, price: 100 + n % 900, size: n % 50 }
    }
}

/// 200 bytes of JSON with two lines, for rates.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "bench.orders", name = "order", key = order_id)]
pub struct Order {
    /// The key.
    pub order_id: String,
    /// Who ordered.
    pub customer_id: u64,
    /// In which currency.
    pub currency: String,
    /// What is paid.
    pub total_cents: u64,
    /// What was ordered.
    pub lines: Vec<Line>,
}

/// One line of an [`Order`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// The article.
    pub sku: String,
    /// How many.
    pub quantity: u32,
    /// Of one.
    pub price_cents: u64,
}

impl Order {
    /// The nth order, of one of 1,000 keys.
    #[must_use]
    pub fn nth(n: u64) -> Self {
        let line =
            |sku: &str| Line { sku: format!("{sku}-{:04}", n % 10_000), quantity: 2, price_cents: 1_999 };
        Self {
            order_id: format!("order-{:06}", n * 7_919 % 1_000),
            customer_id: 1_000 + n % 9_000,
            currency: "EUR".to_owned(),
            total_cents: 7_996,
            lines: vec![line("pencil"), line("eraser")],
        }
    }
}

/// The rounds of a comparison: what each side took for the same work, in turn.
#[derive(Debug, Clone, Default)]
pub struct Rounds(Vec<(Duration, Duration)>);

impl Rounds {
    /// Adds a round: what it is compared with, and what is compared.
    pub fn push(&mut self, base: Duration, ours: Duration) {
        self.0.push((base, ours));
    }

    /// How many times as fast the second side is in its quickest round as the first in its own: whatever else a shared
    /// machine does makes a round slower, and none quicker.
    #[must_use]
    pub fn quickest(&self) -> f64 {
        let base = self.0.iter().map(|(base, _)| *base).min().unwrap_or_default();
        let ours = self.0.iter().map(|(_, ours)| *ours).min().unwrap_or_default();
        base.as_secs_f64() / ours.as_secs_f64()
    }
}

impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ratios: Vec<_> =
            self.0.iter().map(|(base, ours)| base.as_secs_f64() / ours.as_secs_f64()).collect();
        ratios.sort_by(f64::total_cmp);
        let count = ratios.len();
        let [Some(low), Some(median), Some(high)] =
            [0, count / 2, count.wrapping_sub(1)].map(|at| ratios.get(at))
        else {
            return f.write_str("no rounds");
        };
        write!(
            f,
            "{:.2} x by the quickest of {count} rounds each; pair by pair {median:.2} ({low:.2} to {high:.2})",
            self.quickest()
        )
    }
}

/// A backend that delivers a fixed number of prepared messages to one subscription, and confirms every publication
/// at once without keeping it.
#[derive(Debug)]
pub struct Finite {
    deliveries: Arc<[Delivery]>,
    count: u64,
}

const PARTITIONS: u64 = 4;

impl Finite {
    /// `count` ticks.
    #[must_use]
    pub fn ticks(count: u64) -> Self {
        let delivery = |n: u64| {
            let tick = Tick::nth(n);
            let mut builder = MessageBuilder::new();
            let payload = serde_json::to_vec(&tick).unwrap_or_default();
            let _: Result<_, std::convert::Infallible> = builder.payload(|buffer| {
                buffer.extend_from_slice(&payload);
                Ok(())
            });
            builder.key(tick.id.to_string().as_bytes());
            for (attribute, value) in [
                (Attribute::Type, "tick.v1"),
                (Attribute::ContentType, "application/json"),
                (Attribute::SpecVersion, "1.0"),
                (Attribute::Source, "bench"),
                (Attribute::Time, "2026-01-01T00:00:00.000Z"),
                (Attribute::Id, "018f0000-0000-7000-8000-000000000000"),
            ] {
                builder.attribute(attribute, value.as_bytes());
            }
            let partition = u32::try_from(n % PARTITIONS).unwrap_or_default();
            Delivery {
                token: Token { partition, generation: 1, position: 0 },
                topic: Topic::from_static("bench.ticks"),
                message: builder.build(),
                partition: Some(partition),
                position: None,
                past: None,
            }
        };
        Self { deliveries: (0..1_000).map(delivery).collect(), count }
    }
}

impl Backend for Finite {
    fn system(&self) -> &'static str {
        "finite"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            key_order: true,
            partition_order: true,
            start_earliest: true,
            max_message: 1 << 20,
            ..Capabilities::default()
        }
    }

    fn provision<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn publish(&self, _: Outgoing) -> Publishing {
        Publishing::ready(Ok(Confirmation::default()))
    }

    fn subscribe<'a>(&'a self, of: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        // Nothing is replayed here.
        let count = if of.filter.starts_with("dead.") { 0 } else { self.count };
        let consumer = Source { deliveries: Arc::clone(&self.deliveries), next: 0, count };
        Box::pin(async { Ok(Box::new(consumer) as Box<dyn Consumer>) })
    }

    fn caught_up<'a>(&'a self, _: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn browse<'a>(&'a self, _: &'a Topic) -> BoxFuture<'a, Result<BoxStream<Result<Delivery>>>> {
        Box::pin(async { Ok(Box::pin(Empty) as BoxStream<_>) })
    }

    fn discard<'a>(&'a self, _: &'a Topic, _: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

struct Empty;

impl futures_core::Stream for Empty {
    type Item = Result<Delivery>;

    fn poll_next(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}

#[derive(Debug)]
struct Source {
    deliveries: Arc<[Delivery]>,
    next: u64,
    count: u64,
}

impl Consumer for Source {
    fn poll_batch(
        &mut self,
        _: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        if self.next == self.count {
            return Poll::Ready(Ok(Intake::End));
        }
        if room.is_empty() {
            return Poll::Pending;
        }
        let begin = usize::try_from(self.next % 1_000).unwrap_or_default();
        let left = usize::try_from(self.count - self.next).unwrap_or(usize::MAX);
        let prepared = self.deliveries[begin..].iter().take(left.min(room.count));
        for (position, delivery) in (self.next..).zip(prepared) {
            let token = Token { position, ..delivery.token };
            into.push(Delivery {
                token,
                topic: delivery.topic.clone(),
                message: delivery.message.clone(),
                partition: delivery.partition,
                position: Some(Position::new(position)),
                past: None,
            });
            self.next += 1;
        }
        Poll::Ready(Ok(Intake::Deliveries))
    }

    fn settle(&mut self, _: &[Token], _: &[Floor]) {}

    fn release(&mut self, _: &Partitions) {}

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}
