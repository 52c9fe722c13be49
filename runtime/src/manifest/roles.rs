//! What a service does with which events.

use std::collections::BTreeSet;

use super::{HandlerContract, Manifest};

/// Kinds that a service writes, and kinds that it reads.
#[derive(Debug)]
pub(super) struct Roles<'a> {
    pub(super) writes: BTreeSet<&'a str>,
    /// Handled by their type, or made into something that is.
    pub(super) reads: BTreeSet<&'a str>,
}

impl<'a> Roles<'a> {
    pub(super) fn of(manifest: &'a Manifest) -> Self {
        Self {
            writes: manifest.all_published().into_iter().collect(),
            reads: manifest.handlers.values().flat_map(|handler| handler.reads(manifest)).collect(),
        }
    }
}

impl HandlerContract {
    /// Kinds that it takes, and of older versions that these are made from.
    pub(super) fn reads<'a>(&'a self, manifest: &'a Manifest) -> BTreeSet<&'a str> {
        let (mut reads, mut left) = (BTreeSet::new(), Vec::from_iter(self.events.iter().map(String::as_str)));
        while let Some(kind) = left.pop() {
            if reads.insert(kind) {
                let older = manifest.events.get(kind).into_iter().flat_map(|event| &event.upcasts);
                left.extend(older.map(String::as_str));
            }
        }
        reads
    }

    /// Whether it listens to a topic, which may be one with a `{field}`.
    pub(super) fn hears(&self, topic: &str) -> bool {
        self.topics.iter().any(|pattern| overlap(pattern, topic))
    }
}

/// Whether some topic is meant by both; a `*` or `{field}` is one token, and `>` one or more.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    let is_wild = |token: &str| token == "*" || token.starts_with('{');
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(a), Some(b)) if a == b || is_wild(a) || is_wild(b) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_patterns_overlap_token_by_token() {
        for (one, other, expected) in [
            ("shop.orders", "shop.orders", true),
            ("shop.orders", "shop.order", false),
            ("shop.*", "shop.{region}", true),
            ("shop.*", "shop.eu.orders", false),
            ("shop.>", "shop.eu.orders", true),
            ("shop.>", "shop", false),
            ("{region}.orders", "eu.orders", true),
        ] {
            assert_eq!(overlap(one, other), expected, "{one} and {other}");
            assert_eq!(overlap(other, one), expected, "{other} and {one}");
        }
    }
}
