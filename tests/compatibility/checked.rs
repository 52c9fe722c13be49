//! Types that check more than their Rust types do, and say so in their schemas.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// From 0 to 100.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u8")]
#[schemars(!try_from)]
pub(crate) struct Percent(#[schemars(range(max = 100))] u8);

impl TryFrom<u8> for Percent {
    type Error = &'static str;

    fn try_from(percent: u8) -> Result<Self, Self::Error> {
        if percent > 100 { Err("more than all") } else { Ok(Self(percent)) }
    }
}

/// Some text.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(!try_from)]
pub(crate) struct Name(#[schemars(length(min = 1, max = 8))] String);

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        if (1..=8).contains(&name.chars().count()) { Ok(Self(name)) } else { Err("not a name") }
    }
}

/// At least one item.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<u8>")]
#[schemars(!try_from)]
pub(crate) struct Some(#[schemars(length(min = 1))] Vec<u8>);

impl TryFrom<Vec<u8>> for Some {
    type Error = &'static str;

    fn try_from(items: Vec<u8>) -> Result<Self, Self::Error> {
        if items.is_empty() { Err("nothing") } else { Ok(Self(items)) }
    }
}
