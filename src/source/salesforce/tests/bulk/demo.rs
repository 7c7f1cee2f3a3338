//! Loads by Bulk from the demo org, which lives on while they run: what was read must be what the
//! org has.

use std::collections::BTreeMap;

use super::*;
use crate::demo::org::{CLIENT_ID, CLIENT_SECRET, Call, Fault, On, Org, Plan, Serving, Settings};

/// A fortnight of an org, its server and a client of it that reads all it can by Bulk.
struct Demo {
    org: Arc<Org>,
    _serving: Serving,
    salesforce: Salesforce,
    clock: Arc<LeapingClock>,
}

async fn demo() -> Demo {
    let clock = LeapingClock::at(NOW);
    let plan = Plan {
        history: TimeDelta::days(14),
        sessions_per_day: 60.0,
        mass_update: 150,
        ..Plan::new(at(NOW))
    };
    let small_pages = Settings { bulk_page: 400, ..Settings::default() };
    let org = Org::generate_with(3, plan, small_pages, clock.clone());
    let serving = org.start().await.unwrap();
    let mut settings = settings(&serving.url());
    settings.auth = SalesforceAuth::ClientCredentials {
        client_id: SecretString::from(CLIENT_ID),
        client_secret: SecretString::from(CLIENT_SECRET),
    };
    settings.api_version = None;
    settings.bulk_above = Some(10);
    let salesforce = Salesforce::new(settings, clock.clone()).unwrap();
    Demo { org, _serving: serving, salesforce, clock }
}

/// What a reader of batches keeps: the latest stamp of each record and whether it is deleted.
#[derive(Default)]
struct Kept {
    records: BTreeMap<String, (i64, bool)>,
    place: Option<Cursor>,
    rows: usize,
}

impl Kept {
    fn take(&mut self, dataset: &Dataset, batch: &Batch) {
        let updated = dataset.updated.unwrap();
        for (row, deleted) in batch.cells.chunks(dataset.fields.len()).zip(&batch.deleted) {
            let Cell::Text(from, len) = row[dataset.key] else { panic!("no key") };
            let Cell::Timestamp(stamp) = row[updated] else { panic!("no stamp") };
            let known = self.records.entry(batch.text_of(from, len).to_owned()).or_default();
            if known.0 <= stamp {
                *known = (stamp, *deleted);
            }
        }
        self.rows += batch.rows();
        self.place = batch.cursor.clone().or(self.place.take());
    }

    /// Every record of the org that did not change since the watermark is kept as it is, and
    /// nothing else is kept.
    #[track_caller]
    fn check(&self, org: &Org, object: &str, watermark: DateTime<Utc>) {
        let mut settled = 0;
        let records = org.records(object);
        for record in &records {
            let stamp = record.at("SystemModstamp").unwrap();
            if stamp < watermark {
                settled += 1;
                let expected = Some(&(stamp.timestamp_millis(), record.is_deleted()));
                assert_eq!(self.records.get(record.id().as_str()), expected, "{}", record.id());
            }
        }
        assert!(settled > 500, "{settled}");
        assert!(self.records.len() <= records.len());
    }
}

/// Reads until the end, or until so many batches have come: then the pull is dropped.
async fn load(
    demo: &Demo,
    request: PullRequest,
    kept: &mut Kept,
    batches_max: usize,
) -> Option<Result<Pulled, SourceError>> {
    let (into, mut batches) = mpsc::channel::<Batch>(1);
    let dataset = request.dataset.clone();
    let pull = demo.salesforce.pull(request, into);
    tokio::pin!(pull);
    let mut count = 0;
    let mut outcome = None;
    loop {
        tokio::select! {
            biased;
            batch = batches.recv() => match batch {
                Some(batch) => kept.take(&dataset, &batch),
                None => return outcome,
            },
            done = &mut pull, if outcome.is_none() => outcome = Some(done),
        }
        count += 1;
        if count >= batches_max && outcome.is_none() {
            return None;
        }
    }
}

async fn whole(demo: &Demo, request: PullRequest) -> (Kept, Result<Pulled, SourceError>) {
    let mut kept = Kept::default();
    let outcome = load(demo, request, &mut kept, usize::MAX).await.unwrap();
    (kept, outcome)
}

#[tokio::test]
async fn every_dataset_comes_as_the_org_has_it() {
    let demo = demo().await;
    for object in ["MessagingSession", "MessagingSessionMetrics", "AgentWork"] {
        let deleted = demo.org.records(object)[5].id();
        demo.org.delete(deleted).unwrap();
        demo.clock.advance(TimeDelta::minutes(5));
        let (kept, outcome) = whole(&demo, request(object)).await;
        let pulled = outcome.unwrap();
        kept.check(&demo.org, object, pulled.watermark);
        assert_eq!(pulled.misfits, 0, "{:?}", pulled.misfit_samples);
        assert!(kept.records.values().filter(|(_, deleted)| *deleted).count() > 0, "{object}");
    }
    assert_eq!(demo.org.requests_of(Call::BulkCreate), 3);
    assert_eq!(demo.org.requests_of(Call::BulkDelete), 3);
    // Pages of 400, as the org gives them.
    assert!(demo.org.requests_of(Call::BulkResults) > 6);
}

#[tokio::test]
async fn loads_dropped_at_any_moment_go_on_where_their_window_began() {
    for batches_max in [1, 2, 3, 5, 8] {
        let demo = demo().await;
        // No query may find more, so a window has no more either.
        demo.org.faults().timeout_over(Some(200));
        let mut kept = Kept::default();
        let mut drops = 0;
        let pulled = loop {
            let resume = kept.place.clone();
            // Each time a little further, else a window larger than its patience would never end.
            let batches_max = batches_max + drops;
            let wanted = PullRequest { resume, ..request("MessagingSession") };
            match load(&demo, wanted, &mut kept, batches_max).await {
                Some(outcome) => break outcome.unwrap(),
                None => drops += 1,
            }
        };
        assert!(drops > 1, "{drops}");
        kept.check(&demo.org, "MessagingSession", pulled.watermark);
        // A drop costs a window at most.
        let twice = kept.rows - kept.records.len();
        assert!(twice <= (drops + 1) * 450, "{twice} came twice in {drops} drops");
        demo.salesforce.close().await;
        let seen = demo.org.seen();
        let done = |call, status| {
            seen.iter().filter(|seen| seen.call == call && seen.status == status).count()
        };
        let (created, removed) = (done(Call::BulkCreate, 200), done(Call::BulkDelete, 204));
        assert!(created > 3, "{created}");
        assert_eq!(created, removed, "jobs are left behind");
    }
}

#[tokio::test]
async fn trouble_with_results_is_survived() {
    for fault in [
        Fault::Disconnect,
        Fault::TruncatedGzip,
        Fault::WrongCount(1),
        Fault::WrongCount(-1),
        Fault::Html(503),
        Fault::HtmlOk,
        Fault::LocatorExpired,
        Fault::TokenExpired,
        Fault::NulBytes,
        Fault::DecimalInts,
    ] {
        let demo = demo().await;
        demo.org.faults().after(1, fault.clone(), On::call(Call::BulkResults), 1);
        let (kept, outcome) = whole(&demo, request("MessagingSessionMetrics")).await;
        let pulled = outcome.unwrap_or_else(|err| panic!("{fault:?}: {err}"));
        kept.check(&demo.org, "MessagingSessionMetrics", pulled.watermark);
        assert_eq!((pulled.misfits, demo.org.faults().waiting()), (0, 0), "{fault:?}");
        assert!(demo.org.seen().len() < 60, "{fault:?}: {}", demo.org.seen().len());
    }
}

#[tokio::test]
async fn jobs_that_end_badly_end_the_load_with_their_reason() {
    for (fault, says) in [
        (Fault::JobAborted(40), "aborted"),
        (Fault::JobFails("InternalServerError: no disk"), "InternalServerError: no disk"),
    ] {
        let demo = demo().await;
        demo.org.faults().next(fault, On::call(Call::BulkCreate), 1);
        let (kept, outcome) = whole(&demo, request("MessagingSession")).await;
        let Err(SourceError::Down { reason, .. }) = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains(says), "{reason}");
        assert_eq!((kept.rows, kept.place), (0, None));
        assert_eq!(demo.org.requests_of(Call::BulkDelete), 1);
        assert!(demo.org.seen().len() < 60);
    }
}

#[tokio::test]
async fn what_the_org_refuses_to_do_in_bulk_is_read_by_pages() {
    let demo = demo().await;
    demo.org.faults().refuse_bulk("AgentWork");
    let (kept, outcome) = whole(&demo, request("AgentWork")).await;
    kept.check(&demo.org, "AgentWork", outcome.unwrap().watermark);
    assert_eq!(demo.org.requests_of(Call::BulkCreate), 1);
    let (_, outcome) = whole(&demo, request("AgentWork")).await;
    outcome.unwrap();
    assert_eq!(demo.org.requests_of(Call::BulkCreate), 1, "it is remembered");
}

#[tokio::test]
async fn a_chaotic_org_gives_everything_in_the_end() {
    for seed in 0..4 {
        let demo = demo().await;
        demo.org.faults().timeout_over(Some(400));
        demo.org.chaos(seed);
        let mut kept = Kept::default();
        let mut failed = 0;
        let pulled = loop {
            let resume = kept.place.clone();
            let wanted = PullRequest { resume, ..request("MessagingSession") };
            match load(&demo, wanted, &mut kept, usize::MAX).await.unwrap() {
                Ok(pulled) => break pulled,
                Err(err) => {
                    failed += 1;
                    assert!(failed < 5, "{err}");
                }
            }
        };
        kept.check(&demo.org, "MessagingSession", pulled.watermark);
    }
}

#[tokio::test]
async fn an_org_that_answers_a_month_at_a_time_is_read_from_the_beginning_of_time() {
    let demo = demo().await;
    let mut settings = demo.salesforce.settings.clone();
    settings.bulk_above = None;
    let salesforce = Salesforce::new(settings, demo.clock.clone()).unwrap();
    let demo = Demo { salesforce, ..demo };
    demo.org.faults().timeout_wider("MessagingSession", TimeDelta::days(30));
    let (kept, outcome) = whole(&demo, request("MessagingSession")).await;
    kept.check(&demo.org, "MessagingSession", outcome.unwrap().watermark);
    assert_eq!(kept.rows, kept.records.len(), "half-open windows give no record twice");
    let seen = demo.org.seen();
    let too_slow = seen.iter().filter(|seen| seen.status == 400).count();
    assert!(seen.len() < 40 && too_slow < 10, "{} {too_slow}", seen.len());
}

#[tokio::test]
async fn closing_waits_for_a_silent_org_no_longer_than_it_must() {
    let demo = demo().await;
    let mut kept = Kept::default();
    assert!(load(&demo, request("MessagingSession"), &mut kept, 2).await.is_none(), "dropped");
    let minute = std::time::Duration::from_secs(60);
    demo.org.faults().always(Fault::Slow(minute), On::call(Call::BulkAbort));
    let begun = tokio::time::Instant::now();
    demo.salesforce.close().await;
    let took = begun.elapsed();
    assert!(took < minute / 4, "{took:?}");
    assert_eq!(demo.org.requests_of(Call::BulkDelete), 0);
}
