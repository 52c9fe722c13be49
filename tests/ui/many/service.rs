//! Eight mistakes in a service.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

service! {
    pub Billing = "billing.eu" {
        handler: [charge],
        handles: [charge, "refund", #[inline] charge],
        publishes: InvoiceSent,
        state: [Gateway Mailer],
        state: [Gateway],
    }
}

fn main() {}
