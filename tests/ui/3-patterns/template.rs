//! A topic with a field is a pattern for the handler that says no topic.

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

service! {
    pub Tenants = "tenants" { handles: [close], publishes: [InvoiceSent] }
}

fn main() {}
