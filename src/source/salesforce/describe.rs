//! What the org says of its objects: for a person who writes a config, and for a reading that was
//! refused because of a field.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;

use super::Salesforce;
use super::failure::{self, Failure};
use super::page::DELETED;
use super::request::{Hidden, Tally, Target};
use crate::domain::dataset::{Dataset, Described, DescribedField, PickValue, Picklist, Purpose};
use crate::domain::value::Type;
use crate::source::SourceError;

/// How long what an object hides is believed.
const HIDDEN_FOR: TimeDelta = TimeDelta::hours(1);

/// A count that takes longer is done without.
const COUNT_WITHIN: Duration = Duration::from_secs(20);

/// Objects asked about for one dataset; fields of parents beyond are taken to be there.
const OBJECTS_MAX: usize = 12;

/// Objects without a field `Name`, and what they are called by.
const NAMED_OTHERWISE: &[(&str, &str)] = &[
    ("Case", "CaseNumber"),
    ("Contract", "ContractNumber"),
    ("ContentDocument", "Title"),
    ("ContentVersion", "Title"),
    ("Event", "Subject"),
    ("MessagingChannel", "MasterLabel"),
    ("ServiceChannel", "MasterLabel"),
    ("Solution", "SolutionName"),
    ("Task", "Subject"),
];

/// The parts of a describe that we use.
#[derive(Debug, Deserialize)]
struct Wire {
    #[serde(default)]
    name: String,
    #[serde(default)]
    label: String,
    fields: Vec<FieldWire>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FieldWire {
    name: String,
    #[serde(default)]
    label: String,
    #[serde(rename = "type", default)]
    ty: String,
    #[serde(default = "yes")]
    nillable: bool,
    #[serde(default)]
    picklist_values: Option<Vec<ValueWire>>,
    #[serde(default)]
    restricted_picklist: bool,
    #[serde(default)]
    relationship_name: Option<String>,
    #[serde(default)]
    reference_to: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct ValueWire {
    value: String,
    #[serde(default)]
    label: Option<String>,
    #[serde(default = "yes")]
    active: bool,
}

fn yes() -> bool {
    true
}

/// What the org says of an object, with how many records it has.
pub(super) async fn describe(org: &Salesforce, object: &str) -> Result<Described, SourceError> {
    // A person waits for it.
    let mut tally = Tally::new(Purpose::Digest);
    let wire = ask(org, object, &mut tally).await.map_err(|failure| {
        org.told(match failure {
            Failure::NotFound(said) => {
                Failure::Refused(format!("{said}; {}", failure::unseen(object)))
            }
            failure => failure,
        })
    })?;
    // Of a huge object the count takes minutes, and nobody needs it that much.
    let records = tokio::time::timeout(COUNT_WITHIN, count(org, object, &mut tally)).await;
    let records = records.ok().and_then(Result::ok);
    let mut described = Described { records, ..wire.described() };
    if described.object.is_empty() {
        described.object = object.to_owned();
    }
    Ok(described)
}

async fn ask(org: &Salesforce, object: &str, tally: &mut Tally) -> Result<Wire, Failure> {
    if !is_name(object) {
        return Err(Failure::Refused(format!("`{object}` cannot be the name of an object")));
    }
    let target = Target::Describe(object.to_owned());
    org.ask(&target, tally, |body| serde_json::from_slice(body).map_err(|err| err.to_string()))
        .await
}

/// How many records an object has, without deleted ones.
async fn count(org: &Salesforce, object: &str, tally: &mut Tally) -> Result<u64, Failure> {
    #[derive(Deserialize)]
    struct Counted {
        #[serde(rename = "totalSize")]
        total: u64,
    }
    let target = Target::Existing(format!("SELECT COUNT() FROM {object}"));
    let read = |body: &[u8]| serde_json::from_slice::<Counted>(body).map_err(|err| err.to_string());
    Ok(org.ask(&target, tally, read).await?.total)
}

/// Whether a text can stand in an address and a statement as the name of an object.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Wire {
    fn described(&self) -> Described {
        let has = |name: &str| self.field(name).is_some();
        let updated = ["SystemModstamp", "LastModifiedDate"].into_iter().find(|name| has(name));
        let mut fields = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let mut described = field.described();
            described.updated = updated == Some(&field.name);
            fields.push(described);
            fields.extend(field.parent().filter(|parent| !has(&parent.name)));
        }
        Described { object: self.name.clone(), label: self.label.clone(), fields, records: None }
    }

    fn field(&self, name: &str) -> Option<&FieldWire> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    fn relationship(&self, name: &str) -> Option<&FieldWire> {
        self.fields.iter().find(|field| {
            field.relationship_name.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(name))
        })
    }
}

impl FieldWire {
    fn described(&self) -> DescribedField {
        DescribedField {
            name: self.name.clone(),
            path: self.name.clone(),
            label: if self.label.is_empty() { self.name.clone() } else { self.label.clone() },
            ty: type_of(&self.ty),
            nullable: self.nillable,
            picklist: self.picklist(),
            key: self.name == "Id",
            updated: false,
            created: self.name == "CreatedDate",
        }
    }

    fn picklist(&self) -> Option<Picklist> {
        // Several values of a list at once, joined by semicolons, are no value of the list.
        if !matches!(self.ty.as_str(), "picklist" | "combobox") {
            return None;
        }
        let values = self.picklist_values.as_deref().unwrap_or_default();
        Some(Picklist {
            values: values
                .iter()
                .filter(|value| value.active)
                .map(|ValueWire { value, label, .. }| PickValue {
                    value: value.clone(),
                    label: label.clone().unwrap_or_else(|| value.clone()),
                })
                .collect(),
            open: !self.restricted_picklist || self.ty == "combobox",
            mistaken: Vec::new(),
        })
    }

    /// What the record that this field refers to is called, as a field of its own.
    fn parent(&self) -> Option<DescribedField> {
        let relationship = self.relationship_name.as_deref().filter(|name| is_name(name))?;
        let name_field = match self.reference_to.as_deref()? {
            [] => return None,
            [one] => {
                let known = NAMED_OTHERWISE.iter().find(|(object, _)| object == one);
                known.map_or("Name", |(_, field)| *field)
            }
            // Of parents of several kinds only what all of them have can be asked for.
            _ => "Name",
        };
        let short = relationship.strip_suffix("__r").unwrap_or(relationship);
        let name = match name_field.starts_with(short) {
            true => name_field.to_owned(),
            false => format!("{short}{name_field}"),
        };
        let label = self.label.strip_suffix(" ID").unwrap_or(&self.label);
        Some(DescribedField {
            name,
            path: format!("{relationship}.{name_field}"),
            label: format!("{} name", if label.is_empty() { short } else { label }),
            ty: Some(Type::Text),
            nullable: true,
            picklist: None,
            key: false,
            updated: false,
            created: false,
        })
    }
}

/// What a dataset can hold of a field's type. A date becomes its first moment in UTC; a time of day
/// and several values of a list stay text; places, addresses and files are nothing we can hold.
fn type_of(ty: &str) -> Option<Type> {
    match ty {
        "boolean" => Some(Type::Boolean),
        "int" | "long" => Some(Type::Integer),
        "double" | "currency" | "percent" => Some(Type::Real),
        "datetime" | "date" => Some(Type::Timestamp),
        "address" | "location" | "base64" | "complexvalue" | "json" | "anyType" => None,
        // Ids, references, lists, addresses of mail and web, and whatever comes next.
        _ => Some(Type::Text),
    }
}

impl Salesforce {
    /// What the object does not show us of a dataset's fields; asked of the org. A field of a parent
    /// is looked for in the parent, unless that can be of several kinds or is not shown itself: then
    /// it is taken to be there.
    pub(super) async fn learn_hidden(
        &self,
        dataset: &Dataset,
        tally: &mut Tally,
    ) -> Result<Arc<Hidden>, Failure> {
        let mut objects = Objects { org: self, known: HashMap::new(), tally };
        let own = objects.of(&dataset.object).await?;
        let mut fields = Vec::new();
        for (at, field) in dataset.fields.iter().enumerate() {
            if !objects.show(&dataset.object, &field.path).await? {
                fields.push(at);
            }
        }
        let hidden = Arc::new(Hidden { fields, deleted_flag: own.field(DELETED).is_none() });
        let known = (self.clock.now(), hidden.clone());
        self.seen().hidden.insert(dataset.name.clone(), known);
        Ok(hidden)
    }

    /// What the object is known not to show us.
    pub(super) fn known_hidden(&self, dataset: &Dataset) -> Arc<Hidden> {
        let now = self.clock.now();
        match self.seen().hidden.get(&dataset.name) {
            Some((since, hidden)) if now - *since < HIDDEN_FOR => hidden.clone(),
            _ => Arc::default(),
        }
    }
}

/// Objects as described so far.
struct Objects<'o> {
    org: &'o Salesforce,
    known: HashMap<String, Arc<Wire>>,
    tally: &'o mut Tally,
}

impl Objects<'_> {
    async fn of(&mut self, object: &str) -> Result<Arc<Wire>, Failure> {
        if let Some(known) = self.known.get(object) {
            return Ok(known.clone());
        }
        let wire = Arc::new(ask(self.org, object, self.tally).await?);
        self.known.insert(object.to_owned(), wire.clone());
        Ok(wire)
    }

    /// Whether an object shows us what a path leads to, as far as can be told.
    async fn show(&mut self, object: &str, path: &str) -> Result<bool, Failure> {
        let mut here = self.of(object).await?;
        let mut rest = path;
        while let Some((relationship, further)) = rest.split_once('.') {
            let Some(reference) = here.relationship(relationship) else { return Ok(false) };
            let parent = match reference.reference_to.as_deref() {
                Some([one]) => one.clone(),
                _ => return Ok(true),
            };
            if self.known.len() >= OBJECTS_MAX && !self.known.contains_key(&parent) {
                return Ok(true);
            }
            here = match self.of(&parent).await {
                Ok(wire) => wire,
                Err(Failure::NotFound(_) | Failure::Refused(_)) => return Ok(true),
                Err(failure) => return Err(failure),
            };
            rest = further;
        }
        Ok(here.field(rest).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_field_can_hold_follows_from_its_type() {
        #[track_caller]
        fn check(types: &str, expected: Option<Type>) {
            for ty in types.split(' ') {
                assert_eq!(type_of(ty), expected, "{ty}");
            }
        }
        check("id reference string textarea picklist multipicklist combobox", Some(Type::Text));
        check("email phone url encryptedstring time something_new", Some(Type::Text));
        check("int long", Some(Type::Integer));
        check("double currency percent", Some(Type::Real));
        check("boolean", Some(Type::Boolean));
        check("date datetime", Some(Type::Timestamp));
        check("address location base64 complexvalue", None);
    }

    #[test]
    fn names_of_objects_hold_nothing_that_would_change_an_address_or_a_statement() {
        for good in ["Account", "My_Thing__c", "ns__Thing__c", "A1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1A", "_A", "A B", "A/B", "A?x", "A'--", "../x", "Ä", "A.B"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
