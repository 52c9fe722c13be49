//! The page of `typebus::schema`, made of the rows.

use std::{env, fmt::Write as _, fs, path::Path};

use crate::{
    row::{Row, Verdict},
    rows,
};

const PAGE: &str = "../runtime/src/docs/compatibility.md";

/// Everything below this line of the page is made.
const BELOW: &str =
    "<!-- `TYPEBUS_BLESS=1 cargo test -p typebus-tests --test compatibility page` writes what is below. -->";

#[test]
fn the_page_has_every_row() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&file).unwrap().replace("\r\n", "\n");
    let (by_hand, _) = page.split_once(BELOW).expect("the page has the line below which it is made");
    let made = format!("{by_hand}{BELOW}\n{}", tables());
    if env::var("TYPEBUS_BLESS").is_ok_and(|word| word == "1") {
        fs::write(&file, made).unwrap();
        return;
    }
    assert!(
        page == made,
        "{PAGE} is not what the rows say; `TYPEBUS_BLESS=1 cargo test -p typebus-tests --test compatibility page` writes \
         it anew"
    );
}

fn tables() -> String {
    let mut text = String::new();
    let mut reasons: Vec<&str> = Vec::new();
    for (heading, rows) in rows::by_heading() {
        let _ = write!(
            text,
            "\n# {heading}\n\n| change | the new type reads what the old one wrote | the old type reads what the new one writes |\n|---|---|---|\n"
        );
        for Row { change, writers, readers, .. } in rows {
            let [writers, readers] = [writers, readers].map(|verdict| word(verdict, &mut reasons));
            let _ = writeln!(text, "| {} | {writers} | {readers} |", change.replace('|', "\\|"));
        }
    }
    text.push_str("\nWhere more is read than a schema shows:\n\n");
    for (number, reason) in (1..).zip(reasons) {
        let _ = writeln!(text, "{number}. {reason}.");
    }
    text
}

fn word<'r>(verdict: Verdict, reasons: &mut Vec<&'r str>) -> String
where
    'static: 'r,
{
    match verdict {
        Verdict::Reads => "yes".to_owned(),
        Verdict::Breaks => "**no**".to_owned(),
        Verdict::Strict(reason) => {
            let index = reasons.iter().position(|known| *known == reason).unwrap_or_else(|| {
                reasons.push(reason);
                reasons.len() - 1
            });
            format!("**no** by the schema, though it does ({})", index + 1)
        }
    }
}
