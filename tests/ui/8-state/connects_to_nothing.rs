//! x

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

async fn connect() -> typebus::Result<typebus::Bus<Storefront>> {
    typebus::Bus::<Storefront>::builder().connect(5).await
}


fn main() {}
