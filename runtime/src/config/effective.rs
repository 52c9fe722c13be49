//! The configuration that is in force, to be shown.

use std::fmt;

use super::{
    apply::{Applied, fits},
    fields::{HandlerField, TuningField},
    origin::SettingOrigin,
    secrets::without_secrets,
};
use crate::service::ServiceDescriptor;

/// Every setting of a bus, with its value and where it was said; from [`Bus::effective`](crate::Bus::effective).
///
/// It is displayed as the TOML that would say the same, with the origins as comments. Secrets are not in it: user-info
/// and whatever may be secret in the URL's query stand there as `***`.
///
/// ```text
/// url = "kafka://***@localhost:9092" # TYPEBUS_URL
///
/// [tuning]
/// held = 1000 # default
///
/// [handlers.charge]
/// concurrency = 64 # line 7 of typebus.toml
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Effective {
    settings: Vec<Setting>,
}

/// One setting of [`Effective`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The table in which it stands, and its name there.
    table: String,
    name: String,
    value: String,
    origin: SettingOrigin,
}

impl Setting {
    /// Its whole name, `handlers.charge.concurrency`.
    #[must_use]
    pub fn name(&self) -> String {
        if self.table.is_empty() { self.name.clone() } else { format!("{}.{}", self.table, self.name) }
    }

    /// Its value as in TOML, with quotes where it is a string.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Where it was said.
    #[must_use]
    pub const fn origin(&self) -> &SettingOrigin {
        &self.origin
    }
}

impl Effective {
    /// All of them, in the order in which they are displayed.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// One by its whole name, `handlers.charge.concurrency`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name() == name)
    }

    pub(crate) fn new(service: &ServiceDescriptor, applied: &Applied) -> Self {
        let mut settings = Vec::new();
        let mut add = |table: &str, name: &str, value: String, origin: &SettingOrigin| {
            let (table, name, origin) = (table.to_owned(), name.to_owned(), origin.clone());
            settings.push(Setting { table, name, value, origin });
        };
        if let Some((url, origin)) = &applied.url {
            add("", "url", quoted(&without_secrets(url)), origin);
        }
        if let Some((prefix, origin)) = &applied.prefix {
            add("", "prefix", quoted(prefix), origin);
        }
        for (topic, name, origin) in &applied.renames {
            add("rename", &quoted(topic), quoted(name), origin);
        }
        for (field, origin) in TuningField::ALL.iter().zip(&applied.tuned) {
            add("tuning", field.name(), field.show(&applied.tuning), origin);
        }
        for ((handler, policy), origins) in service.handlers.iter().zip(&applied.policies).zip(&applied.ruled)
        {
            let fields = HandlerField::ALL.iter().zip(origins);
            for (field, origin) in fields.filter(|(field, _)| fits(handler, **field).is_ok()) {
                add(&format!("handlers.{}", handler.name), field.name(), field.show(policy), origin);
            }
        }
        Self { settings }
    }
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = "";
        for Setting { table: of, name, value, origin } in &self.settings {
            if table != of {
                write!(f, "\n[{of}]\n")?;
                table = of;
            }
            writeln!(f, "{name} = {value} # {origin}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.settings).finish()
    }
}
