//! What a handler of batches returns, somebody handles.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn index(_: Batch<OrderPlaced>) -> Vec<InvoiceSent> {
    Vec::new()
}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

service! {
    pub Search = "search" { handles: [index] }
}

topology! {
    pub Shop = [Storefront, Search];
}

fn main() {}
