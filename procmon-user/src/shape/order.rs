//! In which order processes get series of their own.

use super::settings::Settings;
use super::tick::{Decided, Tick};
use super::top_n::{Ranking, scores};

/// The processes that are to have series of their own, this many at most:
/// the chosen first, then those that keep their places, then the others,
/// each from the first to the last. `now` is the number of the tick.
pub fn order(
    tick: &Tick<'_>,
    settings: &Settings,
    now: u64,
    most: usize,
    decided: &mut [Decided],
) -> Vec<u32> {
    let mut chosen = Ranking::new(most, &settings.by);
    let mut others = Ranking::new(most, &settings.by);
    for (place, sample) in (0..).zip(&tick.frame.processes) {
        let scores = scores(sample, tick.sample_before(place as usize));
        let ranking = match sample.chosen {
            true => &mut chosen,
            false => &mut others,
        };
        ranking.offer(place, &scores);
    }
    let is_chosen = |place: u32| tick.frame.processes[place as usize].chosen;
    let had_own = |place: u32| tick.decided(place as usize).is_some_and(|one| one.own);
    let all = || (0..).take(tick.len());

    let others = others.first();
    let mut order = Order::new(most, tick.len());
    order.add(chosen.first());
    order.add(all().filter(|place| is_chosen(*place)));
    let first = &others[..others.len().min(most - order.places.len())];
    // The first tick knows of nobody what he does.
    if tick.past.is_some() {
        for place in first {
            decided[*place as usize].stays_until = now + settings.sticky;
        }
    }
    let stays = |place: &u32| had_own(*place) && decided[*place as usize].stays_until >= now;
    order.add(first.iter().copied().filter(stays));
    order.add(all().filter(stays));
    order.add(first.iter().copied());
    order.add(all());
    order.places
}

/// Places in a row, none of them twice.
struct Order {
    most: usize,
    places: Vec<u32>,
    taken: Vec<bool>,
}

impl Order {
    fn new(most: usize, all: usize) -> Self {
        Self {
            most,
            places: Vec::with_capacity(most),
            taken: vec![false; all],
        }
    }

    /// Adds those that are not there yet, until it is full.
    fn add(&mut self, places: impl IntoIterator<Item = u32>) {
        if self.places.len() == self.most {
            return;
        }
        for place in places {
            if !std::mem::replace(&mut self.taken[place as usize], true) {
                self.places.push(place);
                if self.places.len() == self.most {
                    return;
                }
            }
        }
    }
}
