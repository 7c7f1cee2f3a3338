//! A whole digest over a large store, stage by stage: questions, tables, pictures, HTML and text,
//! MIME, files; what each kind of picture costs; and the most memory it takes.
//!
//! ```text
//! cargo bench --bench digest -- [--sessions 100000] [--rounds 5]
//! ```
//!
//! The digest is the shipped `weekly`. It is made by a process of its own, on a store that another
//! has loaded, so that memory is that of making it alone. A report without a chart of its own gets
//! bars of its first figure, where it has groups.

mod ground;
#[path = "digest/pictures.rs"]
mod pictures;
mod shipped;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, Utc};

use ground::figures::{self, seconds};
use ground::org::{END, OBJECTS, Org};
use ground::{Arguments, line, timed};
use postrider::app::App;
use postrider::domain::chart::{Chart, ChartKind};
use postrider::domain::digest::{Attach, Digest};
use postrider::domain::query::{Answer, Frame};
use postrider::domain::report::Report;
use postrider::domain::table::{Section, Table};
use postrider::render::{self, DigestMail, Envelope, Locale, Look};

#[path = "reports/batches.rs"]
mod batches;

/// A digest of so many reports ...
const REPORTS: usize = 13;
/// ... is written in so long, besides the questions.
const BUDGET: Duration = Duration::from_millis(250);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::of_process();
    if arguments.text("as") == Some("digest") {
        return digest(&arguments.path("folder")?, arguments.number("rounds", 5)?.max(1));
    }
    if !arguments.has("bench") {
        return Ok(());
    }
    let org = Org { sessions: arguments.number("sessions", 100_000)? };
    line(figures::machine());
    let folder = ground::fresh("digest")?;
    let (loaded, took) = timed(|| load(&folder, org));
    loaded?;
    line(format!(
        "{} sessions and {} metrics loaded in {}\n",
        org.sessions,
        org.sessions * 6,
        seconds(took)
    ));
    let mut command = ground::contestant("digest")?;
    command.arg("--folder").arg(&folder);
    command.args(["--rounds", arguments.text("rounds").unwrap_or("5")]);
    let (told, _, lines) = ground::run(command)?;
    for text in lines {
        line(text);
    }
    line(format!("\npeak memory {:.0} MB, {:.2} s of CPU", told.cost.peak_mb, told.cost.cpu_s));
    Ok(())
}

/// The address is never used: nothing is pulled.
fn app(folder: &Path) -> anyhow::Result<App> {
    shipped::app("http://127.0.0.1:9", folder)
}

fn load(folder: &Path, org: Org) -> anyhow::Result<()> {
    let app = app(folder)?;
    let plant = app.engine().plant();
    for object in OBJECTS {
        let dataset = plant.datasets.iter().find(|dataset| dataset.name == object.name());
        let dataset = dataset.with_context(|| format!("no dataset `{}`", object.name()))?;
        batches::load(app.engine().store(), org, object, dataset)?;
    }
    Ok(())
}

/// The contestant: makes the digest stage by stage.
fn digest(folder: &Path, rounds: u64) -> anyhow::Result<()> {
    let app = app(folder)?;
    let slot = DateTime::from_timestamp_millis(END).context("the instant of the recording")?;
    let config = app.config();
    let digest = config.digests.get("weekly").context("no digest `weekly`")?;
    let reports = digest.reports.clone();

    line(format!("{:<48} {:>9}", format!("stage, best of {rounds}, warm"), "time"));
    let (answers, queries) = best(rounds, || answers(&app, &reports, slot))?;
    row(&format!("{} questions, one after the other", reports.len()), queries);
    let (_, shaping) = best(rounds, || Ok(shaped(&reports, &answers)))?;
    row("shaping their answers to tables", shaping);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (mut sections, took) = best(rounds, || {
        let sections = runtime.block_on(app.engine().sections(&reports, slot));
        for section in &sections {
            if let Section::Failed { report, reason, .. } = section {
                anyhow::bail!("report `{report}` failed: {reason}");
            }
        }
        Ok(sections)
    })?;
    row("the engine's way, with coverage, two at a time", took);

    let charts = charted(&mut sections);
    written(digest, &sections, slot, rounds, charts)?;
    pictures::cost(rounds)?;
    ground::tell(reports.len() as u64, queries, took)
}

/// Everything that is not a question.
fn written(
    digest: &Digest,
    sections: &[Section],
    slot: DateTime<Utc>,
    rounds: u64,
    charts: usize,
) -> anyhow::Result<()> {
    let locale = Locale::named("en-GB");
    let tables = sections.iter().filter_map(|section| match section {
        Section::Table(table) => Some(table),
        Section::Failed { .. } => None,
    });
    let tables: Vec<&Table> = tables.collect();
    let (bytes, drawing) = best(rounds, || {
        let drawn = tables.iter().filter_map(|table| render::chart::draw(table, locale, None));
        Ok(drawn.map(|drawing| drawing.png.len()).sum::<usize>())
    })?;
    row(&format!("{charts} charts ({:.0} kB)", bytes as f64 / 1000.0), drawing);

    let plain = mail(digest, without_charts(sections), slot, Vec::new());
    let (rendered, writing) = best(rounds, || Ok(render::render_digest(&plain)))?;
    row(&format!("HTML and text ({:.0} kB)", rendered.html.len() as f64 / 1000.0), writing);
    let envelope = Envelope {
        from: "postrider@example.com".into(),
        to: "service-management@example.com".into(),
        message_id: "bench@example.com".into(),
        date: slot,
        ..Envelope::default()
    };
    let files = vec![Attach::Csv { bom: false }, Attach::Xlsx, Attach::Json];
    let attached = mail(digest, without_charts(sections), slot, files);
    let (made, took) = best(rounds, || Ok(render::sheet::attached(&attached)))?;
    row(&format!("files: {}", made.files.len()), took);

    let whole = mail(digest, sections.to_vec(), slot, Vec::new());
    let (rendered, _) = best(1, || Ok(render::render_digest(&whole)))?;
    let (bytes, encoding) = best(rounds, || Ok(render::mail_bytes(&envelope, &rendered)?))?;
    row(&format!("MIME for one reader ({:.0} kB)", bytes.len() as f64 / 1000.0), encoding);

    let some = whole.sections.iter().take(REPORTS).cloned().collect();
    let some = mail(digest, some, slot, Vec::new());
    let ((), took) = best(rounds, || {
        let rendered = render::render_digest(&some);
        if rendered.images.is_empty() {
            // Whoever writes the HTML does not draw: it is counted all the same.
            for section in &some.sections {
                if let Section::Table(table) = section {
                    render::chart::draw(table, locale, None);
                }
            }
        }
        render::mail_bytes(&envelope, &rendered)?;
        Ok(())
    })?;
    line(format!(
        "\n{REPORTS} reports with charts, written and encoded: {}; of {} allowed: {:.2}",
        seconds(took),
        seconds(BUDGET),
        took.as_secs_f64() / BUDGET.as_secs_f64()
    ));
    Ok(())
}

pub(crate) fn row(name: &str, took: Duration) {
    line(format!("{name:<48} {:>9}", seconds(took)));
}

/// The shortest of some rounds after one that warms up.
pub(crate) fn best<T>(
    rounds: u64,
    mut work: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<(T, Duration)> {
    let mut last = work()?;
    let mut shortest = Duration::MAX;
    for _ in 0..rounds {
        let started = Instant::now();
        last = work()?;
        shortest = shortest.min(started.elapsed());
    }
    Ok((last, shortest))
}

fn answers(app: &App, reports: &[Arc<Report>], slot: DateTime<Utc>) -> anyhow::Result<Vec<Answer>> {
    let week_starts = app.engine().plant().week_starts;
    let answer = |report: &Arc<Report>| {
        let window = report.period.window(slot, &report.zone, week_starts);
        let frame = Frame {
            bounds: window.map(|window| (window.from, window.to)),
            as_of: slot,
            zone: report.zone.clone(),
            week_starts,
            rows_max: 200_000,
            rest_max: 0,
        };
        Ok(app.engine().store().read_records(|records| records.answer(&report.query, &frame))?)
    };
    reports.iter().map(answer).collect()
}

fn shaped(reports: &[Arc<Report>], answers: &[Answer]) -> Vec<Table> {
    let pairs = reports.iter().zip(answers);
    pairs
        .map(|(report, answer)| Table::shape(report, answer, None, Vec::new(), None, None))
        .collect()
}

/// Gives tables without a chart one, where they have groups and figures. How many have one then.
fn charted(sections: &mut [Section]) -> usize {
    let mut count = 0;
    for section in sections {
        let Section::Table(table) = section else { continue };
        let by = table.columns.iter().position(|column| column.grouping);
        let value = table.columns.iter().position(|column| column.numeric);
        if let (None, Some(by), Some(value)) = (&table.chart, by, value) {
            table.chart = Some(Chart { kind: ChartKind::Bars, values: vec![value], by });
        }
        count += usize::from(table.chart.is_some());
    }
    count
}

fn without_charts(sections: &[Section]) -> Vec<Section> {
    let mut sections = sections.to_vec();
    for section in &mut sections {
        if let Section::Table(table) = section {
            table.chart = None;
        }
    }
    sections
}

fn mail(
    digest: &Digest,
    sections: Vec<Section>,
    slot: DateTime<Utc>,
    attach: Vec<Attach>,
) -> DigestMail {
    DigestMail {
        name: digest.name.clone(),
        subject: digest.subject.clone(),
        preheader: digest.preheader.clone(),
        intro: digest.intro.clone(),
        headline: digest.headline,
        sections,
        planned_at: slot,
        made_at: slot,
        zone: digest.schedule.zone.clone(),
        schedule: render::words::schedule(&digest.schedule.pattern),
        missed: None,
        run: "bench".to_owned(),
        locale: "en-GB".to_owned(),
        instance: None,
        owner: None,
        part: None,
        remarks: Vec::new(),
        attach,
        bytes_max: digest.bytes_max,
        look: Look::default(),
        template: None,
    }
}
