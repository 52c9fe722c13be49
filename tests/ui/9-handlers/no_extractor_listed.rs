//! The same in a handler that a service lists.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced, _: Plain) {}

service! {
    pub Billing = "billing" { handles: [charge] }
}

fn main() {}
