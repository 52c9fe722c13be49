//! Which streams hold a topic or what a pattern matches, and which part of each is meant.

use super::{config::Nats, names};
use crate::topic;

/// One stream of a subscription, and what is read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) stream: String,
    pub(super) filters: Vec<String>,
}

/// The streams of a topic or pattern; none for a pattern that begins with a wildcard where no stream is named.
pub(super) fn sources(options: &Nats, filter: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    if !topic::is_reserved(filter) {
        for (name, subjects) in &options.streams {
            let filters: Vec<_> = subjects.iter().filter_map(|subject| meet(subject, filter)).collect();
            if !filters.is_empty() {
                sources.push(Source { stream: name.clone(), filters });
            }
        }
    }
    match names::stream(filter) {
        Some(stream) if sources.is_empty() => {
            sources.push(Source { stream, filters: vec![filter.to_owned()] });
        }
        _ => {}
    }
    sources
}

/// What two filters have in common.
pub(super) fn meet(one: &str, other: &str) -> Option<String> {
    if !names::overlap(one, other) {
        return None;
    }
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    let mut common: Vec<&str> = Vec::new();
    loop {
        match (ones.next(), others.next()) {
            (Some(">"), Some(token)) => {
                common.push(token);
                common.extend(others);
                break;
            }
            (Some(token), Some(">")) => {
                common.push(token);
                common.extend(ones);
                break;
            }
            (Some("*"), Some(token)) | (Some(token), Some(_)) => common.push(token),
            _ => break,
        }
    }
    Some(common.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_cut_to_what_a_stream_has() {
        let met = |one, other| meet(one, other);
        assert_eq!(met("shop.>", ">").as_deref(), Some("shop.>"));
        assert_eq!(met("shop.>", "*.orders").as_deref(), Some("shop.orders"));
        assert_eq!(met("shop.*", "shop.orders").as_deref(), Some("shop.orders"));
        assert_eq!(met("shop.orders", "shop.>").as_deref(), Some("shop.orders"));
        assert_eq!(met("shop.>", "billing.>"), None);
    }

    #[test]
    fn a_named_stream_comes_before_the_token() {
        let options = Nats::new().stream("EVENTS", ["shop.>", "billing.>"]);
        let streams = |filter| sources(&options, filter).into_iter().map(|it| it.stream).collect::<Vec<_>>();
        assert_eq!(streams("shop.orders"), ["EVENTS"]);
        assert_eq!(streams("stock.x"), ["stock"]);
        assert_eq!(streams("dead.x"), ["dead=x"]);
        assert_eq!(sources(&options, ">")[0].filters, ["shop.>", "billing.>"]);
        assert!(sources(&Nats::new(), "*.orders").is_empty());
    }
}
