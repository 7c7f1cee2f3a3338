//! The records and the rules by which they come and go: stamps, autonumbers, defaults, the recycle
//! bin. Both the generated life and a test's own hand change the world through here.

use std::collections::BTreeSet;

use super::id::Id;
use super::schema::{self, Field, Kind, Object};
use super::table::{Tables, is_deleted};
use super::value::{Cell, Value};
use super::zone::Zone;

/// Seconds a deleted record stays in the recycle bin.
const BIN_SECONDS: i64 = 15 * 86_400;

/// All records.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) tables: Tables,
    /// The user the org's own doings are written down to.
    pub(crate) system_user: Id,
    /// What lies in the bin: when deleted, object, slot.
    bin: BTreeSet<(i64, usize, u32)>,
    /// Last autonumber, by object.
    numbers: Vec<u64>,
}

/// A change a test asks for cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No such object.
    #[error("no object is called `{0}`")]
    Object(String),
    /// No such field.
    #[error("`{object}` has no field `{field}`")]
    Field {
        /// The object.
        object: &'static str,
        /// What was asked for.
        field: String,
    },
    /// A field that must have a value has none.
    #[error("`{object}` needs a value for `{field}`")]
    Missing {
        /// The object.
        object: &'static str,
        /// The field.
        field: &'static str,
    },
    /// No such record.
    #[error("there is no record `{0}`")]
    Record(Id),
}

impl World {
    /// A world with the API's own user and nothing else.
    pub(crate) fn new(at: i64) -> World {
        let tables = Tables::new();
        let users = object("User");
        let blank = tables.of(users).blank();
        let system_user = super::table::id_of(&blank);
        let numbers = vec![10_000; schema::objects().len()];
        let mut world = World { tables, system_user, bin: BTreeSet::new(), numbers };
        let fields = [
            ("Name", "Automated Process".into()),
            ("LastName", "Automated Process".into()),
            ("Username", super::API_USERNAME.into()),
            ("Email", super::API_USERNAME.into()),
            ("Alias", "autoproc".into()),
            ("IsActive", true.into()),
            ("UserType", Value::Pick("AutomatedProcess")),
            ("TimeZoneSidKey", Value::Pick("GMT")),
        ];
        world.insert(users, at, &fields).expect("the first user is complete");
        world
    }

    /// Time zone of the API's own user.
    pub(crate) fn user_zone(&self) -> Zone {
        let ix = object("User").position("TimeZoneSidKey").expect("users have a time zone");
        match self.tables.row(self.system_user).map(|row| row[ix].cell()) {
            Some(Cell::Text(name)) => Zone::named(name),
            _ => Zone::named("GMT"),
        }
    }

    /// Makes a record at this instant; fields named win over stamps and defaults.
    pub(crate) fn insert(
        &mut self,
        object: &'static Object,
        at: i64,
        fields: &[(&str, Value)],
    ) -> Result<Id, ChangeError> {
        let mut row = self.tables.of(object).blank();
        for (place, value) in [
            (schema::CREATED_BY, Value::Id(self.system_user)),
            (schema::MODIFIED_BY, Value::Id(self.system_user)),
            (schema::CREATED_DATE, Value::At(at)),
            (schema::MODIFIED_DATE, Value::At(at)),
            (schema::MODSTAMP, Value::At(at)),
        ] {
            row[place] = value;
        }
        assign(object, &mut row, fields)?;
        self.defaults(object, &mut row)?;
        Ok(self.tables.of_mut(object).push(row))
    }

    fn defaults(&mut self, object: &'static Object, row: &mut [Value]) -> Result<(), ChangeError> {
        for (ix, field) in object.fields.iter().enumerate() {
            if row[ix] != Value::Null || field.has('N') {
                continue;
            }
            row[ix] = if field.has('A') {
                self.numbers[object.ix] += 1;
                let number = self.numbers[object.ix];
                if field.name == "Name" {
                    let capitals = object.name.chars().filter(char::is_ascii_uppercase);
                    format!("{}-{number:08}", capitals.collect::<String>()).into()
                } else {
                    format!("{number:08}").into()
                }
            } else {
                default(field, self.system_user)
                    .ok_or(ChangeError::Missing { object: object.name, field: field.name })?
            };
        }
        Ok(())
    }

    /// Changes a record at this instant; a named stamp wins.
    pub(crate) fn update(
        &mut self,
        id: Id,
        at: i64,
        fields: &[(&str, Value)],
    ) -> Result<(), ChangeError> {
        let (table, slot) = self.tables.find(id).ok_or(ChangeError::Record(id))?;
        let object = table.object;
        let mut failed = Ok(());
        self.tables.of_mut(object).change(slot, |row| {
            row[schema::MODIFIED_DATE] = Value::At(at);
            row[schema::MODSTAMP] = Value::At(at);
            failed = assign(object, row, fields);
        });
        failed
    }

    /// Puts a record into the bin; a session takes its metrics along.
    pub(crate) fn delete(&mut self, id: Id, at: i64) -> Result<(), ChangeError> {
        let (table, slot) = self.tables.find(id).ok_or(ChangeError::Record(id))?;
        let object = table.object;
        if table.row(slot).is_some_and(is_deleted) {
            return Ok(());
        }
        let mut doomed = vec![(object, slot)];
        if object.name == "MessagingSession" {
            let metrics = super::world::object("MessagingSessionMetrics");
            let parent = metrics.position("MessagingSessionId").expect("metrics have a session");
            let table = self.tables.of(metrics);
            let children = table.slots().filter(|slot| {
                table.row(*slot).is_some_and(|row| row[parent] == Value::Id(id) && !is_deleted(row))
            });
            doomed.extend(children.map(|slot| (metrics, slot)));
        }
        for (object, slot) in doomed {
            self.tables.of_mut(object).change(slot, |row| {
                row[schema::IS_DELETED] = Value::Bool(true);
                row[schema::MODIFIED_DATE] = Value::At(at);
                row[schema::MODSTAMP] = Value::At(at);
            });
            self.bin.insert((at, object.ix, slot));
        }
        Ok(())
    }

    /// Takes a record out of the bin; what went into it along with the record comes back too.
    pub(crate) fn undelete(&mut self, id: Id, at: i64) -> Result<(), ChangeError> {
        let (table, slot) = self.tables.find(id).ok_or(ChangeError::Record(id))?;
        let object = table.object;
        let binned = |own: &(i64, usize, u32)| (own.1, own.2) == (object.ix, slot);
        let since = self.bin.iter().find(|own| binned(own)).map(|(since, _, _)| *since);
        self.bin.retain(|own| !binned(own));
        self.update(id, at, &[("IsDeleted", false.into())])?;
        for id in self.metrics_binned_with(id, since) {
            self.undelete(id, at)?;
        }
        Ok(())
    }

    /// The metrics of a session that went into the bin at this instant.
    fn metrics_binned_with(&self, session: Id, since: Option<i64>) -> Vec<Id> {
        let metrics = super::world::object("MessagingSessionMetrics");
        let parent = metrics.position("MessagingSessionId").expect("metrics have a session");
        let table = self.tables.of(metrics);
        let binned = self.bin.iter().filter(|(at, ix, _)| Some(*at) == since && *ix == metrics.ix);
        let rows = binned.filter_map(|(_, _, slot)| table.row(*slot));
        let own = rows.filter(|row| row[parent] == Value::Id(session));
        own.filter_map(|row| match row[schema::ID] {
            Value::Id(id) => Some(id),
            _ => None,
        })
        .collect()
    }

    /// Removes a record for good, as emptying the bin does.
    pub(crate) fn purge(&mut self, id: Id) -> Result<(), ChangeError> {
        let (table, slot) = self.tables.find(id).ok_or(ChangeError::Record(id))?;
        let object = table.object;
        self.bin.retain(|(_, ix, own)| (*ix, *own) != (object.ix, slot));
        self.tables.of_mut(object).purge(slot);
        Ok(())
    }

    /// Whether something in the bin is due to go.
    pub(crate) fn bin_is_due(&self, now: i64) -> bool {
        self.bin.first().is_some_and(|(at, _, _)| *at + BIN_SECONDS < now)
    }

    /// Removes what has lain in the bin for 15 days.
    pub(crate) fn empty_bin(&mut self, now: i64) {
        while self.bin_is_due(now) {
            if let Some((_, ix, slot)) = self.bin.pop_first() {
                self.tables.of_mut(&schema::objects()[ix]).purge(slot);
            }
        }
    }
}

/// An object the org is built on.
pub(crate) fn object(name: &str) -> &'static Object {
    schema::object_named(name).expect("the org is built on this object")
}

fn assign(
    object: &'static Object,
    row: &mut [Value],
    fields: &[(&str, Value)],
) -> Result<(), ChangeError> {
    for (name, value) in fields {
        let ix = object
            .position(name)
            .filter(|&ix| ix != schema::ID)
            .ok_or_else(|| ChangeError::Field { object: object.name, field: (*name).to_owned() })?;
        row[ix] = value.clone();
    }
    Ok(())
}

fn default(field: &Field, user: Id) -> Option<Value> {
    match field.kind {
        _ if !field.has('D') => None,
        Kind::Picklist => field.picks.first().map(|(value, _)| Value::Pick(value)),
        Kind::Reference => Some(Value::Id(user)),
        _ => None,
    }
}
