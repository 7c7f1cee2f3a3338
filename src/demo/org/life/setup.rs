//! What an org has before anything happens: people, firms, channels.

use crate::demo::org::id::Id;
use crate::demo::org::plan::Channel;
use crate::demo::org::value::Value;

/// A user who serves customers.
pub(super) fn rep(
    rank: usize,
    (first, last): (&'static str, &'static str),
    manager: Option<Id>,
) -> Vec<(&'static str, Value)> {
    const DIVISIONS: &[&str] = &["EMEA", "EMEA", "Americas", "Asia"];
    const ZONES: &[&str] = &["Europe/Berlin", "Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo"];
    let letters = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase()
    };
    let mail = format!("{}.{}@org.example", letters(first), letters(last));
    vec![
        ("Name", format!("{first} {last}").into()),
        ("FirstName", Value::Pick(first)),
        ("LastName", Value::Pick(last)),
        ("Username", mail.clone().into()),
        ("Email", mail.into()),
        ("Alias", letters(last).chars().take(8).collect::<String>().into()),
        ("Title", Value::Pick("Service Representative")),
        ("IsActive", true.into()),
        ("UserType", Value::Pick("Standard")),
        ("Department", Value::Pick("Customer Care")),
        ("Division", Value::Pick(DIVISIONS[rank % 4])),
        ("TimeZoneSidKey", Value::Pick(ZONES[rank % 4])),
        ("ManagerId", manager.into()),
    ]
}

/// A firm.
pub(super) fn account(rank: usize, name: &'static str) -> Vec<(&'static str, Value)> {
    const INDUSTRIES: &[&str] = &["Retail", "Banking", "Energy", "Education", "Logistics", "Other"];
    const TOWNS: &[(&str, Option<&str>, &str)] = &[
        ("Hamburg", None, "Germany"),
        ("Wien", None, "Austria"),
        ("Austin", Some("Texas"), "United States"),
        ("Kraków", None, "Poland"),
        ("東京", Some("東京都"), "Japan"),
    ];
    let (city, state, country) = TOWNS[rank % TOWNS.len()];
    let size = 4_i64 << (rank % 13);
    let pick = |from: &[&'static str], every: usize| {
        (!rank.is_multiple_of(every)).then(|| Value::Pick(from[rank % from.len()]))
    };
    vec![
        ("BillingCity", Value::Pick(city)),
        ("BillingState", state.map_or(Value::Null, Value::Pick)),
        ("BillingCountry", Value::Pick(country)),
        ("NumberOfEmployees", size.into()),
        ("AnnualRevenue", Value::Hundredths(size * 12_345_650)),
        ("AccountSource", pick(&["Web", "Referral", "Fair", "Other"], 7).into()),
        ("Ownership", pick(&["Private", "Public", "Private", "Subsidiary"], 9).into()),
        ("Rating", pick(&["Hot", "Warm", "Cold"], 4).into()),
        ("Site", (rank % 6 == 1).then_some(Value::Pick("Headquarters")).into()),
        ("Name", Value::Pick(name)),
        ("AccountNumber", format!("C-{:05}", 1_000 + rank * 7).into()),
        ("Type", Value::Pick(if rank % 5 == 4 { "Partner" } else { "Customer" })),
        ("Industry", Value::Pick(INDUSTRIES[rank % INDUSTRIES.len()])),
    ]
}

/// A messaging channel.
pub(super) fn channel(channel: &Channel, queue: Id) -> Vec<(&'static str, Value)> {
    vec![
        ("MasterLabel", Value::Pick(channel.label)),
        ("DeveloperName", Value::Pick(channel.developer)),
        ("MessageType", Value::Pick(channel.kind)),
        ("PlatformType", Value::Pick(channel.platform())),
        ("IsActive", true.into()),
        ("MessagingPlatformKey", format!("{}:org", channel.developer).into()),
        ("TargetQueueId", queue.into()),
        ("RoutingType", Value::Pick("OmniQueue")),
    ]
}
