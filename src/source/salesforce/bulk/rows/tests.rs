use super::*;
use crate::domain::dataset::Field;

fn dataset() -> Dataset {
    let field = Field::new;
    let mut fields = vec![
        field("Id", Type::Text),
        field("Note", Type::Text),
        field("Count", Type::Integer),
        field("Share", Type::Real),
        field("Open", Type::Boolean),
        field("Stamp", Type::Timestamp),
        field("Owner", Type::Text),
    ];
    fields[6].path = "Owner.Name".to_owned();
    Dataset { updated: Some(5), ..Dataset::new("org", "Thing", fields, 0) }
}

const HEADER: &str =
    "\"Id\",\"Note\",\"Count\",\"Share\",\"Open\",\"Stamp\",\"Owner.Name\",\"IsDeleted\"\n";

/// What a file gives in pieces of this size: its batches, its misfits, its records.
fn read(file: &[u8], piece: usize) -> Result<(Vec<Batch>, Misfits, u64), String> {
    let dataset = dataset();
    let mut misfits = Misfits::default();
    let mut rows = Rows::new(&dataset, &[0, 1, 2, 3, 4, 5, 6], true);
    let mut batches = Vec::new();
    for piece in file.chunks(piece) {
        let clean = without_nuls(piece);
        let mut rest = &clean[..];
        while let Some(batch) = rows.read(&mut rest, &mut misfits)? {
            batches.push(batch);
        }
    }
    batches.extend(rows.end(&mut misfits)?);
    Ok((batches, misfits, rows.count()))
}

fn shown(batches: &[Batch]) -> String {
    let mut out = Vec::new();
    for batch in batches {
        assert_eq!(batch.cells.len(), batch.rows() * dataset().fields.len());
        for (row, deleted) in batch.cells.chunks(dataset().fields.len()).zip(&batch.deleted) {
            let cells = row.iter().map(|cell| match *cell {
                Cell::Null => "-".to_owned(),
                Cell::Boolean(value) => value.to_string(),
                Cell::Integer(value) => value.to_string(),
                Cell::Real(value) => format!("{value:?}"),
                Cell::Timestamp(ms) => format!("@{ms}"),
                Cell::Text(at, len) => batch.text_of(at, len).to_owned(),
            });
            let mark = if *deleted { "!" } else { "" };
            out.push(format!("{mark}{}", cells.collect::<Vec<_>>().join("|")));
        }
    }
    out.join("\n")
}

/// These records, in pieces of every size, give these cells and so many misfits.
#[track_caller]
fn check(records: &str, cells: &str, misfits: u64) {
    let file = format!("{HEADER}{records}");
    for piece in 1..=file.len() {
        let (batches, found, _) = read(file.as_bytes(), piece).unwrap();
        assert_eq!(shown(&batches), cells, "in pieces of {piece}");
        assert_eq!(found.count, misfits, "{:?}", found.samples);
    }
}

#[test]
fn values_are_typed_by_the_dataset_and_misfits_become_null() {
    let stamp = "1970-01-01T00:00:01.000Z";
    check(
        &format!("\"a\",\"n\",\"3\",\"0.5\",\"true\",\"{stamp}\",\"Ann\",\"false\"\n"),
        "a|n|3|0.5|true|@1000|Ann",
        0,
    );
    check("\"a\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"\n", "a|-|-|-|-|-|-", 0);
    check("\"a\",\"\",\"0.0\",\"1\",\"false\",\"\",\"\",\"true\"\n", "!a|-|0|1.0|false|-|-", 0);
    check("\"a\",\"x\",\"many\",\"few\",\"si\",\"then\",\"\",\"\"\n", "a|x|-|-|-|-|-", 4);
}

#[test]
fn quotes_line_ends_and_nul_bytes_are_part_of_the_format() {
    // Both kinds of line ends, a last line without one, quotes and commas inside.
    check(
        "\"a\",\"say \"\"hi\"\", now\",\"\",\"\",\"\",\"\",\"\",\"\"\r\n\
         \"b\",\"two\r\nlines\",\"1\0\",\"\",\"\",\"\",\"\",\"\"\n\
         \"c\",\"z\u{e4}h\0 \u{1f600}\",\"\",\"\",\"\",\"\",\"=cmd\",\"\"",
        "a|say \"hi\", now|-|-|-|-|-\nb|two\r\nlines|1|-|-|-|-\nc|z\u{e4}h \u{1f600}|-|-|-|-|=cmd",
        0,
    );
}

#[test]
fn columns_are_found_by_name() {
    let file = "IsDeleted,owner.name,Stamp,Extra,Open,Share,Count,Note,ID\ntrue,Ann,,x,,,7,,k\n";
    let (batches, _, count) = read(file.as_bytes(), 7).unwrap();
    assert_eq!((shown(&batches).as_str(), count), ("!k|-|7|-|-|-|Ann", 1));
}

#[test]
fn a_file_without_records_is_its_header_or_nothing() {
    for file in [HEADER, HEADER.trim_end(), ""] {
        let (batches, _, count) = read(file.as_bytes(), 16).unwrap();
        assert_eq!((batches.len(), count), (0, 0));
    }
}

#[test]
fn a_file_of_something_else_is_told() {
    let told = |file: &str| read(file.as_bytes(), 64).unwrap_err();
    assert_eq!(told("Id,Note\na,b\n"), "no column `Count` in it");
    assert!(told("<html>Please wait</html>\n").contains("no column `Id`"));
    assert_eq!(told(&format!("{HEADER}a,b\n")), "a record of 2 fields, not 8");
    assert_eq!(told(&format!("{HEADER}1,2,3,4,5,6,7,8,9\n")), "a record of more than 8 fields");
    let endless = format!("{HEADER}\"{}", "x".repeat(RECORD_BYTES_MAX + 1));
    assert!(read(endless.as_bytes(), 1 << 16).unwrap_err().contains("a record of more than"));
}

#[test]
fn records_without_a_key_are_left_out_and_counted() {
    let long = "k".repeat(256);
    let file = format!("{HEADER},gone,,,,,,\nb,kept,,,,,,\n{long},gone,,,,,,\n");
    let (batches, misfits, count) = read(file.as_bytes(), 50).unwrap();
    assert_eq!(shown(&batches), "b|kept|-|-|-|-|-");
    assert_eq!(batches[0].text, "bkept");
    assert_eq!((misfits.count, count), (2, 3));
}

#[test]
fn text_beyond_the_limit_is_cut_between_characters() {
    for extra in [0, 1, 2, SPARE_BYTES, SPARE_BYTES * 3 + 1] {
        let long = format!("x{}", "\u{e4}".repeat((CELL_BYTES_MAX + extra) / 2 + 1));
        let file = format!("{HEADER}a,\"{long}\",7,,,,Ann,\nb,short,,,,,,\n");
        for piece in [1, 1000, file.len()] {
            let (batches, misfits, _) = read(file.as_bytes(), piece).unwrap();
            let Cell::Text(at, len) = batches[0].cells[1] else { panic!() };
            assert_eq!(batches[0].text_of(at, len), &long[..CELL_BYTES_MAX - 1]);
            assert_eq!(batches[0].cells[2], Cell::Integer(7));
            assert_eq!((batches[0].rows(), misfits.count), (2, 1));
            let told = format!("`Note` of a: {} bytes of text, cut at 64 KB", long.len());
            assert_eq!(misfits.samples, [told]);
        }
    }
}

#[test]
fn broken_characters_are_replaced() {
    let mut file = HEADER.as_bytes().to_vec();
    file.extend_from_slice(b"a,\"x\xffy\",,,,,,\n");
    let (batches, misfits, _) = read(&file, 3).unwrap();
    assert_eq!(shown(&batches), "a|x\u{fffd}y|-|-|-|-|-");
    assert_eq!(misfits.samples, ["broken characters in `Note` were replaced"]);
}

#[test]
fn batches_are_bounded_in_rows_and_in_text() {
    let row = |n: usize| format!("k{n},,,,,,,\n");
    let file = format!("{HEADER}{}", (0..4500).map(row).collect::<String>());
    let (batches, _, count) = read(file.as_bytes(), 9_999).unwrap();
    let sizes: Vec<_> = batches.iter().map(Batch::rows).collect();
    assert_eq!((sizes.as_slice(), count), ([2000, 2000, 500].as_slice(), 4500));

    let wide = |n: usize| format!("k{n},{},,,,,{},\n", "a".repeat(60_000), "b".repeat(60_000));
    let file = format!("{HEADER}{}", (0..100).map(wide).collect::<String>());
    let (batches, _, _) = read(file.as_bytes(), 1 << 16).unwrap();
    assert!(batches.len() > 2, "{}", batches.len());
    for batch in &batches {
        assert!(batch.text.len() < BATCH_TEXT_BYTES + 2 * CELL_BYTES_MAX);
    }
    assert_eq!(batches.iter().map(Batch::rows).sum::<usize>(), 100);
}
