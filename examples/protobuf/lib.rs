//! The example `protobuf`: `cargo run --example protobuf`.
