//! `postrider preview`: a digest or a report as it would be sent. Opens no connection to anybody.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};

use super::context::{Context, runtime};
use super::{Done, Failure, print};
use crate::app::App;
use crate::domain::digest::{Attach, Digest};
use crate::engine::digest::Made;
use crate::render::{self, Attachment, Rendered};

/// A file that is only looked at has room for every row.
const BYTES_MAX: usize = 2_000_000_000;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider preview morning -o morning.html
  postrider preview agent-response-time --format text
  postrider preview morning --format xlsx -o morning.xlsx
  postrider preview morning --format csv -o files/      one file a report
  postrider preview morning --at 2026-11-02T08:00:00Z --format eml

The eml is the mail to the byte. In the HTML its pictures are written into the page, so that a
browser shows them; files hold all rows, also where a mail would have no room for them.")]
pub(super) struct Preview {
    /// A digest or a report
    name: String,
    /// For this slot (RFC 3339). Default: now
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Html)]
    format: Format,
    /// Into this file instead of standard output; CSV of several reports: into this folder
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The mail's HTML
    Html,
    /// The mail's text
    Text,
    /// The tables, as a webhook gets them
    Json,
    /// The rows of a report, for scripts
    Csv,
    /// The tables as a workbook
    Xlsx,
    /// The whole mail as it goes out, with its files
    Eml,
}

impl Preview {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let app = context.app()?;
        let digest =
            self.asked(digest(&app, &self.name)?).map_err(|err| Failure::Config(Some(err)))?;
        let made = runtime()?.block_on(async {
            let plant = app.engine().plant();
            let planned_at = self.at.unwrap_or_else(|| app.engine().clock().now());
            app.engine().preview(&plant, &digest, planned_at).await
        });
        if let (Format::Csv, Some(folder)) = (self.format, self.folder()) {
            return Ok(write_all(folder, files(&digest, &made)?)?);
        }
        let bytes = self.written(&digest, &made)?;
        match &self.output {
            Some(path) => write(path, &bytes)?,
            None => print::bytes(&bytes),
        }
        Ok(())
    }

    /// The digest with the files that are asked for: they are made as they are for a mail.
    fn asked(&self, digest: Arc<Digest>) -> anyhow::Result<Arc<Digest>> {
        let attach = match self.format {
            Format::Csv => {
                let asked = digest.attach.iter().find(|kind| matches!(kind, Attach::Csv { .. }));
                asked.copied().unwrap_or(Attach::Csv { bom: false })
            }
            Format::Xlsx => Attach::Xlsx,
            Format::Html | Format::Text | Format::Json | Format::Eml => return Ok(digest),
        };
        if self.format == Format::Csv && digest.reports.len() > 1 && self.folder().is_none() {
            let names: Vec<&str> =
                digest.reports.iter().map(|report| report.name.as_str()).collect();
            bail!(
                "`{}` has {} reports and a CSV file has room for one: name one ({}), or a folder \
                 for them with `-o FOLDER/`",
                digest.name,
                names.len(),
                names.join(", ")
            );
        }
        Ok(Arc::new(Digest {
            attach: vec![attach],
            bytes_max: BYTES_MAX,
            // Nobody needs a mail around them.
            to: Vec::new(),
            webhooks: Vec::new(),
            ..(*digest).clone()
        }))
    }

    /// The folder that `-o` names, if it names one.
    fn folder(&self) -> Option<&Path> {
        let path = self.output.as_deref()?;
        let named = path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir();
        named.then_some(path)
    }

    fn written(&self, digest: &Digest, made: &Made) -> anyhow::Result<Vec<u8>> {
        Ok(match self.format {
            Format::Html => shown(&made.mail).into_bytes(),
            Format::Text => {
                format!("Subject: {}\n\n{}", made.mail.subject, made.mail.text).into_bytes()
            }
            Format::Json => made.payload.clone(),
            Format::Csv | Format::Xlsx => match files(digest, made)? {
                [file] => file.bytes.clone(),
                files => bail!("`{}` has {} files: give a folder", digest.name, files.len()),
            },
            Format::Eml => {
                let mail = made.owed.iter().find(|owed| owed.message.recipient.contains('@'));
                let mail = mail.ok_or_else(|| {
                    anyhow!("`{}` goes to no mail address: try --format html", digest.name)
                })?;
                mail.message.bytes.clone()
            }
        })
    }
}

/// The files of a preview; an error where no report could be made.
fn files<'m>(digest: &Digest, made: &'m Made) -> anyhow::Result<&'m [Attachment]> {
    let files = made.mail.attachments.as_slice();
    if files.is_empty() {
        let why = made.run.detail.as_deref().unwrap_or("none of its reports could be made");
        bail!("there is no file of `{}`: {why}", digest.name);
    }
    Ok(files)
}

/// The HTML with its pictures in it: a browser knows no `cid:`.
fn shown(mail: &Rendered) -> String {
    let mut html = mail.html.clone();
    for image in &mail.images {
        let bytes = base64::engine::general_purpose::STANDARD.encode(&image.bytes);
        let inline = format!("data:{};base64,{bytes}", image.kind);
        html = html.replace(&render::mail::cid(&image.name), &inline);
    }
    html
}

fn write_all(folder: &Path, files: &[Attachment]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    for file in files {
        let path = folder.join(&file.name);
        write(&path, &file.bytes)?;
        print::line(path.display().to_string());
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write `{}`", path.display()))
}

/// A digest by its name; a report becomes a digest of its own.
fn digest(app: &App, name: &str) -> anyhow::Result<Arc<Digest>> {
    let config = app.config();
    if let Some(digest) = config.digests.get(name) {
        return Ok(Arc::clone(digest));
    }
    let report = config.reports.get(name).ok_or_else(|| {
        let names: Vec<&str> =
            config.digests.keys().chain(config.reports.keys()).map(String::as_str).collect();
        anyhow!("no digest or report is called `{name}`; there are {}", names.join(", "))
    })?;
    Ok(Arc::new(Digest::of_report(report)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Image;

    #[test]
    fn a_browser_sees_the_pictures_of_a_mail() {
        let image = |name: &str| Image { name: name.into(), kind: "image/png", bytes: vec![1, 2] };
        let mail = Rendered {
            subject: String::new(),
            html: "<img src=\"cid:chart-1@postrider\"><img src=\"cid:chart-10@postrider\">".into(),
            text: String::new(),
            language: "en",
            images: vec![image("chart-1"), image("chart-10")],
            attachments: Vec::new(),
            problem: None,
        };
        let url = "data:image/png;base64,AQI=";
        assert_eq!(shown(&mail), format!("<img src=\"{url}\"><img src=\"{url}\">"));
    }
}
