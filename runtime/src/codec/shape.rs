//! The outline of a binary payload, looked at before anything is built of it.
//!
//! A reader believes what it reads: it recurses as deep as the bytes nest, and may reserve as much as a length says. So
//! the headers of all items are walked once, without recursion and without memory but for one count per level: what
//! nests too deep, says that it is longer than it is, ends early, or goes on behind its end is refused here.

use crate::error::BoxError;

/// How deep a payload may nest; as deep as serde_json reads.
pub(super) const DEPTH: usize = 128;

/// What one header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "cbor"),
    allow(dead_code, reason = "of the formats, only CBOR has items without a length")
)]
pub(super) enum Item {
    /// A value that is over after this many bytes.
    Bytes(u64),
    /// This many items follow, inside it.
    Items(u64),
    /// Items follow until [`Item::End`].
    Endless,
    /// The end of the innermost [`Item::Endless`].
    End,
}

/// Walks over `payload`, which is to be one item and nothing else. `header` takes a header off what is left, `None` if
/// there is none.
pub(super) fn check(payload: &[u8], header: impl Fn(&mut &[u8]) -> Option<Item>) -> Result<(), BoxError> {
    let mut left = payload;
    // How many items each open level still has; `None` until its end comes.
    let mut open: Vec<Option<u64>> = Vec::with_capacity(8);
    loop {
        let at = payload.len() - left.len();
        let item = header(&mut left).ok_or_else(|| match left.first() {
            None => format!("the payload ends after {} bytes, inside a value", payload.len()),
            Some(_) => format!("what begins at byte {at} is no value"),
        })?;
        match item {
            Item::Bytes(bytes) => {
                left = usize::try_from(bytes).ok().and_then(|bytes| left.get(bytes..)).ok_or_else(|| {
                    format!("the value at byte {at} has {bytes} bytes, and {} are left", left.len())
                })?;
            }
            // Every item has one byte at least.
            Item::Items(items) if items > left.len() as u64 => {
                return Err(format!(
                    "the value at byte {at} has {items} items, and {} bytes are left",
                    left.len()
                )
                .into());
            }
            Item::Items(_) | Item::Endless if open.len() == DEPTH => {
                return Err(format!("the value at byte {at} is nested deeper than {DEPTH} levels").into());
            }
            Item::Items(0) => {}
            Item::Items(items) => {
                open.push(Some(items));
                continue;
            }
            Item::Endless => {
                open.push(None);
                continue;
            }
            Item::End => match open.pop() {
                Some(None) => {}
                Some(Some(_)) | None => return Err(format!("nothing is to end at byte {at}").into()),
            },
        }
        // An item is over, and with it every level of which it was the last.
        while let Some(Some(items)) = open.last_mut() {
            *items -= 1;
            if *items > 0 {
                break;
            }
            open.pop();
        }
        if open.is_empty() {
            break;
        }
    }
    match left.len() {
        0 => Ok(()),
        bytes => Err(format!("{bytes} bytes follow after the value").into()),
    }
}

/// Takes a number of `N` bytes, in the order of the network, off what is left.
pub(super) fn number<const N: usize>(left: &mut &[u8]) -> Option<u64> {
    let (digits, rest) = left.split_first_chunk::<N>()?;
    *left = rest;
    Some(digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit)))
}
