//! A typed event bus: the compiler knows the topology.
//!
//! You annotate structs and functions. The macros generate the envelope, serialization, routing and registration; the
//! compiler checks every route; at start-up the runtime binds the program to a broker.
//!
//! ```
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use typebus::prelude::*;
//!
//! #[derive(Serialize, Deserialize, JsonSchema, Event)]
//! #[event(topic = "shop.orders", name = "order.placed", key = order_id)]
//! struct OrderPlaced { order_id: String, total_cents: u64 }
//!
//! #[derive(Serialize, Deserialize, JsonSchema, Event)]
//! #[event(topic = "shop.payments", name = "payment.captured", key = order_id)]
//! struct PaymentCaptured { order_id: String }
//!
//! struct Gateway;
//!
//! #[handler]
//! async fn charge(order: OrderPlaced, gateway: State<Gateway>) -> Result<PaymentCaptured, Failure> {
//!     let _: &Gateway = &gateway; // charge the card here; `?` on any error means: try again later
//!     Ok(PaymentCaptured { order_id: order.order_id })
//! }
//!
//! #[handler]
//! async fn ship(payment: PaymentCaptured) {
//!     tracing::info!(payment.order_id, "ship it");
//! }
//!
//! service! {
//!     pub Shop = "shop" { handles: [charge, ship], publishes: [OrderPlaced], state: [Gateway] }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> typebus::Result<()> {
//!     let bus = Bus::<Shop>::builder().state(Gateway).connect("memory:").await?;
//!     let running = bus.start().await?; // a program that runs for ever: bus.run_until(shutdown_signal())
//!     bus.publish(&OrderPlaced { order_id: "o-1".into(), total_cents: 995 }).await?;
//!     running.caught_up().await?; // the order is charged ..
//!     running.caught_up().await?; // .. and its payment handled
//!     running.stop().await
//! }
//! ```
//!
//! # Five ideas
//!
//! * An **event** is a type with a topic: [`derive(Event)`](derive@Event), and [`derive(EventSet)`](derive@EventSet) for
//!   several of them.
//! * A **handler** is an async function: [`#[handler]`](handler).
//! * A **service** lists what a program handles and publishes: [`service!`].
//! * A [`Bus`] is a service bound to a broker. It is cheap to clone.
//! * An **outcome** is what becomes of a delivery: [`Outcome`], decided by [`derive(HandlerError)`](derive@HandlerError),
//!   or by [`Failure`], which takes any error by `?`.
//!
//! # What is checked when
//!
//! The compiler checks that topics are well formed, that a handler's topic receives its event, that one delivery has one
//! handler in a group, that the program publishes only what its service lists, that the state which handlers need is
//! there, and that every error says what becomes of the delivery. With [`topology!`] it checks a system of services: that
//! what is handled is published and what is published is handled, and that no events go round in a circle. Start-up checks,
//! before anything is contacted, what this version or the chosen backend cannot do, and reports all of it together
//! ([`Error::problems`]).
//!
//! What the compiler tells you, mistake by mistake, is the page [`compiler`].
//!
//! # What is promised
//!
//! * **At least once.** A delivery is settled only after its handler finished and every event that it returned is
//!   confirmed, or after its dead letter is confirmed.
//! * **Nothing is lost silently, loops for ever, or is settled twice.** Every delivery ends as handled, discarded, skipped
//!   or dead-lettered, or, if it is a request, expired, and is counted: [`Running::stats`].
//! * **Key order.** Per subscription, topic and key nothing starts before every earlier delivery is settled. A retry holds
//!   only its own key; a dead letter lets the key go on. No key, no order.
//! * **Bounded.** At most [`Limits`] deliveries are taken and not settled.
//! * **No message can kill the group.** One that cannot be read, or that kills the process three times, reaches the dead
//!   letters: [`Bus::dead_letters`] finds them, replays them to their own group, and discards them.
//!
//! A version of an event that the program does not read yet holds its key until a newer instance takes over
//! ([`UnknownVersion`]). With `breaker(after = 20)` an outage that lasts costs no dead letters. With `dedupe = ".."` and a
//! [`DedupeStore`] repeats of finished work are skipped.
//!
//! A request ([`Bus::request`]) is handled at least once, and answered at most once.
//!
//! Handlers may see a delivery again after a crash, so what they do elsewhere should bear repeating. `publish` is not
//! atomic with your database: write a [`Prepared`] event in the same transaction, and publish it from there.
//!
//! # Testing
//!
//! A handler is a function, which a unit test calls. `Billing::test(state)` runs a whole service in process, on a clock
//! that jumps over back-offs and time-outs, and tells what became of each event delivered to it: see [`testing`].
//!
//! # What others write
//!
//! Messages are CloudEvents 1.0 in binary mode: an envelope in the broker's own headers, beside the payload. Structured
//! mode is understood on receipt: `application/cloudevents+json`, and, where no header tells the type, a JSON object with
//! a `specversion`. Its attributes are then those of the envelope, extensions are headers that begin with `ce-`,
//! `partitionkey` is the key of a message without one, and the data are the payload, JSON to the byte. A dead letter has
//! the bytes that came. Without any envelope a message is the only event of its topic, or a dead letter.
//!
//! # Stopping
//!
//! [`Bus::run_until`] with [`shutdown_signal`] drains: no new attempt starts, running ones have 20 seconds
//! ([`Tuning::drain`]), what waits is left unsettled and comes again, then everything settled is flushed and the
//! connections close. A second signal does not wait.
//!
//! # Contracts
//!
//! What a service handles and publishes is kept as a file beside its code, `typebus/<service>.json`, by a test that
//! [`service!`] generates: with the schema of every event, so that a review sees what changed and a change that others
//! would not survive is refused. The command `typebus` (crate `typebus-cli`) makes JSON Schemas, AsyncAPI documents,
//! diagrams and pages of such files, and checks services against each other. [`manifest`] and [`schema`] are the same
//! as a library.
//!
//! # Configuration
//!
//! What an operator decides stands in the environment or in a file: [`Config`]. It says where the broker is, and how
//! each handler runs and retries. [`Builder::prefix`] gives an environment a part of a broker for itself,
//! [`Builder::rename`] gives a topic another name there, and [`Bus::effective`] shows what is in force, and who said so.
//!
//! # Seeing what happens
//!
//! [`Running::stats`] counts, [`Running::ready`] and [`Running::health`] are for probes, [`Builder::on_dead_letter`] is for
//! alerts. A [`Layer`] sees everything, and can change it: metrics and OpenTelemetry's traces are layers, behind the
//! features `metrics` and `opentelemetry`.
//!
//! # Backends
//!
//! What [`Builder::connect`] is given decides: a URL, a [`Config`] that says one, or typed options. What a broker cannot do
//! is refused at start-up, by the name of the handler that needs it.
//!
//! * [`memory`](backend::memory), `memory:`, in process.
//! * [`kafka`](backend::kafka), `kafka://` and `kafkas://`, with the feature `kafka`.
//! * [`rabbitmq`](backend::rabbitmq), `amqp://` and `amqps://`, with the feature `rabbitmq`: RabbitMQ 3.10 or later.
//! * [`nats`](backend::nats), `nats://` and `tls://`, with the feature `nats`: NATS 2.14 or later, with JetStream.
//!
//! The page of each says what is on the broker, what is kept and what is not. The contract for others is [`backend`].
//!
//! # Features
//!
//! * `kafka`: the backend for Kafka. It builds librdkafka: a C compiler, make, pkg-config and the headers of OpenSSL and
//!   zlib are needed.
//! * `rabbitmq`: the backend for RabbitMQ. Its TLS needs a C compiler to be built.
//! * `nats`: the backend for NATS JetStream. Its TLS needs a C compiler to be built.
//! * `anyhow`: `anyhow::Error` as a handler's error; it means retry.
//! * `metrics`: the layer `Metrics`, which counts and measures through the crate `metrics`.
//! * `opentelemetry`: the layer `OpenTelemetry`, which makes spans, and carries their context along.
//! * `toml`: [`Config`] from TOML.
//! * `test`: `Billing::test(state)` and `Publisher::recording()`, see [`testing`]. It is for `[dev-dependencies]`, since
//!   it turns on tokio's clock for tests.
//! * `redb`: [`FileStore`], a dedupe store in a file.
//! * `msgpack`, `cbor`: the formats of these names, for `#[event(format = ..)]`.

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod attempts;
pub mod backend;
mod bus;
mod check;
mod clock;
mod codec;
mod config;
mod connect;
mod dead_letter;
mod dead_letters;
mod dedupe;
mod dispatch;
mod duration;
mod envelope;
mod error;
mod event;
mod extract;
mod handler;
mod hooks;
mod input;
mod key;
mod layer;
pub mod manifest;
mod message;
mod metadata;
#[cfg(feature = "metrics")]
mod metrics;
mod names;
mod nearest;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
mod options;
mod outcome;
mod outlet;
mod outputs;
mod plan;
mod policy;
pub mod prelude;
mod prepared;
mod provision;
mod publish;
mod readiness;
mod reply;
mod request;
mod running;
pub mod schema;
mod scope;
#[cfg(feature = "broker")]
mod secret;
mod service;
mod signal;
mod stats;
mod structured;
mod template;
pub mod testing;
mod topic;
mod topology;
mod tuning;

pub use backend::Position;
pub use bus::{Builder, Bus, Connecting, Runs};
#[cfg(feature = "cbor")]
pub use codec::Cbor;
#[cfg(feature = "msgpack")]
pub use codec::MsgPack;
pub use codec::{Codec, DecodeError, EncodeError, Json, UpcastFrom};
#[doc(hidden)]
pub use codec::{Format, Older};
pub use config::{Config, Effective, Setting, SettingOrigin};
pub use connect::IntoBackend;
pub use dead_letter::{DeadLetter, Origin};
pub use dead_letters::{DeadLetterList, DeadLetters};
#[cfg(feature = "redb")]
pub use dedupe::FileStore;
pub use dedupe::{Begun, Claim, DedupeStore, LocalStore};
pub use error::{BoxError, Error, ErrorKind, Problem, Result};
pub use event::{Event, EventDescriptor, EventSet, Events, Exactly, NoReply, Reply, Request};
pub use extract::{AskedIn, Attempt, FromDelivery, OneOf, Publisher, Publishes, Shutdown, State};
pub use handler::{Handler, HandlerDescriptor, Provides, RunsIn};
pub use input::{AnyEvent, Batch, Envelope, Incoming, Input, Member};
pub use key::{Key, KeyText};
pub use layer::{Around, Ended, Layer, Load, OnSent, Publication, Received, Sent, Settlement};
pub use metadata::Metadata;
#[cfg(feature = "metrics")]
pub use metrics::Metrics;
#[cfg(feature = "opentelemetry")]
pub use opentelemetry::OpenTelemetry;
pub use outcome::{Failure, HandlerError, OrFail, Outcome};
pub use outputs::{Answers, Outputs, Reason};
#[doc(hidden)]
pub use outputs::{Returned, Settles};
pub use policy::{Backoff, DeadLetterTo, Guarantee, Limits, Order, Policy, Start, Unhandled, UnknownVersion};
pub use prepared::Prepared;
pub use provision::Provisioning;
pub use publish::{Publish, Receipt};
pub use readiness::{Health, Readiness};
pub use request::Requesting;
pub use running::{Running, StopNow, run, start};
#[doc(hidden)]
pub use scope::States;
pub use service::{NoState, PublishedBy, Service, ServiceDescriptor, StateOf};
pub use signal::{SecondSignal, shutdown_signal};
pub use stats::{GroupStats, Stats};
pub use template::TopicField;
#[doc(hidden)]
pub use template::TopicText;
pub use topology::{Topology, TopologyDescriptor};
pub use tuning::Tuning;
#[doc = include_str!("docs/event.md")]
pub use typebus_macros::Event;
#[doc = include_str!("docs/event_set.md")]
pub use typebus_macros::EventSet;
#[doc = include_str!("docs/handler_error.md")]
pub use typebus_macros::HandlerError;
#[doc = include_str!("docs/key.md")]
pub use typebus_macros::Key;
#[doc = include_str!("docs/handler.md")]
pub use typebus_macros::handler;
#[doc = include_str!("docs/service.md")]
pub use typebus_macros::service;
#[doc = include_str!("docs/topology.md")]
pub use typebus_macros::topology;

// A page and no module. As a doc test each of its programs would be listed, as one that is ignored.
#[cfg(all(doc, not(doctest)))]
#[doc = include_str!("docs/compiler.md")]
pub mod compiler {}
