//! A handler is listed once, whatever it is called.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

use charge as take;

service! {
    pub Billing = "billing" { handles: [charge, take] }
}

fn main() {}
