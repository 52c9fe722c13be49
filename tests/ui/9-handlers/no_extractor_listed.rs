//! Arguments after the first are extractors, in a handler that a service lists too.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced, _: Plain) {}

service! {
    pub Billing = "billing" { handles: [charge] }
}

fn main() {}
