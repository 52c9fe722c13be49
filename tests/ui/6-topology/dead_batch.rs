//! What a handler of batches waits for, somebody publishes.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn index(_: Batch<InvoiceSent>) {}

service! {
    pub Search = "search" { handles: [index] }
}

topology! {
    pub Shop = [Search];
}

fn main() {}
