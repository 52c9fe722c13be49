//! Settings as variables of the environment.

use super::{
    Config, HandlerName, Key,
    fields::{HandlerField, Raw, TuningField},
    origin::SettingOrigin,
};
use crate::{
    error::Problem,
    nearest::{nearest, suggest},
};

const OURS: &str = "TYPEBUS_";

/// Variables that begin like ours and are for tools: the contract test reads this one.
const FOR_TOOLS: [&str; 1] = ["TYPEBUS_BLESS"];

/// Whether a variable is a setting, known or not.
pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with(OURS) && !FOR_TOOLS.contains(&name)
}

/// Reads one variable. One that is set to nothing counts as not set, but its name has to be known.
pub(super) fn read(config: &mut Config, name: String, value: String) {
    match key(&name) {
        Ok(_) if value.is_empty() => {}
        Ok(key) => config.add(key, Raw::Bare(value), SettingOrigin::Environment(name)),
        Err(message) => config.problems.push(Problem::new(format!("`{name}`"), message)),
    }
}

fn key(name: &str) -> Result<Key, String> {
    let rest = name.strip_prefix(OURS).unwrap_or(name);
    match rest {
        "URL" => return Ok(Key::Url),
        "PREFIX" => return Ok(Key::Prefix),
        _ => {}
    }
    match rest.split_once('_') {
        Some(("TUNING", field)) => tuning(field),
        Some(("HANDLERS", rest)) => handler(rest),
        Some(("RENAME", _)) => {
            Err("topics are renamed in a file or by `.rename::<Event>(..)`, and not in the environment"
                .to_owned())
        }
        _ => Err(unknown(rest)),
    }
}

fn unknown(rest: &str) -> String {
    let groups = ["TUNING", "HANDLERS"];
    let begin = rest.split_once('_').and_then(|(first, rest)| Some((nearest(first, &groups)?, rest)));
    if let Some((group, rest)) = begin {
        return format!("unknown setting; did you mean `{OURS}{group}_{rest}`?");
    }
    let known = ["TYPEBUS_URL", "TYPEBUS_PREFIX", "TYPEBUS_TUNING_..", "TYPEBUS_HANDLERS_.."];
    format!("unknown setting; {}", suggest(&format!("{OURS}{rest}"), "setting", known))
}

fn tuning(field: &str) -> Result<Key, String> {
    let found = TuningField::ALL.into_iter().find(|known| known.name().to_uppercase() == field);
    found.map(Key::Tuning).ok_or_else(|| {
        let known = TuningField::ALL.map(|known| format!("{OURS}TUNING_{}", known.name().to_uppercase()));
        let word = format!("{OURS}TUNING_{field}");
        format!("unknown setting; {}", suggest(&word, "setting", known.iter().map(String::as_str)))
    })
}

/// Splits `CHARGE_BATCH_MAX`: the setting's name is at the end, and what stands before it is the handler's.
fn handler(rest: &str) -> Result<Key, String> {
    for field in HandlerField::ALL {
        let name = rest.strip_suffix(field.variable()).and_then(|name| name.strip_suffix('_'));
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            return Ok(Key::Handler(HandlerName::Capitals(name.to_owned()), field));
        }
    }
    let known = HandlerField::ALL.map(HandlerField::variable);
    // Where the name of the setting begins is not known, so each place is tried, the longest name first.
    let near = rest.match_indices('_').find_map(|(at, _)| {
        let (name, field) = (&rest[..at], &rest[at + 1..]);
        nearest(field, &known).map(|near| format!("{name}_{near}"))
    });
    let near = near.map(|near| format!("did you mean `{OURS}HANDLERS_{near}`? ")).unwrap_or_default();
    Err(format!(
        "it does not end in the name of a setting; {near}A handler's are `{OURS}HANDLERS_<NAME>_` and {}",
        known.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_in_one_way() {
        for one in HandlerField::ALL {
            for other in HandlerField::ALL.into_iter().filter(|other| *other != one) {
                let end = format!("_{}", other.variable());
                assert!(!one.variable().ends_with(&end), "{one:?} ends in {other:?}");
            }
            for name in ["CHARGE", "CHARGE_BATCH", "TIMEOUT", "ATTEMPTS_TIMEOUT", "_", "A__", "BATCH_MAX"] {
                let key = key(&format!("TYPEBUS_HANDLERS_{name}_{}", one.variable()));
                assert_eq!(key, Ok(Key::Handler(HandlerName::Capitals(name.to_owned()), one)));
            }
        }
    }
}
