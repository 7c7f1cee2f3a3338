//! The store on real files: what becomes visible when, and what a crash leaves.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::domain::dataset::{Batch, Cell, Cursor, Field, Pulled};
use crate::domain::value::Type;

mod upkeep;

fn field(name: &str, ty: Type) -> Field {
    Field::new(name, ty)
}

/// Id, Count, Stamp.
fn dataset() -> Dataset {
    let fields = vec![
        field("Id", Type::Text),
        field("Count", Type::Integer),
        field("Stamp", Type::Timestamp),
    ];
    Dataset { updated: Some(2), visible: vec![2], ..Dataset::new("org", NAME, fields, 0) }
}

const NAME: &str = "Odd \"name\"";

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(second)
}

fn pulled(second: i64) -> Pulled {
    Pulled { requests: 1, ..Pulled::nothing(at(second)) }
}

/// Rows as `key count@second`, `-key...` for a deleted one, `_` for no count.
fn batch(rows: &str) -> Batch {
    let mut batch = Batch::default();
    for row in rows.split_whitespace().collect::<Vec<_>>().chunks(2) {
        let (key, deleted) = match row[0].strip_prefix('-') {
            Some(key) => (key, true),
            None => (row[0], false),
        };
        let (count, second) = row[1].split_once('@').unwrap();
        let second: i64 = second.parse().unwrap();
        batch.cells.push(Cell::Text(batch.text.len() as u32, key.len() as u32));
        batch.text.push_str(key);
        batch.cells.push(count.parse().map_or(Cell::Null, Cell::Integer));
        batch.cells.push(Cell::Timestamp(at(second).timestamp_millis()));
        batch.deleted.push(deleted);
        batch.cursor = Some(Cursor { stamp: at(second), key: key.to_owned() });
    }
    batch
}

struct Store {
    folder: TempDir,
    records: Arc<Records>,
}

impl Store {
    fn new(dataset: Dataset) -> Store {
        let folder = tempfile::tempdir().unwrap();
        let (records, set_aside) = Records::open(&folder.path().join("records.db")).unwrap();
        assert_eq!(set_aside, None);
        records.ensure(&Arc::new(dataset), None).unwrap();
        Store { folder, records }
    }

    /// The same file, opened by another process as it were.
    fn again(self, dataset: Dataset) -> Store {
        let Store { folder, records } = self;
        drop(records);
        let (records, set_aside) = Records::open(&folder.path().join("records.db")).unwrap();
        assert_eq!(set_aside, None);
        records.ensure(&Arc::new(dataset), None).unwrap();
        Store { folder, records }
    }

    fn begin(&self) -> Load {
        self.records.begin(NAME, at(0)).unwrap()
    }

    fn pull(&self, rows: &str, watermark: i64) -> Finished {
        let mut load = self.begin();
        load.append(&batch(rows)).unwrap();
        load.finish(&pulled(watermark), at(watermark + 60)).unwrap()
    }

    fn state(&self) -> DatasetState {
        self.records.state(NAME).unwrap()
    }

    /// The table in the words of [`batch`].
    fn rows(&self) -> String {
        let reader = self.records.reader().unwrap();
        rows_of(&reader)
    }
}

fn rows_of(reader: &Connection) -> String {
    let sql = format!("SELECT * FROM {} ORDER BY Id", schema::ident(NAME));
    let mut select = reader.prepare(&sql).unwrap();
    let rows = select.query_map([], |row| {
        let minus = if row.get("_deleted")? { "-" } else { "" };
        let key: String = row.get("Id")?;
        let count: Option<i64> = row.get("Count")?;
        let count = count.map_or("_".to_owned(), |count| count.to_string());
        let stamp: i64 = row.get("Stamp")?;
        Ok(format!("{minus}{key} {count}@{}", (stamp - at(0).timestamp_millis()) / 1000))
    });
    rows.unwrap().collect::<Result<Vec<_>, _>>().unwrap().join(" ")
}

fn indexes(store: &Store) -> Vec<String> {
    let reader = store.records.reader().unwrap();
    let sql = "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1";
    let mut select = reader.prepare(sql).unwrap();
    select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_first_load_shows_nothing_until_it_is_complete() {
    let store = Store::new(dataset());
    let mut load = store.begin();
    assert!(load.is_load());
    load.append(&batch("a 1@1 b 2@2")).unwrap();
    load.append(&batch("c _@3")).unwrap();
    assert_eq!(store.rows(), "");
    let state = store.state();
    assert_eq!((state.ready, state.load_records, state.watermark), (false, 3, None));
    assert_eq!(state.loading, ["Id", "Count", "Stamp"]);
    let finished = load.finish(&pulled(10), at(70)).unwrap();
    assert_eq!(finished, Finished { changed: 3, records: 3, emptied: false, loaded: true });
    assert_eq!(store.rows(), "a 1@1 b 2@2 c _@3");
    let state = store.state();
    assert_eq!((state.ready, state.records, state.watermark), (true, 3, Some(at(10))));
    assert_eq!((state.load_records, state.requests, state.pulled_at), (0, 1, Some(at(70))));
    assert!(state.loading.is_empty());
    assert_eq!(store.begin().request().since, Some(at(10)));
}

#[test]
fn the_newest_of_a_record_wins_and_nothing_new_writes_nothing() {
    let store = Store::new(dataset());
    store.pull("a 1@1 b 2@5 c 3@3", 10);
    // Older, same stamp with other content, newer; and one that is new.
    let finished = store.pull("b 9@4 c 4@3 a 5@8 d 6@9", 20);
    assert_eq!((finished.changed, finished.records), (3, 4));
    assert_eq!(store.rows(), "a 5@8 b 2@5 c 4@3 d 6@9");
    let again = store.pull("c 4@3 a 5@8 d 6@9", 30);
    assert_eq!((again.changed, again.records), (0, 4));
    assert_eq!(store.state().watermark, Some(at(30)));
    // Twice in one pull: the newer one, whichever comes last.
    store.pull("a 7@40 a 6@35 b 1@41 b 2@42", 50);
    assert_eq!(store.rows(), "a 7@40 b 2@42 c 4@3 d 6@9");
    // A watermark never moves back.
    store.begin().finish(&pulled(45), at(110)).unwrap();
    assert_eq!(store.state().watermark, Some(at(50)));
}

#[test]
fn deleted_records_are_marked_and_counted_out() {
    let store = Store::new(dataset());
    store.pull("a 1@1 -b 2@2 c 3@3", 10);
    assert_eq!(store.state().records, 2);
    let finished = store.pull("-a 1@11 -x 0@11 -b 2@12", 20);
    assert_eq!((finished.changed, finished.records), (3, 1));
    assert_eq!(store.rows(), "-a 1@11 -b 2@12 c 3@3 -x 0@11");
    // Back from the bin.
    assert_eq!(store.pull("a 1@21", 30).records, 2);
}

#[test]
fn a_load_stopped_between_pages_goes_on_there_after_a_restart() {
    let store = Store::new(dataset());
    let mut load = store.begin();
    load.append(&batch("a 1@1 b 2@2")).unwrap();
    load.append(&batch("c 3@2")).unwrap();
    drop(load);
    let store = store.again(dataset());
    assert_eq!(store.rows(), "");
    let mut load = store.begin();
    let place = Cursor { stamp: at(2), key: "c".to_owned() };
    assert_eq!(load.request().resume, Some(place));
    load.append(&batch("d 4@2 a 5@4")).unwrap();
    load.finish(&pulled(10), at(70)).unwrap();
    assert_eq!(store.rows(), "a 5@4 b 2@2 c 3@2 d 4@2");
}

#[test]
fn changes_given_up_leave_no_trace() {
    let store = Store::new(dataset());
    store.pull("a 1@1", 10);
    let mut load = store.begin();
    assert!(!load.is_load());
    load.append(&batch("a 2@11 b 3@12")).unwrap();
    drop(load);
    assert_eq!(store.rows(), "a 1@1");
    assert_eq!(store.begin().request().since, Some(at(10)));
    store.records.failed(NAME, at(99), "source is down", &Spending::nothing("org")).unwrap();
    assert_eq!(store.state().failure, Some((at(99), "source is down".to_owned())));
    assert_eq!(store.pull("b 3@12", 20).changed, 1);
    assert_eq!(store.state().failure, None);
}

#[test]
fn a_reader_sees_records_and_watermark_of_one_moment() {
    let store = Store::new(dataset());
    store.pull("a 1@1", 10);
    let mut reader = store.records.reader().unwrap();
    let known = [Arc::new(dataset())];
    let moment = reader.transaction().unwrap();
    assert_eq!(rows_of(&moment), "a 1@1");
    store.pull("b 2@11", 20);
    assert_eq!(rows_of(&moment), "a 1@1");
    assert_eq!(states(&moment, &known).unwrap()[0].watermark, Some(at(10)));
    drop(moment);
    assert_eq!(rows_of(&reader), "a 1@1 b 2@11");
    assert_eq!(states(&reader, &known).unwrap()[0].watermark, Some(at(20)));
    assert!(reader.execute("DELETE FROM _dataset_state", []).is_err());
}

#[test]
fn a_dataset_read_whole_loses_what_is_gone_but_not_everything() {
    let store = Store::new(Dataset { whole: true, ..dataset() });
    let mut load = store.begin();
    load.append(&Batch { cursor: None, ..batch("a 1@1 b 2@2 c 3@3") }).unwrap();
    load.finish(&pulled(10), at(70)).unwrap();
    let finished = store.pull("a 1@1 c 4@4 d 5@5", 20);
    assert_eq!((finished.changed, finished.records, finished.emptied), (3, 3, false));
    assert_eq!(store.rows(), "a 1@1 -b 2@2 c 4@4 d 5@5");
    let finished = store.pull("", 30);
    assert_eq!((finished.changed, finished.records, finished.emptied), (0, 3, true));
    // And back again, unchanged since.
    let finished = store.pull("a 1@1 b 2@2 c 4@4 d 5@5", 40);
    assert_eq!((finished.changed, finished.records), (1, 4));
    let unchanged = Pulled { unchanged: true, ..pulled(50) };
    let finished = store.begin().finish(&unchanged, at(70)).unwrap();
    assert_eq!((finished.changed, finished.records, finished.emptied), (0, 4, false));
    assert_eq!(store.state().watermark, Some(at(50)));
}

#[test]
fn an_unfinished_reading_of_the_whole_begins_anew() {
    let store = Store::new(Dataset { whole: true, ..dataset() });
    let mut load = store.begin();
    load.append(&Batch { cursor: None, ..batch("a 1@1") }).unwrap();
    drop(load);
    let mut load = store.begin();
    assert_eq!(load.request().resume, None);
    load.append(&Batch { cursor: None, ..batch("b 1@1") }).unwrap();
    load.finish(&pulled(10), at(70)).unwrap();
    assert_eq!(store.rows(), "b 1@1");
}

fn with_more() -> Dataset {
    let mut dataset = dataset();
    dataset.fields.insert(1, field("More", Type::Boolean));
    dataset.updated = Some(3);
    dataset
}

#[test]
fn a_new_field_is_loaded_beside_the_old_table_which_serves_meanwhile() {
    let store = Store::new(dataset());
    store.pull("a 1@1 b 2@2", 10);
    let store = store.again(with_more());
    let state = store.state();
    assert_eq!((state.ready, state.loading), (true, vec!["More".to_owned()]));
    let mut load = store.begin();
    assert_eq!((load.request().since, load.request().resume.clone()), (None, None));
    let mut wide = batch("a 1@1 b 2@2");
    wide.cells = wide
        .cells
        .chunks(3)
        .flat_map(|row| [row[0], Cell::Boolean(true), row[1], row[2]])
        .collect();
    load.append(&wide).unwrap();
    assert_eq!(store.rows(), "a 1@1 b 2@2");
    assert!(load.append(&batch("c 3@3")).is_err(), "a batch of the old shape");
    drop(load);
    // Another change meanwhile: what was written so far is of no use.
    let mut other = with_more();
    other.fields[1].ty = Type::Integer;
    let store = store.again(other);
    assert_eq!(store.begin().request().resume, None);
    let store = store.again(with_more());
    let mut load = store.begin();
    load.append(&wide).unwrap();
    assert!(load.finish(&pulled(12), at(72)).unwrap().loaded);
    assert!(store.state().loading.is_empty());
    let reader = store.records.reader().unwrap();
    let more: i64 = reader
        .query_row(&format!("SELECT sum(More) FROM {}", schema::ident(NAME)), [], |row| row.get(0))
        .unwrap();
    assert_eq!(more, 2);
    // The order of fields alone changes nothing.
    let mut turned = with_more();
    turned.fields.swap(1, 2);
    let store = store.again(turned);
    assert_eq!(store.begin().request().since, Some(at(12)));
}

#[test]
fn a_longer_history_is_loaded_again_and_a_shorter_one_is_not() {
    let store = Store::new(dataset());
    let records = &store.records;
    let day = TimeDelta::days;
    let since = |history| {
        records.ensure(&Arc::new(dataset()), history).unwrap();
        let load = records.begin(NAME, at(100)).unwrap();
        (load.request().since, load.request().from)
    };
    let finish = |history| {
        records.ensure(&Arc::new(dataset()), history).unwrap();
        let load = records.begin(NAME, at(100)).unwrap();
        load.finish(&pulled(40), at(100)).unwrap();
    };
    finish(Some(day(30)));
    assert_eq!(store.state().history_start, Some(at(100) - day(30)));
    assert_eq!(since(Some(day(30))), (Some(at(40)), None));
    assert_eq!(since(Some(day(7))), (Some(at(40)), None));
    assert_eq!(since(Some(day(60))), (None, Some(at(100) - day(60))));
    assert_eq!(since(None), (None, None));
    finish(None);
    assert_eq!((store.state().history_start, store.state().ready), (None, true));
    assert_eq!(since(Some(day(7))), (Some(at(40)), None));
}

#[test]
fn a_field_the_source_shows_at_last_is_loaded_for_all_records() {
    let store = Store::new(dataset());
    let hiding = Pulled { hidden: vec!["Count".to_owned()], ..pulled(10) };
    store.begin().finish(&hiding, at(70)).unwrap();
    assert_eq!(store.state().hidden, ["Count"]);
    store.begin().finish(&hiding, at(70)).unwrap();
    assert_eq!(store.begin().request().since, Some(at(10)));
    store.begin().finish(&pulled(20), at(80)).unwrap();
    let load = store.begin();
    assert!(load.is_load());
    assert!(store.state().ready);
    load.finish(&pulled(30), at(90)).unwrap();
    assert_eq!(store.begin().request().since, Some(at(30)));
}

#[test]
fn indexes_come_after_the_load_and_follow_what_is_wanted() {
    let store = Store::new(Dataset { unique: vec![vec![1, 2]], ..dataset() });
    let wanted = |fields: &[&str]| {
        let fields = fields.iter().map(|field| field.to_string()).collect();
        store.records.ensure_indexes(&[(NAME.to_owned(), fields)]).unwrap();
    };
    wanted(&["Stamp", "Count"]);
    assert!(indexes(&store).is_empty());
    store.pull("a 1@1", 10);
    let unique = r#"CREATE INDEX "Odd ""name"": Count, Stamp" ON "Odd ""name""" ("Count", "Stamp") WHERE _deleted = 0"#;
    let asked = r#"CREATE INDEX "Odd ""name"": Stamp, Count" ON "Odd ""name""" ("Stamp", "Count") WHERE _deleted = 0"#;
    assert_eq!(indexes(&store), [unique, asked]);
    wanted(&["Nowhere"]);
    assert_eq!(indexes(&store), [unique]);
    // The same after a load, while the old table had its own.
    wanted(&["Stamp", "Count"]);
    let mut other = with_more();
    other.unique = vec![vec![2, 3]];
    let on = |sql: &String| sql.split_once(" ON ").unwrap().1.to_owned();
    for second in [20, 30, 40] {
        other.fields[1].path += "x";
        store.records.ensure(&Arc::new(other.clone()), None).unwrap();
        let mut load = store.begin();
        let mut wide = batch("a 1@1");
        wide.cells.insert(1, Cell::Null);
        load.append(&wide).unwrap();
        assert!(load.finish(&pulled(second), at(80)).unwrap().loaded);
        let all: Vec<String> = indexes(&store).iter().map(on).collect();
        assert_eq!(all, [unique, asked].map(|sql| on(&sql.to_owned())));
    }
    wanted(&["Nowhere"]);
    assert_eq!(indexes(&store).len(), 1);
}

#[test]
fn one_pull_of_a_dataset_at_a_time() {
    let store = Store::new(dataset());
    let first = store.begin();
    assert!(matches!(store.records.begin(NAME, at(0)), Err(RecordsError::Busy(_))));
    drop(first);
    store.begin();
    assert!(matches!(store.records.begin("Other", at(0)), Err(RecordsError::Unknown(_))));
    let mut reserved = dataset();
    reserved.fields[1].name = "_Deleted".to_owned();
    let refused = store.records.ensure(&Arc::new(reserved), None);
    assert!(matches!(refused, Err(RecordsError::Reserved { .. })));
}

#[test]
fn odd_values_survive() {
    let store = Store::new(Dataset {
        fields: vec![
            field("Id", Type::Text),
            field("Real", Type::Real),
            field("Stamp", Type::Timestamp),
            field("select", Type::Text),
            field("Yes", Type::Boolean),
        ],
        ..dataset()
    });
    let text = "a\0b\u{1}\u{202e}'\"😀=cmd|' /C calc'!A0";
    let mut load = store.begin();
    load.append(&Batch {
        expected: None,
        text: format!("k{text}"),
        cells: vec![
            Cell::Text(0, 1),
            Cell::Real(-0.5e300),
            Cell::Timestamp(i64::MIN),
            Cell::Text(1, text.len() as u32),
            Cell::Boolean(true),
        ],
        deleted: vec![false],
        cursor: None,
    })
    .unwrap();
    load.finish(&pulled(1), at(2)).unwrap();
    let reader = store.records.reader().unwrap();
    let sql = format!(r#"SELECT Real, Stamp, "select", Yes FROM {}"#, schema::ident(NAME));
    let row =
        reader.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    assert_eq!(row.unwrap(), (-0.5e300, i64::MIN, text.to_owned(), 1));
}

#[test]
fn a_broken_file_is_set_aside_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.db");
    for number in 1..=2 {
        std::fs::write(&path, "this is no database".repeat(1000)).unwrap();
        let (records, set_aside) = Records::open(&path).unwrap();
        let set_aside = set_aside.unwrap();
        assert_eq!(set_aside.path, folder.path().join(format!("records.db.broken-{number}")));
        assert!(set_aside.path.exists(), "{}", set_aside.reason);
        let state = records.ensure(&Arc::new(dataset()), None).unwrap();
        assert!(!state.ready);
    }
}

#[test]
fn damage_inside_the_file_is_found_at_the_start_after_it_was_met() {
    let store = Store::new(dataset());
    let rows: String = (0..20_000).map(|n| format!("k{n:05} {n}@1 ")).collect();
    store.pull(&rows, 10);
    let Store { folder, records } = store;
    drop(records);
    let path = folder.path().join("records.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let (from, to) = (bytes.len() / 4, bytes.len() - 4096);
    bytes[from..to].fill(0x5A);
    std::fs::write(&path, bytes).unwrap();
    // A quick look at the start does not read every page.
    let (records, set_aside) = Records::open(&path).unwrap();
    assert_eq!(set_aside, None);
    records.ensure(&Arc::new(dataset()), None).unwrap();
    let mut load = records.begin(NAME, at(0)).unwrap();
    load.append(&batch(&rows)).unwrap();
    let met = load.finish(&pulled(20), at(80));
    assert!(matches!(met, Err(RecordsError::Damaged { .. })), "{met:?}");
    drop(records);
    let (_records, set_aside) = Records::open(&path).unwrap();
    assert!(set_aside.is_some());
}

#[test]
fn a_file_of_a_newer_postrider_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.db");
    drop(Records::open(&path).unwrap());
    let writer = Connection::open(&path).unwrap();
    writer.pragma_update(None, "user_version", 99).unwrap();
    drop(writer);
    let refused = Records::open(&path).map(|_| ());
    assert!(matches!(refused, Err(RecordsError::Newer { found: 99, .. })));
}

/// A change of the model org: the record, its value, whether it is a deletion, and how many seconds
/// after the one before.
type Change = (u8, i64, bool, i64);

/// The org as it is after so many changes: key to (second, count, deleted).
fn org_after(changes: &[Change]) -> (BTreeMap<u8, (i64, i64, bool)>, i64) {
    let (mut org, mut second) = (BTreeMap::new(), 100);
    for &(key, count, deleted, later) in changes {
        second += later;
        org.insert(key, (second, count, deleted));
    }
    (org, second)
}

/// The rows of the org that a source would send: from `since` or behind a place, up to `upper`.
fn sent(
    org: &BTreeMap<u8, (i64, i64, bool)>,
    since: Option<i64>,
    behind: Option<&Cursor>,
    upper: i64,
) -> Vec<String> {
    let mut rows: Vec<_> = org
        .iter()
        .filter(|(key, (second, ..))| {
            let place = Cursor { stamp: at(*second), key: format!("k{key}") };
            *second < upper
                && since.is_none_or(|since| *second >= since)
                && behind.is_none_or(|behind| place > *behind)
        })
        .collect();
    rows.sort_by_key(|(key, (second, ..))| (*second, format!("k{key}")));
    rows.iter()
        .map(|(key, (second, count, deleted))| {
            let minus = if *deleted { "-" } else { "" };
            format!("{minus}k{key} {count}@{second}")
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a stream of changes is cut into pulls, with whatever overlap, page size and pulls
    /// given up in between: in the end the table is the org.
    #[test]
    fn any_split_into_pulls_gives_the_same_table(
        changes in prop::collection::vec((0u8..12, 0i64..5, any::<bool>(), 0i64..3), 1..60),
        cuts in prop::collection::vec((0usize..60, 1usize..5, 0usize..6, 0i64..6), 1..8),
    ) {
        let store = Store::new(dataset());
        let mut cuts = cuts;
        cuts.sort();
        // The last pull comes when all is said and is not given up.
        cuts.push((changes.len(), 3, usize::MAX, 2));
        for (seen, page, pages_max, overlap) in cuts {
            let seen = seen.min(changes.len());
            let (org, second) = org_after(&changes[..seen]);
            // All that is stamped before this moment is settled; on the last pull everything is.
            let upper = if seen == changes.len() { second + 1 } else { second };
            let mut load = store.begin();
            let request = load.request().clone();
            let since = request.since.map(|since| (since - at(0)).num_seconds() - overlap);
            let rows = sent(&org, since, request.resume.as_ref(), upper);
            let pages: Vec<_> = rows.chunks(page).collect();
            for page in pages.iter().take(pages_max) {
                load.append(&batch(&page.join(" "))).unwrap();
            }
            if pages.len() <= pages_max {
                load.finish(&pulled(upper), at(upper)).unwrap();
            }
        }
        let (org, second) = org_after(&changes);
        let mut expected = sent(&org, None, None, second + 1);
        expected.sort_by_key(|row| row.trim_start_matches('-').split(' ').next().unwrap().to_owned());
        prop_assert_eq!(store.rows(), expected.join(" "));
        let live = org.values().filter(|(_, _, deleted)| !deleted).count() as u64;
        prop_assert_eq!(store.state().records, live);
        prop_assert_eq!(store.state().watermark, Some(at(second + 1)));
    }
}
