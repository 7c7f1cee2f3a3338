use serde_json::json;

use super::*;
use crate::domain::dataset::Field;
use crate::source::rest::settings::{Paging, Reading};
use crate::source::rest::spec::parse_field_spec;

fn shape(lines: &[&str]) -> (Dataset, RestDataset) {
    let (mut fields, mut readings) = (vec![], vec![]);
    for line in lines {
        let (name, spec) = line.split_once(" = ").unwrap();
        let (reading, ty) = parse_field_spec(spec, name).unwrap();
        fields.push(Field::new(name, ty));
        readings.push(reading);
    }
    let spec = RestDataset {
        path: String::new(),
        query: vec![],
        records: String::new(),
        paging: Paging::None,
        explode: None,
        readings,
        key_of: vec![],
        overlap: chrono::TimeDelta::zero(),
        window: None,
        pages_max: 1,
        bad_share_max: 1.0,
    };
    (Dataset::new("x", "x", fields, 0), spec)
}

/// The page of these records.
fn read(dataset: &Dataset, spec: &RestDataset, records: &[Value]) -> Page {
    let reader = Reader::new(dataset, spec).unwrap();
    let mut rows = reader.page();
    for record in records {
        rows.take(Handed { name: None, record }).unwrap();
    }
    rows.done()
}

#[test]
fn fields_are_found_by_pointer_and_misfits_are_null_and_told() {
    let (dataset, spec) = shape(&[
        "id = text",
        "who = /user/name text",
        "tags = /tags text joined '+'",
        "first = /tags/0 text",
        "n = /tags integer count",
        "size = real",
    ]);
    let page = read(
        &dataset,
        &spec,
        &[
            json!({"id": 7, "user": {"name": "Ada"}, "tags": ["a", "b"], "size": 1}),
            json!({"id": 8, "user": null, "tags": {"x": 1}, "size": {"secret": 1}}),
        ],
    );
    let batch = &page.batches[0];
    let text = |cell: Cell| match cell {
        Cell::Text(at, len) => batch.text_of(at, len),
        other => panic!("{other:?}"),
    };
    let (first, second) = batch.cells.split_at(6);
    assert_eq!(
        first[..4].iter().map(|cell| text(*cell)).collect::<Vec<_>>(),
        ["7", "Ada", "a+b", "a"]
    );
    assert_eq!(first[4..], [Cell::Integer(2), Cell::Real(1.0)]);
    assert_eq!(second[1..], [Cell::Null, Cell::Null, Cell::Null, Cell::Integer(1), Cell::Null]);
    assert_eq!((page.misfits.values, page.misfits.left_out), (2, 0));
    assert_eq!(
        page.misfits.value_samples,
        [
            "`tags` of `8`: expected text, found `{x}`",
            "`size` of `8`: expected real, found `{secret}`"
        ]
    );
}

#[test]
fn a_row_without_its_whole_key_leaves_nothing_behind() {
    let (mut dataset, mut spec) = shape(&["key = text", "a = text", "b = timestamp epoch_s"]);
    spec.readings[0] = Reading { pointer: String::new(), format: Format::Plain };
    spec.key_of = vec![1, 2];
    dataset.key = 0;
    let long = "x".repeat(300);
    let page = read(
        &dataset,
        &spec,
        &[
            json!({"a": "left", "b": null}),
            json!({"a": "x", "b": 0}),
            json!({"a": long, "b": 0}),
            json!({"a": "y", "b": "soon"}),
        ],
    );
    let batch = &page.batches[0];
    assert_eq!((page.records, batch.rows(), page.misfits.left_out), (4, 1, 3));
    assert_eq!(batch.text, "xx/1970-01-01T00:00:00Z");
    assert_eq!(page.misfits.record_samples[0], "record 1 of a page has no key `a/b`: `{a, b}`");
    assert_eq!(page.misfits.values, 0);
}

#[test]
fn long_text_is_cut_between_characters_and_batches_are_bounded() {
    let (dataset, spec) = shape(&["id = text", "text = text"]);
    let long = format!("x{}", "ü".repeat(CELL_BYTES_MAX));
    let records: Vec<Value> = (0..100).map(|id| json!({"id": id, "text": long})).collect();
    let page = read(&dataset, &spec, &records);
    assert!(page.batches.len() > 1);
    assert!(
        page.batches.iter().all(|batch| batch.text.len() < BATCH_TEXT_BYTES + CELL_BYTES_MAX * 2)
    );
    assert_eq!((page.misfits.values, page.misfits.value_samples.len()), (100, SAMPLES_MAX));
    assert_eq!(page.misfits.value_samples[0], "`text`: 131073 bytes of text, cut at 64 KB");
    let many: Vec<Value> = (0..4_500).map(|id| json!({"id": id})).collect();
    let rows: Vec<usize> = read(&dataset, &spec, &many).batches.iter().map(Batch::rows).collect();
    assert_eq!(rows, [2_000, 2_000, 500]);
}

#[test]
fn the_same_records_have_the_same_print() {
    let (dataset, spec) = shape(&["id = text"]);
    let print = |ids: &[u64]| {
        let records: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        read(&dataset, &spec, &records).print
    };
    assert_eq!(print(&[1, 2]), print(&[1, 2]));
    assert_ne!(print(&[1, 2]), print(&[2, 1]));
    assert_ne!(print(&[1]), print(&[]));
}

#[test]
fn settings_of_another_shape_are_refused() {
    let (dataset, mut spec) = shape(&["id = text"]);
    spec.key_of = vec![3];
    assert!(Reader::new(&dataset, &spec).is_err());
    (spec.key_of, spec.readings) = (vec![], vec![]);
    assert!(Reader::new(&dataset, &spec).is_err());
}
