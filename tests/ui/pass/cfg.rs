//! Handlers, services, the entries of lists and whatever stands in a derive may depend on the configuration.

#[path = "../common.rs"]
mod common;

use common::*;

use typebus::{Bus, Events, Handler as _, Outcome, Service, Topology as _, topology};

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler]
#[cfg(any())]
async fn refund(_: ThisDoesNotExist, _: State<NorThis>) {}

#[handler(group = "audit")]
#[cfg(all())]
async fn audit(_: OrderPlaced) {}

// In front of it, and from another attribute, it means the same.
#[cfg(any())]
#[handler]
async fn earlier(_: ThisDoesNotExist) {}

#[handler]
#[cfg_attr(all(), cfg(any()), must_use)]
async fn conditionally(_: ThisDoesNotExist) {}

#[cfg_attr(all(), handler(group = "attributed", timeout = "1s"))]
#[cfg_attr(any(), handler(group = "never"))]
async fn attributed(_: OrderEvent) {}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds")]
#[cfg_attr(all(), event(key = order_id))]
#[cfg_attr(any(), event(key = nothing))]
struct Refunded {
    #[cfg(any())]
    order_id: Nothing,
    #[cfg(all())]
    order_id: String,
}

#[derive(EventSet)]
enum OrderEvent {
    #[cfg(any())]
    Nothing(ThisDoesNotExist),
    #[cfg(all())]
    Refunded(Refunded),
}

#[derive(Debug, thiserror::Error, HandlerError)]
enum RefundError {
    #[cfg(any())]
    #[error("never")]
    Never(ThisDoesNotExist),
    #[error("always")]
    #[cfg_attr(all(), outcome(discard))]
    #[cfg_attr(any(), outcome(retry))]
    Always,
}

// One of several that exclude each other.
#[handler(group = "one")]
#[cfg(all())]
async fn one_of_two(_: PaymentCaptured) -> Result<(), RefundError> {
    Err(RefundError::Always)
}

#[handler(group = "other")]
#[cfg(any())]
async fn one_of_two(_: PaymentCaptured, _: State<NorThis>) {}

service! {
    pub Billing = "billing" {
        handles: [charge, #[cfg(any())] refund, #[cfg(all())] audit, #[cfg(any())] #[cfg(all())] nor::this],
        publishes: [#[cfg(any())] Nothing, #[cfg(all())] InvoiceSent, #[cfg(not(all()))] InvoiceSent],
        state: [#[cfg(any())] Nothing, #[cfg(all())] Gateway, Mailer, #[cfg(all())] #[cfg(any())] Nor],
    }
}

service! {
    #[cfg(any())]
    pub Absent = "absent" {
        handles: [refund],
        publishes: [Nothing],
        state: [Nothing],
    }
}

service! {
    #[cfg(all())]
    #[cfg(not(any()))]
    Alternatives = "alternatives" {
        handles: [
            #[cfg(all())] one_of_two,
            #[cfg(any())] one_of_two,
            attributed,
            #[cfg(any())] earlier,
            #[cfg(any())] conditionally,
        ],
        publishes: [#[cfg(any())] PaymentCaptured, #[cfg(all())] Refunded, #[cfg(any())] OrderEvent],
        state: [#[cfg(any())] Gateway, #[cfg(all())] Gateway],
    }
}

service! {
    #[cfg(any())]
    Alternatives = "absent" {
        handles: [nor::this],
        publishes: [#[cfg(all())] Nor],
        state: [#[cfg(all())] Nor, Nothing],
    }
}

topology! {
    #[cfg(all())]
    Shop = [#[cfg(any())] Absent, #[cfg(all())] Alternatives];
    from_outside: [#[cfg(all())] PaymentCaptured, #[cfg(any())] Nothing];
    to_outside: [#[cfg(any())] Refunded];
}

topology! {
    #[cfg(any())]
    Shop = [Absent];
}

service! {
    Empty = "empty" {
        handles: [#[cfg(any())] refund],
        publishes: [#[cfg(any())] Refunded],
        state: [#[cfg(any())] Gateway, #[cfg(any())] Mailer, #[cfg(any())] Nor, #[cfg(any())] This],
    }
}

service! {
    Single = "single" { state: [#[cfg(any())] Nothing, Gateway] }
}

service! {
    Stateless = "stateless" { state: [#[cfg(any())] Nothing] }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> typebus::Result<()> {
    let names = |service: &typebus::ServiceDescriptor| {
        service.handlers().iter().map(|handler| handler.name()).collect::<Vec<_>>()
    };
    assert_eq!(names(&Billing::DESCRIPTOR), ["charge", "audit"]);
    assert_eq!(Billing::DESCRIPTOR.publishes().len(), 1);
    let _ = Bus::<Billing>::builder().state((Gateway, Mailer));
    let _ = Bus::<Single>::builder().state(Gateway);
    let _ = Bus::<Stateless>::builder().connect("memory:");

    assert_eq!(Alternatives::DESCRIPTOR.name(), "alternatives");
    assert_eq!(Shop::DESCRIPTOR.services().len(), 1);
    assert_eq!(names(&Alternatives::DESCRIPTOR), ["one_of_two", "attributed"]);
    assert_eq!(Alternatives::DESCRIPTOR.publishes().len(), 1);
    assert_eq!(one_of_two::DESCRIPTOR.group(), Some("one"));
    assert_eq!(attributed::DESCRIPTOR.group(), Some("attributed"));
    assert!(matches!(OrderEvent::EVENTS, Events::Many([Events::One(_)])));
    assert_eq!(RefundError::Always.outcome(), Outcome::Discard);
    assert!(Empty::DESCRIPTOR.handlers().is_empty() && Empty::DESCRIPTOR.publishes().is_empty());
    let _ = Bus::<Empty>::builder().connect("memory:");

    let bus = Bus::<Alternatives>::builder().state(Gateway).connect("memory:").await?;
    let running = bus.start().await?;
    bus.publish(&Refunded { order_id: "1".to_owned() }).await?;
    running.caught_up().await?;
    assert_eq!(running.stats().groups().iter().map(|group| group.handled).sum::<u64>(), 1);
    running.stop().await
}
