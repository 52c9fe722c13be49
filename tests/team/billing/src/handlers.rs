//! What billing does for an order.

use contracts::{OrderCancelled, OrderPlaced, PaymentCaptured, PaymentRefunded};
use typebus::prelude::*;

use crate::Gateway;

/// Takes the money.
#[handler(topic = "shop.orders", retry(attempts = 5, backoff = "100ms..30s"))]
pub(crate) async fn charge(order: OrderPlaced, gateway: State<Gateway>) -> Result<PaymentCaptured, Failure> {
    gateway.charge(&order.order_id, order.total_cents)?;
    Ok(PaymentCaptured { order_id: order.order_id })
}

/// Gives it back.
#[handler]
pub(crate) async fn refund(
    order: OrderCancelled,
    gateway: State<Gateway>,
) -> Result<PaymentRefunded, Failure> {
    gateway.refund(&order.order_id)?;
    Ok(PaymentRefunded { order_id: order.order_id })
}
