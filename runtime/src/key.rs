//! Keys: what orders and partitions events.

use std::{fmt, io::Write};

/// The longest key that may be published, in bytes of UTF-8.
pub(crate) const MAX_KEY_BYTES: usize = 1024;

/// A value that can be an event's key or id. Implemented for strings, integers, `bool`, `char`, `Uuid` and `Option`
/// of these, and for newtypes by `#[derive(Key)]`.
///
/// ```
/// use typebus::prelude::*;
///
/// #[derive(Key)]
/// struct OrderId(u64);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key",
    label = "not a key",
    note = "a key is a string, an integer, `bool`, `char`, `Uuid`, an `Option` of these, or a newtype with `#[derive(Key)]`; name a field inside with a path, as in `key = customer.id`"
)]
pub trait Key {
    /// Writes the key's text; an absent one (`None`) writes nothing.
    fn write(&self, into: &mut KeyText<'_>);
}

/// Where a [`Key`] writes its text.
#[derive(Debug)]
pub struct KeyText<'a> {
    text: &'a mut Vec<u8>,
    present: bool,
}

impl<'a> KeyText<'a> {
    /// Appends to `text`.
    pub(crate) const fn new(text: &'a mut Vec<u8>) -> Self {
        Self { text, present: false }
    }

    /// Appends text.
    pub fn push_str(&mut self, text: &str) {
        self.present = true;
        self.text.extend_from_slice(text.as_bytes());
    }

    /// Appends what `Display` shows.
    pub fn push(&mut self, value: impl fmt::Display) {
        self.present = true;
        // Writing to a vector cannot fail, and a `Display` that reports an error of its own leaves what it wrote.
        let _ = write!(self.text, "{value}");
    }

    pub(crate) const fn is_present(&self) -> bool {
        self.present
    }
}

macro_rules! display_key {
    ($($ty:ty)*) => { $(impl Key for $ty {
        fn write(&self, into: &mut KeyText<'_>) {
            into.push(self);
        }
    })* };
}

macro_rules! integer_key {
    ($($ty:ty)*) => { $(impl Key for $ty {
        fn write(&self, into: &mut KeyText<'_>) {
            into.push_str(itoa::Buffer::new().format(*self));
        }
    })* };
}

integer_key!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);
display_key!(char bool uuid::Uuid);

impl Key for str {
    fn write(&self, into: &mut KeyText<'_>) {
        into.push_str(self);
    }
}

impl Key for String {
    fn write(&self, into: &mut KeyText<'_>) {
        into.push_str(self);
    }
}

impl<K: Key + ?Sized> Key for Box<K> {
    fn write(&self, into: &mut KeyText<'_>) {
        (**self).write(into);
    }
}

impl<K: Key + ?Sized> Key for std::sync::Arc<K> {
    fn write(&self, into: &mut KeyText<'_>) {
        (**self).write(into);
    }
}

impl<K: Key> Key for Option<K> {
    fn write(&self, into: &mut KeyText<'_>) {
        if let Some(key) = self {
            key.write(into);
        }
    }
}
