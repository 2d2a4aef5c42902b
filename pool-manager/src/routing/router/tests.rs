//! The router, told what happened, asked who is next; and a model that checks its promises after every step.

use proptest::prelude::*;

use super::*;
use crate::routing::access::word;

const REPLICA: [Role; 1] = [Role::Replica];

fn entry(name: &str, role: Role) -> Entry {
    Entry { name: Arc::from(name), role, weight: 100, same_place: true }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A router, its time, and what the pools say.
struct World {
    router: Router,
    ids: Vec<MemberId>,
    looks: Vec<Look>,
    now: Instant,
    random: fastrand::Rng,
}

impl World {
    fn new(roles: &[Role], rules: Routing) -> Self {
        let mut router = Router::new(rules);
        let named =
            roles.iter().enumerate().map(|(index, role)| entry(&format!("{}-{index}", word(*role)), *role));
        let ids = router.set_members(named.collect());
        let looks = ids.iter().map(|id| Look { member: *id, fill: 0.0, up: true }).collect();
        World { router, ids, looks, now: Instant::now(), random: fastrand::Rng::with_seed(7) }
    }

    fn ask(&mut self, roles: &[Role], tried: &[MemberId]) -> Option<Choice> {
        self.router.choose(roles, tried, &self.looks, self.now, &mut self.random)
    }

    /// The index of the one who is asked first, or after these were tried.
    fn next(&mut self, access: Access, tried: &[usize]) -> Option<usize> {
        let tried: Vec<_> = tried.iter().map(|index| self.ids[*index]).collect();
        let choice = self.ask(access.roles(), &tried)?;
        self.ids.iter().position(|id| *id == choice.member)
    }

    /// Everybody who is asked first at least once in a hundred times.
    fn takers(&mut self, access: Access) -> Vec<usize> {
        let mut takers: Vec<_> = (0..100).filter_map(|_| self.next(access, &[])).collect();
        takers.sort_unstable();
        takers.dedup();
        takers
    }

    fn fails(&mut self, index: usize) -> Option<Duration> {
        self.router.failed(self.ids[index], Evidence::Down, self.now, &mut self.random)
    }

    fn sickens(&mut self, index: usize, unhealthy: bool) {
        let name = Arc::clone(&self.router.members[index].entry.name);
        self.router.set_unhealthy(&name, unhealthy);
    }

    /// Those that get nothing while others can serve.
    fn left_out(&self) -> Vec<usize> {
        let members = self.router.members.iter().enumerate();
        members
            .filter(|(_, member)| self.router.is_left_out(member, self.now))
            .map(|(index, _)| index)
            .collect()
    }

    fn ejected(&self) -> Vec<usize> {
        let stats = self.router.stats(self.now);
        (0..stats.len()).filter(|index| stats[*index].ejected_for.is_some()).collect()
    }
}

#[test]
fn reads_go_to_replicas_writes_to_the_primary_and_analytics_to_their_own() {
    use Role::{Analytics, Primary, Replica};
    let mut world = World::new(&[Primary, Replica, Replica, Analytics], Routing::default());
    assert_eq!(world.takers(Access::Read), [1, 2]);
    assert_eq!(world.takers(Access::Write), [0]);
    assert_eq!(world.takers(Access::Analytics), [3]);
    assert_eq!(world.next(Access::Analytics, &[3, 1]), Some(2), "else a replica");
    assert_eq!(world.next(Access::Analytics, &[3, 1, 2]), Some(0), "else the primary");
    assert_eq!(world.next(Access::Read, &[1, 2]), Some(0));
    assert_eq!(world.next(Access::Read, &[0, 1, 2]), None, "reads have no business with analytics");
}

#[test]
fn an_ejected_replica_gets_nothing_until_its_time_is_over() {
    let mut world = World::new(&[Role::Primary, Role::Replica, Role::Replica], Routing::default());
    let time = world.fails(1).unwrap();
    assert_eq!(world.takers(Access::Read), [2]);
    world.now += time;
    assert_eq!(world.takers(Access::Read), [1, 2]);
}

#[test]
fn a_replica_whose_pool_says_that_it_is_down_is_passed_over_before_its_first_failure() {
    let mut world = World::new(&[Role::Primary, Role::Replica, Role::Replica], Routing::default());
    world.looks[1].up = false;
    assert_eq!(world.takers(Access::Read), [2]);
    world.looks[2].up = false;
    assert_eq!(world.takers(Access::Read), [0]);
    world.looks[1].up = true;
    assert_eq!(world.takers(Access::Read), [1], "its traffic returns at once");
}

#[test]
fn when_all_replicas_are_ejected_the_primary_reads_and_without_one_all_replicas_again() {
    let mut world = World::new(&[Role::Primary, Role::Replica, Role::Replica], Routing::default());
    world.fails(1);
    world.fails(2);
    assert_eq!(world.takers(Access::Read), [0]);
    world.looks[0].up = false;
    assert_eq!(world.takers(Access::Read), [1, 2]);
    world.looks[0].up = true;
    world.fails(0);
    assert_eq!(world.takers(Access::Read), [1, 2], "an ejected primary is no better than they");
    world.looks[1].up = false;
    assert_eq!(world.takers(Access::Read), [2], "one that may be up is better than one that is down");
    assert_eq!(world.takers(Access::Write), [0], "there is no other");
}

#[test]
fn all_who_may_be_asked_are_counted() {
    let mut world = World::new(&[Role::Primary, Role::Replica, Role::Analytics], Routing::default());
    let first = world.ask(Access::Read.roles(), &[]).unwrap();
    assert_eq!((first.member, first.left), (world.ids[1], 2));
    assert_eq!(world.ask(Access::Read.roles(), &[first.member]).unwrap().left, 1);
}

#[test]
fn the_cap_leaves_members_in_that_failed() {
    let rules = Routing { max_ejection_percent: 50, ..Routing::default() };
    let mut world = World::new(&[Role::Replica; 5], rules.clone());
    for index in 0..5 {
        world.fails(index);
    }
    assert_eq!(world.ejected(), [0, 1], "half of five, rounded down");
    let mut world = World::new(&[Role::Primary, Role::Replica], rules);
    assert!(world.fails(1).is_some(), "one at least");
    let never = Routing { max_ejection_percent: 0, ..Routing::default() };
    let mut world = World::new(&[Role::Primary, Role::Replica], never);
    assert_eq!(world.fails(1), None);
    let never = Routing { ejection_time: Duration::ZERO, ..Routing::default() };
    let mut world = World::new(&[Role::Primary, Role::Replica], never);
    assert_eq!(world.fails(1), None);
    assert_eq!(world.router.stats(world.now)[1].failures, 1, "counted all the same");
}

#[test]
fn an_unhealthy_member_is_left_out_for_as_long_as_that_lasts() {
    let mut world = World::new(&[Role::Primary, Role::Replica, Role::Replica], Routing::default());
    assert!(world.router.set_unhealthy("replica-1", true));
    assert!(!world.router.set_unhealthy("replica-1", true), "no news");
    assert!(!world.router.set_unhealthy("nobody", true));
    world.now += seconds(3_600);
    assert_eq!(world.takers(Access::Read), [2]);
    assert!(world.router.stats(world.now)[1].unhealthy);
    world.sickens(1, false);
    assert_eq!(world.takers(Access::Read), [1, 2]);
    world.sickens(1, true);
    world.sickens(2, true);
    assert_eq!(world.takers(Access::Read), [0], "the primary reads");
    world.sickens(0, true);
    assert_eq!(world.takers(Access::Read), [1, 2], "when nobody is well, all are asked");
}

#[test]
fn the_cap_counts_members_that_are_unhealthy_with_those_that_failed() {
    let rules = Routing { max_ejection_percent: 50, ..Routing::default() };
    let mut world = World::new(&[Role::Replica; 4], rules);
    world.sickens(3, true);
    assert_eq!(world.left_out(), [3]);
    assert!(world.fails(0).is_some());
    assert_eq!(world.fails(1), None, "two of four are left out");
    world.sickens(1, true);
    world.sickens(2, true);
    assert_eq!(world.left_out(), [0, 1], "of the unhealthy ones there is room for one");
    world.sickens(1, false);
    assert_eq!(world.left_out(), [0, 2]);
    let mut world =
        World::new(&[Role::Replica; 2], Routing { max_ejection_percent: 0, ..Routing::default() });
    world.sickens(0, true);
    assert_eq!(world.left_out(), [0; 0], "nobody is ever left out");
}

#[test]
fn an_unhealthy_member_that_now_leads_elsewhere_is_asked_again() {
    let mut world = World::new(&[Role::Replica, Role::Replica], Routing::default());
    world.sickens(0, true);
    let same = entry("replica-0", Role::Replica);
    world.router.set_members(vec![same.clone(), entry("replica-1", Role::Replica)]);
    assert_eq!(world.left_out(), [0]);
    world.router.set_members(vec![Entry { same_place: false, ..same }, entry("replica-1", Role::Replica)]);
    assert_eq!(world.left_out(), [0; 0]);
}

#[test]
fn who_stays_keeps_counts_and_ejection_whoever_else_comes_and_goes() {
    let mut world = World::new(&[Role::Primary, Role::Replica, Role::Replica], Routing::default());
    world.router.served(world.ids[1], Access::Read);
    world.fails(1);
    let heavier = Entry { weight: 300, ..entry("replica-1", Role::Replica) };
    let ids = world.router.set_members(vec![entry("new", Role::Replica), heavier]);
    assert_eq!(ids[1], world.ids[1]);
    assert!(!world.ids.contains(&ids[0]), "ids are never used again");
    let stats = world.router.stats(world.now);
    assert_eq!((stats[1].weight, stats[1].reads, stats[1].ejections), (300, 1, 1));
    assert!(stats[1].ejected_for.is_some());

    let moved = Entry { same_place: false, ..entry("replica-1", Role::Replica) };
    world.router.set_members(vec![moved]);
    let stats = world.router.stats(world.now);
    assert_eq!((stats[0].reads, stats[0].ejected_for), (1, None), "another server is not to blame");
}

#[test]
fn reports_of_members_that_left_change_nothing() {
    let mut world = World::new(&[Role::Replica], Routing::default());
    world.router.set_members(Vec::new());
    assert_eq!(world.fails(0), None);
    world.router.served(world.ids[0], Access::Read);
    world.router.succeeded(world.ids[0], world.now);
    assert!(world.router.stats(world.now).is_empty());
    assert_eq!(world.ask(&REPLICA, &[]), None);
}

#[test]
fn shares_are_parts_of_what_was_read() {
    let mut world = World::new(&[Role::Primary, Role::Replica, Role::Analytics], Routing::default());
    assert_eq!(world.router.stats(world.now)[0].share, 0.0);
    for (index, access) in [(0, Access::Write), (1, Access::Read), (1, Access::Read), (2, Access::Analytics)]
    {
        world.router.served(world.ids[index], access);
    }
    let shares: Vec<_> = world.router.stats(world.now).iter().map(|member| member.share).collect();
    assert_eq!(shares, [0.0, 2.0 / 3.0, 1.0 / 3.0]);
}

/// One thing that happens to a group.
#[derive(Debug, Clone)]
enum Step {
    Fails(usize, bool),
    Succeeds(usize),
    Sickens(usize, bool),
    GoesDown(usize),
    ComesBack(usize),
    Fills(usize, u8),
    Passes(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let index = 0..6_usize;
    prop_oneof![
        3 => (index.clone(), any::<bool>()).prop_map(|(index, sure)| Step::Fails(index, sure)),
        2 => index.clone().prop_map(Step::Succeeds),
        2 => (index.clone(), any::<bool>()).prop_map(|(index, sick)| Step::Sickens(index, sick)),
        1 => index.clone().prop_map(Step::GoesDown),
        1 => index.clone().prop_map(Step::ComesBack),
        1 => (index, any::<u8>()).prop_map(|(index, fill)| Step::Fills(index, fill)),
        2 => (0..3_000_u64).prop_map(Step::Passes),
    ]
}

fn roles() -> impl Strategy<Value = Vec<Role>> {
    let role =
        prop_oneof![Just(Role::Primary), Just(Role::Replica), Just(Role::Replica), Just(Role::Analytics)];
    proptest::collection::vec(role, 1..6)
}

/// Checks everything that must hold at any time.
fn check(world: &mut World, roles: &[Role]) {
    let stats = world.router.stats(world.now);
    for role in [Role::Primary, Role::Replica, Role::Analytics] {
        let of_role: Vec<_> = stats.iter().filter(|member| member.role == role).collect();
        let ejected = of_role.iter().filter(|member| member.ejected_for.is_some()).count();
        let allowed = of_role.len() * usize::from(world.router.rules().max_ejection_percent) / 100;
        assert!(ejected <= allowed.max(1), "{ejected} of {} {role:?}", of_role.len());
        let left_out = world.left_out().into_iter().filter(|index| stats[*index].role == role).count();
        assert!(left_out <= allowed.max(1), "{left_out} of {} {role:?}", of_role.len());
    }
    let left_out = world.left_out();
    for member in &stats {
        assert!(member.ejected_for.is_none_or(|time| time <= world.router.rules().max_ejection_time));
    }
    for access in [Access::Read, Access::Write, Access::Analytics] {
        let fit: Vec<_> = (0..roles.len()).filter(|index| access.roles().contains(&roles[*index])).collect();
        // Whatever happened, each of them is asked once, and those that can be of use come first.
        let mut tried: Vec<usize> = Vec::new();
        while let Some(next) = world.next(access, &tried) {
            assert!(fit.contains(&next) && !tried.contains(&next));
            tried.push(next);
        }
        assert_eq!(tried.len(), fit.len());
        let uses: Vec<_> = tried
            .iter()
            .map(|index| match (world.looks[*index].up, left_out.contains(index)) {
                (true, false) => 0,
                (true, true) => 1,
                (false, _) => 2,
            })
            .collect();
        assert!(uses.is_sorted(), "{uses:?}");
        let places: Vec<_> = tried
            .iter()
            .zip(&uses)
            .map(|(index, usefulness)| {
                (*usefulness, access.roles().iter().position(|role| *role == roles[*index]))
            })
            .collect();
        assert!(places.is_sorted(), "{places:?}");
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_promises_hold(
        roles in roles(),
        percent in prop_oneof![Just(100_u8), 1..=100_u8],
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let rules = Routing { max_ejection_percent: percent, ..Routing::default() };
        let mut world = World::new(&roles, rules);
        for step in steps {
            let count = roles.len();
            match step {
                Step::Fails(index, sure) => {
                    let evidence = if sure { Evidence::Down } else { Evidence::Doubt };
                    let id = world.ids[index % count];
                    let before = world.ejected();
                    let time = world.router.failed(id, evidence, world.now, &mut world.random);
                    assert!(time.is_none() || !before.contains(&(index % count)));
                }
                Step::Succeeds(index) => world.router.succeeded(world.ids[index % count], world.now),
                Step::Sickens(index, unhealthy) => world.sickens(index % count, unhealthy),
                Step::GoesDown(index) => world.looks[index % count].up = false,
                Step::ComesBack(index) => world.looks[index % count].up = true,
                Step::Fills(index, fill) => world.looks[index % count].fill = f64::from(fill) / 100.0,
                Step::Passes(millis) => world.now += Duration::from_millis(millis),
            }
            check(&mut world, &roles);
        }
        // And all of it passes.
        world.now += seconds(31);
        assert!(world.ejected().is_empty());
    }
}
