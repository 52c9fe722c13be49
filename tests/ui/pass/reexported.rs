//! Generated code reaches the runtime by the path in `crate = ..` alone, even where `typebus` is something else.

// Whatever still says `::typebus` finds this program, which has nothing of that.
extern crate self as typebus;

mod company {
    extern crate typebus as runtime;

    /// What a company hands on: the names that it wants its people to use, and the module that the macros name.
    pub mod bus {
        #[doc(hidden)]
        pub use super::runtime::__private;
        pub use super::runtime::{
            Attempt, Batch, Bus, Event, EventSet, Failure, HandlerError, Key, Publisher, Result, Service,
            State, Topology, handler, service, topology,
        };
    }

    /// A macro of the company says where the runtime is, so that its people need not.
    macro_rules! event {
        ($name:ident = $topic:literal) => {
            #[derive(
                serde::Serialize, serde::Deserialize, schemars::JsonSchema, $crate::company::bus::Event,
            )]
            #[event(topic = $topic, crate = $crate::company::bus)]
            pub struct $name;
        };
    }

    pub(crate) use event;
}

mod billing {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use crate::company::{bus, event};

    event!(InvoiceSent = "shop.invoices");

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, bus::Key)]
    #[key(crate = crate::company::bus)]
    pub struct OrderId(pub u64);

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, bus::Event)]
    #[event(topic = "shop.orders", name = "order.placed", version = 2)]
    #[event(key = order_id, id = order_id, upcasts(OrderPlacedV1), crate = crate::company::bus)]
    pub struct OrderPlaced {
        pub order_id: OrderId,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, bus::Event)]
    #[event(topic = "shop.orders", name = "order.placed", crate = crate::company::bus)]
    pub struct OrderPlacedV1;

    #[derive(bus::EventSet)]
    #[event(crate = crate::company::bus)]
    pub enum BillingEvent {
        Placed(OrderPlaced),
        Invoiced(InvoiceSent),
    }

    #[derive(Debug, thiserror::Error, bus::HandlerError)]
    #[outcome(crate = crate::company::bus)]
    pub enum ChargeError {
        #[error("no answer")]
        #[outcome(retry(after = "1ms"))]
        NoAnswer,
        #[error("declined")]
        #[outcome(dead_letter)]
        Declined,
        #[error("known")]
        #[outcome(discard)]
        Known,
        #[error("{0}")]
        #[outcome(inherit)]
        Wrapped(bus::Failure),
    }

    impl From<OrderPlacedV1> for OrderPlaced {
        fn from(_: OrderPlacedV1) -> Self {
            Self { order_id: OrderId(0) }
        }
    }

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, bus::Event)]
    #[event(topic = "tills.{till}.prices", name = "price.asked", reply = u64, crate = crate::company::bus)]
    pub struct PriceAsked {
        pub till: u8,
    }

    pub struct Gateway;

    #[bus::handler(
        topic = "shop.orders",
        retry(attempts = 3, backoff = "1ms..2ms"),
        timeout = "10s",
        crate = crate::company::bus,
    )]
    pub async fn charge(
        order: OrderPlaced,
        _: bus::State<Gateway>,
        _: bus::Publisher<InvoiceSent>,
        attempt: bus::Attempt,
    ) -> Result<InvoiceSent, ChargeError> {
        match (order.order_id.0, attempt.number()) {
            (1, 1) => Err(ChargeError::NoAnswer),
            (2, _) => Err(ChargeError::Declined),
            (3, _) => Err(ChargeError::Known),
            (4, _) => Err(ChargeError::Wrapped(bus::Failure::discard("not needed"))),
            _ => Ok(InvoiceSent),
        }
    }

    #[bus::handler(group = "audit", topic = "shop.*", batch(max = 10, wait = "0ms"), crate = super::company::bus)]
    pub async fn audit(events: bus::Batch<BillingEvent>) {
        for event in events {
            match event {
                BillingEvent::Placed(_) | BillingEvent::Invoiced(_) => {}
            }
        }
    }

    #[bus::handler(topic = "tills.*.prices", crate = bus)]
    pub async fn price(_: PriceAsked) -> u64 {
        995
    }

    bus::service! {
        pub Billing = "billing" {
            crate: crate::company::bus,
            handles: [charge, audit],
            publishes: [OrderPlaced],
            state: [Gateway],
        }
    }

    bus::service! {
        pub Tills = "tills" { crate: bus, handles: [price], publishes: [PriceAsked] }
    }

    bus::topology! {
        pub Shop = [Billing, Tills];
        crate: self::bus;
    }
}

use billing::{Billing, Gateway, OrderId, OrderPlaced, Shop, Tills};
use company::bus::{Bus, Service, Topology};

#[tokio::main(flavor = "current_thread")]
async fn main() -> company::bus::Result<()> {
    assert_eq!(Shop::DESCRIPTOR.services().len(), 2);
    assert_eq!(Tills::DESCRIPTOR.handlers().len(), 1);

    let bus = Bus::<Billing>::builder().state(Gateway).connect("memory:").await?;
    let running = bus.start().await?;
    for number in 1..=4 {
        bus.publish(&OrderPlaced { order_id: OrderId(number) }).await?;
    }
    // The orders, and the invoice that came of one.
    running.caught_up().await?;
    running.caught_up().await?;
    let stats = running.stats();
    let ends = |group: &str| {
        let group = stats.groups().iter().filter(|found| found.group == group);
        group.fold((0, 0, 0), |sum, of| (sum.0 + of.handled, sum.1 + of.discarded, sum.2 + of.dead_lettered))
    };
    assert_eq!(ends("billing"), (1, 2, 1));
    assert_eq!(ends("audit"), (5, 0, 0));
    running.stop().await
}
