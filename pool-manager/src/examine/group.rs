//! Whether the groups of pools can do what they are for: take writes, and spread reads.

use std::collections::BTreeMap;

use pool_config::Role;

use super::Examined;
use super::report::{Check, Finding};

/// Adds a finding to each pool that is in a group.
pub(super) fn judge(all: &mut [Examined]) {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, examined) in all.iter().enumerate() {
        if let Some(group) = &examined.pool.group {
            groups.entry(group.clone()).or_default().push(index);
        }
    }
    for (group, pools) in groups {
        let finding = {
            let members: Vec<_> = pools.iter().map(|index| &all[*index]).collect();
            finding(&group, &members)
        };
        for index in pools {
            all[index].findings.push(finding.clone());
        }
    }
}

fn finding(group: &str, members: &[&Examined]) -> Finding {
    let of = |role| members.iter().filter(move |member| member.pool.role == role);
    let working = |role| of(role).filter(|member| member.works()).count();
    let (primaries, replicas) = (of(Role::Primary).count(), of(Role::Replica).count());
    let (writing, reading) = (working(Role::Primary), working(Role::Replica));
    let text =
        format!("`{group}`: {writing} of {primaries} primaries and {reading} of {replicas} replicas work");
    if writing == 0 {
        let cure = if primaries == 0 {
            "give the group a pool with `role: primary`, or write to another group"
        } else {
            "see what is wrong with its primary; nothing can be written until then"
        };
        // A group of replicas alone may be meant so.
        return if primaries == 0 {
            Finding::warning(Check::Group, text, cure)
        } else {
            Finding::failed(Check::Group, text, cure)
        };
    }
    if let Some(twins) = twins(members) {
        let cure =
            "correct `host` of one of them; until then reading from replicas takes no load off the primary";
        return Finding::warning(
            Check::Group,
            format!("{text}, but {twins} lead to the same database"),
            cure,
        );
    }
    if reading < replicas {
        let cure =
            "see what is wrong with the others; reads go to those that work, and to the primary if none does";
        return Finding::warning(Check::Group, text, cure);
    }
    Finding::ok(Check::Group, text)
}

/// A primary and a replica that are the same.
fn twins(members: &[&Examined]) -> Option<String> {
    let of = |role| members.iter().filter(move |member| member.pool.role == role && member.target.is_some());
    of(Role::Primary).find_map(|primary| {
        let place = |member: &Examined| {
            let target = member.target.as_ref()?;
            Some((target.host.clone(), target.port, target.database.clone()))
        };
        let twin = of(Role::Replica).find(|replica| place(replica) == place(primary))?;
        Some(format!("`{}` and `{}`", primary.pool.name, twin.pool.name))
    })
}
