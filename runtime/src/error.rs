//! What can go wrong outside a handler: kind, backend, operation, source.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc};

/// A result whose error is [`Error`](struct@Error).
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error as a source.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What went wrong, at which backend, in which operation, and why.
///
/// Match on [`kind`](Self::kind). The message says what is wrong, where, and what to do; it never holds a secret.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    backend: Option<&'static str>,
    operation: &'static str,
    message: Cow<'static, str>,
    problems: Vec<Problem>,
    outcome_unknown: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`](struct@Error); more may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The program or its configuration asks for something that does not exist or does not fit.
    Config,
    /// The broker's topics, queues or streams are not as the program needs them.
    Topology,
    /// The broker cannot be reached, or the connection was lost.
    Connect,
    /// The broker does not accept the credentials.
    Authentication,
    /// The credentials do not allow the operation.
    Permission,
    /// Nothing receives the topic.
    Unroutable,
    /// The message is larger than the backend takes.
    TooLarge,
    /// The topic's name is not valid.
    InvalidTopic,
    /// The key is empty or longer than 1,024 bytes.
    InvalidKey,
    /// A header's name or value is not valid.
    InvalidHeader,
    /// The event could not be serialized.
    Encode,
    /// The topic is full and stayed full.
    Full,
    /// The broker did not answer in time.
    Timeout,
    /// The backend cannot do it.
    Unsupported,
    /// The bus is closed.
    Closed,
    /// Nobody answers this request.
    NoReplier,
    /// The request's handler failed.
    RequestFailed,
    /// The runtime cannot go on; `run_until` returns it.
    Fatal,
}

impl Error {
    /// An error of `kind` in `operation`, a verb phrase such as `"publish"`.
    pub fn new(kind: ErrorKind, operation: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            backend: None,
            operation,
            message: message.into(),
            problems: Vec::new(),
            outcome_unknown: false,
            source: None,
        }))
    }

    /// All that is wrong with a program or its configuration, found before anything connects.
    #[must_use]
    pub fn from_problems(kind: ErrorKind, operation: &'static str, problems: Vec<Problem>) -> Self {
        let mut error = Self::new(kind, operation, "");
        error.0.problems = problems;
        error
    }

    /// Names the backend, as in `messaging.system`.
    #[must_use]
    pub fn at(mut self, backend: &'static str) -> Self {
        self.0.backend = Some(backend);
        self
    }

    /// Adds what caused it.
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Says that the operation may nevertheless have taken effect.
    #[must_use]
    pub fn with_unknown_outcome(mut self) -> Self {
        self.0.outcome_unknown = true;
        self
    }

    /// What kind of error it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The backend at which it happened, `"memory"`, `"kafka"`; `None` in the runtime itself.
    #[must_use]
    pub const fn backend(&self) -> Option<&'static str> {
        self.0.backend
    }

    /// What was being done.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// Everything that start-up found wrong; empty for other errors.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// Whether the operation may have taken effect although it failed: a publish that timed out may be stored.
    #[must_use]
    pub const fn outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    /// Whether trying again later may succeed without any change to the program or the broker's set-up.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Connect | ErrorKind::Full | ErrorKind::Timeout)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { backend, operation, message, problems, .. } = &*self.0;
        f.write_str(operation)?;
        if let Some(backend) = backend {
            write!(f, " ({backend})")?;
        }
        match &problems[..] {
            [] => write!(f, ": {message}"),
            problems => {
                write!(f, ": {} problem{}", problems.len(), if problems.len() == 1 { "" } else { "s" })?;
                problems.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
            }
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// One thing that is wrong with a program or its configuration: where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    place: String,
    message: String,
}

impl Problem {
    /// A problem at a place such as ``handler `charge` ``.
    pub fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What is wrong, and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}
