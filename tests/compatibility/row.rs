//! A row of the table: a change of a type, what comes of it, and messages that prove it.

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use typebus::{Codec, Json, UpcastFrom};

/// A change.
#[derive(Debug)]
pub(crate) struct Row {
    /// What is changed, in Markdown.
    pub(crate) change: &'static str,
    /// What becomes of messages of the old type with the new one.
    pub(crate) writers: Verdict,
    /// What becomes of messages of the new type with the old one.
    pub(crate) readers: Verdict,
    pub(crate) old: Side,
    pub(crate) new: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All are read.
    Reads,
    /// Some are not.
    Breaks,
    /// All of these messages are read, but the schemas do not show it, for this reason, and `compare` says that it breaks.
    Strict(&'static str),
}

/// A type, and values of it as they are sent.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) schema: Value,
    pub(crate) messages: Vec<Vec<u8>>,
    decode: Decode,
}

#[derive(Debug)]
enum Decode {
    /// By serde, as a handler would.
    Serde(fn(&[u8]) -> Result<(), String>),
    /// There is no type, and an independent validator has to say.
    Schema,
}

impl Side {
    /// Values of `T`, given as JSON and written by it.
    pub(crate) fn of<T: Serialize + DeserializeOwned + JsonSchema + 'static>(values: &[Value]) -> Self {
        let written = |value: &Value| {
            let value: T =
                serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"));
            let mut bytes = Vec::new();
            <Json as Codec<T>>::encode(&value, &mut bytes).unwrap();
            bytes
        };
        Self {
            schema: <Json as Codec<T>>::schema().unwrap(),
            messages: values.iter().map(written).collect(),
            decode: Decode::Serde(|bytes| {
                <Json as Codec<T>>::decode(bytes).map(drop).map_err(|error| error.to_string())
            }),
        }
    }

    /// Values of `New`, a version that is made from `Old`, too.
    pub(crate) fn upcasting<Old, New>(values: &[Value]) -> Self
    where
        Old: DeserializeOwned + Serialize + JsonSchema,
        New: DeserializeOwned + Serialize + JsonSchema + UpcastFrom<Old> + 'static,
    {
        let mut side = Self::of::<New>(values);
        side.decode = Decode::Serde(|bytes| {
            let older = |_| <Json as Codec<Old>>::decode(bytes).map(New::upcast_from);
            <Json as Codec<New>>::decode(bytes).or_else(older).map(drop).map_err(|error| error.to_string())
        });
        side
    }

    /// Messages without a Rust type.
    pub(crate) fn schema(schema: Value, messages: &[Value]) -> Self {
        let messages = messages.iter().map(|message| message.to_string().into_bytes()).collect();
        Self { schema, messages, decode: Decode::Schema }
    }

    /// Whether a message is read.
    pub(crate) fn read(&self, message: &[u8]) -> Result<(), String> {
        match self.decode {
            Decode::Serde(decode) => decode(message),
            Decode::Schema => {
                let message = serde_json::from_slice(message).unwrap();
                let valid = jsonschema::options().should_validate_formats(true).build(&self.schema).unwrap();
                valid.validate(&message).map_err(|error| error.to_string())
            }
        }
    }
}

/// A row of two types. Each has the type `Order` among its items, and values of it.
macro_rules! row {
    (
        $change:literal: $writers:expr, $readers:expr;
        { $($old:item)+ } = [$($was:tt),* $(,)?];
        { $($new:item)+ } = [$($is:tt),* $(,)?];
    ) => {{
        mod old {
            #[allow(unused_imports, reason = "not every row needs all of it")]
            use super::*;
            $(#[derive(Serialize, Deserialize, JsonSchema)] $old)+
            pub(super) fn side() -> Side {
                Side::of::<Order>(&[$(json!($was)),*])
            }
        }
        mod new {
            #[allow(unused_imports, reason = "not every row needs all of it")]
            use super::*;
            $(#[derive(Serialize, Deserialize, JsonSchema)] $new)+
            pub(super) fn side() -> Side {
                Side::of::<Order>(&[$(json!($is)),*])
            }
        }
        Row { change: $change, writers: $writers, readers: $readers, old: old::side(), new: new::side() }
    }};
}

pub(crate) use row;
