//! What the URLs of brokers have in common: credentials, several hosts, a path, and options as a query.

use std::{str::FromStr, time::Duration};

use crate::{
    duration,
    error::{Error, ErrorKind, Problem, Result},
    secret::Secret,
};

/// A URL of the form `scheme://user:password@host:port,host:port/path?key=value&key=value`.
///
/// Everything in it is decoded. [`take`](Self::take) reads an option, and [`finish`](Self::finish) refuses those that
/// nobody took, together with all that was wrong.
pub(super) struct Url {
    system: &'static str,
    /// Before `://`.
    pub(super) scheme: String,
    /// Before `@`.
    pub(super) user: Option<String>,
    /// Between the first `:` and `@`.
    pub(super) password: Option<Secret>,
    /// Host and port each; the default port where none is given.
    pub(super) hosts: Vec<(String, u16)>,
    /// After the first `/` behind the hosts, without it.
    pub(super) path: Option<String>,
    options: Vec<(String, String)>,
    known: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl Url {
    /// Reads one. What it says is wrong never shows credentials.
    ///
    /// # Errors
    /// `Config`: it is no URL of the `schemes`.
    pub(super) fn read(
        system: &'static str,
        text: &str,
        schemes: &[&str],
        default_port: impl Fn(&str) -> u16,
    ) -> Result<Self> {
        let form = || {
            let text = format!(
                "a URL of {system} is `{}://[user:password@]host[:port][,..][?option=value]`",
                schemes[0]
            );
            Error::from_problems(ErrorKind::Config, "connect", vec![Problem::new("the URL", text)]).at(system)
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        if !schemes.contains(&scheme) {
            return Err(form());
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        // The path comes last, so that a password may hold a `/` only when it is encoded.
        let (authority, path) = rest.split_once('/').map_or((rest, None), |(rest, path)| (rest, Some(path)));
        let (credentials, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(before, after)| (Some(before), after));
        let mut problems = Vec::new();
        let mut decoded = |place: &str, text: &str| {
            decode(text).unwrap_or_else(|| {
                problems.push(Problem::new(
                    place,
                    "after `%` stand two hexadecimal digits, and what they encode is UTF-8; write a `%` as `%25`",
                ));
                String::new()
            })
        };
        let (user, password) =
            match credentials.map(|text| text.split_once(':').map_or((text, None), |(a, b)| (a, Some(b)))) {
                None => (None, None),
                Some((user, password)) => (
                    Some(decoded("the user", user)),
                    password.map(|password| Secret::new(decoded("the password", password))),
                ),
            };
        let path = path.map(|path| decoded("the path", path));
        let options: Vec<_> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decoded("an option", key), decoded("an option", value))
            })
            .collect();
        let port = default_port(scheme);
        let hosts = hosts
            .split(',')
            .filter_map(|host| match host_and_port(host, port) {
                Ok(host) => Some(host),
                Err(text) => {
                    problems.push(Problem::new("the host", text));
                    None
                }
            })
            .collect();
        for (nth, (key, _)) in options.iter().enumerate() {
            if options[..nth].iter().any(|(other, _)| other == key) {
                problems.push(Problem::new(place(key), "it is given twice; write it once"));
            }
        }
        let scheme = scheme.to_owned();
        Ok(Self { system, scheme, user, password, hosts, path, options, known: Vec::new(), problems })
    }

    /// The value of an option, if it is given.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.known.push(key);
        let nth = self.options.iter().position(|(name, _)| name == key)?;
        Some(self.options.remove(nth).1)
    }

    /// Reads an option into its place.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        into: &mut T,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) {
        let Some(text) = self.text(key) else { return };
        match read(&text) {
            Ok(value) => *into = value,
            Err(message) => self.problems.push(Problem::new(place(key), message)),
        }
    }

    /// The options whose names begin with `prefix`, without it: what is passed on to the client as it is.
    pub(super) fn raw(&mut self, prefix: &str) -> Vec<(String, String)> {
        let (raw, rest) =
            std::mem::take(&mut self.options).into_iter().partition(|(key, _)| key.starts_with(prefix));
        self.options = rest;
        let raw: Vec<(String, String)> = raw;
        raw.into_iter().map(|(key, value)| (key[prefix.len()..].to_owned(), value)).collect()
    }

    /// Adds something that is wrong.
    pub(super) fn wrong(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(place.into(), message.into()));
    }

    /// Everything that was wrong, options that nobody took among it.
    pub(super) fn finish(mut self) -> Result<()> {
        for (key, _) in &self.options {
            let text = format!("it is unknown; the options are {}", self.known.join(", "));
            self.problems.push(Problem::new(place(key), text));
        }
        refuse(self.system, self.problems)
    }
}

/// An error of these, unless there are none.
pub(super) fn refuse(system: &'static str, problems: Vec<Problem>) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::from_problems(ErrorKind::Config, "connect", problems).at(system))
}

/// Reads a number.
pub(super) fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number that fits; write digits only"))
}

/// Reads a duration such as `200ms`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    duration::read(text)
}

/// Reads `true` or `false`.
#[cfg(feature = "nats")]
pub(super) fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("`{text}` is neither `true` nor `false`"))
}

fn place(key: &str) -> String {
    format!("option `{key}`")
}

/// `host`, `host:port`, `[::1]`, `[::1]:port`. What does not parse is not shown: it may be half a password.
fn host_and_port(text: &str, port: u16) -> Result<(String, u16), &'static str> {
    let (host, tail) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, tail)) => {
            (host, Some(tail.strip_prefix(':').ok_or("after `]` stands nothing, or `:port`")?))
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("it is empty; write `host` or `host:port`, several separated by commas");
    }
    let is_odd = |c: char| c.is_whitespace() || matches!(c, '@' | '/' | '%' | '?' | '#');
    if host.contains(is_odd) {
        return Err(
            "it has a character that no host has; encode `@`, `/`, `:` and `%` in a user or password",
        );
    }
    let port =
        tail.map_or(Ok(port), |tail| tail.parse().map_err(|_| "its port is not a number up to 65535"))?;
    Ok((host.to_owned(), port))
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let [high, low, tail @ ..] = tail else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(*high)? << 4 | digit(*low)?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Url> {
        Url::read("kafka", text, &["kafka", "kafkas"], |scheme| if scheme == "kafka" { 9092 } else { 9093 })
    }

    #[test]
    fn everything_is_decoded() {
        let mut url =
            read("kafka://us%40er:p%3Aa%2Fss@one,two:7,[::1]:8/a%2Fb?linger=5ms&client.x=a%26b").unwrap();
        assert_eq!(url.user.as_deref(), Some("us@er"));
        assert_eq!(url.password.as_ref().map(Secret::reveal), Some("p:a/ss"));
        assert_eq!(url.hosts, [("one".to_owned(), 9092), ("two".to_owned(), 7), ("::1".to_owned(), 8)]);
        assert_eq!(url.path.as_deref(), Some("a/b"));
        let mut linger = Duration::ZERO;
        url.take("linger", &mut linger, time);
        assert_eq!(linger, Duration::from_millis(5));
        assert_eq!(url.raw("client."), [("x".to_owned(), "a&b".to_owned())]);
        url.finish().unwrap();
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_and_no_secret_with_it() {
        let mut url = read("kafka://user:hun%ter2@host:x,?linger=5&colour=red&linger=6").unwrap();
        let mut linger = Duration::ZERO;
        url.take("linger", &mut linger, time);
        let error = url.finish().unwrap_err();
        let text = format!("{error} {error:?}");
        for part in
            ["the password", "its port", "it is empty", "`linger`", "twice", "`colour`", "the options are"]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("hun"), "{text}");
        let error = read("http://user:hunter2@host").err().unwrap().to_string();
        assert!(error.contains("kafka://") && !error.contains("hunter2"), "{error}");
    }
}
