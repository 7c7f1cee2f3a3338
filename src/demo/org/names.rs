//! Names of people and firms, ordinary and awkward.

use super::rng::Rng;

/// Service representatives: first name, last name.
pub(crate) const REPS: &[(&str, &str)] = &[
    ("Amira", "Haddad"),
    ("Ben", "Schuster"),
    ("Chloé", "Dubois"),
    ("Dario", "Conti"),
    ("Emre", "Yılmaz"),
    ("Freya", "Lindqvist"),
    ("Grzegorz", "Wójcik"),
    ("Zoë", "O'Neil"),
    ("Jürgen", "Müller, Jr."),
    ("Kenji", "Tanaka"),
    ("Lena", "Vogt"),
    ("María José", "Núñez \"Majo\" Gil"),
];

/// Firms, the busiest first; two are called the same and many would break a careless reader.
pub(crate) const ACCOUNTS: &[&str] = &[
    "Nordlicht Energie AG",
    "Acme GmbH",
    "Bergmann Logistik",
    "Café Zentral",
    "O'Brien \\ \"Ltd\" 100%_x",
    "Kowalski i Synowie",
    "Acme GmbH",
    "Smith, Jones & Partners, LLP",
    "=cmd|' /C calc'!A0",
    "Bäckerei Öztürk",
    "<script>alert('x')</script>",
    "שלום תקשורת בע\"מ",
    "شركة النور للتجارة",
    "Two\nLines Ltd",
    "😀 Emoji Toys 🧸",
    "+49 Handelskontor",
    "@Home Services",
    "-Minus Nine Records",
    "Société Générale des Vélos",
    "Łódź Textiles",
    "山田商店",
    "Grünwald Apotheke",
    "Van der Berg B.V.",
    "Hotel & Spa \"Zur Post\"",
    "Tab\tSeparated Inc.",
    "Rossi e Figli S.r.l.",
    "Dvořák Elektro",
    "Fjord Fisk AS",
    "McAllister's Garage",
    "Sunshine Kindergarten",
    "Zürich Uhren; Export",
    "null",
    "N/A",
    "A very long firm name that goes on and on so that a table has to decide where to break it, or \
     cut it, and says what it did, Holding GmbH & Co. KGaA",
];

const FIRST: &[&str] = &[
    "Ana", "Björn", "Carla", "David", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Katja",
    "Luca", "Mina", "Nils", "Olga", "Pavel", "Quentin", "Rosa", "Sven", "Tara", "Umut", "Vera",
    "Wim", "Xenia", "Yusuf", "Zita",
];
const LAST: &[&str] = &[
    "Albrecht",
    "Bianchi",
    "Chen",
    "Diaz",
    "Eriksen",
    "Fischer",
    "García",
    "Horváth",
    "Ivanova",
    "Jansen",
    "Krüger",
    "Lopez",
    "Meyer",
    "Novak",
    "Olsen",
    "Petrov",
    "Quist",
    "Romano",
    "Schmidt",
    "Tóth",
    "Ullmann",
    "Virtanen",
    "Weber",
    "Young",
    "Zimmermann",
];
const AWKWARD: &[&str] = &[
    "=HYPERLINK(\"http://x.example\",\"click\")",
    "\"Quoted\" Name",
    "Comma, Person",
    "Line\nBreak",
    "<b>Bold</b> & Co",
    "يوسف الأحمد",
    "דוד כהן",
    "👩‍🚀 Astro Naut",
    "Robert'); DROP TABLE Students;--",
    "@SUM(1+1)*cmd|' /C calc'!A0",
];

/// A messaging user's name; on phone channels often only the number.
pub(crate) fn person(rng: &mut Rng, phone: Option<&str>) -> String {
    match phone {
        Some(phone) if rng.chance(0.3) => phone.to_owned(),
        _ if rng.chance(0.02) => (*rng.pick(AWKWARD)).to_owned(),
        _ => format!("{} {}", rng.pick(FIRST), rng.pick(LAST)),
    }
}
