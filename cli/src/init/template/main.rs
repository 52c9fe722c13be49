//! The service `{{service}}`. `cargo run` shows it at work, on a bus in this process.
//!
//! For a broker, give `typebus` in Cargo.toml its feature (`kafka`, `rabbitmq` or `nats`), connect to its URL, and end
//! with `bus.run_until(shutdown_signal()).await` instead of publishing an order of your own.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

/// A customer has ordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "{{service}}.orders", name = "order.placed", key = order_id)]
pub struct OrderPlaced {
    /// Which order it is.
    pub order_id: String,
    /// What it costs.
    pub cents: u32,
}

/// An order has been accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "{{service}}.accepted", name = "order.accepted", key = order_id)]
pub struct OrderAccepted {
    /// Which order it is.
    pub order_id: String,
}

/// Accepts every order that costs something: what is returned is published.
#[handler(retry(attempts = 5, backoff = "200ms..10s"), timeout = "10s")]
async fn accept(order: OrderPlaced) -> Result<OrderAccepted, Failure> {
    if order.cents == 0 {
        return Err(Failure::dead_letter("an order costs something"));
    }
    Ok(OrderAccepted { order_id: order.order_id })
}

/// Tells the customer.
#[handler]
async fn tell(accepted: OrderAccepted) {
    println!("order {} is accepted", accepted.order_id);
}

service! {
    /// Accepts orders.
    pub {{type}} = "{{service}}" {
        handles: [accept, tell],
        publishes: [OrderPlaced],
    }
}

#[tokio::main]
async fn main() -> typebus::Result<()> {
    let bus = Bus::<{{type}}>::builder().connect("memory:").await?;
    let running = bus.start().await?;
    bus.publish(&OrderPlaced { order_id: "o-1".to_owned(), cents: 4990 }).await?;
    running.caught_up().await?; // the order is accepted ..
    running.caught_up().await?; // .. and the customer told
    running.stop().await
}

#[cfg(test)]
mod tests {
    use typebus::Outcome;

    use super::*;

    #[tokio::test]
    async fn an_order_that_costs_something_is_accepted() {
        let test = {{type}}::test(());
        let order = OrderPlaced { order_id: "o-1".to_owned(), cents: 4990 };
        assert_eq!(test.deliver(&order).await.outcome(), Outcome::Ack);
        assert_eq!(test.published::<OrderAccepted>(), [OrderAccepted { order_id: "o-1".to_owned() }]);
    }

    #[tokio::test]
    async fn an_order_for_nothing_is_a_dead_letter() {
        let test = {{type}}::test(());
        let order = OrderPlaced { order_id: "o-2".to_owned(), cents: 0 };
        assert_eq!(test.deliver(&order).await.outcome(), Outcome::DeadLetter);
        assert_eq!(test.dead_letters()[0].error(), "an order costs something");
    }
}
