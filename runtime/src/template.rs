//! Topics with a `{field}`: their name is known only when an event is published.

use crate::{
    error::{Error, ErrorKind, Result},
    event::{EventDescriptor, Events},
    key::{Key, KeyText},
    topic::{self, Hashed, MAX_BYTES, Topic},
};

/// A field that can stand in a topic: what can be a [`Key`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a topic",
    label = "not a token of a topic",
    note = "a field in a topic is a string, an integer, `bool`, `char`, `Uuid`, or a newtype with `#[derive(Key)]`"
)]
pub trait TopicField {
    #[doc(hidden)]
    fn write(&self, into: &mut KeyText<'_>);
}

#[diagnostic::do_not_recommend]
impl<K: Key + ?Sized> TopicField for K {
    fn write(&self, into: &mut KeyText<'_>) {
        Key::write(self, into);
    }
}

/// The topic of an event that is being published. Its buffer is used again.
#[doc(hidden)]
#[derive(Debug)]
pub struct TopicText<'a> {
    text: &'a mut Vec<u8>,
    /// The first field that cannot stand there.
    wrong: Option<&'static str>,
}

impl TopicText<'_> {
    /// Appends what stands between the fields.
    pub fn literal(&mut self, text: &'static str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    /// Appends a field's value.
    pub fn field(&mut self, name: &'static str, value: &impl TopicField) {
        let begin = self.text.len();
        value.write(&mut KeyText::new(self.text));
        let token = &self.text[begin..];
        let reserved = begin == 0 && topic::RESERVED.iter().any(|word| word.as_bytes() == token);
        if token.is_empty() || reserved || !token.iter().all(|byte| topic::is_of_token(*byte)) {
            self.wrong.get_or_insert(name);
        }
    }
}

/// The one subscription that takes `event`, for a handler of these `events` that names no topic. A field may have the
/// value that makes its topic another event's, so that several subscriptions bring it, and nothing may be handled twice.
pub(crate) fn home(events: Events, event: &EventDescriptor) -> &'static str {
    // The widest, so that the narrower ones are not needed, and one topic is kept in order as a whole.
    let wider = |home: Hashed, other: &EventDescriptor| match other.topic.receives(&home) {
        true => other.topic,
        false => home,
    };
    events.iter().fold(event.topic, wider).filter()
}

/// Writes the topic of an event with a template.
pub(crate) fn write(text: &mut Vec<u8>, write: impl FnOnce(&mut TopicText<'_>)) -> Option<&'static str> {
    text.clear();
    let mut topic = TopicText { text, wrong: None };
    write(&mut topic);
    topic.wrong
}

/// The topic that was written for `event`.
///
/// # Errors
/// `InvalidTopic`, if a field's value is no token, or the whole is too long.
pub(crate) fn read(event: &EventDescriptor, text: &[u8], wrong: Option<&'static str>) -> Result<Topic> {
    let problem = match wrong {
        Some(field) => format!(
            "its `{field}` makes \"{}\" of \"{}\", and that is no topic; a field's value is one or more of letters, \
             digits, `_` and `-`, and no topic begins with `dead` or `reply`",
            shown(text).escape_debug(),
            event.topic()
        ),
        None if text.len() > MAX_BYTES => format!(
            "\"{}\" becomes \"{}\" of {} bytes, and a topic has at most {MAX_BYTES}",
            event.topic(),
            shown(text),
            text.len()
        ),
        None => return Ok(Topic::from(&*String::from_utf8_lossy(text))),
    };
    Err(Error::new(ErrorKind::InvalidTopic, "publish", format!("{}: {problem}", event.type_name())))
}

/// As much as a topic can be: a field may hold any amount of text.
fn shown(text: &[u8]) -> String {
    match text.get(..MAX_BYTES) {
        Some(begin) if text.len() > MAX_BYTES => format!("{}…", String::from_utf8_lossy(begin)),
        _ => String::from_utf8_lossy(text).into_owned(),
    }
}
