//! A service knows a handler by its name.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

mod refunds {
    use super::*;

    #[handler]
    pub(crate) async fn charge(_: OrderCancelled) {}
}

service! {
    pub Billing = "billing" { handles: [charge, refunds::charge] }
}

fn main() {}
