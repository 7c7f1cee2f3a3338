//! What stands around the news of a notification: that it is late or was meant for somebody else,
//! and up to when the data is known.

use super::super::format::{Locale, clean, clipped};
use super::super::incident::IncidentView;
use super::super::view::moment;
use super::{NotificationMail, SourceState};

/// Sources that are told of.
const SOURCES_MAX: usize = 5;

/// Puts it into a view.
pub(super) fn put(mail: &NotificationMail, view: &mut IncidentView, locale: Locale) {
    if let Some((receiver, why)) = &mail.instead_of {
        let (receiver, why) = (clipped(receiver, 80), clipped(why, 300));
        view.banners.push(format!("Meant for `{receiver}`: {}", ended(why)));
    }
    if let Some(late) = mail.late {
        let late = locale.duration(late.num_seconds().max(0) as f64);
        view.banners.push(format!(
            "Told {late} late: it happened while postrider was not running or could not see the \
             data."
        ));
    }
    view.data = data(mail, locale);
}

fn ended(mut sentence: String) -> String {
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

/// `Data: org complete through 10:42, 3 min before this was sent.`
pub(super) fn data(mail: &NotificationMail, locale: Locale) -> Vec<String> {
    let told = |state: &SourceState| {
        let source = clean(&state.source);
        match state.complete_to {
            None => format!("Data: {source} has not been read to its end yet."),
            Some(to) => {
                let at = moment(to, mail.at, &mail.zone, locale);
                let ago = (mail.at - to).num_seconds().max(0);
                let ago = match ago {
                    0 => "up to now".to_owned(),
                    ago => format!("{} ago", locale.duration(ago as f64)),
                };
                format!("Data: {source} complete through {at}, {ago}.")
            }
        }
    };
    let sources = mail.data.iter().take(SOURCES_MAX);
    let sentences = sources.flat_map(|state| {
        let covers = state.covers.iter().take(3).map(|sentence| clipped(sentence, 300));
        std::iter::once(told(state)).chain(covers)
    });
    sentences.collect()
}
