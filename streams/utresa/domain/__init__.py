"""What the report means. Standard library and msgspec only: no clock, no I/O, no Kafka, no Faust."""
