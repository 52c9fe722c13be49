//! What a handler returns, somebody handles.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

#[handler]
async fn charge(order: OrderPlaced) -> Result<Option<PaymentCaptured>, Failure> {
    Ok(Some(PaymentCaptured { order_id: order.order_id }))
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

topology! {
    pub Shop = [Storefront, Billing];
}

fn main() {}
