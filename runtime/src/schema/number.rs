//! Numbers of JSON, compared exactly, and the ranges that a schema gives them.

use std::{cmp::Ordering, fmt};

use serde_json::{Map, Number, Value};

/// A number. `1.0` is the integer 1, as draft 2020-12 has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Num {
    Int(i128),
    /// Not an integer, or beyond 128 bits.
    Float(f64),
}

impl Num {
    pub(super) fn of(number: &Number) -> Self {
        match (number.as_i64(), number.as_u64()) {
            (Some(signed), _) => Self::Int(signed.into()),
            (None, Some(unsigned)) => Self::Int(unsigned.into()),
            (None, None) => Self::of_float(number.as_f64().unwrap_or(f64::INFINITY)),
        }
    }

    fn of_float(float: f64) -> Self {
        if float.fract() == 0.0 && float.abs() < 1.7e38 {
            #[expect(clippy::cast_possible_truncation, reason = "it is an integer of less than 128 bits")]
            let integer = float as i128;
            Self::Int(integer)
        } else {
            Self::Float(float)
        }
    }

    pub(super) const fn is_integer(self) -> bool {
        // What is beyond 128 bits has no fraction either, but for the infinities, which JSON does not have.
        match self {
            Self::Int(_) => true,
            Self::Float(float) => float.abs() >= 1.7e38,
        }
    }

    /// Exact for integers; a quotient of floats may miss an integer by a rounding.
    pub(super) fn is_multiple_of(self, unit: Self) -> bool {
        match (self, unit) {
            (Self::Int(number), Self::Int(unit)) => unit != 0 && number % unit == 0,
            _ => {
                let quotient = self.as_f64() / unit.as_f64();
                (quotient - quotient.round()).abs() <= 1e-9 * quotient.abs().max(1.0)
            }
        }
    }

    const fn as_f64(self) -> f64 {
        match self {
            Self::Int(integer) => integer as f64,
            Self::Float(float) => float,
        }
    }
}

impl PartialOrd for Num {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (*self, *other) {
            (Self::Int(one), Self::Int(other)) => Some(one.cmp(&other)),
            (Self::Float(one), Self::Float(other)) => one.partial_cmp(&other),
            (Self::Int(integer), Self::Float(float)) => Some(against(integer, float)),
            (Self::Float(float), Self::Int(integer)) => Some(against(integer, float).reverse()),
        }
    }
}

/// A float that is here is no integer of 127 bits.
fn against(integer: i128, float: f64) -> Ordering {
    match Num::of_float(float.floor()) {
        Num::Int(below) if integer <= below => Ordering::Less,
        Num::Int(_) => Ordering::Greater,
        Num::Float(huge) if huge > 0.0 => Ordering::Less,
        Num::Float(_) => Ordering::Greater,
    }
}

impl fmt::Display for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(integer) => integer.fmt(f),
            Self::Float(float) if float.abs() >= 1.7e38 => write!(f, "{float:e}"),
            Self::Float(float) => float.fmt(f),
        }
    }
}

/// An end of a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Edge {
    pub(super) at: Num,
    /// Whether the number itself is outside.
    pub(super) is_open: bool,
}

/// Which numbers may stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Range {
    pub(super) min: Option<Edge>,
    pub(super) max: Option<Edge>,
}

impl Range {
    /// What the keywords of a schema say, its format included.
    pub(super) fn of(schema: &Map<String, Value>) -> Self {
        let edge = |keyword: &str, is_open| {
            schema.get(keyword).and_then(Value::as_number).map(|at| Edge { at: Num::of(at), is_open })
        };
        let closed = Self { min: edge("minimum", false), max: edge("maximum", false) };
        let open = Self { min: edge("exclusiveMinimum", true), max: edge("exclusiveMaximum", true) };
        let of_format = schema.get("format").and_then(Value::as_str).map_or(Self::default(), Self::of_format);
        closed.and(open).and(of_format)
    }

    /// The range of a format of schemars.
    pub(super) fn of_format(format: &str) -> Self {
        let (min, max) = match format {
            "int8" => (i8::MIN.into(), i8::MAX.into()),
            "int16" => (i16::MIN.into(), i16::MAX.into()),
            "int32" => (i32::MIN.into(), i32::MAX.into()),
            // A `usize` has 64 bits wherever a message may come from.
            "int64" | "int" => (i64::MIN.into(), i64::MAX.into()),
            "int128" => (i128::MIN, i128::MAX),
            "uint8" => (0, u8::MAX.into()),
            "uint16" => (0, u16::MAX.into()),
            "uint32" => (0, u32::MAX.into()),
            "uint64" | "uint" => (0, u64::MAX.into()),
            "uint128" => {
                let max = Edge { at: Num::Float(u128::MAX as f64), is_open: false };
                return Self { max: Some(max), ..Self::between(0, 0) };
            }
            // What is beyond is read as infinite, or not at all. A `double` may be any number that is written.
            "float" => {
                let edge = |at: f32| Some(Edge { at: Num::Float(at.into()), is_open: false });
                return Self { min: edge(f32::MIN), max: edge(f32::MAX) };
            }
            _ => return Self::default(),
        };
        Self::between(min, max)
    }

    const fn between(min: i128, max: i128) -> Self {
        let (min, max) =
            (Edge { at: Num::Int(min), is_open: false }, Edge { at: Num::Int(max), is_open: false });
        Self { min: Some(min), max: Some(max) }
    }

    /// What is in both.
    pub(super) fn and(self, other: Self) -> Self {
        Self { min: tighter(self.min, other.min, below), max: tighter(self.max, other.max, above) }
    }

    /// The same for integers alone: more than 0 is 1 and more.
    pub(super) fn of_integers(self) -> Self {
        let inward = |edge: Edge, up: bool| match edge {
            Edge { at: Num::Int(at), is_open } => {
                let step = i128::from(is_open);
                Edge {
                    at: Num::Int(if up { at.saturating_add(step) } else { at.saturating_sub(step) }),
                    is_open: false,
                }
            }
            Edge { at: Num::Float(at), .. } => {
                Edge { at: Num::of_float(if up { at.ceil() } else { at.floor() }), is_open: false }
            }
        };
        Self { min: self.min.map(|min| inward(min, true)), max: self.max.map(|max| inward(max, false)) }
    }

    pub(super) fn contains(self, number: Num) -> bool {
        self.too_low(number).is_none() && self.too_high(number).is_none()
    }

    /// The edge that a number is below.
    pub(super) fn too_low(self, number: Num) -> Option<Edge> {
        self.min.filter(|edge| number < edge.at || (edge.is_open && number == edge.at))
    }

    /// The edge that a number is above.
    pub(super) fn too_high(self, number: Num) -> Option<Edge> {
        self.max.filter(|edge| number > edge.at || (edge.is_open && number == edge.at))
    }

    /// Whether there is no number in it.
    pub(super) fn is_empty(self) -> bool {
        self.min
            .zip(self.max)
            .is_some_and(|(min, max)| min.at > max.at || (min.at == max.at && (min.is_open || max.is_open)))
    }

    /// Whether everything of `self` is above the lower edge of `other`, and below its upper edge.
    pub(super) fn is_within(self, other: Self) -> (bool, bool) {
        let low = other.min.is_none_or(|outer| self.min.is_some_and(|inner| !below(outer, inner)));
        let high = other.max.is_none_or(|outer| self.max.is_some_and(|inner| !above(outer, inner)));
        (low, high)
    }

    /// Whether no number is in both.
    pub(super) fn is_apart(self, other: Self) -> bool {
        self.and(other).is_empty()
    }
}

/// Whether the first lower edge is the tighter one.
fn below(one: Edge, other: Edge) -> bool {
    one.at > other.at || (one.at == other.at && one.is_open && !other.is_open)
}

/// Whether the first upper edge is the tighter one.
fn above(one: Edge, other: Edge) -> bool {
    one.at < other.at || (one.at == other.at && one.is_open && !other.is_open)
}

fn tighter(one: Option<Edge>, other: Option<Edge>, is_tighter: fn(Edge, Edge) -> bool) -> Option<Edge> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if is_tighter(other, one) { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// "from 1 to 9", "less than 3"; nothing for all numbers.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let low = |min: Edge| {
            if min.is_open { format!("more than {}", min.at) } else { format!("from {}", min.at) }
        };
        let high =
            |max: Edge| if max.is_open { format!("less than {}", max.at) } else { format!("to {}", max.at) };
        match (self.min, self.max) {
            (None, None) => Ok(()),
            (Some(min), None) => f.write_str(&low(min)),
            (None, Some(max)) if max.is_open => f.write_str(&high(max)),
            (None, Some(max)) => write!(f, "at most {}", max.at),
            (Some(min), Some(max)) => write!(f, "{} {}", low(min), high(max)),
        }
    }
}

/// Equality of JSON: numbers by value, objects whatever their order.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => Num::of(one) == Num::of(other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn num(value: &Value) -> Num {
        Num::of(value.as_number().unwrap())
    }

    fn range(schema: &Value) -> Range {
        Range::of(schema.as_object().unwrap())
    }

    #[test]
    fn numbers_are_compared_by_what_they_are() {
        let sorted = [
            json!(-1e300),
            json!(i64::MIN),
            json!(-1.5),
            json!(-1),
            json!(0),
            json!(0.5),
            json!(1),
            json!(9_007_199_254_740_993_u64),
            json!(u64::MAX),
            json!(1e300),
        ];
        for (index, low) in sorted.iter().enumerate() {
            assert_eq!(num(low), num(low));
            for high in &sorted[index + 1..] {
                assert!(num(low) < num(high) && num(high) > num(low), "{low} < {high}");
            }
        }
        assert_eq!(num(&json!(1.0)), num(&json!(1)));
        assert!(
            num(&json!(1.0)).is_integer()
                && num(&json!(1e300)).is_integer()
                && !num(&json!(1.5)).is_integer()
        );
        assert!(same(&json!({ "a": [1, 2.0] }), &json!({ "a": [1.0, 2] })));
        assert!(!same(&json!({ "a": 1 }), &json!({ "a": 1, "b": 1 })));
    }

    #[test]
    fn a_multiple_is_one_in_decimals_too() {
        let is = |number: Value, unit: Value| num(&number).is_multiple_of(num(&unit));
        assert!(is(json!(9), json!(3)) && is(json!(0.3), json!(0.1)) && is(json!(7.5), json!(2.5)));
        assert!(!is(json!(10), json!(3)) && !is(json!(0.35), json!(0.1)) && !is(json!(1), json!(0)));
    }

    #[test]
    fn ranges_meet_and_lie_within_each_other() {
        let bits = range(&json!({ "format": "uint8" }));
        assert_eq!(bits, range(&json!({ "minimum": 0, "maximum": 255 })));
        assert!(
            bits.contains(Num::Int(255)) && !bits.contains(Num::Int(256)) && !bits.contains(Num::Int(-1))
        );
        assert_eq!(bits.is_within(Range::of_format("int16")), (true, true));
        assert_eq!(bits.is_within(Range::of_format("int8")), (true, false));
        assert_eq!(Range::of_format("int16").is_within(bits), (false, false));
        assert_eq!(Range::of_format("uint128").is_within(Range::of_format("int128")), (true, false));
        let positive = range(&json!({ "exclusiveMinimum": 0 }));
        assert_eq!(positive.of_integers(), range(&json!({ "minimum": 1 })));
        assert_eq!(
            range(&json!({ "minimum": 0.5, "maximum": 2.5 })).of_integers().to_string(),
            "from 1 to 2"
        );
        assert_eq!(positive.is_within(range(&json!({ "minimum": 0 }))), (true, true));
        assert_eq!(range(&json!({ "minimum": 0 })).is_within(positive), (false, true));
        assert!(positive.is_apart(range(&json!({ "maximum": 0 }))));
        assert!(!positive.is_apart(range(&json!({ "maximum": 1 }))));
        assert_eq!(
            range(&json!({ "exclusiveMinimum": 0, "exclusiveMaximum": 1 })).to_string(),
            "more than 0 less than 1"
        );
    }
}
