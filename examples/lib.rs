//! The examples: `cargo run --example hello`; `webhooks/` is a package of its own.
