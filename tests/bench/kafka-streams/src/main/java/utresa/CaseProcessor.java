package utresa;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
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

    private final Duration every;
    private final Row.Codec codec = new Row.Codec();
    private final Tallies tallies = new Tallies();
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> rows;

    CaseProcessor(Duration every) {
        this.every = every;
    }

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
        context.schedule(every, PunctuationType.WALL_CLOCK_TIME, this::sendPartials);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
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
            Instant sent = Instant.parse(header(record.headers(), "ce_time"));
            long ceTime = sent.getEpochSecond() * 1_000_000_000L + sent.getNano();
            return new Row.Event(topic, ceTime, header(record.headers(), "ce_id"), registration);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static String header(Headers headers, String name) {
        return new String(headers.lastHeader(name).value(), StandardCharsets.UTF_8);
    }

    private void sendPartials(long now) {
        try {
            tallies.takeChanged(
                    context.taskId().partition(),
                    (key, value) -> context.forward(new Record<>(key.getBytes(StandardCharsets.UTF_8), value, now)));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
