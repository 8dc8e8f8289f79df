//! What is wrong with a scenario, with its place in the file.

/// Why a scenario cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read the scenario {path}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The text is no YAML of this form; the message has the line.
    #[error("the scenario is not of the expected form: {0}")]
    Form(String),
    /// A value makes no sense.
    #[error("scenario: {place}: {problem}")]
    Value {
        /// Such as `clusters.*.tasks[0].steps[1].after`.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}
