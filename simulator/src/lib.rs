//! A CCE endpoint for tests and demos.
