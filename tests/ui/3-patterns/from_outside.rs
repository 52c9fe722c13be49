//! What a pattern brings may come from outside the system.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.*")]
async fn charge(_: OrderPlaced) {}

#[handler]
async fn book(_: PaymentCaptured) {}

service! {
    pub Billing = "billing" { handles: [charge] }
}

service! {
    pub Accounts = "accounts" { handles: [book] }
}

topology! {
    pub Shop = [Billing, Accounts];
    from_outside: [OrderPlaced, PaymentCaptured];
}

fn main() {}
