//! What a program sees of the bus, through the public API.

#![allow(clippy::disallowed_methods, reason = "a test waits for the tasks that it spawns")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod alerts;
mod at_most_once;
mod batch;
mod breaker;
mod cloudevents;
mod codecs;
mod config;
mod config_mistakes;
mod crash;
mod dead_letters;
mod dedupe;
mod dedupe_stores;
mod delivery;
mod extractors;
mod flow;
mod foreign;
mod foreign_formats;
mod formats;
mod harness;
mod harness_panics;
mod holds;
mod hooks;
mod ids;
mod instances;
mod layers;
mod layers_apart;
mod logs;
mod metrics;
mod opentelemetry;
mod order;
mod outcomes;
mod pausing;
mod prefix;
mod prepared;
mod profiles;
mod provisioning;
mod publishing;
mod quotes;
mod replays;
mod requests;
mod requests_failing;
mod retry;
mod seeded;
mod shutdown;
mod startup;
mod structured;
mod templates;
mod topic_values;
mod upcast_ways;
mod upcasts;
mod workers;
mod wrapped;
