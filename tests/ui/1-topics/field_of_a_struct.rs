//! The value of a field that is a struct can be a token.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Tenant {
    pub id: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "{tenant}.orders", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: Tenant,
}

fn main() {}
