package utresa;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/** A case: the latest revision of each of its registrations. */
final class Row {
    /** A revision of a registration as it was sent; ceTime is in nanoseconds since 1970. */
    record Event(Topic topic, long ceTime, String ceId, Registration record) {
        boolean sameRegistration(Event other) {
            return topic == other.topic && record.head().recordId().equals(other.record.head().recordId());
        }

        /** The order of revisions: the greatest (revision, ce_time, ce_id) holds. */
        boolean isLaterThan(Event other) {
            int order = Long.compare(record.head().revision(), other.record.head().revision());
            order = order != 0 ? order : Long.compare(ceTime, other.ceTime);
            return (order != 0 ? order : ceId.compareTo(other.ceId)) > 0;
        }
    }

    static final Row EMPTY = new Row(List.of());

    final List<Event> events;

    private Row(List<Event> events) {
        this.events = events;
    }

    /** The row after an event: this row when the event changes nothing. */
    Row with(Event event) {
        for (int place = 0; place < events.size(); place++) {
            Event held = events.get(place);
            if (held.sameRegistration(event)) {
                if (!event.isLaterThan(held)) {
                    return this;
                }
                List<Event> after = new ArrayList<>(events);
                after.set(place, event);
                return new Row(after);
            }
        }
        List<Event> after = new ArrayList<>(events.size() + 1);
        after.addAll(events);
        after.add(event);
        return new Row(after);
    }

    /** Rows to and from bytes; one for each task, since it reuses its buffers. */
    static final class Codec {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(4096);
        private BinaryEncoder encoder;
        private BinaryDecoder decoder;

        BinaryDecoder reading(byte[] from, int start) {
            decoder = DecoderFactory.get().binaryDecoder(from, start, from.length - start, decoder);
            return decoder;
        }

        byte[] encode(Row row) {
            try {
                bytes.reset();
                encoder = EncoderFactory.get().binaryEncoder(bytes, encoder);
                encoder.writeInt(row.events.size());
                for (Event event : row.events) {
                    encoder.writeEnum(event.topic.ordinal());
                    encoder.writeLong(event.ceTime);
                    encoder.writeString(event.ceId);
                    event.record.write(encoder);
                }
                encoder.flush();
                return bytes.toByteArray();
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }

        Row decode(byte[] row) {
            if (row == null) {
                return EMPTY;
            }
            try {
                BinaryDecoder in = reading(row, 0);
                int size = in.readInt();
                List<Event> events = new ArrayList<>(size);
                for (int place = 0; place < size; place++) {
                    Topic topic = Topic.ALL[in.readEnum()];
                    events.add(new Event(topic, in.readLong(), in.readString(), Registration.read(topic, in)));
                }
                return new Row(events);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }
}
