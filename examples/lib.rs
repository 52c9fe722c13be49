//! The examples: `cargo run --example hello`; `protobuf/` and `webhooks/` are packages of their own.
