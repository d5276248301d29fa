//! Wrong secrets: how many there were, and how long whoever presents them has to wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use crate::oauth::Client;
use crate::oauth::authenticate::ClientCall;

/// Wrong secrets that are answered without a wait.
pub const WRONG_SECRETS: u32 = 100;
/// Registrations by a stranger that are answered without a wait.
pub const REGISTRATIONS: u32 = 20;
/// The same of passwords.
pub const PASSWORDS: u32 = 5;
/// The same of passwords from an address, whatever the names.
pub const NAMES: u32 = 100;
/// The longest wait of those who come from such an address: others may be behind it.
pub const WAIT_OF_ADDRESS: Duration = Duration::from_secs(4);
/// The longest wait.
const LONGEST: Duration = Duration::from_mins(1);
/// After this long without another wrong secret, all are forgotten.
const MEMORY: Duration = Duration::from_mins(15);
/// How many guessers are remembered; beyond that, those whose last guess is longest ago are not.
const MOST: usize = 10_000;

/// Counts wrong secrets for each client and address; another one counts registrations by strangers.
///
/// It only ever slows down wrong answers: who knows the secret is never kept waiting by somebody
/// who does not, even from the same address. Our secrets cannot be guessed at any speed; what this
/// protects is the database, which every wrong secret would otherwise be compared with.
#[derive(Debug)]
pub struct Guesses {
    free: u32,
    longest: Duration,
    records: Mutex<HashMap<Guesser, Record>>,
}

/// Who presented a secret: the client he says he is, and where from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Guesser {
    pub client_id: String,
    pub address: IpAddr,
}

#[derive(Debug)]
struct Record {
    wrong: u32,
    last: Instant,
    wait_until: Instant,
}

impl Guesses {
    /// `free` of them are answered without a wait.
    pub fn new(free: u32) -> Self {
        Self { free, longest: LONGEST, records: Mutex::default() }
    }

    /// The same, with no wait that is longer.
    #[must_use]
    pub fn with_waits_of(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// How long `guesser` still has to wait.
    pub fn wait(&self, guesser: &Guesser, now: Instant) -> Option<Duration> {
        let records = self.records();
        let wait = records.get(guesser)?.wait_until.saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }

    /// Takes note of a wrong secret that did not have to wait.
    pub fn wrong(&self, guesser: Guesser, now: Instant) {
        let mut records = self.records();
        if records.len() >= MOST && !records.contains_key(&guesser) {
            forget_some(&mut records, now);
        }
        let record =
            records.entry(guesser).or_insert(Record { wrong: 0, last: now, wait_until: now });
        if now.duration_since(record.last) > MEMORY {
            record.wrong = 0;
        }
        record.wrong = record.wrong.saturating_add(1);
        record.last = now;
        record.wait_until = now + wait_after(record.wrong, self.free).min(self.longest);
    }

    /// Takes the next turn of `guesser`, as if it went wrong, and says how long it is until then: attempts that come
    /// together are looked at one after the other. Who would wait longer than `most` is told for how long, and gets none.
    pub fn turn(
        &self,
        guesser: Guesser,
        now: Instant,
        most: Duration,
    ) -> Result<Duration, Duration> {
        let wait = self.wait(&guesser, now).unwrap_or_default();
        if wait > most {
            return Err(wait);
        }
        self.wrong(guesser, now + wait);
        Ok(wait)
    }

    /// Takes note of a right secret.
    pub fn right(&self, guesser: &Guesser) {
        self.records().remove(guesser);
    }

    /// Gives back a turn that did not go wrong, and no more: somebody else may guess there.
    pub fn give_back(&self, guesser: &Guesser) {
        if let Some(record) = self.records().get_mut(guesser) {
            record.wrong = record.wrong.saturating_sub(1);
        }
    }

    fn records(&self) -> std::sync::MutexGuard<'_, HashMap<Guesser, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guesser {
    /// A client that makes a request.
    pub fn of(client: &Client, call: &ClientCall) -> Self {
        Self { client_id: client.client_id.clone(), address: call.address }
    }

    /// Somebody of whom only the address is known; of IPv6 whoever has one has 2^64 of them.
    pub fn stranger(address: IpAddr) -> Self {
        let address = match address {
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
            v4 @ IpAddr::V4(_) => v4,
        };
        Self { client_id: String::new(), address }
    }
}

/// One second after the free ones, then twice as long each time.
fn wait_after(wrong: u32, free: u32) -> Duration {
    match wrong.checked_sub(free) {
        None => Duration::ZERO,
        Some(more) => Duration::from_secs(1 << more.min(6)),
    }
}

/// Makes room: what is old goes first, and if nothing is, the older half.
fn forget_some(records: &mut HashMap<Guesser, Record>, now: Instant) {
    records.retain(|_, record| now.duration_since(record.last) <= MEMORY);
    if records.len() < MOST {
        return;
    }
    let mut times: Vec<Instant> = records.values().map(|record| record.last).collect();
    let (_, median, _) = times.select_nth_unstable(MOST / 2);
    let median = *median;
    records.retain(|_, record| record.last > median);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const FREE: u32 = WRONG_SECRETS;

    #[test]
    fn the_wait_begins_late_and_doubles_up_to_a_minute() {
        let (guesses, start) = (Guesses::new(FREE), Instant::now());
        for _ in 1..FREE {
            guesses.wrong(guesser("shop"), start);
        }
        assert_eq!(guesses.wait(&guesser("shop"), start), None);

        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..8 {
            guesses.wrong(guesser("shop"), now);
            let wait = guesses.wait(&guesser("shop"), now).unwrap();
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(guesses.wait(&guesser("shop"), now), None);
        }

        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn attempts_at_once_come_one_after_the_other_and_too_many_are_refused() {
        let (guesses, now) = (Guesses::new(2), Instant::now());
        let turn = || guesses.turn(guesser("maria"), now, Duration::from_secs(6));

        let turns: Vec<_> = (0..6).map(|_| turn().map(|it| it.as_secs())).collect();

        let refused = Duration::from_secs(7);
        assert_eq!(turns, [Ok(0), Ok(0), Ok(1), Ok(3), Err(refused), Err(refused)]);
        guesses.right(&guesser("maria"));
        assert_eq!(turn(), Ok(Duration::ZERO));
    }

    #[test]
    fn an_address_of_many_waits_a_little_and_right_ones_cost_it_nothing() {
        let guesses = Guesses::new(2).with_waits_of(WAIT_OF_ADDRESS);
        let (office, now) = (Guesser::stranger(IpAddr::from(Ipv4Addr::LOCALHOST)), Instant::now());
        let turn = || guesses.turn(office.clone(), now, Duration::from_secs(12));

        for _ in 0..100 {
            assert_eq!(turn(), Ok(Duration::ZERO));
            guesses.give_back(&office);
        }
        let turns: Vec<_> = (0..7).map(|_| turn().map(|it| it.as_secs())).collect();

        let refused = Duration::from_secs(15);
        assert_eq!(turns, [Ok(0), Ok(0), Ok(1), Ok(3), Ok(7), Ok(11), Err(refused)]);
    }

    #[test]
    fn others_do_not_wait_and_a_right_secret_ends_it() {
        let (guesses, now) = (Guesses::new(FREE), Instant::now());
        for _ in 0..=FREE {
            guesses.wrong(guesser("shop"), now);
        }

        assert_eq!(guesses.wait(&guesser("desk"), now), None);
        let elsewhere =
            Guesser { address: IpAddr::from(Ipv4Addr::new(192, 0, 2, 7)), ..guesser("shop") };
        assert_eq!(guesses.wait(&elsewhere, now), None);
        guesses.right(&guesser("shop"));
        assert_eq!(guesses.wait(&guesser("shop"), now), None);
    }

    #[test]
    fn old_guesses_are_forgotten() {
        let (guesses, start) = (Guesses::new(FREE), Instant::now());
        for _ in 0..=FREE {
            guesses.wrong(guesser("shop"), start);
        }

        let later = start + MEMORY + Duration::from_secs(1);
        guesses.wrong(guesser("shop"), later);

        assert_eq!(guesses.wait(&guesser("shop"), later), None);
    }

    #[test]
    fn memory_is_bounded() {
        let (guesses, start) = (Guesses::new(FREE), Instant::now());
        let last = u32::try_from(MOST * 2).unwrap();

        for n in 0..=last {
            guesses.wrong(guesser(&n.to_string()), start + Duration::from_micros(n.into()));
        }

        let records = guesses.records();
        assert!(records.len() <= MOST && records.contains_key(&guesser(&last.to_string())));
    }

    fn guesser(client_id: &str) -> Guesser {
        Guesser { client_id: client_id.to_owned(), address: IpAddr::from(Ipv4Addr::LOCALHOST) }
    }
}
