//! The live progress bar of `--watch` on a terminal, drawn on standard error, so that standard output holds results
//! alone.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::api::TaskStatus;
use crate::task::is_finished;

/// How often the spinner moves, to show that the command is alive between two polls.
const TICK: Duration = Duration::from_millis(250);

/// The bar, which is removed from the terminal when dropped.
pub struct Bar {
    drawn: ProgressBar,
    running: ProgressStyle,
    idle: ProgressStyle,
}

impl Bar {
    /// A bar that waits for the first answer.
    pub fn new() -> Self {
        // The templates are constants, so parsing one cannot fail; if it ever does, the default style will do.
        let style = |template| {
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
        };
        let running = style("{spinner} {prefix} [{wide_bar}] {msg}").progress_chars("=> ");
        let idle = style("{spinner} {wide_msg}");
        let bar = ProgressBar::new(100).with_style(idle.clone()).with_message("asking the cloud");
        bar.enable_steady_tick(TICK);
        Self { drawn: bar, running, idle }
    }

    /// Shows the newest backup.
    pub fn set(&self, newest: Option<&TaskStatus>) {
        let Some(task) = newest else {
            self.drawn.set_style(self.idle.clone());
            self.drawn.set_message("waiting for a backup");
            return;
        };
        let phase = task.phase.as_deref().unwrap_or("-");
        if is_finished(task) {
            self.drawn.set_style(self.idle.clone());
            self.drawn.set_message(format!("the newest backup is {phase}; waiting for the next"));
            return;
        }
        let progress = task.progress.map(|progress| format!(" {progress:>3}%")).unwrap_or_default();
        self.drawn.set_style(self.running.clone());
        self.drawn.set_prefix(task.uid.clone());
        self.drawn.set_position(task.progress.unwrap_or_default().into());
        self.drawn.set_message(format!("{phase}{progress}"));
    }

    /// Hides the bar while `write` writes to the terminal.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.drawn.suspend(write)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.drawn.finish_and_clear();
    }
}
