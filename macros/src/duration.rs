//! Durations as literals: a whole number and `ms`, `s`, `m`, `h` or `d`, and ranges of them.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;

const FORM: &str = "a duration is a whole number and `ms`, `s`, `m`, `h` or `d`, as in `10s`";

/// Reads `10s`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("`{text}` is not a duration: {FORM}")),
    };
    if number.is_empty() {
        return Err(format!("`{text}` is not a duration: {FORM}"));
    }
    let whole = number.parse().ok().and_then(|number: u64| number.checked_mul(millis));
    whole.map(Duration::from_millis).ok_or_else(|| format!("`{text}` is too long for a duration"))
}

/// Reads `100ms..30s`, whose end is not before its begin.
pub(crate) fn parse_range(text: &str) -> Result<(Duration, Duration), String> {
    let Some((min, max)) = text.split_once("..") else {
        return Err(format!(
            "`{text}` is not a range of durations; write the shortest and the longest, as in `100ms..30s`"
        ));
    };
    let (min, max) = (parse(min)?, parse(max)?);
    if min > max {
        return Err(format!("the range `{text}` ends before it begins; write the shorter duration first"));
    }
    Ok((min, max))
}

/// The expression, with the runtime's private module.
pub(crate) fn expand(duration: Duration, private: &TokenStream) -> TokenStream {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    quote!(#private::Duration::from_millis(#millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_known() {
        let millis = |text| parse(text).map(|duration| duration.as_millis());
        assert_eq!(millis("250ms"), Ok(250));
        assert_eq!(millis("10s"), Ok(10_000));
        assert_eq!(millis("1m"), Ok(60_000));
        assert_eq!(millis("24h"), Ok(86_400_000));
        assert_eq!(millis("7d"), Ok(604_800_000));
        assert_eq!(millis("0ms"), Ok(0));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "10", "10 s", "1.5s", "-1s", "10sec", "10S", "s10", "10s ", "0x1s"] {
            assert!(parse(text).is_err_and(|message| message.contains("whole number")), "{text}");
        }
        assert!(parse("99999999999999999999s").is_err_and(|message| message.contains("too long")));
        assert!(parse("18446744073709551615d").is_err_and(|message| message.contains("too long")));
    }

    #[test]
    fn a_range_has_two_ends_in_order() {
        let both = (Duration::from_millis(100), Duration::from_secs(30));
        assert_eq!(parse_range("100ms..30s"), Ok(both));
        assert_eq!(parse_range("1s..1s"), Ok((Duration::from_secs(1), Duration::from_secs(1))));
        for text in ["30s", "100ms..", "..30s", "100ms...30s", "30s..100ms", "1s..2s..3s"] {
            assert!(parse_range(text).is_err(), "{text}");
        }
    }
}
