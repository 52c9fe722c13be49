//! The example `axum`: orders come in by HTTP and go out as events. `cargo run --example axum`, and then
//! `curl -i localhost:3000/orders --json '{"order_id": "o-1"}'`.
mod http;
mod serve;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use typebus::prelude::*;

pub use crate::{
    http::{health, ready},
    serve::{App, serve},
};

/// A customer placed an order.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.placed", key = order_id)]
pub struct OrderPlaced {
    /// Which one.
    pub order_id: String,
}

/// Where packed orders go.
pub struct Belt(pub mpsc::Sender<String>);

#[handler]
pub(crate) async fn pack(order: OrderPlaced, belt: State<Belt>) -> Result<(), Failure> {
    Ok(belt.0.send(order.order_id).await?)
}

service! {
    /// Packs what is ordered.
    pub Shop = "shop" { handles: [pack], publishes: [OrderPlaced], state: [Belt] }
}
