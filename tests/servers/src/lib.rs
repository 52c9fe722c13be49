//! Real brokers on this machine: started, harmed and ended by a test.
