//! Two events of a system have two names or two versions.

#[path = "../common.rs"]
mod common;

use common::*;

mod web {
    use super::*;

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "web.orders", name = "order.submitted")]
    pub struct Submitted {}

    service! {
        pub Storefront = "storefront" { publishes: [Submitted] }
    }
}

mod phone {
    use super::*;

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "phone.orders", name = "order.submitted")]
    pub struct Called {}

    #[handler]
    async fn note(_: Called) {}

    service! {
        pub CallCentre = "call-centre" { handles: [note] }
    }
}

topology! {
    pub Shop = [web::Storefront, phone::CallCentre];
}

fn main() {}
