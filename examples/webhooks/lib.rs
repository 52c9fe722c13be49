//! GitHub's webhooks through typebus: `cargo run --example webhooks`.
//!
//! ```text
//! lines ─▶ gateway ─▶ github.ci ──────────────────────────▶ digest     one digest per repository, in key order
//!            │        github.issues, github.pulls ────────▶ triage ─▶ triage.decisions, triage.reviews ─▶ archive
//!            │        github.>, all nine topics, in batches ─────────────────────────────────────────────▶ archive
//!            └──────▶ gateway.unreadable ─────────────────▶ triage ─▶ dead letters
//! ```
//!
//! Where to start reading: [`events`] are the types, [`webhook`] makes them of lines, [`gateway`] publishes them,
//! [`digest`], [`triage`] and [`archive`] handle them, [`failing`] is what goes wrong, and [`run`] puts it together.

pub mod archive;
pub mod digest;
pub mod events;
pub mod failing;
pub mod gateway;
pub mod lines;
pub mod progress;
pub mod run;
pub mod summary;
pub mod triage;
pub mod webhook;

typebus::topology! {
    /// The four together: what one of them publishes another handles, and nothing goes round in a circle.
    pub Webhooks = [gateway::Gateway, triage::Triage, digest::Digest, archive::Archive];
}
