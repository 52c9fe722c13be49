//! What the web pages call.

use contracts::{OrderCancelled, OrderPlaced};
use typebus::Bus;

use crate::Storefront;

/// Announces an order.
pub async fn place(bus: &Bus<Storefront>, order: OrderPlaced) -> typebus::Result<()> {
    bus.publish(&order).await?;
    Ok(())
}

/// Announces that there is none any more.
pub async fn cancel(bus: &Bus<Storefront>, cancelled: OrderCancelled) -> typebus::Result<()> {
    bus.publish(&cancelled).await?;
    Ok(())
}
