//! Orders that are taken, and parcels that are sent for them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

use crate::outbox::Database;

/// A customer placed an order. The key is the customer, whose orders are sent in their order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.placed", key = customer)]
pub struct OrderPlaced {
    pub order: u32,
    pub customer: String,
}

/// Takes an order: it and its event are in the database both, or neither is. Nothing is published here.
pub fn place(bus: &Bus<Shop>, database: &Database, placed: &OrderPlaced) -> Result<String, Failure> {
    let prepared = bus.prepare(placed)?;
    database.transaction(|transaction| {
        let order = (placed.order, &placed.customer);
        transaction.execute("INSERT INTO orders (number, customer) VALUES (?, ?)", order)?;
        transaction.execute(
            "INSERT INTO outbox (id, key, event) VALUES (?, ?, ?)",
            (prepared.id(), prepared.key(), prepared.to_bytes()),
        )
    })?;
    Ok(prepared.id().to_owned())
}

/// Sends a parcel, once for each order: the id says whether this is a repeat.
#[handler]
pub async fn ship(placed: Envelope<OrderPlaced>, database: State<Database>) -> Result<(), Failure> {
    let OrderPlaced { order, customer } = placed.event;
    let id = placed.metadata.id();
    let sent = database.transaction(|transaction| {
        transaction.execute("INSERT INTO deliveries (id) VALUES (?)", [id])?;
        let parcel = (id, order, customer);
        transaction.execute("INSERT OR IGNORE INTO parcels (id, number, customer) VALUES (?, ?, ?)", parcel)
    })?;
    println!("order {order} came: {}", if sent == 1 { "a parcel is sent" } else { "it was sent already" });
    Ok(())
}

service! { pub Shop = "shop" { publishes: [OrderPlaced] } }

service! { pub Shipping = "shipping" { handles: [ship], state: [Database] } }
