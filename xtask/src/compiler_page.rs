//! The page "What the compiler tells you": the programs of `tests/ui` that must not compile, and what rustc says.
//!
//! Nobody writes it by hand, so it cannot be wrong: the fixtures' own test compares every message with rustc's, and the
//! test below compares the page with the fixtures.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result, bail};

/// What is written.
const PAGE: &str = "runtime/src/docs/compiler.md";

/// What it is written from.
const FIXTURES: &str = "tests/ui";

/// How a program takes the items of [`SHOP`]. The page shows them once, and these lines never.
const TAKES_THE_SHOP: [&str; 3] = [r#"#[path = "../common.rs"]"#, "mod common;", "use common::*;"];

/// The items that the programs share.
const SHOP: &str = "common.rs";

/// Writes the page anew.
pub(crate) fn write(root: &Path) -> Result<()> {
    let folders = read(root)?;
    fs::write(root.join(PAGE), page(&folders, &shop(root)?)?)
        .with_context(|| format!("cannot write {PAGE}"))?;
    let programs: usize = folders.iter().map(|folder| folder.fixtures.len()).sum();
    println!("{PAGE} shows {programs} programs");
    Ok(())
}

/// One rule, or a part of one.
#[derive(Debug)]
struct Folder {
    /// Its heading.
    title: String,
    fixtures: Vec<Fixture>,
}

/// A program with a mistake.
#[derive(Debug, PartialEq, Eq)]
struct Fixture {
    /// The rule that it breaks, as a sentence that holds.
    rule: String,
    /// What else its first lines say.
    more: String,
    program: String,
    message: String,
}

fn read(root: &Path) -> Result<Vec<Folder>> {
    let readme = text(&root.join(FIXTURES).join("README.md"))?;
    let mut mistakes = Vec::new();
    let mut folders = Vec::new();
    for name in names(&root.join(FIXTURES), is_shown)? {
        let folder = root.join(FIXTURES).join(&name);
        let mut fixtures = Vec::new();
        for file in names(&folder, |name| name.ends_with(".rs"))? {
            match fixture(&folder, &file) {
                Ok(fixture) => fixtures.push(fixture),
                Err(error) => mistakes.push(format!("{FIXTURES}/{name}/{file}: {error:#}")),
            }
        }
        match title(&name, &readme) {
            Some(title) => folders.push((number(&name), Folder { title, fixtures })),
            None => mistakes.push(format!(
                "{FIXTURES}/{name} has no title; add the row \"| `{name}` | the rule, as a sentence that holds | where \
                 the mistake is |\" to the table in {FIXTURES}/README.md"
            )),
        }
    }
    if !mistakes.is_empty() {
        bail!("{}", mistakes.join("\n"));
    }
    folders.sort_by_key(|(number, _)| *number);
    Ok(folders.into_iter().map(|(_, folder)| folder).collect())
}

/// The items that the programs share, without what only rustc needs to know.
fn shop(root: &Path) -> Result<String> {
    let shop = text(&root.join(FIXTURES).join(SHOP))?;
    Ok(squeezed(shop.lines().filter(|line| !line.starts_with("//!") && !line.starts_with("#!["))))
}

/// The names in a folder, sorted.
fn names(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(wanted(&name).then_some(name));
    }
    names.sort();
    Ok(names)
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Whether the programs of this folder must not compile.
fn is_shown(folder: &str) -> bool {
    folder.starts_with(|c: char| c.is_ascii_digit()) || folder == "many"
}

/// The rule's number; what has none comes last.
fn number(folder: &str) -> u32 {
    folder.split('-').next().and_then(|number| number.parse().ok()).unwrap_or(u32::MAX)
}

/// What the table of folders says: `` | `2-routes` | the rule | .. | ``.
fn title(folder: &str, readme: &str) -> Option<String> {
    let rows = readme.lines().map(|row| row.split(" | ").map(|cell| cell.trim_matches(['|', ' '])));
    let title = rows.map(Iterator::collect::<Vec<_>>).find_map(|row| match row[..] {
        [name, title, _] if name.trim_matches('`') == folder => Some(title),
        _ => None,
    })?;
    Some(match number(folder) {
        u32::MAX => title.to_owned(),
        number => format!("Rule {number}: {title}"),
    })
}

fn fixture(folder: &Path, file: &str) -> Result<Fixture> {
    let source = text(&folder.join(file))?;
    let Some((rule, more)) = header(&source) else {
        bail!("its first line does not say the rule that it breaks, as in `//! A handler is listed once.`");
    };
    let stderr = fs::read_to_string(folder.join(file).with_extension("stderr"));
    let stderr = stderr.context(
        "there is no .stderr beside it; write it with `TRYBUILD=overwrite cargo test -p typebus-tests --test ui`",
    )?;
    Ok(Fixture { rule, more, program: program(&source), message: message(&stderr, file) })
}

/// The first sentence of a program's `//!`, and the rest.
fn header(source: &str) -> Option<(String, String)> {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let text = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n");
    let ends = [". ", ".\n"].iter().filter_map(|end| text.find(end));
    let (rule, more) = text.split_at(ends.min().unwrap_or(text.len()));
    let rule = rule.trim().trim_end_matches('.').replace('\n', " ");
    (!rule.is_empty()).then(|| (rule, more.trim_start_matches('.').trim().to_owned()))
}

/// What is to be read of a program.
fn program(source: &str) -> String {
    let lines = source.lines().skip_while(|line| line.starts_with("//!"));
    let program = squeezed(lines.filter(|line| !TAKES_THE_SHOP.contains(line)));
    let shown = program.strip_suffix("fn main() {}\n").unwrap_or(&program);
    format!("{}\n", shown.trim_end())
}

/// Lines without empty ones at the ends, and with no two in a row.
fn squeezed<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for line in lines {
        if !line.is_empty() || !(text.is_empty() || text.ends_with("\n\n")) {
            text.push_str(line);
            text.push('\n');
        }
    }
    format!("{}\n", text.trim_end())
}

/// A message without line numbers, since the program that is shown is shorter than the one that was compiled.
fn message(stderr: &str, file: &str) -> String {
    let lines = stderr.lines().filter_map(|line| match place(line) {
        Some((_, "-->", path)) if path == file => None,
        Some((indent, arrow, path)) => Some(format!("{indent}{arrow} {path}")),
        None => Some(without_number(line)),
    });
    format!("{}\n", lines.collect::<Vec<_>>().join("\n").trim_end())
}

/// The parts of ` --> ui/2-routes/../common.rs:9:19`: indent, arrow, and the path without what only this repository's
/// tests know.
fn place(line: &str) -> Option<(&str, &str, &str)> {
    let trimmed = line.trim_start();
    let (arrow, path) = trimmed.split_once(' ').filter(|(arrow, _)| ["-->", ":::"].contains(arrow))?;
    let path = path.find(".rs:").map_or(path, |end| &path[..end + ".rs".len()]);
    let path = match (path.strip_prefix("ui/"), path.rsplit_once('/')) {
        (Some(_), Some((_, file))) => file,
        _ => path.trim_start_matches("$WORKSPACE/"),
    };
    Some((&line[..line.len() - trimmed.len()], arrow, path))
}

/// `12 | fn` with spaces for the number, so that the carets below stay where they are.
fn without_number(line: &str) -> String {
    let code = line.trim_start_matches([' ', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    let gutter = &line[..line.len() - code.len()];
    let is_gutter = gutter.ends_with(' ') && code.starts_with(['|', '+', '-', '~']);
    if is_gutter && !gutter.trim().contains(' ') {
        return format!("{:width$}{code}", "", width = gutter.len());
    }
    line.to_owned()
}

fn page(folders: &[Folder], shop: &str) -> Result<String> {
    let mut page = String::from(INTRODUCTION);
    for Folder { title, fixtures } in folders {
        let programs = if fixtures.len() == 1 { "program" } else { "programs" };
        writeln!(page, "* [{title}](#{}), {} {programs}", anchor(title), fixtures.len())?;
    }
    write!(page, "\n{ABOUT_THE_SHOP}\n{}", block("rust,ignore", shop))?;
    for Folder { title, fixtures } in folders {
        write!(page, "\n## {title}\n")?;
        for Fixture { rule, more, program, message } in fixtures {
            write!(page, "\n### {rule}\n\n")?;
            if !more.is_empty() {
                write!(page, "{more}\n\n")?;
            }
            write!(page, "{}\n{}", block("rust,ignore", program), block("text", message))?;
        }
    }
    Ok(page)
}

const INTRODUCTION: &str = "\
# What the compiler tells you

Every rule that the compiler checks, with programs that break it and all that rustc says to each. A heading says what
holds, and the program below it breaks just that. Nobody wrote this page: `cargo xtask page` makes it from `tests/ui`,
where a test compares every message with the compiler's own.

";

const ABOUT_THE_SHOP: &str = "\
The programs are shown without an empty `main`, and the messages without line numbers. `$CRATE` in a message stands for
the name of the program's crate, and `$N` for a number. Most programs use a module `common`, which is the same for all:
";

/// A heading's anchor, which rustdoc and the sites that show repositories make alike.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || ['-', '_', ' '].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// A block whose fence is longer than any inside.
fn block(language: &str, text: &str) -> String {
    let mut fence = String::from("```");
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}{language}\n{text}{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_what_the_fixtures_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folders = read(&root).unwrap_or_else(|error| panic!("{error:#}"));
        let expected = page(&folders, &shop(&root).unwrap()).unwrap();
        let found = fs::read_to_string(root.join(PAGE)).unwrap_or_default();
        assert!(found == expected, "{PAGE} does not show what is in {FIXTURES}; run `cargo xtask page`");
    }

    #[test]
    fn folders_are_sorted_by_number_and_those_without_come_last() {
        let mut folders = ["many", "10-keys", "2-routes"];
        folders.sort_by_key(|folder| number(folder));
        assert_eq!(folders, ["2-routes", "10-keys", "many"]);
        assert!(!is_shown("pass"));
    }

    #[test]
    fn a_title_is_in_the_table() {
        let readme = "| folder | the rule | the mistake is in |\n|---|---|---|\n\
                      | `2-routes` | it is `A` or `B` | a topic |\n| `3-old` | a row of two |\n| `many` | All | x |";
        assert_eq!(title("2-routes", readme).unwrap(), "Rule 2: it is `A` or `B`");
        assert_eq!(title("many", readme).unwrap(), "All");
        assert_eq!(title("3-old", readme), None);
        assert_eq!(title("4-new", readme), None);
    }

    #[test]
    fn a_header_is_a_sentence_and_the_rest() {
        let of = |source| header(source).unwrap();
        assert_eq!(of("//! One `.` holds.\nuse x;"), ("One `.` holds".into(), String::new()));
        assert_eq!(
            of("//! It\n//! holds. But rustc\n//! insists."),
            ("It holds".into(), "But rustc\ninsists.".into())
        );
        assert_eq!(of("//! It holds.\n//!\n//! More."), ("It holds".into(), "More.".into()));
        assert_eq!(header("use x;"), None);
        assert_eq!(header("//!\nuse x;"), None);
    }

    #[test]
    fn a_program_is_shown_without_what_all_have() {
        let source = "//! It holds.\n\n#[path = \"../common.rs\"]\nmod common;\n\nuse common::*;\n\n#[handler]\n\
                      async fn charge(_: u8) {}\n\nfn main() {}\n";
        assert_eq!(program(source), "#[handler]\nasync fn charge(_: u8) {}\n");
        assert_eq!(program("//! It holds.\nuse x;\n\nmod common;\n\nfn f() {}\n"), "use x;\n\nfn f() {}\n");
        let main = "fn main() {\n    f();\n}\n";
        assert_eq!(program(main), main);
    }

    #[test]
    fn a_message_keeps_its_carets_and_loses_its_numbers() {
        let stderr = "error: no 1 | 2\n  --> ui/2-routes/set.rs:14:19\n   |\n 9 | fn f() {}\n   |    ^ here\n...\n\
                      14 +     g();\nhelp: this\n  --> ui/2-routes/../common.rs\n   |\n   = note: 2 - 1\n  \
                      ::: $WORKSPACE/runtime/src/bus.rs\n";
        assert_eq!(
            message(stderr, "set.rs"),
            "error: no 1 | 2\n   |\n   | fn f() {}\n   |    ^ here\n...\n   +     g();\n\
             help: this\n  --> common.rs\n   |\n   = note: 2 - 1\n  ::: runtime/src/bus.rs\n"
        );
    }

    #[test]
    fn a_block_may_hold_a_block() {
        assert_eq!(block("text", "a\n"), "```text\na\n```\n");
        assert_eq!(block("text", "/// ```\n"), "````text\n/// ```\n````\n");
    }

    #[test]
    fn an_anchor_is_a_heading_without_signs() {
        assert_eq!(anchor("Rule 9: a handler's `#[x]`"), "rule-9-a-handlers-x");
    }
}
