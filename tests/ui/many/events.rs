//! Nine mistakes in the events of a program, and none where they are used.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{Bus, prelude::*};

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop orders", name = "order placed", version = "2", key = ordr_id, id = 5.0, upcasts(OrderPlaced))]
pub struct OrderPlaced {
    pub order_id: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
pub struct InvoiceSent;

#[derive(EventSet)]
pub enum Any {
    Placed(OrderPlaced),
    Again(OrderPlaced),
    Nothing,
}

#[handler]
async fn charge(_: OrderPlaced, _: Publisher<InvoiceSent>) -> Option<OrderPlaced> {
    None
}

#[handler(topic = "shop.orders", group = "audit")]
async fn audit(_: Any) -> Vec<Any> {
    Vec::new()
}

service! {
    pub Billing = "billing" { handles: [charge, audit], publishes: [OrderPlaced, InvoiceSent] }
}

async fn announce(bus: &Bus<Billing>, order: &OrderPlaced) -> typebus::Result<()> {
    bus.publish(&InvoiceSent).await?;
    bus.publish(order).await.map(drop)
}

fn main() {}
