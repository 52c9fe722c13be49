//! Formats of texts, and the two patterns that schemars writes.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use uuid::Uuid;

/// Whether a text is of a format. One that is not known here is an annotation, and every text is of it.
pub(super) fn is_of(format: &str, text: &str) -> bool {
    match format {
        // Its written form; that serde reads others too is no promise to others.
        "uuid" => text.len() == 36 && Uuid::try_parse(text).is_ok(),
        "date-time" => {
            text.as_bytes().get(10).is_some_and(|byte| b"Tt".contains(byte))
                && DateTime::parse_from_rfc3339(text).is_ok()
        }
        "date" => text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(),
        "partial-date-time" => text.parse::<NaiveDateTime>().is_ok(),
        "partial-time" => text.parse::<NaiveTime>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "ip" => text.parse::<std::net::IpAddr>().is_ok(),
        _ => true,
    }
}

/// Whether every text of one format is of the other too.
pub(super) fn is_within(format: &str, other: &str) -> bool {
    format == other || (other == "ip" && matches!(format, "ipv4" | "ipv6"))
}

/// Whether a name matches a pattern; `None` where the pattern is not one of the two that stand for integers as keys.
/// There is no engine for others here.
pub(super) fn matches(pattern: &str, name: &str) -> Option<bool> {
    let digits = match pattern {
        r"^\d+$" => name,
        r"^-?\d+$" => name.strip_prefix('-').unwrap_or(name),
        _ => return None,
    };
    Some(!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether whatever matches one pattern matches the other too, as far as that is known.
pub(super) fn matches_within(pattern: &str, other: &str) -> bool {
    pattern == other || (pattern == r"^\d+$" && other == r"^-?\d+$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_from_other_texts() {
        for (format, good, bad) in [
            ("uuid", "67e55044-10b1-426f-9247-bb680e5fe0c8", "67e5504410b1426f9247bb680e5fe0c8"),
            ("date-time", "2026-02-28T23:59:59.5+02:00", "2026-02-28T23:59:59"),
            ("date-time", "2026-02-28t23:59:59z", "2026-02-28 23:59:59Z"),
            ("date", "2024-02-29", "2026-02-29"),
            ("date", "2024-02-29", "2024-2-29"),
            ("partial-date-time", "2026-02-28T23:59:59.25", "2026-02-28T23:59:59Z"),
            ("partial-time", "23:59:59", "24:00:00"),
            ("ipv4", "10.0.0.1", "::1"),
            ("ipv6", "::1", "10.0.0.1"),
            ("ip", "::1", "10.0.0"),
        ] {
            assert!(is_of(format, good), "{good} is a {format}");
            assert!(!is_of(format, bad), "{bad} is no {format}");
        }
        assert!(is_of("color", "whatever"));
    }

    #[test]
    fn keys_that_are_integers_are_known() {
        assert_eq!(matches(r"^\d+$", "12"), Some(true));
        assert_eq!(matches(r"^\d+$", "-12"), Some(false));
        assert_eq!(matches(r"^-?\d+$", "-12"), Some(true));
        assert_eq!(matches(r"^-?\d+$", "-"), Some(false));
        assert_eq!(matches("^x-", "x-1"), None);
        assert!(matches_within(r"^\d+$", r"^-?\d+$") && !matches_within(r"^-?\d+$", r"^\d+$"));
    }
}
