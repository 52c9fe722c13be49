//! A manifest from its text: every mistake is told by its place.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde_json::{Map, Value};

use super::{
    EventContract, FORMAT, HandlerContract, Manifest, ReplyContract,
    write::{DELIVERIES, DISCARD, ORDERS, STARTS},
};
use crate::{nearest::suggest, policy::Start};

/// Why a text is no manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Where, as a JSON pointer; empty for the whole.
    place: String,
    wrong: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => write!(f, "this is no manifest: {}", self.wrong),
            place => write!(f, "this is no manifest: `{place}`: {}", self.wrong),
        }
    }
}

impl std::error::Error for Unreadable {}

type Read<T> = Result<T, Unreadable>;

impl FromStr for Manifest {
    type Err = Unreadable;

    fn from_str(text: &str) -> Read<Self> {
        let value: Value = serde_json::from_str(text)
            .map_err(|wrong| Unreadable { place: String::new(), wrong: wrong.to_string() })?;
        Self::from_value(&value)
    }
}

impl Manifest {
    /// Reads it from JSON.
    ///
    /// # Errors
    /// What is missing, unknown, or of another type, and where.
    pub fn from_value(value: &Value) -> Read<Self> {
        let all = Fields::of(value, String::new())?;
        let format = all.required("manifest")?;
        if format.as_u64() != Some(FORMAT) {
            return all.wrong(
                "manifest",
                format!("format {format} is not known here, only {FORMAT}; take a newer `typebus`"),
            );
        }
        let read = Self {
            service: all.text("service")?,
            description: all.optional_text("description")?,
            events: all.each("events", event)?,
            publishes: all.texts("publishes")?,
            handlers: all.each("handlers", handler)?,
        };
        all.only(&["manifest", "service", "description", "events", "publishes", "handlers"])?;
        Ok(read)
    }
}

fn event(kind: &str, fields: &Fields<'_>) -> Read<EventContract> {
    let event = EventContract {
        name: fields.text("name")?,
        version: fields.version()?,
        topic: fields.text("topic")?,
        description: fields.optional_text("description")?,
        content_type: fields.text("content_type")?,
        key: fields.optional_text("key")?,
        id: fields.optional_text("id")?,
        upcasts: fields.texts("upcasts")?,
        reply: fields.get("reply").map(|reply| self::reply(reply, fields.place("reply"))).transpose()?,
        schema: fields.get("schema").cloned(),
    };
    fields.only(&[
        "name",
        "version",
        "topic",
        "description",
        "content_type",
        "key",
        "id",
        "upcasts",
        "reply",
        "schema",
    ])?;
    if event.kind() != kind {
        return fields
            .wrong("name", format!("name and version say `{}`, and its place `{kind}`", event.kind()));
    }
    Ok(event)
}

fn reply(value: &Value, place: String) -> Read<ReplyContract> {
    let fields = Fields::of(value, place)?;
    fields.only(&["name", "schema"])?;
    Ok(ReplyContract { name: fields.text("name")?, schema: fields.required("schema")?.clone() })
}

fn handler(_: &str, fields: &Fields<'_>) -> Read<HandlerContract> {
    let start: Option<Start> = fields.get("start").map(|_| fields.word("start", &STARTS)).transpose()?;
    let dead_letter = fields.text("dead_letter")?;
    let read = HandlerContract {
        description: fields.optional_text("description")?,
        group: fields.text("group")?,
        topics: fields.texts("topics")?,
        events: fields.texts("events")?,
        publishes: fields.texts("publishes")?,
        order: fields.word("order", &ORDERS)?,
        start,
        delivery: fields.word("delivery", &DELIVERIES)?,
        broadcast: match fields.get("broadcast") {
            None => false,
            Some(Value::Bool(broadcast)) => *broadcast,
            Some(other) => {
                return fields.wrong("broadcast", format!("{other} is neither `true` nor `false`"));
            }
        },
        dead_letter: (dead_letter != DISCARD).then_some(dead_letter),
        policy: match fields.get("policy") {
            None => BTreeMap::new(),
            Some(policy) => {
                let policy = Fields::of(policy, fields.place("policy"))?;
                policy.fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
            }
        },
    };
    fields.only(&[
        "description",
        "group",
        "topics",
        "events",
        "publishes",
        "order",
        "start",
        "delivery",
        "broadcast",
        "dead_letter",
        "policy",
    ])?;
    Ok(read)
}

/// An object, and where it is.
struct Fields<'a> {
    fields: &'a Map<String, Value>,
    at: String,
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value, at: String) -> Read<Self> {
        match value {
            Value::Object(fields) => Ok(Self { fields, at }),
            other => {
                Err(Unreadable { place: at, wrong: format!("expected an object, found {}", kind(other)) })
            }
        }
    }

    fn place(&self, name: &str) -> String {
        format!("{}/{}", self.at, name.replace('~', "~0").replace('/', "~1"))
    }

    fn wrong<T>(&self, name: &str, wrong: impl Into<String>) -> Read<T> {
        Err(Unreadable { place: self.place(name), wrong: wrong.into() })
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name)
    }

    fn required(&self, name: &str) -> Read<&'a Value> {
        match self.get(name) {
            Some(value) => Ok(value),
            None => self.wrong(name, "it is missing"),
        }
    }

    fn text(&self, name: &str) -> Read<String> {
        match self.required(name)? {
            Value::String(text) => Ok(text.clone()),
            other => self.wrong(name, format!("expected a text, found {}", kind(other))),
        }
    }

    fn optional_text(&self, name: &str) -> Read<Option<String>> {
        self.get(name).map(|_| self.text(name)).transpose()
    }

    /// Sorted, each once.
    fn texts(&self, name: &str) -> Read<Vec<String>> {
        let texts = match self.get(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(texts)) => texts,
            Some(other) => {
                return self.wrong(name, format!("expected a list of texts, found {}", kind(other)));
            }
        };
        let mut read = Vec::with_capacity(texts.len());
        for text in texts {
            match text {
                Value::String(text) => read.push(text.clone()),
                other => return self.wrong(name, format!("expected texts, found {}", kind(other))),
            }
        }
        read.sort_unstable();
        read.dedup();
        Ok(read)
    }

    fn version(&self) -> Read<u16> {
        let version = self.required("version")?;
        match version.as_u64().and_then(|version| u16::try_from(version).ok()) {
            Some(version) if version > 0 => Ok(version),
            _ => self.wrong("version", format!("{version} is not a whole number from 1 to {}", u16::MAX)),
        }
    }

    fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Read<T> {
        let text = self.text(name)?;
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(*value),
            None => {
                let known = suggest(&text, "word", words.iter().map(|(word, _)| *word));
                self.wrong(name, format!("`{text}` is not known; {known}"))
            }
        }
    }

    fn each<T>(&self, name: &str, read: impl Fn(&str, &Fields<'_>) -> Read<T>) -> Read<BTreeMap<String, T>> {
        let Some(all) = self.get(name) else { return Ok(BTreeMap::new()) };
        let all = Fields::of(all, self.place(name))?;
        let one = |(name, value): (&String, &Value)| {
            let fields = Fields::of(value, all.place(name))?;
            Ok((name.clone(), read(name, &fields)?))
        };
        all.fields.iter().map(one).collect()
    }

    /// Nothing else may stand here: what a newer format says must not be lost in silence.
    fn only(&self, known: &[&str]) -> Read<()> {
        match self.fields.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => self.wrong(name, suggest(name, "field", known.iter().copied())),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
