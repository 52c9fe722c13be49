//! One target for each decoder.

mod config;
mod headers;
mod letter;
mod payload;
mod prepared;
mod request;
mod topic;

pub use self::{
    config::{toml, url, vars},
    headers::{headers, kind, structured},
    letter::letter,
    payload::{cbor, json, msgpack},
    prepared::prepared,
    request::{reply, request},
    topic::topic,
};
use crate::driver::Target;

/// All of them.
pub const ALL: [Target; 14] = [
    Target { name: "headers", run: headers, words: headers::WORDS, times: 6_000 },
    Target { name: "kind", run: kind, words: headers::KINDS, times: 6_000 },
    Target { name: "structured", run: structured, words: headers::MEMBERS, times: 6_000 },
    Target { name: "json", run: json, words: payload::JSON, times: 6_000 },
    Target { name: "msgpack", run: msgpack, words: payload::BINARY, times: 6_000 },
    Target { name: "cbor", run: cbor, words: payload::BINARY, times: 6_000 },
    Target { name: "letter", run: letter, words: letter::WORDS, times: 6_000 },
    Target { name: "request", run: request, words: request::WORDS, times: 6_000 },
    Target { name: "reply", run: reply, words: request::WORDS, times: 6_000 },
    Target { name: "prepared", run: prepared, words: prepared::WORDS, times: 30_000 },
    Target { name: "topic", run: topic, words: topic::WORDS, times: 6_000 },
    Target { name: "url", run: url, words: config::URLS, times: 30_000 },
    Target { name: "vars", run: vars, words: config::VARS, times: 6_000 },
    Target { name: "toml", run: toml, words: config::TOML, times: 20_000 },
];
