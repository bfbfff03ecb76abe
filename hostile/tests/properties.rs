//! The properties, with bytes that proptest makes up and with every file of the corpora.
