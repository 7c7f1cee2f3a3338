use super::*;
use crate::domain::dataset::Field;
use proptest::prelude::*;

fn dataset() -> Dataset {
    let field = Field::new;
    let fields = vec![
        field("Id", Type::Text),
        field("Note", Type::Text),
        field("Count", Type::Integer),
        field("Share", Type::Real),
        field("Open", Type::Boolean),
        field("Stamp", Type::Timestamp),
    ];
    Dataset { updated: Some(5), visible: vec![5], ..Dataset::new("org", "Thing", fields, 0) }
}

fn read(body: &str) -> Result<(Page, Misfits), String> {
    let dataset = dataset();
    let before = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut misfits = Misfits::default();
    let mut reader = PageReader::new(&dataset, &[0, 1, 2, 3, 4, 5], before);
    reader.read(body.as_bytes(), &mut misfits).map(|page| (page, misfits))
}

/// One record's JSON to its cells as text, and how many misfits.
#[track_caller]
fn check(record: &str, cells: &str, misfits: u64) {
    let body = format!(r#"{{"totalSize":1,"done":true,"records":[{record}]}}"#);
    let (page, found) = read(&body).unwrap();
    assert_eq!(shown(&page.batch), cells);
    assert_eq!(found.count, misfits, "{:?}", found.samples);
}

fn shown(batch: &Batch) -> String {
    let cells = batch.cells.iter().map(|cell| match *cell {
        Cell::Null => "-".to_owned(),
        Cell::Boolean(value) => value.to_string(),
        Cell::Integer(value) => value.to_string(),
        Cell::Real(value) => format!("{value:?}"),
        Cell::Timestamp(ms) => format!("@{ms}"),
        Cell::Text(at, len) => batch.text_of(at, len).to_owned(),
    });
    cells.collect::<Vec<_>>().join("|")
}

#[test]
fn values_are_typed_by_the_dataset_and_misfits_become_null() {
    check(
        r#"{"attributes":{"type":"Thing","url":"/x"},"Id":"a","Note":"n","Count":3,"Share":0.5,"Open":true,"Stamp":"1970-01-01T00:00:01.000+0000","IsDeleted":false}"#,
        "a|n|3|0.5|true|@1000",
        0,
    );
    check(r#"{"Id":"a","Note":null,"Count":null,"Share":null,"Open":null}"#, "a|-|-|-|-|-", 0);
    // Any order, unknown fields, parents that are null or nested.
    check(
        r#"{"Stamp":5000,"Parent":{"deep":[[{}]]},"Open":false,"Other":null,"Count":2.0,"Id":"b"}"#,
        "b|-|2|-|false|@5000",
        0,
    );
    check(
        r#"{"Id":"c","Note":7,"Count":"x","Share":true,"Open":"yes","Stamp":"soon"}"#,
        "c|-|-|-|-|-",
        5,
    );
    check(r#"{"Id":"d","Note":{"a":1},"Count":[1,2],"Share":7}"#, "d|-|-|7.0|-|-", 2);
    check(
        r#"{"Id":"e","Count":2.5,"Share":18446744073709551615}"#,
        "e|-|-|1.8446744073709552e19|-|-",
        1,
    );
    check(r#"{"Id":"f","Count":18446744073709551615}"#, "f|-|-|-|-|-", 1);
    check(r#"{"Id":"g","Note":"a\u0000b\nc\ud83d\ude00=cmd"}"#, "g|a\0b\nc😀=cmd|-|-|-|-", 0);
    check(r#"{"Id":"g","Note":"cut \ud83d"}"#, "g|cut \u{fffd}|-|-|-|-", 1);
}

#[test]
fn a_record_without_a_key_is_left_out_and_told() {
    let body = r#"{"done":true,"records":[{"Id":null,"Note":"x"},{"Id":"a","Note":"y"},{"Note":"z"},{"Id":""}]}"#;
    let (page, misfits) = read(body).unwrap();
    assert_eq!(shown(&page.batch), "a|y|-|-|-|-");
    assert_eq!((page.batch.rows(), misfits.count), (1, 3));
}

#[test]
fn an_endless_text_is_cut_and_told() {
    let long = "ä".repeat(4 << 20);
    let body = format!(r#"{{"done":true,"records":[{{"Id":"a","Note":"{long}"}}]}}"#);
    let (page, misfits) = read(&body).unwrap();
    let Cell::Text(_, len) = page.batch.cells[1] else { panic!("no text") };
    assert_eq!(len as usize, CELL_BYTES_MAX);
    assert!(misfits.samples[0].contains("8388608 bytes"), "{:?}", misfits.samples);
    assert_eq!(misfits.count, 1);
}

#[test]
fn samples_are_few_and_short() {
    let records: Vec<String> =
        (0..50).map(|n| format!(r#"{{"Id":"r{n}","Count":"{}"}}"#, "y".repeat(200))).collect();
    let body = format!(r#"{{"done":true,"records":[{}]}}"#, records.join(","));
    let (_, misfits) = read(&body).unwrap();
    assert_eq!((misfits.count, misfits.samples.len()), (50, 5));
    assert!(misfits.samples[0].starts_with("`Count` of r0: expected integer, found `yyy"));
    assert!(misfits.samples[0].len() < 100);
}

#[test]
fn the_cursor_is_the_last_row_that_did_not_change_meanwhile() {
    let body = r#"{"done":true,"records":[
        {"Id":"a","Stamp":"2025-01-01T00:00:00.000+0000"},
        {"Id":"b","Stamp":"2025-01-01T00:00:01.000+0000","IsDeleted":true},
        {"Id":"c","Stamp":"2026-03-01T00:00:00.000+0000"},
        {"Id":"d","Stamp":null}]}"#;
    let (page, _) = read(body).unwrap();
    let stamp = "2025-01-01T00:00:01Z".parse().unwrap();
    assert_eq!(page.batch.cursor, Some(Cursor { stamp, key: "b".to_owned() }));
    assert_eq!(page.batch.deleted, [false, true, false, false]);
}

#[test]
fn the_end_is_where_the_source_says_so() {
    let next = |body: &str| read(body).map(|(page, _)| page.next);
    assert_eq!(next(r#"{"done":true,"records":[]}"#), Ok(None));
    assert_eq!(next(r#"{"records":[]}"#), Ok(None));
    assert_eq!(next(r#"{"records":null,"done":true}"#), Ok(None));
    assert_eq!(
        next(r#"{"done":false,"nextRecordsUrl":"/q/1-500","records":[]}"#),
        Ok(Some("/q/1-500".to_owned()))
    );
    assert_eq!(next(r#"{"nextRecordsUrl":"/q/1","records":[]}"#), Ok(Some("/q/1".to_owned())));
    assert_eq!(next(r#"{"done":true,"nextRecordsUrl":null,"records":[]}"#), Ok(None));
    assert!(next(r#"{"done":false,"records":[]}"#).is_err());
}

#[test]
fn what_is_no_page_is_an_error_and_leaves_no_misfits() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"done":true}"#,
        r#"{"done":true,"records":[1]}"#,
        r#"{"done":true,"records":[{"Id":"a"}"#,
        r#"{"done":true,"records":[]} trailing"#,
        "<html>Down for maintenance</html>",
    ] {
        assert!(read(body).is_err(), "{body}");
    }
    // A thousand nested lists, in a field nobody asked for and in one somebody did.
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    for name in ["Other", "Note"] {
        let body = format!(r#"{{"done":true,"records":[{{"Id":"a","{name}":{deep}}}]}}"#);
        let _ = read(&body);
    }
}

#[test]
fn fields_hidden_from_us_stay_null() {
    let dataset = dataset();
    let mut reader = PageReader::new(&dataset, &[0, 2, 5], "2026-01-01T00:00:00Z".parse().unwrap());
    let body = br#"{"done":true,"records":[{"Id":"a","Count":1,"Stamp":0,"IsDeleted":true}]}"#;
    let page = reader.read(body, &mut Misfits::default()).unwrap();
    assert_eq!(shown(&page.batch), "a|-|1|-|-|@0");
    assert_eq!(page.batch.deleted, [true]);
}

proptest! {
    #[test]
    fn cut_bodies_never_panic_and_never_pass_for_whole(cut in 0usize..400) {
        let body = r#"{"totalSize":2,"done":true,"records":[{"attributes":{"type":"Thing"},"Id":"aä","Note":"n\u00e4","Count":3,"Share":0.5,"Open":true,"Stamp":"2025-01-01T00:00:01.000+0000"},{"Id":"b"}]}"#;
        let bytes = body.as_bytes();
        if cut < bytes.len() {
            let dataset = dataset();
            let before = "2026-01-01T00:00:00Z".parse().unwrap();
            let mut reader = PageReader::new(&dataset, &[0, 1, 2, 3, 4, 5], before);
            prop_assert!(reader.read(&bytes[..cut], &mut Misfits::default()).is_err());
        }
    }
}

/// A dataset with fields of parents: two below one, one below a parent's parent, one polymorphic.
fn family() -> Dataset {
    let field =
        |name: &str, path: &str, ty| Field { path: path.to_owned(), ..Field::new(name, ty) };
    let fields = vec![
        field("Id", "Id", Type::Text),
        field("OwnerName", "Owner.Name", Type::Text),
        field("Count", "Count__c", Type::Integer),
        field("Account", "EndUser.Account.Name", Type::Text),
        field("OwnerActive", "Owner.IsActive", Type::Boolean),
        field("Since", "EndUser.Since__c", Type::Timestamp),
        field("Work", "WorkItem.Type", Type::Text),
    ];
    Dataset::new("org", "Thing__c", fields, 0)
}

#[track_caller]
fn check_family(record: &str, cells: &str, misfits: &[&str]) {
    let dataset = family();
    let mut reader = PageReader::new(&dataset, &[0, 1, 2, 3, 4, 5, 6], DateTime::<Utc>::MAX_UTC);
    let body = format!(r#"{{"done":true,"records":[{record}]}}"#);
    let mut found = Misfits::default();
    let page = reader.read(body.as_bytes(), &mut found).unwrap();
    assert_eq!(shown(&page.batch), cells);
    assert_eq!(found.samples, misfits);
}

#[test]
fn fields_of_parents_are_read_through_them() {
    check_family(
        r#"{"attributes":{"type":"Thing__c","url":"/x"},"Id":"a","Owner":{"attributes":{"type":"User"},"Name":"Ann","IsActive":true},"Count__c":3,"EndUser":{"attributes":{},"Account":{"attributes":{},"Name":"Acme"},"Since__c":"1970-01-02"},"WorkItem":{"attributes":{"type":"Name"},"Type":"MessagingSession"},"IsDeleted":false}"#,
        "a|Ann|3|Acme|true|@86400000|MessagingSession",
        &[],
    );
    // Parents that are not there, at either depth; a name in another case than the config's.
    check_family(
        r#"{"Id":"b","Owner":null,"Count__c":4,"EndUser":{"Account":null,"Since__c":null},"WorkItem":null}"#,
        "b|-|4|-|-|-|-",
        &[],
    );
    check_family(
        r#"{"id":"c","OWNER":{"name":"Bo","IsActive":false},"count__C":5,"EndUser":null}"#,
        "c|Bo|5|-|false|-|-",
        &[],
    );
    // What else a parent holds is nobody's business; what does not fit is told under its path.
    check_family(
        r#"{"Id":"d","Owner":{"Name":"Cy","Id":"no","Count__c":9,"IsActive":"yes"}}"#,
        "d|Cy|-|-|-|-|-",
        &["`Owner.IsActive` of d: expected boolean, found `yes`"],
    );
}

#[test]
fn a_parent_that_is_no_record_is_a_misfit_like_any() {
    let told = "`Owner`: expected a parent record, found something else";
    for odd in [r#""Ann""#, "true", "1", "-1", "1.5", r#"[{"Name":"Ann"}]"#] {
        check_family(&format!(r#"{{"Id":"a","Owner":{odd}}}"#), "a|-|-|-|-|-|-", &[told]);
    }
}

#[test]
fn a_dataset_whose_key_or_stamp_has_another_name_than_its_path_is_read_by_path() {
    let field =
        |name: &str, path: &str, ty| Field { path: path.to_owned(), ..Field::new(name, ty) };
    let fields = vec![field("key", "Id", Type::Text), field("at", "Stamp__c", Type::Timestamp)];
    let dataset = Dataset { updated: Some(1), ..Dataset::new("org", "things", fields, 0) };
    let mut reader = PageReader::new(&dataset, &[0, 1], DateTime::<Utc>::MAX_UTC);
    let body = br#"{"done":true,"records":[{"Id":"a","Stamp__c":"1970-01-01T00:00:05.000+0000"}]}"#;
    let page = reader.read(body, &mut Misfits::default()).unwrap();
    assert_eq!(shown(&page.batch), "a|@5000");
    assert_eq!(page.batch.cursor.unwrap().key, "a");
}
