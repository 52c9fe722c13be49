//! CloudEvents between typebus and others, with the official SDK as the other: it reads what typebus writes, and typebus
//! reads what it writes, in both modes.

use std::{collections::BTreeMap, future::poll_fn};

use chrono::{DateTime, Utc};
use cloudevents::{
    AttributesReader, AttributesWriter as _, Data, Event as Cloud, EventBuilder as _, EventBuilderV10,
    event::{ExtensionValue, SpecVersion},
    message::{
        BinaryDeserializer, BinarySerializer, Encoding, MessageAttributeValue, MessageDeserializer,
        StructuredDeserializer, StructuredSerializer,
    },
};
use proptest::{collection::btree_map, prelude::*};
use typebus::{
    FromDelivery, Incoming, IntoBackend,
    backend::{Attribute, Header, Message, Topic},
    prelude::*,
    testing::Foreign,
};
use typebus_tests::{Cancelled, Placed, Seen, broker, caught_up, patiently};

use crate::seeded;

type Sdk<T> = cloudevents::message::Result<T>;

/// A message as a broker with headers carries it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Carried {
    headers: BTreeMap<String, String>,
    payload: Vec<u8>,
}

/// How a binding spells attributes: their prefix, and the content type.
#[derive(Debug, Clone, Copy)]
struct Spelling(&'static str, &'static str);

const KAFKA: Spelling = Spelling("ce_", "content-type");
const NATS: Spelling = Spelling("ce-", "ce-datacontenttype");
const AMQP: Spelling = Spelling("cloudEvents:", "content-type");

impl Carried {
    /// As the backends of Kafka and Pulsar spell it.
    fn by_typebus(message: &Message) -> Self {
        let mut headers = BTreeMap::new();
        for header in message.headers() {
            let (name, value) = match header {
                Header::Attribute(Attribute::ContentType, value) => ("content-type".to_owned(), value),
                Header::Attribute(attribute, value) => (format!("ce_{}", attribute.name()), value),
                Header::Plain(name, value) => (String::from_utf8(name.to_vec()).unwrap(), value),
            };
            let value = String::from_utf8(value.to_vec()).unwrap();
            assert_eq!(headers.insert(name, value), None, "a header is there once");
        }
        Self { headers, payload: message.payload().to_vec() }
    }
}

/// As the SDK's own binding for Kafka does it, which needs a C library.
impl BinaryDeserializer for Carried {
    fn deserialize_binary<R: Sized, V: BinarySerializer<R>>(mut self, mut visitor: V) -> Sdk<R> {
        let version = SpecVersion::try_from(&*self.headers.remove("ce_specversion").unwrap())?;
        visitor = visitor.set_spec_version(version.clone())?;
        if let Some(content_type) = self.headers.remove("content-type") {
            visitor =
                visitor.set_attribute("datacontenttype", MessageAttributeValue::String(content_type))?;
        }
        for (name, value) in self.headers {
            let Some(name) = name.strip_prefix("ce_") else { continue };
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{name} is no name");
            let value = MessageAttributeValue::String(value);
            visitor = if version.attribute_names().contains(&name) {
                visitor.set_attribute(name, value)?
            } else {
                visitor.set_extension(name, value)?
            };
        }
        visitor.end_with_data(self.payload)
    }
}

impl StructuredDeserializer for Carried {
    fn deserialize_structured<R: Sized, V: StructuredSerializer<R>>(self, visitor: V) -> Sdk<R> {
        visitor.set_structured_event(self.payload)
    }
}

impl MessageDeserializer for Carried {
    fn encoding(&self) -> Encoding {
        let content_type = self.headers.get("content-type").map(String::as_str).unwrap_or_default();
        match self.headers.get("ce_specversion") {
            _ if content_type.starts_with("application/cloudevents+json") => Encoding::STRUCTURED,
            Some(_) => Encoding::BINARY,
            None => Encoding::UNKNOWN,
        }
    }
}

/// Writes an event of the SDK's.
struct Writer(Spelling, Carried);

impl BinarySerializer<Carried> for Writer {
    fn set_spec_version(self, version: SpecVersion) -> Sdk<Self> {
        self.set_extension("specversion", MessageAttributeValue::String(version.to_string()))
    }

    fn set_attribute(mut self, name: &str, value: MessageAttributeValue) -> Sdk<Self> {
        if name == "datacontenttype" {
            self.1.headers.insert(self.0.1.to_owned(), value.to_string());
            return Ok(self);
        }
        self.set_extension(name, value)
    }

    fn set_extension(mut self, name: &str, value: MessageAttributeValue) -> Sdk<Self> {
        self.1.headers.insert(format!("{}{name}", self.0.0), value.to_string());
        Ok(self)
    }

    fn end_with_data(mut self, payload: Vec<u8>) -> Sdk<Carried> {
        self.1.payload = payload;
        Ok(self.1)
    }

    fn end(self) -> Sdk<Carried> {
        Ok(self.1)
    }
}

impl StructuredSerializer<Carried> for Writer {
    fn set_structured_event(mut self, payload: Vec<u8>) -> Sdk<Carried> {
        self.1
            .headers
            .insert("content-type".to_owned(), "application/cloudevents+json; charset=UTF-8".to_owned());
        self.1.payload = payload;
        Ok(self.1)
    }
}

/// How the SDK sends an event.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Binary(Spelling),
    Structured,
    /// As Go does over NATS.
    Untold,
}

impl Mode {
    fn write(self, event: Cloud) -> Carried {
        match self {
            Self::Binary(spelling) => event.deserialize_binary(Writer(spelling, Carried::default())).unwrap(),
            Self::Structured => event.deserialize_structured(Writer(KAFKA, Carried::default())).unwrap(),
            Self::Untold => {
                let carried: Carried =
                    event.deserialize_structured(Writer(KAFKA, Carried::default())).unwrap();
                Carried { headers: BTreeMap::new(), ..carried }
            }
        }
    }
}

/// A delivery's message, with what metadata say of it.
#[derive(Debug, Clone)]
struct Arrived {
    message: Message,
    metadata: Metadata,
    number: Option<(u64, String)>,
}

impl FromDelivery for Arrived {
    type Needs = ();
    type Error = Failure;

    fn from_delivery(incoming: &Incoming<'_>, (): &()) -> Result<Self, Failure> {
        Ok(Self { message: incoming.message().clone(), metadata: incoming.metadata(), number: None })
    }
}

type All = Seen<Arrived>;

#[handler]
async fn take(order: Placed, arrived: Arrived, all: State<All>) -> Cancelled {
    all.push(Arrived { number: Some((order.number, order.customer.clone())), ..arrived });
    Cancelled { number: order.number, customer: order.customer }
}

#[handler(topic = "shop.orders", group = "audit")]
async fn audit(_: AnyEvent, arrived: Arrived, audited: State<Audited>) {
    audited.0.push(arrived);
}

#[derive(Clone, Default)]
struct Audited(All);

service! { Shop = "shop" { handles: [take, audit], publishes: [Placed], state: [All, Audited] } }

/// What is on a topic, oldest first within a partition.
async fn browse(url: &str, topic: &str) -> Vec<Message> {
    let backend = url.into_backend().unwrap();
    let mut stream = backend.browse(&Topic::from(topic.to_owned())).await.unwrap();
    let mut messages = Vec::new();
    while let Some(delivery) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
        messages.push(delivery.unwrap().message);
    }
    messages
}

fn paused<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

fn bytes(data: Option<&Data>) -> Vec<u8> {
    match data {
        None => Vec::new(),
        Some(Data::Binary(bytes)) => bytes.clone(),
        Some(Data::String(text)) => text.clone().into_bytes(),
        Some(Data::Json(json)) => serde_json::to_vec(json).unwrap(),
    }
}

/// What the SDK has to find in a message of typebus.
fn is_read_by_the_sdk(message: &Message) -> Cloud {
    let text =
        |attribute| message.attribute(attribute).map(|value| String::from_utf8(value.to_vec()).unwrap());
    let carried = Carried::by_typebus(message);
    assert_eq!(carried.encoding(), Encoding::BINARY);
    let cloud = MessageDeserializer::into_event(carried).unwrap();
    assert_eq!(cloud.specversion(), SpecVersion::V10);
    assert_eq!(Some(cloud.id()), text(Attribute::Id).as_deref());
    assert_eq!(Some(cloud.ty()), text(Attribute::Type).as_deref());
    assert_eq!(Some(&**cloud.source()), text(Attribute::Source).as_deref());
    assert_eq!(cloud.datacontenttype(), text(Attribute::ContentType).as_deref());
    let time = text(Attribute::Time).map(|time| DateTime::parse_from_rfc3339(&time).unwrap().to_utc());
    assert_eq!(cloud.time().copied(), time);
    assert_eq!(bytes(cloud.data()), message.payload());
    let extensions = [
        Attribute::PartitionKey,
        Attribute::CorrelationId,
        Attribute::CausationId,
        Attribute::TraceParent,
        Attribute::TraceState,
    ];
    for extension in extensions {
        let found = cloud.extension(extension.name()).cloned();
        assert_eq!(found, text(extension).map(ExtensionValue::String), "{extension:?}");
    }
    let known = extensions.into_iter().filter(|extension| text(*extension).is_some()).count();
    assert_eq!(cloud.iter_extensions().count(), known, "and nothing else");
    cloud
}

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9]{1,20}".prop_filter("a name of its own", |name| {
        !["data", "data_base64", "subject", "dataschema", "time"].contains(&&**name)
            && Attribute::from_name(name.as_bytes()).is_none()
    })
}

fn extension() -> impl Strategy<Value = ExtensionValue> {
    prop_oneof![
        "\\PC{0,30}".prop_map(ExtensionValue::String),
        any::<String>().prop_map(ExtensionValue::String),
        any::<bool>().prop_map(ExtensionValue::Boolean),
        any::<i64>().prop_map(ExtensionValue::Integer),
    ]
}

/// What an event is about: an order, or something that only an auditor takes.
#[derive(Debug, Clone)]
enum About {
    Order(u64, String),
    OrderInBase64(u64, String),
    Null,
    Nothing,
    Text(String),
    Bytes(Vec<u8>),
    Json(serde_json::Value),
}

impl About {
    fn order(&self) -> Option<(u64, String)> {
        match self {
            Self::Order(number, customer) | Self::OrderInBase64(number, customer) => {
                Some((*number, customer.clone()))
            }
            Self::Null | Self::Nothing | Self::Text(_) | Self::Bytes(_) | Self::Json(_) => None,
        }
    }

    fn data(&self, builder: EventBuilderV10) -> EventBuilderV10 {
        let order =
            |number: &u64, customer: &String| serde_json::json!({ "number": number, "customer": customer });
        match self {
            Self::Order(number, customer) => builder.data("application/json", order(number, customer)),
            Self::OrderInBase64(number, customer) => builder.data(
                "application/json; charset=utf-8",
                serde_json::to_vec(&order(number, customer)).unwrap(),
            ),
            Self::Null => builder.data("application/json", serde_json::Value::Null),
            Self::Nothing => builder,
            Self::Text(text) => builder.data("text/plain", text.clone()),
            Self::Bytes(bytes) => builder.data("application/octet-stream", bytes.clone()),
            Self::Json(json) => builder.data("application/vnd.shop+json", json.clone()),
        }
    }
}

fn about() -> impl Strategy<Value = About> {
    let json = (any::<i64>(), any::<String>(), -1e300..1e300)
        .prop_map(|(a, b, c)| serde_json::json!([{ "a": a, "größe": [b, null, true] }, c]));
    prop_oneof![
        3 => (any::<u64>(), any::<String>()).prop_map(|(number, customer)| About::Order(number, customer)),
        2 => (any::<u64>(), any::<String>()).prop_map(|(number, customer)| About::OrderInBase64(number, customer)),
        1 => Just(About::Null),
        1 => Just(About::Nothing),
        1 => any::<String>().prop_map(About::Text),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(About::Bytes),
        1 => json.prop_map(About::Json),
    ]
}

#[derive(Debug, Clone)]
struct Sent {
    about: About,
    id: String,
    source: String,
    kind: &'static str,
    time: Option<(i64, u32)>,
    subject: Option<String>,
    schema: bool,
    partition_key: Option<String>,
    extensions: BTreeMap<String, ExtensionValue>,
}

impl Sent {
    fn build(&self) -> Cloud {
        let mut builder = EventBuilderV10::new().id(&*self.id).source(&*self.source).ty(self.kind);
        builder = self.about.data(builder);
        if let Some((seconds, nanos)) = self.time {
            builder = builder.time(DateTime::<Utc>::from_timestamp(seconds, nanos).unwrap());
        }
        if let Some(subject) = &self.subject {
            builder = builder.subject(&**subject);
        }
        if let Some(key) = &self.partition_key {
            builder = builder.extension("partitionkey", &**key);
        }
        for (name, value) in &self.extensions {
            builder = builder.extension(name, value.clone());
        }
        let mut event = builder.build().unwrap();
        if self.schema {
            let other = EventBuilderV10::new().id("x").source("x").ty("x");
            let other = other.data_with_schema("x", "https://shop/a%20b", "x").build().unwrap();
            event.set_dataschema(other.dataschema().cloned());
        }
        event
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let text = || prop_oneof!["[!-~]{1,30}", "\\PC{1,30}", "[äöü€😀 \"\\\\]{1,10}"];
    let source =
        prop_oneof!["/[a-z]{1,8}/[äöü😀]{1,4}", "https://[a-z]{1,9}/x\\?y=z", "urn:[a-z]{2,5}:[a-z]{1,9}"];
    (
        about(),
        text(),
        source,
        prop_oneof![Just("order.placed.v1"), Just("order.placed")],
        prop::option::of((0..4_000_000_000_i64, 0..1_000_000_000_u32)),
        prop::option::of(text()),
        any::<bool>(),
        prop::option::of(text()),
        btree_map(name(), extension(), 0..6),
    )
        .prop_map(|(about, id, source, kind, time, subject, schema, partition_key, extensions)| Sent {
            about,
            id,
            source,
            kind,
            time,
            subject,
            schema,
            partition_key,
            extensions,
        })
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![
        Just(Mode::Structured),
        Just(Mode::Untold),
        Just(Mode::Binary(KAFKA)),
        Just(Mode::Binary(NATS)),
        Just(Mode::Binary(AMQP)),
    ]
}

/// What typebus has to find in an event of the SDK's.
fn is_what_was_sent(arrived: &Arrived, cloud: &Cloud, mode: Mode) {
    let Arrived { message, metadata, .. } = arrived;
    let text =
        |attribute| message.attribute(attribute).map(|value| String::from_utf8(value.to_vec()).unwrap());
    assert_eq!((metadata.id(), metadata.source()), (cloud.id(), &**cloud.source()));
    assert_eq!((metadata.name(), metadata.version()), ("order.placed", 1));
    assert_eq!(text(Attribute::Type).as_deref(), Some(cloud.ty()));
    assert_eq!(text(Attribute::SpecVersion).as_deref(), Some("1.0"));
    assert_eq!(metadata.time(), cloud.time().copied());
    let (prefix, key, content_type) = match mode {
        Mode::Binary(Spelling(prefix, _)) => (prefix, None, cloud.datacontenttype()),
        // The JSON format says what it is without one.
        Mode::Structured | Mode::Untold => {
            let key = cloud.extension("partitionkey").map(ToString::to_string);
            ("ce-", key, Some(cloud.datacontenttype().unwrap_or("application/json")))
        }
    };
    assert_eq!(metadata.key(), key.as_deref());
    assert_eq!(text(Attribute::ContentType).as_deref(), content_type);
    let mut expected: BTreeMap<String, String> =
        cloud.iter_extensions().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
    expected.extend(cloud.subject().map(|subject| ("subject".to_owned(), subject.to_owned())));
    expected.extend(cloud.dataschema().map(|schema| ("dataschema".to_owned(), schema.to_string())));
    assert_eq!(text(Attribute::PartitionKey), expected.remove("partitionkey"));
    let found: BTreeMap<String, String> = metadata
        .headers()
        .map(|(name, value)| {
            let [name, value] = [name, value].map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
            (name.strip_prefix(prefix).unwrap_or_else(|| panic!("{name}")).to_owned(), value)
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(message.payload(), bytes(cloud.data()));
}

proptest! {
    #![proptest_config(seeded::config(200))]

    #[test]
    fn what_typebus_publishes_the_sdk_reads(
        number in any::<u64>(), customer in "\\PC{1,40}", id in prop::option::of("\\PC{1,40}"),
        key in prop::option::of("\\PC{1,40}"), header in any::<String>(),
        traced in any::<bool>(),
    ) {
        paused(async {
            let url = broker();
            let state = (All::default(), Audited::default());
            let bus = Bus::<Shop>::builder().state(state).connect(&url).await.unwrap();
            let order = Placed { number, customer };
            let mut publish = bus.publish(&order).header("tenant", header);
            if let Some(id) = &id {
                publish = publish.id(id.clone());
            }
            if let Some(key) = &key {
                publish = publish.key(key.clone());
            }
            if traced {
                let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
                publish = publish.header("traceparent", trace).header("tracestate", "größe=b");
            }
            publish.await.unwrap();
            let running = bus.start().await.unwrap();
            patiently(caught_up(&running)).await;
            let messages = browse(&url, "shop.orders").await;
            // The order, and what its handler returned.
            assert_eq!(messages.len(), 2);
            for message in &messages {
                let cloud = is_read_by_the_sdk(message);
                let json: serde_json::Value = serde_json::from_slice(&bytes(cloud.data())).unwrap();
                assert_eq!(json, serde_json::json!({ "number": number, "customer": order.customer }));
                // It says the same to the SDK's own reader of structured events.
                let again: Cloud = serde_json::from_slice(&serde_json::to_vec(&cloud).unwrap()).unwrap();
                assert_eq!((again.id(), again.ty(), again.time()), (cloud.id(), cloud.ty(), cloud.time()));
            }
            let [placed, cancelled] = ["order.placed.v1", "order.cancelled.v1"].map(|kind| {
                messages.iter().map(is_read_by_the_sdk).find(|cloud| cloud.ty() == kind).unwrap()
            });
            if let Some(id) = &id {
                assert_eq!(placed.id(), id);
            }
            assert_eq!(placed.extension("correlationid"), None);
            let cause = Some(&ExtensionValue::String(placed.id().to_owned()));
            assert_eq!(cancelled.extension("causationid"), cause);
            assert_eq!(cancelled.extension("correlationid"), cause);
            assert_eq!(cancelled.extension("traceparent"), placed.extension("traceparent"));
            assert_eq!(placed.extension("traceparent").is_some(), traced);
        });
    }

    #[test]
    fn what_the_sdk_sends_typebus_handles(sent in sent(), mode in mode()) {
        paused(async {
            let (url, all, audited) = (broker(), All::default(), Audited::default());
            let state = (all.clone(), audited.clone());
            let bus = Bus::<Shop>::builder().state(state).connect(&url).await.unwrap();
            let cloud = sent.build();
            let carried = mode.write(cloud.clone());
            let foreign = Foreign::connect(&url).unwrap();
            let message = foreign.message("shop.orders");
            let message = carried.headers.iter().fold(message, |message, (name, value)| message.header(name, value));
            message.payload(&carried.payload).send().await.unwrap();
            let running = bus.start().await.unwrap();
            patiently(caught_up(&running)).await;
            let arrived = audited.0.all();
            is_what_was_sent(&arrived[0], &cloud, mode);
            let taken = all.all();
            assert_eq!(taken.iter().map(|arrived| arrived.number.clone()).collect::<Vec<_>>(),
                sent.about.order().map(Some).into_iter().collect::<Vec<_>>());
            for arrived in &taken {
                is_what_was_sent(arrived, &cloud, mode);
            }
        });
    }
}
