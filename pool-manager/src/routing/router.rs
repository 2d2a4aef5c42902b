//! Who is to serve the next caller: the state of a group, without clock, pools or locks.
//!
//! Three things decide, in this order. What the caller wants: [`Access::roles`]. Whether a member can be of use:
//! ejected and unhealthy ones, and those whose pools say that they are down, paused or closed, come after all others, of whatever
//! role; but they do come, so there is always somebody to ask. Among equals, two choices by load
//! ([`choice`](super::choice)).
//!
//! Invariant: of the members of one role no more are ejected at a time than
//! [`max_ejection_percent`](Routing::max_ejection_percent) allows. A member ejected before others left the group stays so.

use std::sync::Arc;
use std::time::Duration;

use pool_config::{Role, Routing};
use tokio::time::Instant;

use super::access::Access;
use super::choice::{self, Candidate};
use super::ejection::{Ejection, Evidence};
use super::stats::MemberStats;

/// Names a member for as long as the group lives, whatever joins and leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MemberId(u64);

/// What is known of a member beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    pub(super) weight: u32,
    /// Whether it leads to the same place as the one that had the name before.
    pub(super) same_place: bool,
}

/// What its pool says of a member at the moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    pub(super) member: MemberId,
    /// See [`Candidate::fill`].
    pub(super) fill: f64,
    /// Whether it can be expected to deliver.
    pub(super) up: bool,
}

/// Who is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) member: MemberId,
    /// How many may be asked in all, this one included, counting those not tried yet.
    pub(super) left: u32,
}

#[derive(Debug)]
struct Member {
    id: MemberId,
    entry: Entry,
    ejection: Ejection,
    /// Whether somebody has found its target unhealthy.
    unhealthy: bool,
    reads: u64,
    writes: u64,
    analytics: u64,
    failures: u64,
    ejections: u64,
}

/// See the module's first lines.
#[derive(Debug)]
pub(super) struct Router {
    rules: Routing,
    members: Vec<Member>,
    next: u64,
}

impl Router {
    pub(super) fn new(rules: Routing) -> Self {
        Router { rules, members: Vec::new(), next: 0 }
    }

    pub(super) fn rules(&self) -> &Routing {
        &self.rules
    }

    /// Ejections under way keep their length.
    pub(super) fn set_rules(&mut self, rules: Routing) {
        self.rules = rules;
    }

    /// Replaces the members. One whose name was there before keeps its counts, and its ejection if it leads to the same
    /// place. Returns the ids, in the order of the entries.
    pub(super) fn set_members(&mut self, entries: Vec<Entry>) -> Vec<MemberId> {
        let mut before = std::mem::take(&mut self.members);
        for entry in entries {
            let known = before.iter().position(|member| member.entry.name == entry.name);
            let member = match known.map(|index| before.swap_remove(index)) {
                Some(known) if entry.same_place => Member { entry, ..known },
                Some(known) => Member { entry, ejection: Ejection::default(), unhealthy: false, ..known },
                None => {
                    self.next += 1;
                    Member {
                        id: MemberId(self.next),
                        entry,
                        ejection: Ejection::default(),
                        unhealthy: false,
                        reads: 0,
                        writes: 0,
                        analytics: 0,
                        failures: 0,
                        ejections: 0,
                    }
                }
            };
            self.members.push(member);
        }
        self.members.iter().map(|member| member.id).collect()
    }

    /// The member to ask next, of those with these roles that were not tried yet; `None` when all were.
    pub(super) fn choose(
        &self,
        roles: &[Role],
        tried: &[MemberId],
        looks: &[Look],
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Option<Choice> {
        let mut best = None;
        let mut equals: Vec<(MemberId, Candidate)> = Vec::new();
        let mut left = 0;
        for member in &self.members {
            let Some(order) = roles.iter().position(|role| *role == member.entry.role) else { continue };
            if tried.contains(&member.id) {
                continue;
            }
            left += 1;
            let look = looks.iter().find(|look| look.member == member.id);
            let up = look.is_some_and(|look| look.up);
            // Smaller is better.
            let rank = (!up, up && self.is_left_out(member, now), order);
            if best.is_none_or(|best| rank < best) {
                best = Some(rank);
                equals.clear();
            }
            if best == Some(rank) {
                let fill = look.map_or(0.0, |look| look.fill);
                equals.push((member.id, Candidate { weight: member.entry.weight, fill }));
            }
        }
        let candidates: Vec<_> = equals.iter().map(|(_, candidate)| *candidate).collect();
        let (member, _) = equals[choice::choose(&candidates, random)?];
        Some(Choice { member, left })
    }

    /// Counts a connection that was given to a caller.
    pub(super) fn served(&mut self, member: MemberId, access: Access) {
        let Some(member) = self.member(member) else { return };
        match access {
            Access::Read => member.reads += 1,
            Access::Write => member.writes += 1,
            Access::Analytics => member.analytics += 1,
        }
    }

    /// Notes that a member did what it is for.
    pub(super) fn succeeded(&mut self, member: MemberId, now: Instant) {
        if let Some(member) = self.member(member) {
            member.ejection.succeeded(now);
        }
    }

    /// Notes that a member failed. Returns for how long it is ejected for that.
    pub(super) fn failed(
        &mut self,
        member: MemberId,
        evidence: Evidence,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Option<Duration> {
        let room = self.may_eject(member, now);
        let rules = self.rules.clone();
        let member = self.member(member)?;
        member.failures += 1;
        if !member.ejection.failed(evidence, now) || !room {
            return None;
        }
        member.ejections += 1;
        Some(member.ejection.eject(&rules, now, random))
    }

    /// Notes whether the target of the member with this name was found unhealthy. Such a member is left out for as long as
    /// that lasts. Returns whether that is news.
    pub(super) fn set_unhealthy(&mut self, name: &str, unhealthy: bool) -> bool {
        let member = self.members.iter_mut().find(|member| &*member.entry.name == name);
        member.is_some_and(|member| std::mem::replace(&mut member.unhealthy, unhealthy) != unhealthy)
    }

    /// Whether a member gets nothing while others can serve: it failed callers lately, or is unhealthy. Of the unhealthy ones
    /// those come first that were named first.
    fn is_left_out(&self, member: &Member, now: Instant) -> bool {
        let is_ejected = |member: &Member| member.ejection.is_ejected(now);
        if is_ejected(member) || !member.unhealthy {
            return is_ejected(member);
        }
        let peers = || self.peers(member.entry.role);
        let before = peers().take_while(|peer| peer.id != member.id);
        let before = before.filter(|peer| peer.unhealthy && !is_ejected(peer)).count();
        peers().filter(|peer| is_ejected(peer)).count() + before < self.allowed(member.entry.role)
    }

    /// Whether one more of the role of this member may be ejected.
    fn may_eject(&self, member: MemberId, now: Instant) -> bool {
        let Some(role) = self.members.iter().find(|known| known.id == member).map(|known| known.entry.role)
        else {
            return false;
        };
        let left_out = |peer: &&Member| peer.id != member && self.is_left_out(peer, now);
        !self.rules.ejection_time.is_zero() && self.peers(role).filter(left_out).count() < self.allowed(role)
    }

    fn peers(&self, role: Role) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.entry.role == role)
    }

    /// How many members of a role may be left out at a time.
    fn allowed(&self, role: Role) -> usize {
        match usize::from(self.rules.max_ejection_percent) {
            0 => 0,
            percent => (self.peers(role).count() * percent / 100).max(1),
        }
    }

    pub(super) fn stats(&self, now: Instant) -> Vec<MemberStats> {
        let given = |member: &Member| member.reads + member.analytics;
        let all: u64 = self.members.iter().map(given).sum();
        self.members
            .iter()
            .map(|member| MemberStats {
                name: Arc::clone(&member.entry.name),
                role: member.entry.role,
                weight: member.entry.weight,
                reads: member.reads,
                writes: member.writes,
                analytics: member.analytics,
                failures: member.failures,
                ejections: member.ejections,
                ejected_for: member.ejection.remaining(now),
                unhealthy: member.unhealthy,
                share: if all == 0 { 0.0 } else { given(member) as f64 / all as f64 },
            })
            .collect()
    }

    fn member(&mut self, id: MemberId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }
}

#[cfg(test)]
mod tests;
