import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import java.util.stream.Collectors;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Reads what Utresa publishes, with Kafka's client and Avro.
 *
 * <p>java -cp 'build/sample-jars/*' deploy/samples/ReadTopics.java statistics report revision freshness
 */
public class ReadTopics {
  static final Path SCHEMAS = Path.of("schemas/utresa_schemas");
  static final Map<Integer, GenericDatumReader<GenericRecord>> BY_ID = new HashMap<>();

  public static void main(String[] args) throws IOException {
    GenericData data = new GenericData();
    data.addLogicalTypeConversion(new Conversions.DecimalConversion());
    data.addLogicalTypeConversion(new TimeConversions.DateConversion());
    data.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
    for (JsonNode entry : new ObjectMapper().readTree(SCHEMAS.resolve("registry.json").toFile())) {
      String definition = Files.readString(SCHEMAS.resolve(entry.get("path").asText()));
      Schema schema = new Schema.Parser().parse(definition);
      BY_ID.put(entry.get("id").asInt(), new GenericDatumReader<>(schema, schema, data));
    }
    for (String what : args) {
      switch (what) {
        case "statistics" -> statistics();
        case "report" -> report();
        case "revision" -> revision();
        case "freshness" -> freshness();
        default -> throw new IllegalArgumentException(what);
      }
    }
  }

  /** The last record of a key is the figure; a tombstone takes it away. */
  static void statistics() {
    Map<String, Object> figures = new TreeMap<>();
    read("utresa.statistics.v1", (key, figure) -> {
      if (figure == null) {
        figures.remove(key);
      } else {
        figures.put(key, figure.get("value"));
      }
    });
    figures.forEach((key, value) -> System.out.println(key + " " + value));
  }

  /** Of several snapshots of one edition and year the one with the greatest version is the newest. */
  static void report() {
    Map<String, GenericRecord> newest = new TreeMap<>();
    read("utresa.report.v1", (key, snapshot) -> {
      if (snapshot != null) {
        newest.merge(key, snapshot, (a, b) -> (long) a.get("version") < (long) b.get("version") ? b : a);
      }
    });
    newest.forEach((key, snapshot) -> {
      System.out.printf("# %s version %s as of %s, %s%n",
          key, snapshot.get("version"), snapshot.get("as_of"), snapshot.get("status"));
      for (GenericRecord figure : records(snapshot, "figures")) {
        Map<?, ?> dims = (Map<?, ?>) figure.get("dims");
        String where = dims.entrySet().stream().map(dim -> dim.getKey() + "=" + dim.getValue()).sorted()
            .collect(Collectors.joining(","));
        System.out.println(snapshot.get("edition") + "/" + figure.get("measure") + "/" + snapshot.get("year")
            + (where.isEmpty() ? "" : "/" + where) + " " + figure.get("value"));
      }
    });
  }

  /** Each record is a change of a published figure, and stays; one that is told twice is one. */
  static void revision() {
    TreeSet<String> told = new TreeSet<>();
    read("utresa.revision.v1", (key, change) -> {
      if (change != null) {
        told.add(key + " " + change.get("old") + " -> " + change.get("new") + " by " + change.get("ce_id"));
      }
    });
    told.forEach(System.out::println);
  }

  /** The last record holds, for as long as it says. */
  static void freshness() {
    GenericRecord[] last = new GenericRecord[1];
    read("utresa.freshness.v1", (key, said) -> last[0] = said);
    GenericRecord said = last[0];
    if (said == null) {
      System.out.println("stale: nobody has said anything yet");
      return;
    }
    Instant until = ((Instant) said.get("at")).plusSeconds((int) said.get("good_for_seconds"));
    boolean stale = Instant.now().isAfter(until) || !records(said, "stale").isEmpty();
    System.out.println(stale ? "stale" : "fresh");
    for (GenericRecord agency : records(said, "complete_through")) {
      Instant through = (Instant) agency.get("through");
      System.out.println(agency.get("agency") + " complete through "
          + (through == null ? "unknown" : through.truncatedTo(ChronoUnit.SECONDS)));
    }
  }

  /** Key and value of every record of every partition, to where each ends now; a tombstone's value is null. */
  static void read(String topic, BiConsumer<String, GenericRecord> take) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", System.getenv("UTRESA_KAFKA"));
    settings.put("enable.auto.commit", "false");
    try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
          .map(one -> new TopicPartition(topic, one.partition())).toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
        for (var record : consumer.poll(Duration.ofSeconds(1))) {
          take.accept(record.key(), record.value() == null ? null : decode(record.value()));
        }
      }
    }
  }

  /** The magic byte, the schema's id, the body. */
  static GenericRecord decode(byte[] value) {
    ByteBuffer framed = ByteBuffer.wrap(value);
    if (framed.get() != 0) {
      throw new IllegalArgumentException("not in the Confluent wire format");
    }
    GenericDatumReader<GenericRecord> reader = BY_ID.get(framed.getInt());
    try {
      return reader.read(null, DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null));
    } catch (IOException error) {
      throw new IllegalArgumentException(error);
    }
  }

  @SuppressWarnings("unchecked")
  static List<GenericRecord> records(GenericRecord of, String field) {
    return (List<GenericRecord>) of.get(field);
  }
}
