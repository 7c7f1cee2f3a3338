//! What objects and fields the org has, and what may be done with each: the property table that
//! makes illegal queries fail here as they fail in an org.

use std::sync::LazyLock;

mod objects;

/// Position of `Id` in every record.
pub(crate) const ID: usize = 0;
/// Position of `IsDeleted` in every record (also where the object does not show it).
pub(crate) const IS_DELETED: usize = 1;
/// Position of `CreatedById`.
pub(crate) const CREATED_BY: usize = 2;
/// Position of `CreatedDate`.
pub(crate) const CREATED_DATE: usize = 3;
/// Position of `LastModifiedById`.
pub(crate) const MODIFIED_BY: usize = 4;
/// Position of `LastModifiedDate`.
pub(crate) const MODIFIED_DATE: usize = 5;
/// Position of `SystemModstamp`.
pub(crate) const MODSTAMP: usize = 6;

/// Kind of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Id,
    Text,
    TextArea,
    Picklist,
    Reference,
    Int,
    /// Money or another number with two decimals.
    Currency,
    Bool,
    Date,
    DateTime,
    /// A compound field: its parts are fields of their own.
    Address,
}

/// One field.
#[derive(Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) length: u32,
    /// Letters: F filter, G group, S sort, N nillable, C create, U update, R restricted picklist,
    /// D defaulted on create, A autonumber.
    properties: &'static str,
    /// Picklist values with their labels, in setup order.
    pub(crate) picks: Vec<(&'static str, String)>,
    /// Objects a reference may point to.
    pub(crate) targets: Vec<&'static str>,
    /// Name by which a query follows the reference.
    pub(crate) relation: Option<&'static str>,
    /// First REST version that has it.
    pub(crate) since: u16,
}

impl Field {
    /// Whether it has this property letter.
    pub(crate) fn has(&self, property: char) -> bool {
        self.properties.contains(property)
    }
    /// Whether the reference may point to several objects, so that only a name is reachable.
    pub(crate) fn is_polymorphic(&self) -> bool {
        self.targets.len() > 1
    }
    /// Whether aggregates other than counts may be made of it.
    pub(crate) fn is_aggregatable(&self) -> bool {
        self.has('F') && !matches!(self.kind, Kind::Bool)
    }
    /// Whether a setup made it, not the product.
    pub(crate) fn is_custom(&self) -> bool {
        self.name.ends_with("__c")
    }
    /// The rank of a picklist value in setup order; unknown values come last.
    pub(crate) fn rank(&self, value: &str) -> usize {
        self.picks.iter().position(|(pick, _)| *pick == value).unwrap_or(self.picks.len())
    }
}

/// One object.
#[derive(Debug)]
pub(crate) struct Object {
    /// Its place among all objects.
    pub(crate) ix: usize,
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) prefix: [u8; 3],
    pub(crate) since: u16,
    /// Whether `getDeleted` and `getUpdated` answer for it.
    pub(crate) replicates: bool,
    pub(crate) fields: Vec<Field>,
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.ix == other.ix
    }
}

impl Object {
    /// Place of a field by its exact name.
    pub(crate) fn position(&self, field: &str) -> Option<usize> {
        self.fields.iter().position(|known| known.name == field)
    }
    /// Place of a field as a query names it.
    pub(crate) fn find(&self, field: &str) -> Option<usize> {
        self.fields.iter().position(|known| known.name.eq_ignore_ascii_case(field))
    }
    /// Place of the reference a query follows under this name.
    pub(crate) fn relation(&self, name: &str) -> Option<usize> {
        self.fields
            .iter()
            .position(|field| field.relation.is_some_and(|own| own.eq_ignore_ascii_case(name)))
    }
    /// Whether the object shows `IsDeleted` (users do not).
    pub(crate) fn shows_deleted(&self) -> bool {
        self.fields[IS_DELETED].since < u16::MAX
    }
}

static OBJECTS: LazyLock<Vec<Object>> = LazyLock::new(|| {
    objects::DEFINITIONS.iter().enumerate().map(|(ix, definition)| object(ix, definition)).collect()
});

/// All objects.
pub(crate) fn objects() -> &'static [Object] {
    &OBJECTS
}

/// The object of this name, as a query writes it.
pub(crate) fn object_named(name: &str) -> Option<&'static Object> {
    OBJECTS.iter().find(|object| object.name.eq_ignore_ascii_case(name))
}

/// The name of the object an id belongs to, known to the org or not.
pub(crate) fn type_of(prefix: [u8; 3]) -> Option<&'static str> {
    let own = OBJECTS.iter().find(|object| object.prefix == prefix).map(|object| object.name);
    own.or(match &prefix {
        b"0Xx" => Some("BotDefinition"),
        _ => None,
    })
}

/// Reads one definition: a head `Name prefix vNN Label ...` and a line a field.
fn object(ix: usize, definition: &'static str) -> Object {
    let mut lines = definition.lines().filter(|line| !line.trim().is_empty());
    let head = lines.next().expect("a definition has a head");
    let mut words = head.splitn(5, ' ');
    let mut word = || words.next().expect("a head has five words");
    let (name, prefix, since, replicates, label) = (word(), word(), word(), word(), word());
    let mut fields: Vec<Field> = objects::SYSTEM.lines().filter_map(field).collect();
    fields.extend(lines.filter_map(field));
    if name == "User" {
        // Users are never deleted, only deactivated: the object has no such field in any version.
        fields[IS_DELETED].since = u16::MAX;
    }
    Object {
        ix,
        name,
        label,
        prefix: prefix.as_bytes().try_into().expect("a key prefix has three characters"),
        since: version(since).expect("a head names a version"),
        replicates: replicates == "replicates",
        fields,
    }
}

/// Reads one line: `Name kind(length) LETTERS picks-or-targets... vNN`.
fn field(line: &'static str) -> Option<Field> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let (kind, length) = kind(words.next().expect("a field has a kind"));
    let properties = words.next().expect("a field has properties");
    let mut field = Field {
        name,
        kind,
        length,
        properties,
        picks: Vec::new(),
        targets: Vec::new(),
        relation: None,
        since: 0,
    };
    for word in words {
        if let Some(since) = version(word) {
            field.since = since;
        } else if kind == Kind::Picklist {
            let (value, label) = word.split_once('=').unwrap_or((word, word));
            field.picks.push((value, label.replace('_', " ")));
        } else if field.targets.is_empty() {
            field.targets = word.split(',').collect();
        } else {
            field.relation = Some(word);
        }
    }
    Some(field)
}

fn kind(word: &str) -> (Kind, u32) {
    let (name, length) = word.split_once('(').unwrap_or((word, ""));
    let length = length.trim_end_matches(')').parse().unwrap_or(0);
    match name {
        "id" => (Kind::Id, 18),
        "string" => (Kind::Text, length),
        "textarea" => (Kind::TextArea, length),
        "picklist" => (Kind::Picklist, 255),
        "reference" => (Kind::Reference, 18),
        "int" => (Kind::Int, 0),
        "currency" => (Kind::Currency, 0),
        "address" => (Kind::Address, 0),
        "boolean" => (Kind::Bool, 0),
        "date" => (Kind::Date, 0),
        "datetime" => (Kind::DateTime, 0),
        other => unreachable!("no kind of field is called `{other}`"),
    }
}

fn version(word: &str) -> Option<u16> {
    word.strip_prefix('v')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_those_of_the_object_reference() {
        // field, filter, group, sort, nillable
        check("MessagingSession", "AgentMessageCount", "---N");
        check("MessagingSession", "PreviewDetails", "---N");
        check("MessagingSession", "StartTime", "F-SN");
        check("MessagingSession", "Status", "FGS-");
        check("MessagingSession", "Name", "F-S-");
        check("MessagingSession", "EndedByType", "FGSN");
        check("MessagingSessionMetrics", "MessagingSessionMetricValue", "FGS-");
        check("AgentWork", "HandleTime", "FGSN");
        check("ConversationEntry", "Message", "---N");
        check("Account", "BillingAddress", "---N");
        check("MessagingSession", "Priority__c", "FGSN");
        check("ConversationEntry", "MessageStatusCode", "FGSN");
    }

    #[track_caller]
    fn check(object: &str, field: &str, expected: &str) {
        let object = object_named(object).unwrap();
        let field = &object.fields[object.position(field).unwrap()];
        let seen: String =
            "FGSN".chars().map(|letter| if field.has(letter) { letter } else { '-' }).collect();
        assert_eq!(seen, expected, "{}", field.name);
    }

    #[test]
    fn what_reports_alone_can_see_is_not_in_the_interface() {
        let work = object_named("AgentWork").unwrap();
        assert_eq!(work.find("IsTransfer"), None);
        assert_eq!(work.find("IsConference"), None);
    }

    #[test]
    fn system_fields_have_their_places_and_no_datetime_groups() {
        for object in objects() {
            assert!(object.fields.len() <= 64, "a row has a bit for each field");
            assert_eq!(object.fields[MODSTAMP].name, "SystemModstamp");
            assert_eq!(object.fields[CREATED_DATE].name, "CreatedDate");
            assert_eq!(object.fields[IS_DELETED].name, "IsDeleted");
            for field in &object.fields {
                assert!(field.kind != Kind::DateTime || !field.has('G'), "{}", field.name);
            }
        }
    }
}
