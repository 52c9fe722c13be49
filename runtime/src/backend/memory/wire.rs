//! What the wire of a broker carries of a message's headers.

use std::collections::HashSet;

use super::{error, profile::HeaderRules};
use crate::{
    backend::{Header, Message, MessageBuilder},
    error::{Error, ErrorKind, Result},
};

impl HeaderRules {
    /// The message as it arrives, or what cannot be carried of it.
    pub(super) fn carry(self, message: Message) -> Result<Message> {
        match self {
            Self::Anything => return Ok(message),
            Self::TextNames => plain(&message).try_for_each(|(name, _)| unbroken(name))?,
            Self::Table => {
                once_each(&message)?;
                plain(&message).try_for_each(|(name, _)| text(name, name, "name"))?;
            }
            Self::TextMap => {
                once_each(&message)?;
                for (name, value) in plain(&message) {
                    text(name, name, "name")?;
                    text(name, value, "value")?;
                }
            }
            Self::Lines => {
                for (name, value) in plain(&message) {
                    visible(name)?;
                    text(name, value, "value")?;
                }
                return Ok(sorted(&message));
            }
        }
        Ok(message)
    }
}

fn plain(message: &Message) -> impl Iterator<Item = (&[u8], &[u8])> {
    message.headers().filter_map(|header| match header {
        Header::Plain(name, value) => Some((name, value)),
        Header::Attribute(..) => None,
    })
}

fn once_each(message: &Message) -> Result<()> {
    let mut names = HashSet::new();
    for (name, _) in plain(message) {
        if !names.insert(name) {
            return Err(refuse(
                name,
                "is there twice, and the broker keeps one value of each name; join the values",
            ));
        }
    }
    Ok(())
}

fn text(name: &[u8], part: &[u8], what: &str) -> Result<()> {
    match std::str::from_utf8(part) {
        Ok(_) => Ok(()),
        Err(_) => Err(refuse(
            name,
            &format!("has a {what} that is not UTF-8, which the broker cannot carry; encode it"),
        )),
    }
}

fn unbroken(name: &[u8]) -> Result<()> {
    match name.contains(&0) {
        true => Err(refuse(name, "has a name with a NUL in it, which the broker cannot carry; rename it")),
        false => text(name, name, "name"),
    }
}

fn visible(name: &[u8]) -> Result<()> {
    match name.iter().all(|byte| (33..=126).contains(byte) && *byte != b':') && !name.is_empty() {
        true => Ok(()),
        false => Err(refuse(name, "needs a name of visible ASCII without a colon; rename it")),
    }
}

/// Names come in no order of their own; the values of one name keep theirs.
fn sorted(message: &Message) -> Message {
    let mut headers: Vec<_> = plain(message).collect();
    if headers.is_sorted_by_key(|(name, _)| *name) {
        return message.clone();
    }
    headers.sort_by_key(|(name, _)| *name);
    let mut builder = MessageBuilder::new();
    let _ = builder.payload(|into| {
        into.extend_from_slice(message.payload());
        Ok::<_, std::convert::Infallible>(())
    });
    if let Some(key) = message.key() {
        builder.key(key);
    }
    for header in message.headers() {
        if let Header::Attribute(attribute, value) = header {
            builder.attribute(attribute, value);
        }
    }
    for (name, value) in headers {
        builder.header(name, value);
    }
    builder.build()
}

fn refuse(name: &[u8], why: &str) -> Error {
    let text = format!("header `{}` {why}", String::from_utf8_lossy(name));
    error(ErrorKind::InvalidHeader, "publish", text)
}
