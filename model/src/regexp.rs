//! Regular expressions in the dialect of Go.
