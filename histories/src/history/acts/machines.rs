//! The acts on machines: trouble with the API server, the watch streams and the processes of the operator.

use std::time::Duration;

use super::super::{Event, History};
use super::drop_one;
use crate::{process::Process, script::Act, time};

impl History {
    /// Begins an act of a machine; returns how long it lasts, in seconds.
    pub(super) fn begin_on_machine(&mut self, act: Act) -> Option<u64> {
        let now = time::now();
        let mut lasts = None;
        match act {
            Act::ApiDown { for_ } => {
                self.wrong.down += 1;
                lasts = Some(for_);
            }
            Act::ApiCode { verb, code, for_ } => {
                self.wrong.codes.push((verb, code));
                lasts = Some(for_);
            }
            Act::ApiLoses { verb, for_ } => {
                self.wrong.loses.push(verb);
                lasts = Some(for_);
            }
            Act::ApiSlow { verb, seconds, for_ } => {
                self.wrong.slow.push((verb, seconds));
                lasts = Some(for_);
            }
            Act::Silence { for_, .. } => {
                self.wrong.silent += 1;
                lasts = Some(for_);
            }
            Act::Relist { back } => {
                self.wrong.stale = Some(now.saturating_sub(Duration::from_secs(back)));
                for process in self.processes.values_mut() {
                    process.position = None;
                }
                self.told_stream();
            }
            Act::Kill { after } => {
                self.processes.pop_first();
                lasts = Some(after);
            }
            Act::Freeze { for_ } => {
                let until = (now + Duration::from_secs(for_)).min(self.script.calm);
                if let Some((_, process)) = self.processes.iter_mut().next() {
                    process.frozen_until = until;
                }
                lasts = Some(for_);
            }
            Act::Second { for_ } => {
                self.start();
                lasts = Some(for_);
            }
            _ => {}
        }
        lasts
    }

    pub(super) fn end_on_machine(&mut self, act: Act) {
        match act {
            Act::ApiDown { .. } => self.wrong.down -= 1,
            Act::ApiCode { verb, code, .. } => drop_one(&mut self.wrong.codes, &(verb, code)),
            Act::ApiLoses { verb, .. } => drop_one(&mut self.wrong.loses, &verb),
            Act::ApiSlow { verb, seconds, .. } => drop_one(&mut self.wrong.slow, &(verb, seconds)),
            Act::Silence { ends, .. } => {
                self.wrong.silent -= 1;
                for process in self.processes.values_mut().filter(|_| ends) {
                    process.position = None;
                }
                self.told_stream();
            }
            Act::Kill { .. } if self.processes.is_empty() => self.start(),
            Act::Freeze { .. } => self.told.stood_still(),
            // The process that led before ends, so that one leads from here on.
            Act::Second { .. } if self.processes.len() > 1 => drop(self.processes.pop_first()),
            _ => {}
        }
    }

    pub(in crate::history) fn start(&mut self) {
        self.started += 1;
        let (id, seed) = (self.started, self.rng.u64(..));
        self.trace.note(time::now(), format_args!("process {id} starts"));
        self.processes.insert(id, Process::new(id, seed, self.script.rate, self.calls.clone()));
        let wait = self.latency();
        self.after(wait, Event::Stream(id));
    }
}
