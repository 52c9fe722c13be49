//! Topics and patterns: their grammar, and who receives what.
//!
//! A topic is tokens of `[A-Za-z0-9_-]` joined by `.`, at most 180 bytes and 16 tokens. A pattern may also use
//! `*` for exactly one token and a trailing `>` for one or more. The first tokens `dead` and `reply` are reserved. In a
//! template a token may be `{field}`: it counts as `*` in every check, and its value is checked when publishing.

use std::{fmt, sync::Arc};

/// The name of a topic: a literal of an event, or a name made at run time. Cloning never allocates.
#[derive(Clone)]
pub struct Topic(Name);

/// As small as a `&str`: a thin pointer fits beside the null that tells it from a literal.
#[derive(Clone)]
enum Name {
    Static(&'static str),
    Shared(Arc<Box<str>>),
}

impl Topic {
    /// A topic whose name is known at compile time.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        Self(Name::Static(name))
    }

    /// The name, `shop.orders`.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Static(name) => name,
            Name::Shared(name) => name,
        }
    }
}

impl From<String> for Topic {
    fn from(name: String) -> Self {
        Self(Name::Shared(Arc::new(name.into())))
    }
}

impl From<&str> for Topic {
    fn from(name: &str) -> Self {
        Self(Name::Shared(Arc::new(name.into())))
    }
}

impl std::ops::Deref for Topic {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Topic {
    fn eq(&self, other: &Self) -> bool {
        // The same literal is nearly always in the same place.
        std::ptr::eq(self.as_str(), other.as_str()) || self.as_str() == other.as_str()
    }
}

impl Eq for Topic {}

impl std::hash::Hash for Topic {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// Whether `pattern` has a wildcard.
pub(crate) fn is_pattern(pattern: &str) -> bool {
    pattern.contains(['*', '>'])
}

/// Whether `pattern` receives what is published on `topic`.
///
/// A wildcard never matches a topic that begins with the reserved tokens `dead` or `reply`.
pub(crate) fn matches(pattern: &str, topic: &str) -> bool {
    if !is_pattern(pattern) {
        return pattern == topic;
    }
    if is_reserved(topic) {
        return false;
    }
    let mut tokens = topic.split('.');
    for expected in pattern.split('.') {
        match (expected, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (expected, Some(token)) if expected == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

/// The longest topic in bytes, as in the grammar of literals; as are the others.
pub(crate) const MAX_BYTES: usize = 180;
/// The most tokens of a topic.
pub(crate) const MAX_TOKENS: usize = 16;
/// The longest name of a group.
pub(crate) const MAX_GROUP: usize = 40;

/// First tokens that belong to the bus itself.
pub(crate) const RESERVED: [&str; 2] = ["dead", "reply"];

/// Whether a topic's first token belongs to the bus itself.
pub(crate) fn is_reserved(topic: &str) -> bool {
    topic.split('.').next().is_some_and(|first| RESERVED.contains(&first))
}

/// Whether it is a topic that a program may publish on. The macros check literals; this is for what is read.
pub(crate) fn is_exact(topic: &str) -> bool {
    let is_token = |token: &str| !token.is_empty() && token.bytes().all(is_of_token);
    topic.len() <= MAX_BYTES
        && topic.split('.').count() <= MAX_TOKENS
        && topic.split('.').all(is_token)
        && !is_reserved(topic)
}

/// Whether it may stand in a token.
pub(crate) const fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// A topic or pattern as integers, so that the compiler can compare hundreds of them cheaply.
///
/// Const evaluation is interpreted, so the macros hash each token while they expand; strings are compared only where
/// hashes agree.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Hashed {
    text: &'static str,
    /// For a template, what a subscription to it asks for: `*` in the place of each `{field}`.
    filter: Option<&'static str>,
    /// One for each token; 1 is `*` or a `{field}`, 2 is `>`.
    tokens: &'static [u64],
    /// All tokens together; 0 for a pattern.
    exact: u64,
    /// Of what Kafka makes of a topic in the names of its metrics: `.` for every `_`.
    kafka: u64,
}

const STAR: u64 = 1;
const TAIL: u64 = 2;

impl Hashed {
    /// A topic that has no tokens and receives nothing.
    pub(crate) const NONE: Self = Self::new("", &[], 0, 0);

    /// What a macro makes of a topic or pattern that its grammar accepts.
    #[must_use]
    pub const fn new(text: &'static str, tokens: &'static [u64], exact: u64, kafka: u64) -> Self {
        Self { text, filter: None, tokens, exact, kafka }
    }

    /// What a macro makes of a topic with a `{field}`.
    #[must_use]
    pub const fn template(
        text: &'static str,
        filter: &'static str,
        tokens: &'static [u64],
        kafka: u64,
    ) -> Self {
        Self { text, filter: Some(filter), tokens, exact: 0, kafka }
    }

    /// As it was written.
    pub(crate) const fn text(&self) -> &'static str {
        self.text
    }

    /// What a subscription asks for.
    pub(crate) const fn filter(&self) -> &'static str {
        match self.filter {
            Some(filter) => filter,
            None => self.text,
        }
    }

    /// Whether a field stands in it, so that its name is known only when an event is published.
    pub(crate) const fn is_template(&self) -> bool {
        self.filter.is_some()
    }

    /// Equal for equal topics, and 0 for every pattern.
    pub(crate) const fn exact(&self) -> u64 {
        self.exact
    }

    /// Equal for topics that Kafka cannot keep apart in its metrics.
    pub(crate) const fn kafka(&self) -> u64 {
        self.kafka
    }

    /// Whether it has a `*`, a `>` or a field.
    pub(crate) const fn is_wild(&self) -> bool {
        self.exact == 0
    }

    /// Whether this topic or pattern receives everything that is published on `topic`.
    pub(crate) const fn receives(&self, topic: &Self) -> bool {
        let (mine, theirs) = (self.tokens, topic.tokens);
        let mut at = 0;
        while at < mine.len() {
            match mine[at] {
                TAIL => return at < theirs.len(),
                STAR if at < theirs.len() => {}
                token if at < theirs.len() && token == theirs[at] => {}
                _ => return false,
            }
            at += 1;
        }
        mine.len() == theirs.len() && (self.is_wild() || str_eq(self.text, topic.text))
    }

    /// Whether some topic is received by both.
    pub(crate) const fn overlaps(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.tokens, other.tokens);
        let mut at = 0;
        while at < mine.len() && at < theirs.len() {
            let (a, b) = (mine[at], theirs[at]);
            if a == TAIL || b == TAIL {
                return true;
            }
            if a != b && a != STAR && b != STAR {
                return false;
            }
            at += 1;
        }
        mine.len() == theirs.len()
    }

    /// Whether a subscription to the one is a subscription to the other.
    pub(crate) const fn same(&self, other: &Self) -> bool {
        str_eq(self.filter(), other.filter())
    }
}

/// `a == b` in a const context.
pub(crate) const fn str_eq(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}
