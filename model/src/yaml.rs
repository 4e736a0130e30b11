//! YAML 1.1 as Go reads it.
