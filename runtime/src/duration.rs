//! Durations as text: a whole number and `ms`, `s`, `m`, `h` or `d`, in URLs, files and the environment as in macros.

use std::{fmt, time::Duration};

/// Longer than anybody waits. To a moment of tokio's a duration may be added that is no longer, and any other may not.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads `10s`.
pub(crate) fn read(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{text}` is not a duration; write an integer and ms, s, m, h or d, such as `30s`");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (amount, unit) = text.split_at(digits);
    let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let amount: u64 = amount.parse().map_err(|_| wrong())?;
    amount.checked_mul(*milliseconds).map(Duration::from_millis).ok_or_else(wrong)
}

/// Reads `100ms..30s`, whose end is not before its begin.
pub(crate) fn read_range(text: &str) -> Result<(Duration, Duration), String> {
    let Some((min, max)) = text.split_once("..") else {
        return Err(format!(
            "`{text}` is not a range of durations; write the shortest and the longest, such as `100ms..30s`"
        ));
    };
    let (min, max) = (read(min)?, read(max)?);
    if min > max {
        return Err(format!("the range `{text}` ends before it begins; write the shorter duration first"));
    }
    Ok((min, max))
}

/// A duration as [`read`] reads it; one that no literal has as Rust writes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown(pub(crate) Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let whole = self.0.subsec_nanos().is_multiple_of(1_000_000);
        let unit = UNITS.iter().find(|(_, unit)| whole && millis.is_multiple_of(u128::from(*unit)));
        match unit {
            _ if millis == 0 && whole => f.write_str("0s"),
            Some((name, unit)) => write!(f, "{}{name}", millis / u128::from(*unit)),
            None => write!(f, "{:?}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(millis in any::<u64>()) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(read(&Shown(duration).to_string()), Ok(duration));
        }
    }

    #[test]
    fn the_largest_unit_that_fits_is_shown() {
        let shown = |millis| Shown(Duration::from_millis(millis)).to_string();
        assert_eq!(
            [0, 250, 1_000, 60_000, 90_000, 7_200_000, 86_400_000].map(shown),
            ["0s", "250ms", "1s", "1m", "90s", "2h", "1d"]
        );
        assert_eq!(Shown(Duration::from_micros(5)).to_string(), "5µs");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "10", "10 s", "1.5s", "-1s", "10sec", "10S", "s10", "18446744073709551615d"] {
            assert!(read(text).is_err_and(|message| message.contains("30s")), "{text}");
        }
        assert_eq!(read_range("1s..1s"), Ok((Duration::from_secs(1), Duration::from_secs(1))));
        for text in ["30s", "100ms..", "..30s", "100ms...30s", "30s..100ms", "1s..2s..3s"] {
            assert!(read_range(text).is_err(), "{text}");
        }
    }
}
