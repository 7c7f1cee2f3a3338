//! `template` of a digest: the user's own HTML, read and tried when the config is.

use std::sync::Arc;

use super::super::super::problem::Findings;
use super::super::super::secret::Surroundings;
use super::super::super::shape::Shaped;
use super::super::super::wire::DigestToml;
use crate::render::custom;

/// The text of the template: `Some(None)` where the digest has none, `None` where it cannot be used,
/// which is noted. Its path is relative to the file that names it.
pub(super) fn template(
    found: &mut Findings<'_>,
    table: &Shaped<DigestToml>,
    surroundings: Surroundings<'_>,
) -> Option<Option<Arc<String>>> {
    let Some(text) = &table.wire.template else { return Some(None) };
    let (at, name) = (table.at(text), text.get_ref());
    let path = found.sources()[table.file].base.join(name);
    let read = surroundings.env.read(&path, custom::TEMPLATE_MAX as u64);
    let read = read.map_err(|err| format!("the template `{name}` cannot be read: {err}"));
    let template = read.and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| format!("the template `{name}` is not UTF-8"))
    });
    let tried = template.and_then(|template| match custom::check(&template) {
        Ok(()) => Ok(Some(Arc::new(template))),
        Err(problem) => Err(format!("the template `{name}` cannot be used: {problem}")),
    });
    found.value(at, tried)
}
