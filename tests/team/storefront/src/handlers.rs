//! What the storefront learns from the others.

use contracts::PaymentCaptured;
use typebus::prelude::*;

use crate::Orders;

/// Shows the order as paid.
#[handler(topic = "shop.payments")]
pub(crate) async fn confirm(payment: PaymentCaptured, orders: State<Orders>) {
    orders.pay(payment.order_id);
}
