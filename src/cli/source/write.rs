//! What an org says of an object as text for a config: a block that loads as it stands.

use std::fmt::Write as _;

use crate::domain::dataset::{Dataset, Described, DescribedField};

/// Parts of names that usually stand for something about a person.
const PERSONAL: [&str; 24] = [
    "email",
    "e_mail",
    "mail_address",
    "phone",
    "fax",
    "mobile",
    "street",
    "address",
    "postalcode",
    "postal_code",
    "zip",
    "latitude",
    "longitude",
    "birth",
    "firstname",
    "first_name",
    "lastname",
    "last_name",
    "middlename",
    "salutation",
    "ssn",
    "iban",
    "password",
    "photo",
];
/// Fields that hold what people wrote: long, and often about somebody.
const WRITTEN: [&str; 8] =
    ["body", "comment", "comments", "description", "message", "note", "notes", "text"];

/// Whether a field's name looks as if it held something personal.
pub(super) fn looks_personal(name: &str) -> bool {
    let name = name.rsplit('.').next().unwrap_or(name).to_lowercase();
    let name = name.strip_suffix("__c").unwrap_or(&name);
    PERSONAL.iter().any(|part| name.contains(part)) || WRITTEN.contains(&name)
}

/// A name that can stand in expressions: letters, digits and `_`.
pub(super) fn identifier(text: &str) -> String {
    let mut name: String =
        (text.chars()).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    while name.contains("__") && !name.ends_with("__c") {
        name = name.replace("__", "_");
    }
    let name = name.trim_matches('_');
    let name: String = name.chars().take(60).collect();
    match name.chars().next() {
        None => "records".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{name}"),
        Some(_) => name,
    }
}

/// A text as TOML has it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The block of an object of an org. `base` is what a dataset of it has by itself.
pub(super) fn object_block(
    source: &str,
    name: &str,
    described: &Described,
    base: &Dataset,
) -> String {
    let object = described.object.as_str();
    let mut lines = Lines::default();
    let count = described.records.map_or_else(String::new, |count| format!(", {count} records"));
    lines.comment(&format!(
        "{}{count}.",
        if described.label.is_empty() { object } else { &described.label }
    ));
    lines.line(&format!("[datasets.{name}]"));
    lines.line(&format!("source = {}", quoted(source)));
    if name != object {
        lines.line(&format!("object = {}", quoted(object)));
    }
    let label = (described.fields.iter())
        .find(|field| ["Name", "CaseNumber", "Title", "Subject"].contains(&field.path.as_str()))
        .filter(|field| base.label == base.key && !looks_personal(&field.path));
    if let Some(label) = label.filter(|label| label.path != "Name") {
        lines.line(&format!("label = {}", quoted(&label.name)));
    }
    // The flag of deleted records is asked for with every pull, and none of them is ever shown.
    let known = |path: &str| {
        path == "IsDeleted" || base.fields.iter().any(|field| field.path.eq_ignore_ascii_case(path))
    };
    let further = || described.fields.iter().filter(|field| !known(&field.path));
    let kept: Vec<&DescribedField> = further()
        .filter(|field| {
            field.ty.is_some() && !looks_personal(&field.path) && !is_person(&field.path)
        })
        .collect();
    if !kept.is_empty() {
        lines.line("");
        lines.line(&format!("[datasets.{name}.fields]"));
        for field in &kept {
            let ty = field.ty.map_or("text", |ty| ty.word());
            let spec = match field.name == field.path {
                true => ty.to_owned(),
                false => format!("{} {ty}", field.path),
            };
            lines.field(&field.name, &spec, &field.label);
        }
    }
    let personal = further().filter(|field| looks_personal(&field.path) || is_person(&field.path));
    lines.left_out("looks personal", personal);
    lines.left_out("nothing a dataset can hold", further().filter(|field| field.ty.is_none()));
    lines.text
}

/// Names of users and contacts, reached through a parent.
fn is_person(path: &str) -> bool {
    path.split_once('.').is_some_and(|(parent, field)| {
        field == "Name"
            && ["Owner", "CreatedBy", "LastModifiedBy", "Contact", "User", "Manager"]
                .iter()
                .any(|person| parent.contains(person))
    })
}

fn key_of(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if plain && !name.is_empty() { name.to_owned() } else { quoted(name) }
}

#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn comment(&mut self, text: &str) {
        // A label of the source must not end the comment.
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = writeln!(self.text, "# {text}");
    }

    fn field(&mut self, name: &str, spec: &str, label: &str) {
        let label: String = label.chars().filter(|c| !c.is_control()).take(60).collect();
        let says_more = !label.is_empty() && identifier(&label) != identifier(name);
        let comment = if says_more { format!("  # {label}") } else { String::new() };
        let _ = writeln!(self.text, "{} = {}{comment}", key_of(name), quoted(spec));
    }

    fn left_out<'f>(&mut self, why: &str, fields: impl Iterator<Item = &'f DescribedField>) {
        let names: Vec<&str> = fields.map(|field| field.path.as_str()).collect();
        if !names.is_empty() {
            self.comment(&format!("Left out, {why}: {}", names.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dataset::Field;
    use crate::domain::value::Type;

    #[test]
    fn names_become_identifiers() {
        for (text, expected) in [
            ("tickets", "tickets"),
            ("open-tickets", "open_tickets"),
            ("Order__c", "Order__c"),
            ("2fa", "_2fa"),
            ("/v2/tickets.json", "v2_tickets_json"),
            ("", "records"),
            ("größe", "gr_e"),
        ] {
            assert_eq!(identifier(text), expected, "{text}");
        }
    }

    #[test]
    fn personal_names_are_recognised() {
        for (name, expected) in [
            ("SuppliedEmail", true),
            ("ContactPhone", true),
            ("BillingStreet", true),
            ("Description", true),
            ("Contact.FirstName", true),
            ("Home_Address__c", true),
            ("Status", false),
            ("Origin", false),
            ("MessageCount", false),
        ] {
            assert_eq!(looks_personal(name), expected, "{name}");
        }
    }

    fn theirs(name: &str, path: &str, ty: Option<Type>) -> DescribedField {
        DescribedField {
            name: name.to_owned(),
            path: path.to_owned(),
            label: name.to_owned(),
            ty,
            nullable: true,
            picklist: None,
            key: false,
            updated: false,
            created: false,
        }
    }

    #[test]
    fn an_object_becomes_a_block_without_what_looks_personal() {
        let described = Described {
            object: "Case".to_owned(),
            label: "Case".to_owned(),
            fields: vec![
                theirs("Id", "Id", Some(Type::Text)),
                DescribedField {
                    label: "Case Number".into(),
                    ..theirs("CaseNumber", "CaseNumber", Some(Type::Text))
                },
                DescribedField {
                    label: "Wie\n\"dringend\"".into(),
                    ..theirs("Prio__c", "Prio__c", Some(Type::Text))
                },
                theirs("SuppliedEmail", "SuppliedEmail", Some(Type::Text)),
                theirs("OwnerName", "Owner.Name", Some(Type::Text)),
                theirs("AccountName", "Account.Name", Some(Type::Text)),
                theirs("Place", "Place", None),
                theirs("IsDeleted", "IsDeleted", Some(Type::Boolean)),
            ],
            records: Some(12),
        };
        let base = Dataset::new("org", "Case", vec![Field::new("Id", Type::Text)], 0);
        let block = object_block("org", "Case", &described, &base);
        assert_eq!(
            block,
            r#"# Case, 12 records.
[datasets.Case]
source = "org"
label = "CaseNumber"

[datasets.Case.fields]
CaseNumber = "text"  # Case Number
Prio__c = "text"  # Wie"dringend"
AccountName = "Account.Name text"
# Left out, looks personal: SuppliedEmail, Owner.Name
# Left out, nothing a dataset can hold: Place
"#
        );
    }
}
