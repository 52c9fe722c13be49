//! Topics and patterns: their grammar, and who receives what.
//!
//! A topic is tokens of `[A-Za-z0-9_-]` joined by `.`, at most 180 bytes and 16 tokens. A pattern may also use
//! `*` for exactly one token and a trailing `>` for one or more. The first tokens `dead` and `reply` are reserved.

use std::{fmt, sync::Arc};

/// The most tokens a topic may have (NATS recommends no more than 16).
pub(crate) const MAX_TOKENS: usize = 16;

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

/// Whether a topic's first token belongs to the bus itself.
pub(crate) fn is_reserved(topic: &str) -> bool {
    matches!(topic.split('.').next(), Some("dead" | "reply"))
}

/// A topic or pattern as integers, so that the compiler can compare hundreds of them cheaply.
///
/// Const evaluation is interpreted: a token becomes one hash, and strings are compared only where hashes agree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hashed {
    text: &'static str,
    tokens: [u64; MAX_TOKENS],
    len: usize,
    wild: bool,
    /// All tokens together; 0 for a pattern.
    exact: u64,
}

const STAR: u64 = 1;
const TAIL: u64 = 2;

impl Hashed {
    /// Hashes a topic or pattern that the grammar has already accepted.
    pub(crate) const fn new(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        let mut hashed = Self { text, tokens: [0; MAX_TOKENS], len: 0, wild: false, exact: FNV_OFFSET };
        let (mut at, mut start) = (0, 0);
        while at <= bytes.len() {
            if at == bytes.len() || bytes[at] == b'.' {
                if hashed.len == MAX_TOKENS {
                    return hashed;
                }
                let token = match bytes {
                    _ if at == start + 1 && bytes[start] == b'*' => STAR,
                    _ if at == start + 1 && bytes[start] == b'>' => TAIL,
                    _ => hash(bytes, start, at) | 1 << 63,
                };
                hashed.wild |= token <= TAIL;
                hashed.exact =
                    if hashed.wild { 0 } else { (hashed.exact ^ token).wrapping_mul(FNV_PRIME) | 1 };
                hashed.tokens[hashed.len] = token;
                hashed.len += 1;
                start = at + 1;
            }
            at += 1;
        }
        hashed
    }

    /// The text that was hashed.
    pub(crate) const fn text(&self) -> &'static str {
        self.text
    }

    /// Equal for equal topics, and 0 for every pattern.
    #[must_use]
    pub(crate) const fn exact(&self) -> u64 {
        self.exact
    }

    /// Whether this topic or pattern receives what is published on the exact `topic`.
    pub(crate) const fn receives(&self, topic: &Self) -> bool {
        let mut at = 0;
        while at < self.len {
            match self.tokens[at] {
                TAIL => return at < topic.len,
                STAR if at < topic.len => {}
                token if at < topic.len && token == topic.tokens[at] => {}
                _ => return false,
            }
            at += 1;
        }
        self.len == topic.len && (self.wild || str_eq(self.text, topic.text))
    }

    /// Whether some topic is received by both.
    pub(crate) const fn overlaps(&self, other: &Self) -> bool {
        let mut at = 0;
        while at < self.len && at < other.len {
            let (a, b) = (self.tokens[at], other.tokens[at]);
            if a == TAIL || b == TAIL {
                return true;
            }
            if a != b && a != STAR && b != STAR {
                return false;
            }
            at += 1;
        }
        self.len == other.len
    }

    /// Whether both are the same text.
    pub(crate) const fn same(&self, other: &Self) -> bool {
        str_eq(self.text, other.text)
    }
}

pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
pub(crate) const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// FNV-1a over a part of `bytes`.
const fn hash(bytes: &[u8], from: usize, to: usize) -> u64 {
    let mut hash = FNV_OFFSET;
    let mut at = from;
    while at < to {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(FNV_PRIME);
        at += 1;
    }
    hash
}

/// FNV-1a of a whole string.
pub(crate) const fn hash_str(text: &str) -> u64 {
    hash(text.as_bytes(), 0, text.len())
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
