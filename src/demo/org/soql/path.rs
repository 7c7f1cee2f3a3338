//! Dotted paths against the objects: which field they mean and how it is reached from a record.

use std::sync::Arc;

use super::SoqlError;
use super::part::DatePart;
use super::syntax::{Name, Path};
use crate::demo::org::faults::Hidden;
use crate::demo::org::schema::{self, Field, Kind, Object};
use crate::demo::org::table::{Row, Tables};
use crate::demo::org::value::{Cell, Value};
use crate::demo::org::zone::Zone;

/// Fields of the `Name` pseudo-object: all that a polymorphic relation reaches.
const NAME_FIELDS: &[&str] = &[
    "Id",
    "Name",
    "Type",
    "Alias",
    "Email",
    "FirstName",
    "LastName",
    "Title",
    "IsActive",
    "Username",
];
/// Most relations one path may follow.
const STEPS_MAX: usize = 5;

/// What a query may see.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// REST version of the request.
    pub(crate) version: u16,
    pub(crate) hidden: &'a Hidden,
}

impl Scope<'_> {
    /// The object of this name, if it is visible.
    pub(crate) fn object(&self, name: &str) -> Option<&'static Object> {
        schema::object_named(name)
            .filter(|object| object.since <= self.version && !self.hidden.object(object.name))
    }
    /// Whether a field of the object is visible.
    pub(crate) fn shows(&self, object: &Object, field: &Field) -> bool {
        field.since <= self.version && !self.hidden.field(object.name, field.name)
    }
}

/// A field as reached from the primary object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    /// References to follow, each in the record the one before led to.
    pub(crate) steps: Vec<usize>,
    pub(crate) leaf: Leaf,
    /// The part of its value that is meant, and the zone it is taken in (UTC without one).
    pub(crate) part: Option<(DatePart, Option<Arc<Zone>>)>,
}

/// The end of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Leaf {
    Field {
        object: &'static Object,
        ix: usize,
    },
    /// A field of the `Name` pseudo-object, behind a polymorphic reference (the last step).
    Naming(&'static str),
}

impl Column {
    /// The field, unless it belongs to the `Name` pseudo-object.
    pub(crate) fn field(&self) -> Option<&'static Field> {
        match self.leaf {
            Leaf::Field { object, ix } => Some(&object.fields[ix]),
            Leaf::Naming(_) => None,
        }
    }
    /// Kind of its values.
    pub(crate) fn kind(&self) -> Kind {
        if let Some((part, _)) = &self.part {
            return part.kind();
        }
        match self.leaf {
            Leaf::Field { object, ix } => object.fields[ix].kind,
            Leaf::Naming("Id") => Kind::Id,
            Leaf::Naming("IsActive") => Kind::Bool,
            Leaf::Naming(_) => Kind::Text,
        }
    }
    /// Place of the field if it is one of the primary object itself.
    pub(crate) fn own(&self) -> Option<usize> {
        match self.leaf {
            Leaf::Field { ix, .. } if self.steps.is_empty() && self.part.is_none() => Some(ix),
            _ => None,
        }
    }
    /// Its path from the primary object, as the API writes it.
    pub(crate) fn name(&self, object: &'static Object) -> String {
        let mut path = String::new();
        let mut from = object;
        for &step in &self.steps {
            let field = &from.fields[step];
            path.push_str(field.relation.expect("a step is a relation"));
            path.push('.');
            if let Some(next) = field.targets.first().and_then(|name| schema::object_named(name)) {
                from = next;
            }
        }
        path + match self.leaf {
            Leaf::Field { object, ix } => object.fields[ix].name,
            Leaf::Naming(name) => name,
        }
    }
    /// Its value for a record of the primary object; null where a relation is null.
    pub(crate) fn cell<'a>(&self, tables: &'a Tables, row: &'a Row) -> Cell<'a> {
        if let Some(ix) = self.own() {
            return row[ix].cell();
        }
        match &self.part {
            Some((part, zone)) => part.of(self.whole(tables, row), zone.as_deref()),
            None => self.whole(tables, row),
        }
    }

    /// Its value, of which only a part may be meant.
    fn whole<'a>(&self, tables: &'a Tables, row: &'a Row) -> Cell<'a> {
        let mut row = row;
        let (last, before) = match self.leaf {
            Leaf::Field { .. } => (None, self.steps.as_slice()),
            Leaf::Naming(name) => {
                let (last, before) = self.steps.split_last().expect("a name is behind a step");
                (Some((*last, name)), before)
            }
        };
        for &step in before {
            match follow(tables, row, step) {
                Some(next) => row = next,
                None => return Cell::Null,
            }
        }
        match (self.leaf, last) {
            (Leaf::Field { ix, .. }, _) => row[ix].cell(),
            (_, Some((step, name))) => naming(tables, row, step, name),
            (_, None) => Cell::Null,
        }
    }
}

/// The record a reference leads to.
pub(crate) fn follow<'a>(tables: &'a Tables, row: &Row, step: usize) -> Option<&'a Row> {
    match row[step] {
        Value::Id(id) => tables.row(id),
        _ => None,
    }
}

/// A field of the `Name` pseudo-object of what a polymorphic reference points to.
pub(crate) fn naming<'a>(tables: &'a Tables, row: &'a Row, step: usize, name: &str) -> Cell<'a> {
    let Value::Id(id) = row[step] else { return Cell::Null };
    match name {
        "Id" => Cell::Id(id),
        "Type" => schema::type_of(id.prefix()).map_or(Cell::Null, Cell::Text),
        _ => {
            let Some((table, slot)) = tables.find(id) else { return Cell::Null };
            let value = table.object.position(name).and_then(|ix| Some(&table.row(slot)?[ix]));
            value.map_or(Cell::Null, Value::cell)
        }
    }
}

/// What a path means from an object; `alias` is the object's alias in the statement.
pub(crate) fn resolve(
    scope: Scope<'_>,
    object: &'static Object,
    alias: Option<&str>,
    path: &Path,
) -> Result<Column, SoqlError> {
    let mut names = path.0.as_slice();
    let own = |name: &Name| {
        name.text.eq_ignore_ascii_case(object.name)
            || alias.is_some_and(|alias| name.text.eq_ignore_ascii_case(alias))
    };
    // The object may be named in front, unless a relation has that name.
    if names.len() > 1 && own(&names[0]) && object.relation(&names[0].text).is_none() {
        names = &names[1..];
    }
    let (last, relations) = names.split_last().expect("a path is never empty");
    if relations.len() > STEPS_MAX {
        return Err(SoqlError::field(path.at(), "Too many levels of relationships in field path"));
    }
    let mut from = object;
    let mut steps = Vec::new();
    for (place, name) in relations.iter().enumerate() {
        let step = from
            .relation(&name.text)
            .filter(|&step| scope.shows(from, &from.fields[step]))
            .ok_or_else(|| unknown_relation(name))?;
        let field = &from.fields[step];
        steps.push(step);
        if field.is_polymorphic() {
            if let Some(beyond) = relations.get(place + 1) {
                return Err(no_such_relation("Name", beyond));
            }
            let name = name_field(last)?;
            return Ok(Column { steps, leaf: Leaf::Naming(name), part: None });
        }
        from = scope.object(field.targets[0]).ok_or_else(|| unknown_relation(name))?;
    }
    let ix = from
        .find(&last.text)
        .filter(|&ix| scope.shows(from, &from.fields[ix]))
        .ok_or_else(|| no_such_column(from.name, last))?;
    Ok(Column { steps, leaf: Leaf::Field { object: from, ix }, part: None })
}

/// A field of the `Name` pseudo-object on its own, as the ELSE of a TYPEOF names it.
pub(crate) fn naming_field(path: &Path) -> Result<&'static str, SoqlError> {
    match path.0.as_slice() {
        [name] => name_field(name),
        [relation, ..] => Err(no_such_relation("Name", relation)),
        [] => unreachable!("a path is never empty"),
    }
}

fn name_field(name: &Name) -> Result<&'static str, SoqlError> {
    let known = NAME_FIELDS.iter().find(|known| known.eq_ignore_ascii_case(&name.text));
    known.copied().ok_or_else(|| no_such_column("Name", name))
}

fn no_such_column(entity: &str, name: &Name) -> SoqlError {
    let message = format!(
        "No such column '{}' on entity '{entity}'. If you are attempting to use a custom field, be \
         sure to append the '__c' after the custom field name. Please reference your WSDL or the \
         describe call for the appropriate names.",
        name.text
    );
    SoqlError::field(name.at, message)
}

fn no_such_relation(entity: &str, name: &Name) -> SoqlError {
    SoqlError::field(name.at, format!("No such relation '{}' on entity '{entity}'.", name.text))
}

fn unknown_relation(name: &Name) -> SoqlError {
    let message = format!(
        "Didn't understand relationship '{}' in field path. If you are attempting to use a custom \
         relationship, be sure to append the '__r' after the custom relationship name. Please \
         reference your WSDL or the describe call for the appropriate names.",
        name.text
    );
    SoqlError::field(name.at, message)
}
