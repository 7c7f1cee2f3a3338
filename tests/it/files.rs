//! Files: what `preview` writes, what goes with a mail, and the golden files that spreadsheets and
//! scripts are asked to read (`tests/sheets/check.py`).

mod golden;

use chrono::TimeDelta;

use crate::harness::process::Folder;
use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, TRAFFIC};

const DIGESTS: &str = r#"
[digests.daily]
reports = ["traffic"]
schedule = "0 8 * * *"
to = ["ana@example.com"]

[digests.both]
reports = ["traffic", "lengths"]
schedule = "0 8 * * *"
to = ["ana@example.com"]
"#;

/// A folder with two reports in two digests, and an org with three sessions.
async fn folder() -> Folder {
    let folder = Folder::new().await;
    let (web, text) = (channel(&folder.org, "Web"), channel(&folder.org, "Text"));
    for (channel, days) in [(&web, 3), (&web, 4), (&text, 5)] {
        ended(&folder.org, channel, &folder.ago(TimeDelta::days(days)), &[]);
    }
    let traffic =
        TRAFFIC.replace("yesterday", "all time").replace("date = \"session.StartTime\"\n", "");
    let lengths = traffic.replace("traffic", "lengths");
    folder.write(&format!("{HEAD}{traffic}{}{DIGESTS}", lengths_only(&lengths)));
    folder.done(&["pull"]);
    folder
}

/// The report of a config text, without the report type that it shares.
fn lengths_only(text: &str) -> String {
    let at = text.find("[reports.").unwrap();
    text[at..].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_writes_the_files_that_a_mail_would_have() {
    let folder = folder().await;
    let rows = folder.done(&["preview", "daily", "--format", "csv"]);
    let mut lines = rows.split("\r\n");
    let head = lines.next().unwrap();
    assert!(head.starts_with("Channel,"), "{rows}");
    assert_eq!(lines.filter(|line| !line.is_empty()).count(), 2, "{rows}");

    // Several reports are no one file: the help says what to do.
    let refused = folder.run(&["preview", "both", "--format", "csv"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    let expected = "`both` has 2 reports and a CSV file has room for one: name one (traffic, \
                    lengths), or a folder for them with `-o FOLDER/`";
    assert!(told.split_whitespace().collect::<Vec<_>>().join(" ").contains(expected), "{told}");

    let named = folder.done(&["preview", "both", "--format", "csv", "-o", "files/"]);
    let files: Vec<&str> = named.lines().collect();
    assert_eq!(files.len(), 2, "{named}");
    for (file, report) in files.iter().zip(["traffic", "lengths"]) {
        assert!(file.starts_with(&format!("files/{report}_")), "{file}");
        assert_eq!(std::fs::read_to_string(folder.path(file)).unwrap(), rows);
    }

    folder.done(&["preview", "both", "--format", "xlsx", "-o", "both.xlsx"]);
    let book = std::fs::read(folder.path("both.xlsx")).unwrap();
    assert!(book.starts_with(b"PK\x03\x04"), "a workbook is a zip file");
    assert_eq!(folder.inbox.connections(), 0, "a preview speaks to nobody");
}
