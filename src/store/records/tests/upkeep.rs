//! What keeps the records true over years: files of earlier versions, spending, verification and
//! retention.

use std::ops::Range;

use super::*;
use crate::domain::quota::{Quota, Spent};

/// Id, Count, Stamp, Made.
fn dated() -> Dataset {
    let mut fields = dataset().fields;
    fields.push(field("Made", Type::Timestamp));
    Dataset { updated: Some(2), created: Some(3), ..Dataset::new("org", NAME, fields, 0) }
}

fn day(day: i64) -> DateTime<Utc> {
    at(0) + TimeDelta::days(day)
}

/// Rows as [`batch`] has them, each made on a day: `key count@second/day`.
fn made(rows: &str) -> Batch {
    let (plain, days): (Vec<String>, Vec<i64>) = rows
        .split_whitespace()
        .collect::<Vec<_>>()
        .chunks(2)
        .map(|row| {
            let (rest, day) = row[1].split_once('/').unwrap();
            (format!("{} {rest}", row[0]), day.parse::<i64>().unwrap())
        })
        .unzip();
    let mut batch = batch(&plain.join(" "));
    let days = days.into_iter().map(|at| Cell::Timestamp(day(at).timestamp_millis()));
    let rows = batch.cells.chunks(3).zip(days);
    batch.cells = rows.flat_map(|(row, made)| [row[0], row[1], row[2], made]).collect();
    batch
}

fn loaded(rows: &str) -> Store {
    let store = Store::new(dated());
    let mut load = store.begin();
    load.append(&made(rows)).unwrap();
    load.finish(&pulled(100), at(160)).unwrap();
    store
}

fn spending(hours: &[(i64, u64)]) -> Spending {
    Spending { source: "org".to_owned(), hours: hours.to_vec(), quota: None }
}

/// The schema of the first version, word for word.
const FIRST: &str = r#"
    CREATE TABLE _dataset_state (
        dataset TEXT PRIMARY KEY NOT NULL,
        ready INTEGER NOT NULL DEFAULT 0,
        stale INTEGER NOT NULL DEFAULT 0,
        fields TEXT NOT NULL,
        history INTEGER,
        history_start INTEGER,
        watermark INTEGER,
        records INTEGER NOT NULL DEFAULT 0,
        pulled_at INTEGER,
        requests INTEGER NOT NULL DEFAULT 0,
        misfits INTEGER NOT NULL DEFAULT 0,
        misfit_samples TEXT NOT NULL DEFAULT '[]',
        hidden TEXT NOT NULL DEFAULT '[]',
        failed_at INTEGER,
        failure TEXT,
        load_fields TEXT,
        load_history INTEGER,
        load_start INTEGER,
        load_stamp INTEGER,
        load_key TEXT,
        load_records INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TABLE "Odd ""name""" ("Id" TEXT PRIMARY KEY NOT NULL, "Count" INTEGER, "Stamp" INTEGER,
        _deleted INTEGER NOT NULL DEFAULT 0);
    INSERT INTO "Odd ""name""" VALUES ('a', 1, 1728000001000, 0), ('b', 2, 1728000002000, 0);
    INSERT INTO _dataset_state (dataset, ready, fields, watermark, records, requests)
        VALUES ('Odd "name"', 1, 'Count integer' || char(10) || 'Id text key' || char(10)
                || 'Stamp timestamp updated', 1728000010000, 2, 41);
    PRAGMA user_version = 1;
"#;

#[test]
fn a_file_of_the_first_version_is_upgraded_and_keeps_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.db");
    Connection::open(&path).unwrap().execute_batch(FIRST).unwrap();
    for _ in 0..2 {
        let (records, set_aside) = Records::open(&path).unwrap();
        assert_eq!(set_aside, None);
        let state = records.ensure(&Arc::new(dataset()), None).unwrap();
        assert!(state.ready && state.loading.is_empty());
        assert_eq!((state.records, state.requests, state.watermark), (2, 41, Some(at(10))));
        assert_eq!((state.failures, state.verified, state.took), (0, None, None));
        let load = records.begin(NAME, at(20)).unwrap();
        assert_eq!(load.request().since, Some(at(10)), "nothing is loaded again");
    }
    let (records, _) = Records::open(&path).unwrap();
    records.ensure(&Arc::new(dataset()), None).unwrap();
    let mut load = records.begin(NAME, at(20)).unwrap();
    load.append(&batch("c 3@11")).unwrap();
    load.spent(spending(&[(480_000, 2)]));
    load.finish(&pulled(20), at(23)).unwrap();
    assert_eq!(rows_of(&records.reader().unwrap()), "a 1@1 b 2@2 c 3@11");
    let state = records.state(NAME).unwrap();
    assert_eq!((state.requests, state.took), (42, Some(TimeDelta::seconds(3))));
    assert_eq!(state.asked.total(at(23)), 1);
}

#[test]
fn a_pull_with_nothing_new_writes_two_small_rows_and_makes_no_table() {
    let store = Store::new(dataset());
    store.pull("a 1@1", 10);
    let changes = || store.records.writer().total_changes();
    let before = changes();
    let mut load = store.begin();
    load.append(&Batch::default()).unwrap();
    let tables = "SELECT count(*) FROM sqlite_temp_master";
    let tables: i64 = store.records.writer().query_row(tables, [], |row| row.get(0)).unwrap();
    load.spent(spending(&[(480_000, 1)]));
    let finished = load.finish(&pulled(20), at(80)).unwrap();
    assert_eq!((tables, finished.changed), (0, 0));
    assert_eq!(changes() - before, 2, "the watermark, and what was spent");
    assert_eq!(store.state().watermark, Some(at(20)));
    // Nothing spent beyond what is known: the watermark alone.
    let before = changes();
    store.begin().finish(&pulled(30), at(90)).unwrap();
    assert_eq!(changes() - before, 1);
}

#[test]
fn spending_is_added_up_and_forgotten_after_a_day() {
    let store = Store::new(dataset());
    let hour = |at: DateTime<Utc>| at.timestamp() / 3_600;
    let now = at(0) + TimeDelta::hours(30);
    let quota = Some(Quota { used: 40, allowed: 100 });
    let old = spending(&[(hour(now) - 30, 9)]);
    store.records.failed(NAME, now, "it failed", &old).unwrap();
    let first = Spending { quota, ..spending(&[(hour(now) - 1, 5), (hour(now), 2)]) };
    store.records.spend(&first, now).unwrap();
    store.records.spend(&spending(&[(hour(now), 3)]), now).unwrap();
    let store = store.again(dataset());
    let known = store.records.spent(now).unwrap();
    assert_eq!(known["org"].spent, Spent::of([(hour(now) - 1, 5), (hour(now), 5)]));
    assert_eq!(known["org"].quota, quota, "as last told");
    let count = "SELECT count(*) FROM _spent";
    let rows: i64 = store.records.writer().query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 2);
}

#[test]
fn failures_are_counted_and_say_since_when() {
    let store = Store::new(dataset());
    let failed = |second| {
        let nothing = Spending::nothing("org");
        store.records.failed(NAME, at(second), "it failed", &nothing).unwrap();
    };
    failed(5);
    failed(9);
    let state = store.state();
    assert_eq!((state.failures, state.failing_since), (2, Some(at(5))));
    store.pull("a 1@1", 10);
    failed(20);
    let state = store.state();
    assert_eq!((state.failures, state.failing_since), (3, Some(at(20))));
}

#[test]
fn a_load_says_how_far_it_is_also_when_it_is_gone_on_with() {
    let store = Store::new(dataset());
    let mut load = store.begin();
    load.append(&Batch { expected: Some(10), ..batch("a 1@1 b 2@2") }).unwrap();
    let far = |store: &Store| (store.state().load_records, store.state().load_expected);
    assert_eq!(far(&store), (2, Some(10)));
    drop(load);
    let mut load = store.begin();
    assert_eq!(load.loaded_before(), 2);
    // The source speaks of what is left.
    load.append(&Batch { expected: Some(7), ..batch("c 3@3") }).unwrap();
    assert_eq!(far(&store), (3, Some(9)));
    load.finish(&pulled(10), at(70)).unwrap();
    assert_eq!(far(&store), (0, None));
    assert_eq!(store.state().loaded_at, Some(at(70)));
}

#[test]
fn what_is_read_again_in_the_overlap_is_not_lost_twice() {
    let store = Store::new(dataset());
    let pull = |misfits: u64, left_out: u64, sample: &str, second| {
        let samples = (misfits > 0).then(|| sample.to_owned());
        let misfit_samples = samples.into_iter().collect();
        let done = Pulled { misfits, left_out, misfit_samples, ..pulled(second) };
        store.begin().finish(&done, at(second)).unwrap();
        (store.state().lost_values, store.state().lost_records)
    };
    assert_eq!(pull(3, 1, "x", 10), (3, 1), "of the load");
    assert_eq!(pull(1, 0, "y", 20), (4, 1));
    assert_eq!(pull(1, 0, "y", 30), (4, 1), "the same again");
    assert_eq!(pull(0, 0, "", 40), (4, 1));
    assert_eq!(pull(1, 2, "z", 50), (5, 3));
    assert_eq!((store.state().misfits, store.state().left_out), (1, 2), "of the last pull");
}

#[test]
fn a_dataset_without_updated_takes_what_comes() {
    let store = Store::new(Dataset { updated: None, whole: true, ..dataset() });
    let pull = |rows: &str, second| {
        let mut load = store.begin();
        load.append(&Batch { cursor: None, ..batch(rows) }).unwrap();
        load.finish(&pulled(second), at(second)).unwrap()
    };
    pull("a 1@9 b 2@9", 10);
    let finished = pull("a 5@1 c 1@1", 20);
    assert_eq!((finished.changed, finished.records), (3, 2));
    assert_eq!(store.rows(), "a 5@1 -b 2@9 c 1@1");
    // Nothing came because nothing changed: that is not emptiness.
    let unchanged = Pulled { unchanged: true, ..pulled(30) };
    let finished = store.begin().finish(&unchanged, at(30)).unwrap();
    assert_eq!((finished.emptied, finished.records), (false, 2));
}

#[test]
fn a_record_that_no_longer_says_when_it_changed_is_taken_as_it_comes() {
    let store = Store::new(dataset());
    store.pull("a 1@9", 10);
    let mut load = store.begin();
    let mut unstamped = batch("a 2@11");
    unstamped.cells[2] = Cell::Null;
    load.append(&unstamped).unwrap();
    assert_eq!(load.finish(&pulled(20), at(20)).unwrap().changed, 1);
    assert_eq!(store.pull("a 3@5", 30).changed, 1, "nor is anything older than it");
}

#[test]
fn what_is_read_whole_is_as_it_is_now_though_it_was_changed_before() {
    let store = Store::new(Dataset { whole: true, ..dataset() });
    store.pull("a 1@9", 10);
    // Restored at the source from a copy of old.
    assert_eq!(store.pull("a 2@5", 20).changed, 1);
    assert_eq!(store.rows(), "a 2@5");
}

#[test]
fn a_load_again_that_comes_back_empty_is_not_believed() {
    let mut moved = dataset();
    moved.fields[1].path = "Parent.Count".to_owned();
    let store = Store::new(dataset());
    store.pull("a 1@1 b 2@2", 10);
    let store = store.again(moved.clone());
    let finished = store.begin().finish(&pulled(20), at(20)).unwrap();
    assert_eq!(finished, Finished { changed: 0, records: 2, emptied: true, loaded: false });
    assert_eq!((store.rows().as_str(), store.state().watermark), ("a 1@1 b 2@2", Some(at(10))));
    // Asked for again, from the beginning.
    let load = store.begin();
    assert_eq!((load.is_load(), load.request().resume.clone()), (true, None));
    drop(load);
    assert!(store.pull("a 7@1", 30).loaded);
    assert_eq!(store.rows(), "a 7@1");
    // Within a bound on history there may be none.
    moved.fields[1].path = "Other.Count".to_owned();
    store.records.ensure(&Arc::new(moved), Some(TimeDelta::days(1))).unwrap();
    assert!(store.begin().finish(&pulled(40), at(40)).unwrap().loaded);
    assert_eq!(store.rows(), "");
}

#[test]
fn nothing_is_deleted_by_a_field_that_is_still_to_be_loaded() {
    let store = loaded("a 1@1/0 b 2@2/9");
    let mut later = Dataset { keep: Some(TimeDelta::days(4)), ..dated() };
    later.fields.push(field("Born", Type::Timestamp));
    later.created = Some(4);
    let store = store.again(later);
    assert_eq!(store.records.expire(NAME, day(10), || true).unwrap(), 0);
    assert_eq!(store.state().records, 2);
}

#[test]
fn a_field_read_from_another_place_is_loaded_again() {
    let store = Store::new(dataset());
    store.pull("a 1@1", 10);
    let mut moved = dataset();
    moved.fields[1].path = "Parent.Count".to_owned();
    assert!(store.records.loads_due(at(20)).unwrap().is_empty());
    let store = store.again(moved.clone());
    assert_eq!(store.state().loading, ["Count"], "what is known was read elsewhere");
    assert_eq!(store.records.loads_due(at(20)).unwrap().len(), 1);
    let store = store.again(dataset());
    assert!(store.state().loading.is_empty(), "back before it was loaded");
    let store = store.again(moved.clone());
    store.pull("a 7@1", 20);
    assert!(store.records.loads_due(at(20)).unwrap().is_empty());
    assert!(store.state().loading.is_empty());
    let store = store.again(dataset());
    assert_eq!(store.state().loading, ["Count"], "back where its name says");
    let store = store.again(Dataset { object: "Other".to_owned(), ..moved });
    assert_eq!(store.records.loads_due(at(20)).unwrap().len(), 1);
    assert_eq!(store.state().loading, ["Id", "Count", "Stamp"], "those of another object");
}

#[test]
fn records_of_another_org_are_not_gone_on_with() {
    // Made before it was noted which org it is of: it is the one it is read from now.
    let store = Store::new(dataset());
    store.pull("a 1@1", 10);
    let of = |home: &str| Dataset { home: home.to_owned(), ..dataset() };
    let store = store.again(of("https://sandbox.example.com"));
    assert_eq!(store.records.loads_due(at(20)).unwrap().len(), 0);
    assert!(store.state().loading.is_empty());
    let store = store.again(of("https://acme.example.com"));
    assert_eq!(store.state().loading, ["Id", "Count", "Stamp"]);
    assert_eq!(store.begin().request().since, None);
    store.pull("b 2@2", 20);
    assert_eq!(store.rows(), "b 2@2");
    let store = store.again(of("https://acme.example.com"));
    assert!(store.state().loading.is_empty());
}

fn span(store: &Store, days: Range<i64>, rows: &str, expected: u64) -> Mended {
    let mut span = store.records.begin_span(NAME, day(days.start)..day(days.end)).unwrap();
    span.append(&made(rows)).unwrap();
    span.finish(expected).unwrap()
}

#[test]
fn a_span_read_again_takes_the_place_of_what_was_known() {
    let store = loaded("a 1@1/0 b 2@2/0 c 3@3/1 -d 4@4/0 e 5@5/0");
    // `b` is gone, `d` was never deleted, `e` is not as it was, `f` is new; `c` is of another day.
    let mended = span(&store, 0..1, "a 1@1/0 d 4@4/0 e 6@6/0 f 7@7/0", 4);
    assert_eq!(mended, Mended { came: 4, added: 2, removed: 1, changed: 1 });
    assert_eq!(store.rows(), "a 1@1 -b 2@2 c 3@3 d 4@4 e 6@6 f 7@7");
    assert_eq!(store.state().records, 5);
    assert_eq!(store.state().watermark, Some(at(100)), "it proves nothing of changes");
    let counts = store.records.day_counts(NAME, day(0)..day(9)).unwrap();
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [4, 1]);
    assert_eq!(store.records.earliest(NAME).unwrap(), Some(day(0)));
}

#[test]
fn a_span_that_came_short_changes_nothing() {
    let store = loaded("a 1@1/0 b 2@2/0");
    let mended = span(&store, 0..1, "a 9@9/0", 2);
    assert_eq!(mended, Mended { came: 1, ..Mended::default() });
    assert_eq!(store.rows(), "a 1@1 b 2@2");
    // Given up half-way it leaves nothing either.
    let mut half = store.records.begin_span(NAME, day(0)..day(1)).unwrap();
    half.append(&made("x 1@1/0")).unwrap();
    drop(half);
    assert_eq!(store.rows(), "a 1@1 b 2@2");
    let empty = span(&store, 0..1, "", 0);
    assert_eq!((empty.removed, store.state().records), (2, 0), "the source has none of that day");
}

#[test]
fn what_changed_while_a_span_was_read_is_not_judged_by_it() {
    let store = loaded("a 1@1/0 -b 2@2/0");
    let reading = store.records.begin_span(NAME, day(0)..day(1)).unwrap();
    // Undeleted after the source was asked: a pull has it, the span has not.
    let mut load = store.begin();
    load.append(&made("b 2@150/0")).unwrap();
    load.finish(&pulled(200), at(260)).unwrap();
    assert_eq!(reading.finish(0).unwrap().removed, 1);
    assert_eq!(store.rows(), "-a 1@1 b 2@150");
}

#[test]
fn a_comparison_is_remembered_with_what_it_cost() {
    let store = loaded("a 1@1/0");
    store.records.verified(NAME, at(50), "no day differed", &spending(&[(480_000, 3)])).unwrap();
    assert_eq!(store.state().verified, Some((at(50), "no day differed".to_owned())));
    assert_eq!(store.records.spent(at(0)).unwrap()["org"].spent.total(at(0)), 3);
}

#[test]
fn records_past_their_retention_are_gone_and_said_to_be() {
    let kept = |days| Dataset { keep: Some(TimeDelta::days(days)), ..dated() };
    let rows: String = (0..2_500).map(|n| format!("k{n:04} 1@1/{} ", n % 10)).collect();
    let store = loaded(&rows).again(kept(4));
    let never = store.records.expire(NAME, day(10), || false).unwrap();
    assert_eq!((never, store.state().records), (0, 2_500), "it stops when it is told to");
    assert_eq!(store.records.expire(NAME, day(10), || true).unwrap(), 1_500);
    let state = store.state();
    assert_eq!((state.records, state.history_start), (1_000, Some(day(6))));
    let counts = store.records.day_counts(NAME, day(0)..day(20)).unwrap();
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [250; 4]);
    assert_eq!(store.records.expire(NAME, day(10), || true).unwrap(), 0);
    // Kept longer from now on: what was deleted is loaded again.
    let ensure = |days| {
        store.records.ensure(&Arc::new(kept(days)), Some(TimeDelta::days(days))).unwrap();
        store.records.loads_due(day(10)).unwrap().len()
    };
    assert_eq!((ensure(4), ensure(8)), (0, 1));
}

#[test]
fn a_deleted_record_past_its_retention_is_not_counted_twice() {
    let kept = Dataset { keep: Some(TimeDelta::days(4)), ..dated() };
    let store = loaded("a 1@1/0 -b 2@2/0 c 3@3/9").again(kept);
    assert_eq!(store.state().records, 2);
    assert_eq!(store.records.expire(NAME, day(10), || true).unwrap(), 2);
    assert_eq!((store.state().records, store.rows().as_str()), (1, "c 3@3"));
}

#[test]
fn labels_are_kept_and_follow_the_source() {
    let store = Store::new(dataset());
    let put = |labels: &[(&str, &str)]| {
        let labels: Vec<_> = labels
            .iter()
            .map(|(value, label)| ("Count".to_owned(), value.to_string(), label.to_string()))
            .collect();
        store.records.put_labels(NAME, &labels).unwrap()
    };
    assert!(put(&[("a", "A"), ("b", "B")]));
    assert!(!put(&[("a", "A")]), "nothing new");
    assert!(put(&[("a", "Alpha")]));
    let known = store.records.labels().unwrap();
    let labels = &known[&(NAME.to_owned(), "Count".to_owned())];
    let said: Vec<_> = labels.iter().map(|(v, l)| (v.as_str(), l.as_str())).collect();
    assert_eq!(said, [("a", "Alpha"), ("b", "B")]);
}
