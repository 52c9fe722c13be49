//! The shop that the fixtures share.

#![allow(unused_imports, reason = "no fixture needs all of it")]

pub use schemars::JsonSchema;
pub use serde::{Deserialize, Serialize};
pub use typebus::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.placed", key = order_id)]
pub struct OrderPlaced {
    pub order_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.cancelled", key = order_id)]
pub struct OrderCancelled {
    pub order_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.payments", key = order_id)]
pub struct PaymentCaptured {
    pub order_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.invoices")]
pub struct InvoiceSent;

/// No event.
#[derive(Debug)]
pub struct Plain;

/// What handlers need.
#[derive(Debug, Clone)]
pub struct Gateway;

/// Another thing that handlers need.
#[derive(Debug, Clone)]
pub struct Mailer;
