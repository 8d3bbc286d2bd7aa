//! What is broken, and for how long.

use super::Chaos;
use anyhow::Result;
use std::thread::sleep;
use std::time::Duration;

/// A part that is taken away for a while. Those that are killed get SIGKILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The runner is killed.
    Runner,
    /// The runner is killed, and once more soon after it is back: in the middle of its recovery.
    RunnerTwice,
    /// The Docker engine is killed with all of its containers.
    Engine,
    /// The Docker engine is told to stop, as for an update.
    EngineUpdate,
    /// Nginx is killed.
    Nginx,
    /// The worker is killed.
    Edge,
    /// Runner and edge do not reach each other.
    Network,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Runner,
        Self::RunnerTwice,
        Self::Engine,
        Self::EngineUpdate,
        Self::Nginx,
        Self::Edge,
        Self::Network,
    ];

    /// As a person says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runner => "the runner",
            Self::RunnerTwice => "the runner, twice",
            Self::Engine => "Docker and its containers",
            Self::EngineUpdate => "Docker, in order",
            Self::Nginx => "Nginx",
            Self::Edge => "the worker",
            Self::Network => "the network",
        }
    }
}

impl Chaos {
    /// Lets something happen to a random moment of what is under way, and brings it back.
    pub(super) fn suffer(&mut self, fault: Fault) -> Result<()> {
        self.pause(1200);
        match fault {
            Fault::Runner => self.lose_runner()?,
            Fault::RunnerTwice => {
                self.lose_runner()?;
                self.pause(400);
                self.lose_runner()?;
            }
            Fault::Engine => self.engine.power_cut()?,
            Fault::EngineUpdate => self.engine.restart()?,
            Fault::Nginx => self.here.server.nginx.restart()?,
            Fault::Edge => {
                self.here.edge.go_away();
                self.pause(1500);
                self.here.edge.come_back()?;
            }
            Fault::Network => {
                let away = Duration::from_millis(self.rng.u64(1000..14_000));
                self.apart += away;
                self.line.cut_during(|| sleep(away));
            }
        }
        Ok(())
    }

    fn lose_runner(&mut self) -> Result<()> {
        self.here.server.runner.kill();
        self.pause(800);
        self.here.server.runner.start()
    }

    fn pause(&mut self, most_ms: u64) {
        sleep(Duration::from_millis(self.rng.u64(..most_ms)));
    }
}
