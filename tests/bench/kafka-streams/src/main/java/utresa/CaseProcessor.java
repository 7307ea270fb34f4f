package utresa;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.util.List;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import utresa.Definitions.Contribution;

/** The job: decode, fold into the case's row, write the row, and now and then what the partition's figures are. */
final class CaseProcessor implements Processor<byte[], byte[], byte[], byte[]> {
    static final String STORE = "cases";

    /** As many as Utresa's engine hands over at once. */
    private static final int BLOCK_RECORDS = 5000;

    private static final Duration LOOK_EVERY = Duration.ofMillis(50);

    private final Row.Codec codec = new Row.Codec();
    private final Tallies tallies = new Tallies();
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> rows;
    private long taken;
    private long looked;
    private long said;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        rows = context.getStateStore(STORE);
        try (KeyValueIterator<byte[], byte[]> all = rows.all()) {
            for (KeyValue<byte[], byte[]> one; all.hasNext(); ) {
                one = all.next();
                tallies.add(Definitions.contributions(codec.decode(one.value)), 1);
            }
        }
        context.schedule(LOOK_EVERY, PunctuationType.WALL_CLOCK_TIME, this::look);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        taken++;
        Row before = codec.decode(rows.get(record.key()));
        Row after = before.with(decode(record));
        if (after == before) {
            return;
        }
        rows.put(record.key(), codec.encode(after));
        List<Contribution> was = Definitions.contributions(before);
        List<Contribution> is = Definitions.contributions(after);
        if (!is.equals(was)) {
            tallies.add(was, -1);
            tallies.add(is, 1);
        }
    }

    private Row.Event decode(Record<byte[], byte[]> record) {
        Topic topic = Topic.of(context.recordMetadata().orElseThrow().topic());
        ByteBuffer wire = ByteBuffer.wrap(record.value());
        if (wire.get() != 0 || wire.getInt() != topic.schemaId) {
            throw new IllegalArgumentException("not the topic's record");
        }
        try {
            Registration registration = Registration.read(topic, codec.reading(record.value(), wire.position()));
            long ceTime = nanoseconds(header(record.headers(), "ce_time"));
            return new Row.Event(topic, ceTime, header(record.headers(), "ce_id"), registration);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** Since 1970. A time in UTC to the second, which all are here, is read by itself: Instant.parse costs a microsecond. */
    private static long nanoseconds(String time) {
        if (time.length() == 20 && time.charAt(19) == 'Z') {
            long day = LocalDate.of(digits(time, 0, 4), digits(time, 5, 7), digits(time, 8, 10)).toEpochDay();
            int second = digits(time, 11, 13) * 3600 + digits(time, 14, 16) * 60 + digits(time, 17, 19);
            return (day * 86_400 + second) * 1_000_000_000L;
        }
        Instant sent = Instant.parse(time);
        return sent.getEpochSecond() * 1_000_000_000L + sent.getNano();
    }

    private static int digits(String text, int start, int end) {
        return Integer.parseInt(text, start, end, 10);
    }

    private static String header(Headers headers, String name) {
        return new String(headers.lastHeader(name).value(), StandardCharsets.UTF_8);
    }

    /** Partials follow a block's worth of records, or when nothing has come since the last look. */
    private void look(long now) {
        boolean idle = taken == looked;
        looked = taken;
        if (taken > said && (idle || taken - said >= BLOCK_RECORDS)) {
            sendPartials(now);
        }
    }

    private void sendPartials(long now) {
        said = taken;
        try {
            tallies.takeChanged(
                    context.taskId().partition(),
                    (key, value) -> context.forward(new Record<>(key.getBytes(StandardCharsets.UTF_8), value, now)));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
