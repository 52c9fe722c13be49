//! A topic with a field may be that of an event of another service.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{tenant}", name = "tenant.closed")]
pub struct TenantClosed {
    pub tenant: String,
}

#[handler]
async fn close(_: TenantClosed) {}

#[handler]
async fn charge(_: OrderPlaced) {}

service! {
    pub Tenants = "tenants" { handles: [close] }
}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

service! {
    pub Billing = "billing" { handles: [charge], publishes: [TenantClosed] }
}

topology! {
    pub Shop = [Tenants, Storefront, Billing];
}

fn main() {}
