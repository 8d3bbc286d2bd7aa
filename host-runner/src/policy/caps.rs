//! How much of this server a project may ask for.

use crate::table::Reader;
use devflow_protocol::project::Limits;
use std::fmt;

/// The most that a project's settings may name; None for no bound. Builds have at least 2048 MiB whatever is set here:
/// they end, and front-end bundlers need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caps {
    /// Memory of each of its containers, in MiB.
    memory_mib: Option<u32>,
    /// CPU of each of its containers, in thousandths of a core.
    cpu_milli: Option<u32>,
    /// PHP-FPM's children.
    max_children: Option<u32>,
}

impl Caps {
    /// Reads what a section says, and takes the rest from `inherited`.
    pub(super) fn read(section: &mut Reader<'_>, inherited: Self) -> Self {
        let mut cap = |key, least| section.integer(key, least..=i64::from(u32::MAX));
        Self {
            memory_mib: cap("memory_mib", 64).or(inherited.memory_mib),
            cpu_milli: cap("cpu_milli", 50).or(inherited.cpu_milli),
            max_children: cap("max_children", 1).or(inherited.max_children),
        }
    }

    fn all(self) -> [(&'static str, Option<u32>); 3] {
        [
            ("memory_mib", self.memory_mib),
            ("cpu_milli", self.cpu_milli),
            ("max_children", self.max_children),
        ]
    }

    /// Whether a project's settings stay within.
    ///
    /// # Errors
    /// One sentence: which setting is too high and where the bound is set.
    pub(super) fn judge(self, limits: &Limits) -> Result<(), String> {
        let wanted = [
            limits.memory_mib,
            limits.cpu_milli,
            u32::from(limits.max_children),
        ];
        for ((name, cap), wanted) in self.all().into_iter().zip(wanted) {
            if let Some(cap) = cap.filter(|cap| wanted > *cap) {
                return Err(format!(
                    "this server's policy allows the project a `{name}` of {cap}, and its settings say {wanted}; lower \
                     the setting, or see `{name}` in the server's policy.toml"
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Caps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: Vec<String> = self
            .all()
            .into_iter()
            .filter_map(|(name, cap)| Some(format!("{name} {}", cap?)))
            .collect();
        f.write_str(&if set.is_empty() {
            "whatever is asked for".to_owned()
        } else {
            set.join(", ")
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;
    use crate::samples;
    use devflow_protocol::job::Work;

    const POLICY: &str = "[allow]\nmemory_mib = 1024\ncpu_milli = 2000\n[projects.shop]\nmemory_mib = 2048\n";

    fn judged(slug: &str, set: impl Fn(&mut devflow_protocol::project::Limits)) -> Result<(), String> {
        let mut deploy = samples::deploy(slug);
        set(&mut deploy.spec.limits);
        let policy = Policy::parse(POLICY).expect("a valid policy");
        policy.judge(&Work::Deploy(Box::new(deploy)), None)
    }

    #[test]
    fn judge_bounds_what_a_project_may_ask_for() {
        assert_eq!(judged("blog", |limits| limits.memory_mib = 1024), Ok(()));
        assert_eq!(
            judged("blog", |limits| limits.memory_mib = 1025).expect_err("must be refused"),
            "this server's policy allows the project a `memory_mib` of 1024, and its settings say 1025; lower the \
             setting, or see `memory_mib` in the server's policy.toml"
        );
        // A project's own bound takes the place of the general one, the others stay.
        assert_eq!(judged("shop", |limits| limits.memory_mib = 2048), Ok(()));
        assert!(judged("shop", |limits| limits.cpu_milli = 2001).is_err());
        // What nobody bounds is free.
        assert_eq!(judged("shop", |limits| limits.max_children = 500), Ok(()));
    }
}
