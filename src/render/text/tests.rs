use super::*;

fn head(name: &str) -> Head {
    let text = name.trim_end_matches('#').to_owned();
    Head {
        long: false,
        joined: text.clone(),
        text,
        numeric: name.ends_with('#'),
        grouping: false,
        goal: None,
        over: None,
    }
}

/// A table from headings (`#` at the end: numbers) and rows.
fn view(heads: &[&str], rows: &[&[&str]]) -> TableView {
    let heads: Vec<Head> = heads.iter().map(|name| head(name)).collect();
    let row = |row: &&[&str]| {
        let cells = row.iter().zip(&heads);
        cells
            .map(|(text, head)| Cell {
                text: (*text).to_owned(),
                numeric: head.numeric,
                ..Cell::default()
            })
            .collect()
    };
    TableView {
        rows: rows.iter().map(row).collect(),
        heads,
        figures: false,
        labels: true,
        block: None,
        cut: None,
        others: None,
        others_line: None,
        total: None,
    }
}

#[test]
fn columns_are_aligned_by_what_a_terminal_shows() {
    let view = view(
        &["Name", "Count#"],
        &[&["Ann", "1,204"], &["株式会社", "7"], &["e\u{301}e\u{301}", "12"]],
    );
    assert_eq!(
        table(&view),
        "Name      Count\n---------------\nAnn       1,204\n株式会社      7\ne\u{301}e\u{301}           12"
    );
}

#[test]
fn sentences_stand_between_the_rows_and_the_total() {
    let mut view = view(&["Name", "Count#"], &[&["a", "1"], &["Total", "9"]]);
    view.total = view.rows.pop();
    view.cut = Some("and 2 more rows, left out".to_owned());
    assert_eq!(
        table(&view),
        "Name   Count\n------------\na          1\nand 2 more rows, left out\nTotal      9"
    );
}

#[test]
fn long_texts_take_three_lines_at_most_and_figures_are_never_cut() {
    let long = "word ".repeat(60);
    let figures = ["123,456,789,012"; 3];
    let row = [long.trim(), figures[0], figures[1], figures[2]];
    let written = table(&view(&["Name", "One#", "Two#", "Three#"], &[&row]));
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), 5, "{written}");
    assert_eq!(lines[2].matches("123,456,789,012").count(), 3);
    assert!(lines[4].ends_with('\u{2026}'));
    assert!(lines.iter().all(|line| line.width() <= LINE), "{written}");
}

#[test]
fn a_table_that_cannot_fit_becomes_blocks() {
    let heads: Vec<String> = (0..12).map(|n| format!("Column {n}#")).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let written = table(&view(&heads, &[&["1,234,567"; 12], &["7"; 12]]));
    assert_eq!(written.lines().count(), 24);
    assert!(written.starts_with("Column 0: 1,234,567\n  Column 1: 1,234,567\n"), "{written}");
}

#[test]
fn words_break_only_where_they_must() {
    #[track_caller]
    fn check(text: &str, width: usize, expected: &[&str]) {
        assert_eq!(wrapped(text, width), expected);
    }
    check("", 5, &[""]);
    check("one two three", 7, &["one two", "three"]);
    check("abcdefghij k", 4, &["abcd", "efgh", "ij k"]);
    check("株式会社", 5, &["株式", "会社"]);
    check("株", 1, &["株"]);
    check("a  b", 9, &["a b"]);
}
