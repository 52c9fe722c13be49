//! Raw identifiers are called what they are called elsewhere.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{Event as _, Handler, Service, prelude::*};

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", key = r#type, id = r#loop.r#fn)]
#[allow(non_camel_case_types)]
pub struct r#struct {
    pub r#type: String,
    pub r#loop: Loop,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Loop {
    pub r#fn: u8,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{type}.parcels", name = "parcel")]
pub struct Parcel {
    pub r#type: String,
}

#[derive(EventSet)]
pub enum Set {
    #[allow(non_camel_case_types)]
    r#enum(r#struct),
}

#[handler]
async fn r#match(_: r#struct) {}

#[handler(group = "set")]
async fn r#while(_: Set) {}

service! {
    #[allow(non_camel_case_types)]
    pub r#static = "static" { handles: [r#match, r#while], publishes: [r#struct] }
}

fn main() {
    assert_eq!(Parcel::DESCRIPTOR.topic(), "shop.{type}.parcels");
    assert_eq!(<r#match as Handler>::DESCRIPTOR.name(), "match");
    assert_eq!(r#struct::DESCRIPTOR.type_name(), "struct");
    assert_eq!(r#static::DESCRIPTOR.handlers().len(), 2);
    let _ = Set::r#enum;
}
