//! What the services tell each other: every event, with its topic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

/// A customer placed an order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.placed", key = order_id)]
pub struct OrderPlaced {
    pub order_id: String,
    pub total_cents: u64,
}

/// A customer wants the money back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.cancelled", key = order_id)]
pub struct OrderCancelled {
    pub order_id: String,
}

/// The money for an order has come.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.payments", name = "payment.captured", key = order_id)]
pub struct PaymentCaptured {
    pub order_id: String,
}

/// The money for an order has gone back; the accountants read it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", name = "payment.refunded", key = order_id)]
pub struct PaymentRefunded {
    pub order_id: String,
}
