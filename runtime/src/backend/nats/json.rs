//! The few fields that are read of JetStream's answers, by their names. The server writes no whitespace around them.

/// A number.
pub(super) fn number(json: &str, name: &str) -> Option<u64> {
    let rest = after(json, name)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits].parse().ok()
}

/// A text that has no escapes.
pub(super) fn text<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    after(json, name)?.strip_prefix('"')?.split_once('"').map(|(text, _)| text)
}

fn after<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = json;
    loop {
        let at = rest.find(name)?;
        let before = rest[..at].ends_with('"');
        rest = &rest[at + name.len()..];
        if before && let Some(value) = rest.strip_prefix("\":") {
            return Some(value.trim_start());
        }
    }
}

/// Undoes base64 with padding; `None` if it is none.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for c in text.bytes().filter(|c| *c != b'=') {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(bits.wrapping_shr(count).to_le_bytes()[0]);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let json = r#"{"stream":"seq", "seq":12,"duplicate": true,"x":"y"}"#;
        assert_eq!((number(json, "seq"), text(json, "stream")), (Some(12), Some("seq")));
        assert_eq!((number(json, "none"), text(json, "seq")), (None, None));
    }

    #[test]
    fn base64_is_undone() {
        assert_eq!(bytes("TkFUUy8xLjA=").as_deref(), Some(&b"NATS/1.0"[..]));
        assert_eq!(bytes("//4=").as_deref(), Some(&[0xff, 0xfe][..]));
        assert_eq!((bytes("").as_deref(), bytes("a b")), (Some(&[][..]), None));
    }
}
