//! Two texts, compared line by line.

use std::fmt::Write as _;

/// How many lines that are the same are shown around a difference.
const AROUND: usize = 3;

/// A line of both, of the old text, or of the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Old(&'a str),
    New(&'a str),
}

/// The lines that differ, each with `-` or `+` before it, and those around them. Empty where nothing differs.
pub(super) fn compare(old: &str, new: &str) -> String {
    let lines = pair(old, new);
    let differs = |line: &Line<'_>| !matches!(line, Line::Same(_));
    let mut shown = String::new();
    let mut last = None;
    for (nth, line) in lines.iter().enumerate() {
        let around = nth.saturating_sub(AROUND)..(nth + AROUND + 1).min(lines.len());
        if !lines[around].iter().any(differs) {
            continue;
        }
        if last.is_some_and(|last| last + 1 != nth) {
            shown.push_str("  ...\n");
        }
        last = Some(nth);
        let (mark, text) = match line {
            Line::Same(text) => (' ', text),
            Line::Old(text) => ('-', text),
            Line::New(text) => ('+', text),
        };
        // To a text nothing can happen that would fail.
        let _ = writeln!(shown, "{mark} {text}");
    }
    shown
}

/// A longest common subsequence, between the lines at both ends that are the same anyway.
fn pair<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(old, new)| old == new).count();
    let (before, after) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let same = |lines: &[&'a str]| lines.iter().copied().map(Line::Same).collect::<Vec<_>>();
    let mut lines = same(&old[..head]);
    lines.extend(middle(before, after));
    lines.extend(same(&old[old.len() - tail..]));
    lines
}

fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    // `longest[i][j]` is for what stands from `i` and from `j` on.
    let mut longest = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] = match old[i] == new[j] {
                true => longest[i + 1][j + 1] + 1,
                false => longest[i + 1][j].max(longest[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            lines.push(Line::Old(old[i]));
            i += 1;
        } else {
            lines.push(Line::New(new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_differs_is_shown_with_what_is_around_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\n";
        let new = "a\nb\nC\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\n";
        assert_eq!(compare(old, new), "  a\n  b\n- c\n+ C\n  d\n  e\n  f\n  ...\n  k\n  l\n  m\n+ n\n");
        assert_eq!(compare(old, old), "");
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_from_it(old in "([abc]\n){0,12}", new in "([abc]\n){0,12}") {
            let lines = pair(&old, &new);
            let of = |side: fn(&Line<'_>) -> bool| {
                let text = |line: &Line<'_>| match *line { Line::Same(text) | Line::Old(text) | Line::New(text) => format!("{text}\n") };
                lines.iter().filter(|line| side(line)).map(text).collect::<String>()
            };
            prop_assert_eq!(of(|line| !matches!(line, Line::New(_))), old.as_str());
            prop_assert_eq!(of(|line| !matches!(line, Line::Old(_))), new.as_str());
        }
    }
}
