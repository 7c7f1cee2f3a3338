//! Recorded pages: what an org answers to the pulls of all built-in datasets, as files. A page is the
//! whole body of one answer, 2000 records, with the address of the next one.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike, Timelike};

use super::org::{OBJECTS, Object, Org, Sink, Value};

/// Records on a page, as Salesforce gives at most.
const PAGE_RECORDS: u64 = 2000;
/// Changes with what is written here, so that pages of an older bench are not taken for these.
const FORMAT: u32 = 1;
/// The REST version of the shipped config.
pub(crate) const DATA: &str = "/services/data/v62.0";

/// A folder of pages.
pub(crate) struct Pages {
    pub(crate) folder: PathBuf,
    /// All pages together.
    pub(crate) bytes: u64,
    /// All records.
    pub(crate) records: u64,
}

impl Pages {
    /// The pages of an org below `target`, made where they are not there yet.
    pub(crate) fn of(org: Org) -> anyhow::Result<Pages> {
        let name = format!("pages-{FORMAT}-{}", org.sessions);
        let folder = super::folder()?.join(name);
        if !folder.exists() {
            let making = folder.with_extension("part");
            if making.exists() {
                fs::remove_dir_all(&making)?;
            }
            for object in OBJECTS {
                let into = making.join(object.name());
                fs::create_dir_all(&into)?;
                write_object(org, object, &into)?;
            }
            fs::rename(&making, &folder)?;
        }
        let records = OBJECTS.iter().map(|&object| org.count(object)).sum();
        let bytes = OBJECTS.iter().map(|object| bytes_in(&folder.join(object.name()))).sum();
        Ok(Pages { folder, bytes, records })
    }

    /// Bytes of one object's pages.
    pub(crate) fn bytes_of(&self, object: Object) -> u64 {
        bytes_in(&self.folder.join(object.name()))
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
}

fn write_object(org: Org, object: Object, into: &Path) -> anyhow::Result<()> {
    let count = org.count(object);
    let pages = count.div_ceil(PAGE_RECORDS).max(1);
    let mut page = Vec::with_capacity(4 * 1024 * 1024);
    for number in 0..pages {
        page.clear();
        let last = number + 1 == pages;
        write!(page, "{{\"totalSize\":{count},\"done\":{last},")?;
        if !last {
            write!(page, "\"nextRecordsUrl\":\"{DATA}/query/{}-{}\",", object.name(), number + 1)?;
        }
        page.extend_from_slice(b"\"records\":[");
        for record in number * PAGE_RECORDS..count.min((number + 1) * PAGE_RECORDS) {
            if record % PAGE_RECORDS > 0 {
                page.push(b',');
            }
            let (name, id) = (object.name(), org.id(object, record));
            page.extend_from_slice(b"{\"attributes\":{\"type\":\"");
            page.extend_from_slice(name.as_bytes());
            page.extend_from_slice(b"\",\"url\":\"");
            page.extend_from_slice(DATA.as_bytes());
            page.extend_from_slice(b"/sobjects/");
            page.extend_from_slice(name.as_bytes());
            page.push(b'/');
            page.extend_from_slice(id.as_str().as_bytes());
            page.extend_from_slice(b"\"}");
            org.record(object, record, &mut Json(&mut page));
            if object != Object::User {
                page.extend_from_slice(b",\"IsDeleted\":false");
            }
            page.push(b'}');
        }
        page.extend_from_slice(b"]}");
        fs::write(into.join(format!("{number}.json")), &page)?;
    }
    Ok(())
}

struct Json<'a>(&'a mut Vec<u8>);

impl Sink for Json<'_> {
    fn field(&mut self, name: &'static str, value: Value<'_>) {
        let out = &mut *self.0;
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        // Writing into memory cannot fail.
        let _ = match value {
            Value::Null => out.write_all(b"null"),
            Value::Flag(flag) => write!(out, "{flag}"),
            Value::Whole(number) => write!(out, "{number}"),
            // As Salesforce writes whole doubles: with a point.
            Value::Real(number) => write!(out, "{number:?}"),
            Value::Instant(ms) => instant(out, ms),
            Value::Text(text) => {
                debug_assert!(!text.contains(['"', '\\']), "no text of the org needs escapes");
                out.push(b'"');
                out.extend_from_slice(text.as_bytes());
                out.write_all(b"\"")
            }
        };
    }
}

/// `2026-05-29T06:00:00.000+0000`
fn instant(out: &mut Vec<u8>, ms: i64) -> std::io::Result<()> {
    let at = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    let (year, month, day) = (at.year(), at.month(), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    let milli = ms.rem_euclid(1000);
    write!(
        out,
        "\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}+0000\""
    )
}
