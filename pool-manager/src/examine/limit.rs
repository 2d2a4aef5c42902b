//! Whether all pools of one server together fit into it.
//!
//! What counts is the sum of `max_connections`: pools grow when there is much to do, all of them at the same time. And this
//! is one process; whoever runs several of them sets `server_max_connections` to what each may have.

use std::collections::BTreeMap;

use pool_config::{Driver, PoolConfig};

use super::Examined;
use super::report::{Check, Finding};

/// From this share of the limit on it is a warning: somebody has to be able to look into a server that is full.
const TIGHT: f64 = 0.8;

/// So many pools are named; of the others only the number is.
const SHOWN: usize = 5;

/// Which server: driver, host and port.
type Place = (&'static str, String, Option<u16>);

/// Adds a finding to each pool whose server tells its limit, or whose configuration does.
pub(super) fn judge(all: &mut [Examined]) {
    let mut servers: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
    for (index, examined) in all.iter().enumerate() {
        if let Some(place) = place_of(examined) {
            servers.entry(place).or_default().push(index);
        }
    }
    for indices in servers.values() {
        let pools: Vec<_> = indices.iter().map(|index| &all[*index]).collect();
        let findings: Vec<_> = pools.iter().map(|pool| finding(pool, &pools)).collect();
        for (index, finding) in indices.iter().zip(findings) {
            all[*index].findings.extend(finding);
        }
    }
}

fn place_of(examined: &Examined) -> Option<Place> {
    let target = examined.target.as_ref()?;
    let is_server = matches!(examined.pool.driver, Driver::Postgres | Driver::Mysql | Driver::Redis);
    is_server.then(|| (examined.pool.driver.as_str(), target.host.to_ascii_lowercase(), target.port))
}

/// The worse of two: whether all pools fit into the server, and whether those of one user fit into what that may have.
fn finding(examined: &Examined, of_server: &[&Examined]) -> Option<Finding> {
    let user = |examined: &Examined| examined.target.as_ref().map(|target| target.user.clone());
    let of_user: Vec<_> = of_server.iter().filter(|other| user(other) == user(examined)).copied().collect();
    let room_of_user = examined.facts.as_ref().and_then(|facts| facts.room.limit_of_user);
    let server = Limit::of_server(&examined.pool, of_server).map(|limit| Demand::of(of_server).judge(&limit));
    let user = room_of_user.map(|count| Demand::of(&of_user).judge(&Limit::of_user(count)));
    user.into_iter().chain(server).max_by_key(|finding| finding.status)
}

/// How many connections pools may open together.
struct Demand {
    total: u64,
    /// `orders 20 + stock 5`, if there are several.
    sum: Option<String>,
}

impl Demand {
    fn of(pools: &[&Examined]) -> Self {
        let mut sizes: Vec<_> = pools
            .iter()
            .map(|Examined { pool, .. }| (pool.settings.max_connections, pool.name.as_str()))
            .collect();
        let total = sizes.iter().map(|(size, _)| *size as u64).sum();
        // The largest first: there is most to be gained.
        sizes.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
        let mut parts: Vec<_> =
            sizes.iter().take(SHOWN).map(|(size, name)| format!("{name} {size}")).collect();
        if sizes.len() > SHOWN {
            parts.push(format!("{} others", sizes.len() - SHOWN));
        }
        Demand { total, sum: (parts.len() > 1).then(|| parts.join(" + ")) }
    }

    fn judge(&self, limit: &Limit) -> Finding {
        let Demand { total, sum } = self;
        let sum = sum.as_ref().map_or_else(String::new, |sum| format!(" ({sum})"));
        let in_use = limit.in_use.map_or_else(String::new, |count| format!("; {count} in use now"));
        let text =
            format!("up to {total} connections{sum} of the {} that {}{in_use}", limit.count, limit.whose);
        let cure =
            "lower `max_connections` of these pools, raise the limit, or put a pooler before the server";
        match () {
            () if *total > limit.count => Finding::failed(Check::Limit, text, cure),
            () if *total as f64 > limit.count as f64 * TIGHT => Finding::warning(Check::Limit, text, cure),
            () => Finding::ok(Check::Limit, text),
        }
    }
}

/// How many connections there may be, and who says so.
struct Limit {
    count: u64,
    whose: &'static str,
    in_use: Option<u64>,
}

impl Limit {
    /// What the configuration says goes first: it may be a share of the server.
    fn of_server(pool: &PoolConfig, all: &[&Examined]) -> Option<Self> {
        let told = all.iter().find_map(|examined| {
            let room = examined.facts.as_ref()?.room;
            Some((room.limit?, room.in_use))
        });
        let configured = pool.settings.session.server_max_connections as u64;
        match told {
            Some((count, in_use)) if configured == 0 || configured > count => {
                Some(Limit { count, whose: "the server takes", in_use })
            }
            _ if configured > 0 => {
                Some(Limit { count: configured, whose: "`server_max_connections` allows", in_use: None })
            }
            _ => None,
        }
    }

    fn of_user(count: u64) -> Self {
        Limit { count, whose: "the server allows this user", in_use: None }
    }
}
