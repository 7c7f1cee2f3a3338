//! Cases about the request quota: every shape of the header, and what is done near the wall.

use chrono::TimeDelta;
use postrider::demo::org::{Call, Fault, On, Org};

use super::{SESSIONS, World};
use crate::harness::records::{channel, ended};

fn fill(org: &Org) {
    let web = channel(org, "Web");
    ended(org, &web, "2026-11-22T10:00:00Z", &[]);
}

async fn world() -> World {
    World::start(SESSIONS, "2026-11-23T08:15:00Z", fill).await
}

impl World {
    /// Requests used and allowed, as the source last saw them.
    fn quota(&self) -> Option<(u64, u64)> {
        let plant = self.t.app.engine().plant();
        plant.sources["salesforce"].source.quota().map(|quota| (quota.used, quota.allowed))
    }

    /// Pulls while the header says this.
    async fn told(&self, header: Option<&str>) -> Option<(u64, u64)> {
        self.t.org.faults().limit_info(header);
        self.pull_again().await;
        self.quota()
    }
}

#[tokio::test]
async fn quota_header_zoo() {
    let w = world().await;
    let per_app = "api-usage=25/5000; per-app-api-usage=17/250(appName=a; b=c)";
    assert_eq!(w.told(Some(per_app)).await, Some((25, 5_000)));
    assert_eq!(w.told(Some("api-usage=26/100000; api-bursts=1/750")).await, Some((26, 100_000)));
    assert_eq!(w.told(Some("api-usage=27/100000")).await, Some((27, 100_000)));
    // Missing, without a limit, or nonsense: what was known stays, and pulls go on.
    for unknown in [None, Some("api-usage=1/0"), Some("api-usage=many"), Some("")] {
        assert_eq!(w.told(unknown).await, Some((27, 100_000)), "{unknown:?}");
        assert_eq!(w.state("MessagingSession").failure, None, "{unknown:?}");
    }
    // 96 % used: the guard trips, the figure is told, and almost nothing is asked any more.
    assert_eq!(
        w.told(Some("api-usage=96000/100000; api-bursts=1/750")).await,
        Some((96_000, 100_000))
    );
    w.pull_again().await;
    let why = w.failure("MessagingSession");
    assert!(why.contains("96000 of 100000"), "{why}");
    w.t.org.forget_requests();
    w.t.advance(TimeDelta::minutes(60)).await;
    // One look a quarter of an hour, by `/limits`.
    let asked = w.asked_in_all();
    assert!((1..=5).contains(&asked), "{asked} requests in an hour");
    assert_eq!(w.asked(Call::QueryAll), 0);
    // It goes on when usage has fallen.
    w.t.org.faults().limit_info(Some("api-usage=5/100000"));
    w.t.advance(TimeDelta::minutes(21)).await;
    assert_eq!(w.state("MessagingSession").failure, None);
}

#[tokio::test]
async fn the_org_refuses_requests_until_usage_falls() {
    let w = world().await;
    w.pull().await;
    w.t.org.faults().always(Fault::RequestLimit, On::any());
    w.t.org.forget_requests();
    w.t.advance(TimeDelta::minutes(60)).await;
    assert!(w.failure("MessagingSession").contains("daily requests"));
    let asked = w.asked_in_all();
    assert!(asked <= 12, "{asked} requests in an hour to an org that refuses all");
    assert_eq!(w.state("MessagingSession").records, 1, "what was there stays");
    w.t.org.faults().clear();
    w.t.advance(TimeDelta::minutes(21)).await;
    assert_eq!(w.state("MessagingSession").failure, None);
}
