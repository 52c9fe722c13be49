//! A service and its tests, to copy from: `cargo test --example testing`. The features of a test go under
//! `[dev-dependencies]`: `typebus = { version = "0.1", features = ["test"] }`.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.placed", key = order_id)]
struct OrderPlaced {
    order_id: String,
    cents: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.payments", name = "payment.captured", key = order_id)]
struct PaymentCaptured {
    order_id: String,
}

/// Takes every card, after it was down for so many attempts.
struct Gateway(u32);

#[handler(retry(attempts = 5, backoff = "1m..1h"))]
async fn charge(
    order: OrderPlaced,
    gateway: State<Gateway>,
    attempt: Attempt,
) -> Result<PaymentCaptured, Failure> {
    if attempt.number() <= gateway.0 {
        return Err(Failure::retry("the gateway is down"));
    }
    if order.cents > 10_000 {
        return Err(Failure::dead_letter("too expensive"));
    }
    Ok(PaymentCaptured { order_id: order.order_id })
}

service! { Billing = "billing" { handles: [charge], publishes: [OrderPlaced], state: [Gateway] } }

#[tokio::main]
async fn main() -> typebus::Result<()> {
    let bus = Bus::<Billing>::builder().state(Gateway(0)).connect("memory:").await?;
    bus.run_until(shutdown_signal()).await
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, Instant};
    use typebus::{Outcome, Reason};

    use super::*;

    fn order(cents: u32) -> OrderPlaced {
        OrderPlaced { order_id: "o-1".into(), cents }
    }

    #[tokio::test] // a handler is a function
    async fn a_payment_names_its_order() {
        let payment = charge(order(99), Gateway(0).into(), Attempt::new(1, 5)).await.unwrap();
        assert_eq!(payment.order_id, "o-1");
    }

    #[tokio::test] // on a clock that jumps: minutes of back-off take no time
    async fn a_gateway_that_is_down_is_asked_again() {
        let test = Billing::test(Gateway(3));
        let begin = Instant::now();
        let delivered = test.deliver(&order(99)).await;
        assert_eq!((delivered.outcome(), delivered.only().attempts()), (Outcome::Ack, 4));
        assert!(begin.elapsed() > Duration::from_secs(3 * 60));
        assert_eq!(test.published::<PaymentCaptured>(), [PaymentCaptured { order_id: "o-1".into() }]);
    }

    #[tokio::test]
    async fn what_is_too_expensive_is_a_dead_letter() {
        let test = Billing::test(Gateway(0));
        assert_eq!(test.deliver(&order(10_001)).await.outcome(), Outcome::DeadLetter);
        let letters = test.dead_letters();
        assert_eq!((letters[0].reason(), letters[0].error()), (Reason::Failed, "too expensive"));
    }
}
