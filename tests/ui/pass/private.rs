//! What is private may be listed in a service that is public.
pub mod billing {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use typebus::{FromDelivery, Incoming, prelude::*};

    #[derive(Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "shop.orders", key = order_id)]
    struct OrderPlaced {
        order_id: OrderId,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Key)]
    struct OrderId(u64);

    #[derive(Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "shop.payments")]
    struct PaymentCaptured;

    #[derive(EventSet)]
    enum Returned {
        Captured(PaymentCaptured),
    }

    struct Gateway;

    struct Limit;

    impl FromDelivery for Limit {
        type Needs = Gateway;
        type Error = Failure;

        fn from_delivery(_: &Incoming<'_>, _: &Gateway) -> Result<Self, Failure> {
            Ok(Self)
        }
    }

    #[derive(Debug, thiserror::Error, HandlerError)]
    #[error("declined")]
    #[outcome(discard)]
    struct Declined;

    #[handler]
    async fn charge(_: OrderPlaced, _: State<Gateway>, _: Limit) -> Result<Returned, Declined> {
        if true { Ok(Returned::Captured(PaymentCaptured)) } else { Err(Declined) }
    }

    #[handler(group = "other")]
    async fn refund(_: OrderPlaced, _: State<Gateway>) -> Option<PaymentCaptured> {
        None
    }

    service! {
        pub Billing = "billing" {
            handles: [charge, refund],
            publishes: [PaymentCaptured],
            state: [Gateway],
        }
    }
}

fn main() {
    assert_eq!(<billing::Billing as typebus::Service>::DESCRIPTOR.handlers().len(), 2);
}
