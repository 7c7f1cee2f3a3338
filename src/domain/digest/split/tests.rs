use proptest::prelude::*;

use super::*;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn part(key: Value, shown: &str, records: u64) -> PartCount {
    PartCount { keys: vec![key], shown: vec![text(shown)], records }
}

fn addressed(key: &str, address: Value, records: u64) -> PartCount {
    PartCount { keys: vec![text(key), address], shown: vec![text(key), Value::Null], records }
}

fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.'))
}

fn table(readers: &[(&str, &[&str])]) -> Readers {
    let readers = readers.iter().map(|(key, addresses)| {
        ((*key).to_owned(), addresses.iter().map(|address| (*address).to_owned()).collect())
    });
    Readers::Named(readers.collect())
}

fn by_expression() -> Readers {
    Readers::Expression("account.Mail".into())
}

/// Each part as `name records: readers` or `name records! why nobody`.
fn told(partition: &Partition) -> Vec<String> {
    let each = partition.parts.iter().map(|part| match &part.orphaned {
        Some(reason) => format!("{} {}! {reason}", part.name, part.records),
        None => format!("{} {}: {}", part.name, part.records, part.readers.join(" ")),
    });
    each.collect()
}

#[test]
fn readers_are_found_by_name_or_key_and_the_rest_is_nobodys() {
    let split = table(&[("Acme", &["a@acme.com", "b@acme.com"]), ("002", &["x@b.org"])]);
    let parts = vec![
        part(text("003"), "Nobody", 5),
        part(text("001"), "Acme", 20),
        part(text("002"), "Beta", 7),
        part(Value::Null, "(no account)", 1),
        part(text("004"), "Empty", 0),
    ];
    let partition = Partition::new(&split, &[Parted { records: 33, parts }], &is_address);
    assert_eq!(
        told(&partition),
        [
            "(no account) 1! the config names no reader",
            "Acme 20: a@acme.com b@acme.com",
            "Beta 7: x@b.org",
            "Nobody 5! the config names no reader",
        ]
    );
    assert_eq!((partition.adds_up(), partition.mails()), (true, 3));
    assert_eq!(partition.orphans().map(|part| part.records).sum::<u64>(), 6);
    assert_eq!(split.named(), 3);
}

#[test]
fn a_name_that_stands_for_several_keys_gives_nobody_anything() {
    let split = table(&[("Acme", &["a@acme.com"]), ("007", &["b@acme.com"])]);
    let parts = vec![
        part(text("001"), "Acme", 1),
        part(text("007"), "Acme", 2),
        // Another's key for a name.
        part(text("009"), "007", 3),
    ];
    let partition = Partition::new(&split, &[Parted { records: 6, parts }], &is_address);
    assert_eq!(
        told(&partition),
        [
            "007 3! its name stands for several: give its key a reader",
            "Acme 1! its name stands for several: give its key a reader",
            "Acme 2: b@acme.com",
        ]
    );
}

#[test]
fn addresses_come_from_the_records() {
    let parts = vec![
        addressed("A", text("a@x.com; B@x.com, b@x.com"), 1),
        addressed("A", text("c@x.com"), 2),
        addressed("B", Value::Null, 3),
        addressed("C", text("nonsense"), 4),
        addressed("D", Value::Integer(7), 5),
        addressed("E", text(" "), 6),
    ];
    let partition = Partition::new(&by_expression(), &[Parted { records: 21, parts }], &is_address);
    assert_eq!(
        told(&partition),
        [
            "A 1: a@x.com B@x.com",
            "A 2: c@x.com",
            "B 3! its records name no address",
            "C 4! what its records name is no address",
            "D 5! what its records name is no address",
            "E 6! its records name no address",
        ]
    );
}

#[test]
fn parts_of_several_reports_are_one_part() {
    let split = table(&[("A", &["a@x.com"]), ("B", &["b@x.com"])]);
    let first =
        Parted { records: 3, parts: vec![part(text("A"), "A", 1), part(text("B"), "B", 2)] };
    let second = Parted { records: 4, parts: vec![part(text("B"), "B", 4)] };
    let partition = Partition::new(&split, &[first, second], &is_address);
    let places: Vec<_> = partition.parts.iter().map(|part| part.places.clone()).collect();
    assert_eq!(places, [vec![Some(0), None], vec![Some(1), Some(0)]]);
    assert_eq!((partition.sums.as_slice(), partition.adds_up()), (&[(3, 3), (4, 4)][..], true));
}

#[test]
fn parts_that_are_not_the_whole_do_not_add_up() {
    let split = table(&[]);
    for (whole, counts) in [(3, vec![("A", 1)]), (1, vec![("A", 1), ("B", 1)])] {
        let parts = counts.iter().map(|(key, n)| part(text(key), key, *n)).collect();
        let parted = Parted { records: whole, parts };
        assert!(!Partition::new(&split, &[parted], &is_address).adds_up());
    }
    // Two parts with one key: one of them would be lost.
    let parts = vec![part(text("A"), "A", 1), part(text("A"), "A", 1)];
    assert!(!Partition::new(&split, &[Parted { records: 2, parts }], &is_address).adds_up());
}

proptest! {
    /// Whatever the records are: every record is in one part, nobody gets a part that is not his,
    /// and what nobody gets is told.
    #[test]
    fn a_reader_gets_the_rows_of_his_key_alone(
        records in prop::collection::vec((0_u8..12, 0_u8..6), 0..200),
        known in prop::collection::btree_set(0_u8..12, 0..12),
    ) {
        // Accounts share names; the address is that of the account.
        let name = |account: u8| format!("Name {}", account % 9);
        let address = |account: u8| format!("reader{account}@x.com");
        let mut counts: BTreeMap<u8, u64> = BTreeMap::new();
        for (account, times) in &records {
            *counts.entry(*account).or_default() += u64::from(*times);
        }
        let parts: Vec<PartCount> = counts
            .iter()
            .map(|(account, n)| part(text(&format!("k{account}")), &name(*account), *n))
            .collect();
        let whole: u64 = counts.values().sum();
        // Half of the readers are given by key, half by name.
        let readers = known.iter().map(|account| {
            let by = if account % 2 == 0 { format!("k{account}") } else { name(*account) };
            (by, vec![address(*account)])
        });
        let split = Readers::Named(readers.collect());
        let parted = [Parted { records: whole, parts }];
        let partition = Partition::new(&split, &parted, &is_address);
        prop_assert!(partition.adds_up());
        let mut seen = BTreeSet::new();
        for part in &partition.parts {
            let place = part.places[0].unwrap();
            prop_assert!(seen.insert(place), "a part is there once");
            let key = words(&parted[0].parts[place].keys[0]);
            let namesakes = partition.parts.iter().filter(|other| other.name == part.name).count();
            for reader in &part.readers {
                let account: u8 =
                    reader.trim_start_matches("reader").split('@').next().unwrap().parse().unwrap();
                let his = key == format!("k{account}");
                let by_name = name(account) == part.name && namesakes == 1;
                prop_assert!(his || by_name, "{reader} got {key}");
            }
            prop_assert_eq!(part.readers.is_empty(), part.orphaned.is_some());
        }
        let sum: u64 = partition.parts.iter().map(|part| part.records).sum();
        prop_assert_eq!(sum, whole);
    }
}
