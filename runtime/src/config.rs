//! Configuration: what an operator says, in the environment or a file, of a program that is already compiled.

mod apply;
mod effective;
mod environment;
mod fields;
#[cfg(feature = "toml")]
mod file;
mod origin;
mod secrets;

use std::{ffi::OsString, fmt};

pub(crate) use self::apply::{Applied, Known, no_topic};
use self::fields::{HandlerField, Raw, TuningField};
use self::secrets::without_secrets;
pub use self::{
    effective::{Effective, Setting},
    origin::SettingOrigin,
};
use crate::{
    error::{Error, ErrorKind, Problem, Result},
    policy::Policy,
    service::{Service, ServiceDescriptor},
    tuning::Tuning,
};

/// What an operator says: where the broker is, and how the handlers of a program run.
///
/// Given to [`Builder::config`](crate::Builder::config). Each setting is looked for from the bottom to the top, and the
/// first that says it decides:
///
/// 1. the default, or what `#[handler(..)]` says;
/// 2. a file, [`from_toml_file`](Self::from_toml_file);
/// 3. the environment, [`from_env`](Self::from_env), if it is [merged](Self::merge) over the file;
/// 4. a call of the builder: `.prefix(..)`, `.tuning(..)`, `.rename(..)`, and a URL given to `connect`.
///
/// [`Bus::effective`](crate::Bus::effective) shows what came of it, and where each value was said.
///
/// | environment | file | takes |
/// |---|---|---|
/// | `TYPEBUS_URL` | `url` | as [`connect`](crate::Builder::connect) |
/// | `TYPEBUS_PREFIX` | `prefix` | as [`Builder::prefix`](crate::Builder::prefix) |
/// | | `rename."shop.orders"` | the name of that topic on the broker, as [`Builder::rename`](crate::Builder::rename) |
/// | `TYPEBUS_TUNING_HELD`, `_HELD_BYTES`, `_GAP` | `tuning.held`, `held_bytes`, `gap` | a number, see [`Limits`](crate::Limits) |
/// | `TYPEBUS_TUNING_DRAIN`, `_CLOSE`, `_REVOKE_GRACE` | `tuning.drain`, `close`, `revoke_grace` | a duration, see [`Tuning`] |
/// | `TYPEBUS_HANDLERS_CHARGE_CONCURRENCY` | `handlers.charge.concurrency` | 1 to 65,535 |
/// | `.._ATTEMPTS` | `handlers.charge.attempts` | 1 or more |
/// | `.._BACKOFF`, `.._JITTER` | `handlers.charge.backoff`, `jitter` | `"100ms..30s"`; `true`, `false` |
/// | `.._TIMEOUT` | `handlers.charge.timeout` | a duration, or `"none"` |
/// | `.._BATCH_MAX`, `.._BATCH_WAIT` | `handlers.charge.batch.max`, `batch.wait` | 1 or more; a duration |
///
/// A duration is an integer and `ms`, `s`, `m`, `h` or `d`, as in the macros. In a variable's name the handler's name
/// stands in capitals, and what comes after it is one of the seven names above; none of them ends in another, so every
/// name is read in one way. Two handlers that differ in nothing but capitals cannot be told apart there, which is an
/// error that says to use a file. A variable that is set to nothing counts as not set. `TYPEBUS_BLESS` is for tests, and
/// no setting.
///
/// Order, start, group, topic, delivery and dead-letter topic cannot be configured: the compiler checked them.
///
/// # Errors
/// Names that are not known, values of a wrong type or out of range, handlers that the service does not have: they are
/// kept, and [`connect`](crate::Builder::connect) reports them all, with everything else that start-up finds.
/// [`problems`](Self::problems) has those that are known without the service. A configuration that cannot be read at all
/// is an error at once.
///
/// ```
/// use typebus::Config;
///
/// let vars = [("TYPEBUS_URL", "memory:shop"), ("TYPEBUS_HANDLERS_CHARGE_CONCURRENCY", "64"), ("PATH", "/bin")];
/// let config = Config::from_vars(vars.map(|(name, value)| (name.into(), value.into())));
/// assert!(config.problems().is_empty());
///
/// let config = Config::from_vars([("TYPEBUS_HANDLERS_CHARGE_CONCURENCY".into(), "64".into())]);
/// assert!(config.problems()[0].message().contains("did you mean `TYPEBUS_HANDLERS_CHARGE_CONCURRENCY`?"));
/// ```
#[derive(Clone, Default)]
pub struct Config {
    /// What was said, later things over earlier ones.
    entries: Vec<Entry>,
    problems: Vec<Problem>,
    /// Other services whose settings stand here too.
    others: Vec<&'static ServiceDescriptor>,
}

/// One thing that was said. Its value fits its key.
#[derive(Clone)]
struct Entry {
    key: Key,
    raw: Raw,
    origin: SettingOrigin,
}

/// What something is said of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "toml"), allow(dead_code, reason = "parts of it are said in files only"))]
enum Key {
    Url,
    Prefix,
    /// The topic.
    Rename(String),
    Tuning(TuningField),
    Handler(HandlerName, HandlerField),
}

/// A handler's name, as it is or in capitals.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "toml"), allow(dead_code, reason = "parts of it are said in files only"))]
enum HandlerName {
    Exact(String),
    Capitals(String),
}

impl Config {
    /// A configuration that says nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the environment.
    ///
    /// # Errors
    /// `Config`: the value of one of our variables is not UTF-8.
    pub fn from_env() -> Result<Self> {
        let ours = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok().filter(|name| environment::is_ours(name))?;
            Some(value.into_string().map_err(|_| name.clone()).map(|value| (name, value)))
        };
        let vars: std::result::Result<Vec<_>, String> = std::env::vars_os().filter_map(ours).collect();
        vars.map(Self::from_vars).map_err(|name| {
            let problem = Problem::new(format!("`{name}`"), "its value is not UTF-8");
            Error::from_problems(ErrorKind::Config, "read the environment", vec![problem])
        })
    }

    /// Reads variables as if they were the environment. Those whose name does not begin with `TYPEBUS_` are passed over.
    #[must_use]
    pub fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut config = Self::default();
        // The environment has no order, and what is reported should have one.
        let mut vars: Vec<_> = vars.into_iter().filter(|(name, _)| environment::is_ours(name)).collect();
        vars.sort_by(|(one, _), (other, _)| one.cmp(other));
        vars.into_iter().for_each(|(name, value)| environment::read(&mut config, name, value));
        config
    }

    /// Reads TOML. With the feature `toml`.
    ///
    /// ```
    /// let config = typebus::Config::from_toml(r#"
    ///     url = "memory:shop"
    ///     prefix = "staging"
    ///
    ///     [rename]
    ///     "shop.orders" = "Orders_v1"
    ///
    ///     [tuning]
    ///     drain = "5s"
    ///
    ///     [handlers.charge]
    ///     concurrency = 64
    ///     attempts = 5
    ///     backoff = "100ms..30s"
    ///     timeout = "none"
    ///     batch = { max = 500, wait = "50ms" }
    /// "#)?;
    /// assert!(config.problems().is_empty());
    /// # Ok::<(), typebus::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Config`: it is not TOML.
    #[cfg(feature = "toml")]
    pub fn from_toml(text: &str) -> Result<Self> {
        file::read(text, None)
    }

    /// Reads a file of TOML. With the feature `toml`.
    ///
    /// # Errors
    /// `Config`: the file cannot be read, or is not TOML.
    #[cfg(feature = "toml")]
    pub fn from_toml_file(path: impl AsRef<std::path::Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let text = format!("{} cannot be read: {error}", path.display());
            Error::new(ErrorKind::Config, "read the configuration", text).because(error)
        })?;
        file::read(&text, Some(&path.display().to_string()))
    }

    /// Both together; what `over` says beats what this says.
    ///
    /// ```no_run
    /// # #[cfg(feature = "toml")]
    /// # fn read() -> typebus::Result<typebus::Config> {
    /// use typebus::Config;
    ///
    /// let config = Config::from_toml_file("typebus.toml")?.merge(Config::from_env()?);
    /// # Ok(config)
    /// # }
    /// ```
    #[must_use]
    pub fn merge(mut self, over: Self) -> Self {
        self.entries.extend(over.entries);
        self.problems.extend(over.problems);
        self.others.extend(over.others);
        self
    }

    /// Says that the configuration is also read by the service `S` of the same program, so that it is no mistake if it
    /// says something of `S`'s handlers or topics.
    #[must_use]
    pub fn shared_with<S: Service>(mut self) -> Self {
        self.others.push(const { &S::DESCRIPTOR });
        self
    }

    /// What is wrong with it whatever the service is; [`connect`](crate::Builder::connect) reports it too.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The URL that it says.
    pub(crate) fn url(&self) -> Option<&str> {
        let mut urls = self.entries.iter().rev().filter(|entry| entry.key == Key::Url);
        urls.find_map(|entry| entry.raw.text("").ok())
    }

    /// A configuration of a URL that the program gives.
    pub(crate) fn of_url(url: &str) -> Self {
        let entry = Entry { key: Key::Url, raw: Raw::Text(url.to_owned()), origin: SettingOrigin::Builder };
        Self { entries: vec![entry], ..Self::default() }
    }

    /// What holds where a bus is connected by something that says this: its URL is the one in force, if it has one.
    pub(crate) fn connected_by(mut self, said: Self) -> Self {
        self.entries.retain(|entry| entry.key != Key::Url);
        self.merge(said)
    }

    /// Adds what was said, if its value fits.
    fn add(&mut self, key: Key, raw: Raw, origin: SettingOrigin) {
        let entry = Entry { key, raw, origin };
        match entry.check() {
            Ok(()) => self.entries.push(entry),
            Err(message) => self.problems.push(Problem::new(entry.place(), message)),
        }
    }
}

impl Entry {
    fn check(&self) -> std::result::Result<(), String> {
        match &self.key {
            Key::Url => match &self.raw {
                Raw::Bare(_) | Raw::Text(_) => Ok(()),
                // Whatever it is, it stands where a password may be.
                Raw::Number(_) | Raw::Flag(_) | Raw::Other(_) => {
                    Err("it is not a string; write one such as \"memory:\"".to_owned())
                }
            },
            Key::Prefix => self.raw.text("staging").map(drop),
            Key::Rename(_) => self.raw.text("Orders_v1").map(drop),
            Key::Tuning(field) => field.set(&mut Tuning::default(), &self.raw),
            Key::Handler(_, field) => field.set(&mut { Policy::DEFAULT }, &self.raw),
        }
    }

    /// Where it stands, for a problem.
    fn place(&self) -> String {
        match &self.origin {
            SettingOrigin::Environment(name) => format!("`{name}`"),
            SettingOrigin::Default
            | SettingOrigin::Attribute
            | SettingOrigin::File { .. }
            | SettingOrigin::Builder => {
                format!("`{}` ({})", self.key.name(), self.origin)
            }
        }
    }
}

impl Key {
    /// As in a file.
    fn name(&self) -> String {
        match self {
            Self::Url => "url".to_owned(),
            Self::Prefix => "prefix".to_owned(),
            Self::Rename(topic) => format!("rename.{topic}"),
            Self::Tuning(field) => format!("tuning.{}", field.name()),
            Self::Handler(HandlerName::Exact(name), field) => format!("handlers.{name}.{}", field.name()),
            Self::Handler(HandlerName::Capitals(name), field) => {
                format!("handlers.{}.{}", name.to_lowercase(), field.name())
            }
        }
    }
}

/// What it says, without secrets.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for Entry { key, raw, .. } in &self.entries {
            match (key, raw) {
                (Key::Url, Raw::Bare(url) | Raw::Text(url)) => map.entry(&key.name(), &without_secrets(url)),
                _ => map.entry(&key.name(), &format_args!("{raw}")),
            };
        }
        map.finish()
    }
}
