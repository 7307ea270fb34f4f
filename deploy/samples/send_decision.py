"""Sends one decision of the Migration Agency to Utresa, with plain confluent-kafka and fastavro."""

import io
import json
import os
from datetime import date
from pathlib import Path

from confluent_kafka import Producer
from fastavro import schemaless_writer

DAY = date(2024, 5, 17)
DECISION = {
    **{"record_id": "sample-decision", "revision": 1, "retracted": False, "registered_on": DAY, "revised_on": DAY},
    **{"case_id": "sample-case", "kind": "REMOVAL", "decided_on": DAY, "final_on": None, "home_country": "IQ"},
    **{"immediate_enforcement": False, "withdrawn_application": False, "criminal_actor": False},
    **{"destination_countries": ["IQ"], "residence_countries": [], "sis_alert_ids": []},
}
HEADERS = {
    **{"ce_id": "sample-event", "ce_source": "migrationsverket", "ce_type": "utresa.Decision.v1"},
    **{"ce_time": "2024-05-17T08:30:00Z", "ce_specversion": "1.0"},
}

body = io.BytesIO()
schemaless_writer(body, json.loads(Path("schemas/utresa_schemas/shared/Decision.avsc").read_text()), DECISION)
value = (
    b"\x00" + (1).to_bytes(4, "big") + body.getvalue()
)  # magic byte, the schema's id as in registry.json, the record

producer = Producer({"bootstrap.servers": os.environ["UTRESA_KAFKA"], "partitioner": "murmur2_random", "acks": "all"})
topic, key = "migrationsverket.decision.v1", DECISION["case_id"]
producer.produce(topic, value, key, headers=HEADERS, on_delivery=lambda error, message: print(error or "Kafka has it"))
producer.flush()
