//! With the real peers, which `.ci/run` installs.
