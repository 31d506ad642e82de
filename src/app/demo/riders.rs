//! The riders' platforms: they stream every order to the embedded broker when it happens, and vouch for it.

use super::scenes::Scenes;
use crate::domain::time::UtcMillis;
use crate::domain::view::LedgerView;
use crate::generate::{LiveGenerator, LiveSettings, PLATFORMS};
use crate::ingest::kafka::{EventProducer, Outgoing};
use crate::ledger::Published;
use crate::telemetry::clock::Clock;
use crate::wait::Stop;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records that the service has not yet read, at most. The embedded broker keeps 100,000 records or 5 MiB of a partition,
/// and drops what is older, read or not.
const UNREAD_MAX: u64 = 20_000;
/// Records sent before the riders look around.
const SENT_AT_ONCE: usize = 1_000;
/// How often the riders look at the clock.
const TICK: Duration = Duration::from_millis(50);
/// How often every platform vouches for its events.
const VOUCH_EVERY: Duration = Duration::from_secs(2);
/// How long the broker may take to acknowledge.
const ACKNOWLEDGED_AT_MOST: Duration = Duration::from_secs(30);

/// The riders' belongings.
pub(super) struct Riders {
    pub(super) producer: EventProducer,
    pub(super) live: LiveSettings,
    pub(super) speed: i64,
    pub(super) clock: Clock,
    pub(super) published: Arc<Published>,
    pub(super) scenes: Arc<Scenes>,
    pub(super) stop: Stop,
}

impl Riders {
    /// Sends until it is asked to stop.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let started_at = self.clock.now();
        let mut generator = LiveGenerator::new(self.live);
        let mut vouched: Option<Instant> = None;
        let Some(mut sent) = self.introduce()? else { return Ok(()) };
        while !self.stop.is_set() {
            sent += self.send_wanted()?;
            let (now, is_present) = self.now(started_at);
            let allowance = UNREAD_MAX.saturating_sub(sent.saturating_sub(self.applied()));
            let events = self.send_until(&mut generator, now, allowance)?;
            sent += events;
            if generator.next_at() <= now {
                // The service has to read first, unless only this round was full.
                self.producer.poll();
                if allowance < UNREAD_MAX / 4 && self.is_over_after(TICK) {
                    break;
                }
                continue;
            }
            if vouched.is_none_or(|at| at.elapsed() >= VOUCH_EVERY) {
                sent += self.vouch(now)?;
                vouched = Some(Instant::now());
                self.scenes.note_through(now, is_present);
            }
            if self.is_over_after(TICK) {
                break;
            }
        }
        Ok(())
    }

    /// Before its first order every platform says that it vouches for its events, and that nothing is complete yet: what
    /// follows lies hours back, and who says nothing promises to deliver within seconds. `None` when the demo is over.
    fn introduce(&self) -> anyhow::Result<Option<u64>> {
        let sent = self.vouch(self.live.from)?;
        self.producer.flush(ACKNOWLEDGED_AT_MOST)?;
        while self.applied() < sent {
            if self.is_over_after(TICK) {
                return Ok(None);
            }
        }
        Ok(Some(sent))
    }

    /// The demo's time, and whether it is the real one.
    fn now(&self, started_at: UtcMillis) -> (UtcMillis, bool) {
        let real = self.clock.now();
        if self.speed <= 1 {
            return (real, true);
        }
        let played = self.live.from.plus(real.since(started_at).saturating_mul(self.speed));
        if played >= real { (real, true) } else { (played, false) }
    }

    /// Records that the service has committed.
    fn applied(&self) -> u64 {
        let state = self.published.current();
        let partitions = state.completeness().topics.values().flat_map(|topic| topic.partitions.values());
        partitions.map(|facts| u64::try_from(facts.next_offset).unwrap_or(0)).sum()
    }

    /// Sends what is due, `allowance` at most.
    fn send_until(
        &self,
        generator: &mut LiveGenerator,
        now: UtcMillis,
        allowance: u64,
    ) -> anyhow::Result<u64> {
        let most = usize::try_from(allowance).unwrap_or(usize::MAX).min(SENT_AT_ONCE);
        let (mut events, mut payload) = (Vec::new(), Vec::new());
        while events.len() < most && generator.next_at() <= now {
            payload.clear();
            let Some(event) = generator.next_event(&mut payload) else { break };
            self.producer.send(&Outgoing {
                topic: event.topic,
                partition: None,
                key: Some(event.rider_id.as_bytes()),
                payload: &payload,
                timestamp: None,
            })?;
            events.push(event);
        }
        self.scenes.note(&events);
        Ok(u64::try_from(events.len()).unwrap_or(0))
    }

    /// Sends the records that the guide wants.
    fn send_wanted(&self) -> anyhow::Result<u64> {
        let wanted = self.scenes.take_wanted();
        for record in &wanted {
            let (topic, payload) = (record.topic, record.payload.as_slice());
            self.producer.send(&Outgoing { topic, partition: None, key: None, payload, timestamp: None })?;
        }
        Ok(u64::try_from(wanted.len()).unwrap_or(0))
    }

    /// Every platform says that all its events about instants before `through` are acknowledged: first they must be.
    fn vouch(&self, through: UtcMillis) -> anyhow::Result<u64> {
        self.producer.flush(ACKNOWLEDGED_AT_MOST)?;
        let mut payload = Vec::new();
        for (platform, topic) in PLATFORMS {
            payload.clear();
            LiveGenerator::write_complete(&mut payload, platform, through);
            let key = Some(platform.as_bytes());
            self.producer.send(&Outgoing {
                topic,
                partition: None,
                key,
                payload: &payload,
                timestamp: None,
            })?;
        }
        Ok(u64::try_from(PLATFORMS.len()).unwrap_or(0))
    }

    fn is_over_after(&self, pause: Duration) -> bool {
        self.producer.poll();
        self.stop.wait(pause)
    }
}
