//! Events that are stamped now and sent later: the seam for an outbox.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::{
    backend::Header,
    envelope::check_header,
    error::{Error, ErrorKind, Result},
    message::{Attribute, Message, MessageBuilder},
    outlet::Outlet,
    topic::{self, Topic},
};

/// An event in its envelope, ready to be sent, today or after a restart: topic, key, payload, headers and id.
///
/// [`Bus::prepare`](crate::Bus::prepare) makes it, [`Bus::publish_prepared`](crate::Bus::publish_prepared) sends it, as
/// often as need be: id and time stay those of its making, so that a repeat is the same event. It is what an outbox
/// keeps: written in one transaction with your data, and sent by whoever reads the table. Publishing itself is not
/// atomic with your database.
///
/// # Its form
/// It can be serialized, with serde or with [`to_bytes`](Self::to_bytes), which writes the same as JSON. Later versions
/// of typebus read what earlier ones wrote. It is a list:
///
/// 1. the number of the form: 1;
/// 2. the topic;
/// 3. the key, or null;
/// 4. the headers, pairs of name and value; attributes of the envelope begin with `ce-`;
/// 5. the payload, a pair: `"text"` and the payload itself, or, where it is not UTF-8, `"hex"` and two digits for each
///    byte.
///
/// ```
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # use typebus::prelude::*;
/// use typebus::Prepared;
///
/// #[derive(Serialize, Deserialize, JsonSchema, Event)]
/// #[event(topic = "shop.orders", name = "order.placed", key = order_id)]
/// struct OrderPlaced { order_id: u64 }
///
/// service! { Shop = "shop" { publishes: [OrderPlaced] } }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> typebus::Result<()> {
/// let bus = Bus::<Shop>::builder().connect("memory:").await?;
/// let row = bus.prepare(&OrderPlaced { order_id: 7 })?.to_bytes(); // in the transaction that writes the order
///
/// let prepared = Prepared::from_bytes(&row)?; // in the task that reads the table
/// let receipt = bus.publish_prepared(&prepared).await?;
/// assert_eq!((receipt.id(), receipt.topic()), (prepared.id(), "shop.orders"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Prepared {
    topic: Topic,
    message: Message,
}

impl Prepared {
    pub(crate) const fn new(topic: Topic, message: Message) -> Self {
        Self { topic, message }
    }

    pub(crate) fn into_parts(self) -> (Topic, Message) {
        (self.topic, self.message)
    }

    /// Whether it can be sent here.
    pub(crate) fn check(&self, outlet: &Outlet) -> Result<()> {
        if self.source() != outlet.source() {
            let text = format!(
                "{} of {} was prepared by service {:?}, and this is {}; the service that prepares an event publishes it",
                self.attribute(Attribute::Type),
                self.topic,
                self.source(),
                outlet.source()
            );
            return Err(Error::new(ErrorKind::Config, "publish", text));
        }
        outlet.fits(self.attribute(Attribute::Type), &self.message)
    }

    fn attribute(&self, attribute: Attribute) -> &str {
        std::str::from_utf8(self.message.attribute(attribute).unwrap_or_default()).unwrap_or_default()
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.attribute(Attribute::Id)
    }

    /// The service that prepared it.
    #[must_use]
    pub fn source(&self) -> &str {
        self.attribute(Attribute::Source)
    }

    /// The topic that it goes to.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The key: where an outbox has several tasks, events of one key must be sent in their order.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.message.key().and_then(|key| std::str::from_utf8(key).ok())
    }

    /// The payload, as the event's codec wrote it.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.message.payload()
    }

    /// The program's own headers, in the order of writing.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.message.headers().filter_map(|header| match header {
            Header::Plain(name, value) => {
                Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?))
            }
            Header::Attribute(..) => None,
        })
    }

    /// Its form as JSON, to be kept.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Only text and numbers, which serde_json writes without fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// `Config`: it is no prepared event, or one that only a later version of typebus can read.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            let text = format!("it cannot be read, so it cannot be sent: {error}");
            Error::new(ErrorKind::Config, "read a prepared event", text).because(error)
        })
    }

    fn from_form((form, topic, key, headers, (kind, payload)): Form<'_>) -> Result<Self, String> {
        if form != FORM {
            return Err(format!("form {form} of prepared events is of a later version of typebus"));
        }
        if !topic::is_exact(&topic) {
            return Err(format!("{topic:?} is no topic that a program publishes on"));
        }
        let payload = match &*kind {
            "text" => payload.into_owned().into_bytes(),
            "hex" => from_hex(&payload).ok_or("the payload is not written in digits of 16")?,
            _ => return Err(format!("the payload is `text` or `hex`, not {kind:?}")),
        };
        let mut builder = MessageBuilder::new();
        let Ok(builder) = builder.payload(|into| {
            *into = payload;
            Ok::<(), std::convert::Infallible>(())
        });
        if let Some(key) = key {
            builder.key(key.as_bytes());
        }
        for (name, value) in headers {
            if !name.starts_with(PREFIX) {
                check_header(&name).map_err(|error| error.to_string())?;
            }
            builder.wire_header(name.as_bytes(), value.as_bytes());
        }
        let message = builder.build();
        if !message.is_sound() {
            return Err("its headers repeat each other, or are too many".to_owned());
        }
        for attribute in [Attribute::Type, Attribute::Source, Attribute::Id] {
            if message.attribute(attribute).is_none() {
                return Err(format!("the header `{PREFIX}{}` is missing", attribute.name()));
            }
        }
        Ok(Self::new(topic.as_ref().into(), message))
    }
}

/// What is serialized.
type Form<'a> =
    (u8, Cow<'a, str>, Option<Cow<'a, str>>, Vec<(Cow<'a, str>, Cow<'a, str>)>, (Cow<'a, str>, Cow<'a, str>));

const FORM: u8 = 1;
const PREFIX: &str = "ce-";

impl Serialize for Prepared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |bytes| std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(ser::Error::custom);
        let header = |header: Header<'_>| match header {
            Header::Attribute(attribute, _) => format!("{PREFIX}{}", attribute.name()),
            Header::Plain(name, _) => String::from_utf8_lossy(name).into_owned(),
        };
        let mut headers = Vec::with_capacity(self.message.header_count());
        for written in self.message.headers() {
            let (Header::Attribute(_, value) | Header::Plain(_, value)) = written;
            headers.push((Cow::Owned(header(written)), text(value)?));
        }
        let payload = match std::str::from_utf8(self.payload()) {
            Ok(payload) => ("text".into(), payload.into()),
            Err(_) => ("hex".into(), to_hex(self.payload()).into()),
        };
        let key = self.message.key().map(text).transpose()?;
        let form: Form<'_> = (FORM, self.topic().into(), key, headers, payload);
        form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Prepared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_form(Form::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl fmt::Debug for Prepared {
    /// Shows which event it is; a payload may hold secrets, so its bytes are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("topic", &self.topic).field("message", &self.message).finish()
    }
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
