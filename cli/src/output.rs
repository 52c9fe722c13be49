//! Where commands print, and how.

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::error::Error;

/// Where a command prints. Colours that do not belong there are left out on the way.
pub(crate) type Out<'a> = &'a mut dyn Write;

/// What is wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What is as it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Where something is.
pub(crate) const PLACE: Style = Style::new().bold();

/// For whom findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs; notes and errors on stderr too
    Json,
}

/// Whether `--format json` was asked for. Wrong arguments are told to programs too, so that it is looked for in what was
/// typed, not in what was understood.
pub(crate) fn is_for_programs() -> bool {
    let words: Vec<_> = env::args_os().skip(1).collect();
    let words = words.split(|word| word == "--").next().unwrap_or_default();
    words.iter().any(|word| word == "--format=json")
        || words.windows(2).any(|two| two[0] == "--format" && two[1] == "json")
}

/// What is no JSON of its own, where the command prints.
///
/// # Errors
/// It cannot be printed.
pub(crate) fn print(text: &str, format: Format, out: Out<'_>) -> Result<(), Error> {
    match format {
        Format::Text => Ok(out.write_all(text.as_bytes())?),
        Format::Json => Ok(out.write_all(pretty(&json!({"text": text})).as_bytes())?),
    }
}

/// Into the file, or where the command prints.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(text: &str, file: Option<&Path>, out: Out<'_>) -> Result<(), Error> {
    match file {
        None => Ok(out.write_all(text.as_bytes())?),
        Some(file) => save(text, file),
    }
}

/// Into a file, whose folder is made where it is missing.
///
/// # Errors
/// It cannot be written.
pub(crate) fn save(text: &str, file: &Path) -> Result<(), Error> {
    let wrong = |error: io::Error| Error::File(format!("{} cannot be written: {error}", file.display()));
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    fs::write(file, text).map_err(wrong)
}

/// JSON as it stands in files: sorted, indented, with a newline at its end.
pub(crate) fn pretty(value: &Value) -> String {
    format!("{:#}\n", sorted(value.clone()))
}

/// An object whose entries stay where they are put, while everything in them is sorted.
#[derive(Debug)]
pub(crate) struct Ordered(Vec<(&'static str, Value)>);

impl Ordered {
    pub(crate) fn new(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        Self(entries.into_iter().map(|(name, value)| (name, sorted(value))).collect())
    }

    /// # Errors
    /// None is known.
    pub(crate) fn to_json(&self) -> Result<String, Error> {
        let text = serde_json::to_string_pretty(self).map_err(io::Error::from)?;
        Ok(text + "\n")
    }

    /// # Errors
    /// None is known.
    pub(crate) fn to_yaml(&self) -> Result<String, Error> {
        Ok(serde_saphyr::to_string(self).map_err(io::Error::other)?)
    }
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// In whatever order a map of JSON keeps its entries: another crate may have chosen that for all.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            fields.into_iter().map(|(name, value)| (name, sorted(value))).collect()
        }
        Value::Array(values) => values.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// Says something beside, which is no finding, on stderr.
pub(crate) fn note(text: &str) {
    // Where nobody hears it, nothing is lost that the output needs.
    let _ = if is_for_programs() {
        writeln!(anstream::stderr().lock(), "{}", json!({"note": text}))
    } else {
        writeln!(anstream::stderr().lock(), "{PLACE}note:{PLACE:#} {text}")
    };
}
